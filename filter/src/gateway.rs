//! Follows one request through its callbacks: each asks the host, names the stages in order and tells the
//! host what came of them.
//!
//! ```text
//! ## New      => Reading (headers held) | Admitted (`headers_only`) | Refusing | Replied
//! ## Reading  => Admitted (forwarded) | Replied
//! ## Refusing => Replied
//! ## Admitted => Ended (in `on_log`, which takes the hold: it cannot be settled twice)
//! ```

use std::rc::Rc;

use farebox_core::ask::{Ask, AskError};
use farebox_core::config::{Config, Key};
use farebox_core::cors::Visitor;
use farebox_core::denial::{Denial, Reply};
use farebox_core::dialect::{Api, Dialect, Served};
use farebox_core::head::RequestHead;
use farebox_core::identity::{claimed, identify};
use farebox_core::keyring::Keyring;
use farebox_core::order::{self, Order};
use farebox_core::place::{Lost, Place, dialect_of};
use farebox_core::usage_option::may_ask;
use farebox_core::{json, pages};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::answer::{Admitted, is_via_upstream};
use crate::browser::tell;
use crate::forward::Departure;
use crate::host::{self, Buffer, HostError, Map};
use crate::page::page;
use crate::refusal::Refusing;
use crate::seen::Seen;
use crate::shared_store::SharedStore;
use crate::upload::Upload;
use crate::worker::{Waiting, Worker};

/// One request.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) context: u32,
    pub(crate) config: Option<Rc<Config>>,
    pub(crate) worker: Rc<Worker>,
    pub(crate) seen: Seen,
    /// The page in a browser that asks, if it may.
    visitor: Option<Visitor>,
    pub(crate) state: State,
}

#[derive(Debug)]
pub(crate) enum State {
    New,
    Reading(Reading),
    /// Will be refused when its body is here.
    Refusing(Refusing),
    Admitted(Box<Admitted>),
    /// The gateway answered; why, if it was a refusal.
    Replied(Option<Denial>),
    Ended,
}

/// A request whose headers are held until its body is here.
#[derive(Debug)]
pub(crate) struct Reading {
    config: Rc<Config>,
    key: Rc<Key>,
    /// What it is asked for; `None`: a page about a model.
    served: Option<Served>,
    head: RequestHead,
    pub(crate) waiting: Rc<Waiting>,
    upload: Upload,
}

impl Gateway {
    pub(crate) fn new(context: u32, config: Option<Rc<Config>>, worker: Rc<Worker>) -> Self {
        Self { context, config, worker, seen: Seen::default(), visitor: None, state: State::New }
    }

    /// Request headers: who calls, and what for.
    fn arrive(&mut self, bodiless: bool) -> Result<Next, Denial> {
        let head = host::headers(Map::Request).map_err(|error| self.unsupported(error))?;
        let config = self.config.clone().ok_or(Denial::HostUnsupported)?;
        let now = self.seen.arrived;
        self.seen.arrive(&head);
        self.visitor = config.cors.as_ref().and_then(|cors| cors.visitor(&head));
        if let Some(reply) = self.visitor.as_ref().and_then(|visitor| visitor.preflight(&config, &head)) {
            return Ok(Next::Page(reply));
        }
        let place = Place::find(&config, &head);
        if let Ok(Place::Endpoint(served)) = &place {
            self.seen.endpoint = Some(served.endpoint);
        }
        if matches!(place, Ok(Place::Health)) {
            return Ok(Next::Page(page(pages::HEALTH.into())));
        }
        let api = match &place {
            Ok(Place::Endpoint(served)) => Some(served.api),
            // Google's clients may have their key in the query of any path.
            _ => (dialect_of(&config, &head) == Dialect::Gemini).then_some(Api::Gemini),
        };
        let key = identify(&config, &head, api, now)
            .inspect_err(|_| self.seen.claimed = claimed(&config, &head, api))?;
        self.seen.key = Some(Rc::clone(&key));
        let place = place?;
        if let Some(page) = self.page_at(&place, &config, &key, &head, now)? {
            return Ok(Next::Page(page));
        }
        let served = if let Place::Endpoint(served) = place { Some(served) } else { None };
        if self.seen.length.unwrap_or(0) > config.request_body_bytes as u64 {
            return Err(Denial::TooLarge(config.request_body_bytes));
        }
        if bodiless {
            return Err(Denial::Body(AskError::Empty));
        }
        let free = served.as_ref().is_none_or(|served| !served.endpoint.is_charged());
        if let Some(served) = &served {
            if free {
                let mut counting = self.worker.counting.borrow_mut();
                counting.take(&key.id, config.count_requests_per_minute, now).map_err(Denial::Counts)?;
            } else if let Some(denial) = order::used_up(&self.worker.ledger(&config), &config, &key, now) {
                return Err(denial);
            }
            if let Some(mode) = &config.headers_only {
                let ask = Ask::unread(served, &head, mode.model_header.as_deref())?;
                let admitted = self.send(Rc::clone(&config), &key, served, &head, &ask, &[])?;
                return Ok(Next::Send(admitted));
            }
        }
        // Where bodies are not read, nobody can say which model is meant.
        if config.headers_only.is_some() {
            return Err(Denial::UnknownEndpoint(Lost::Unknown));
        }
        let mut upload = Upload::new(&self.worker, &config, &key, free);
        upload.announced(self.seen.length, &self.seen.said, &head, now)?;
        let dialect = served.as_ref().map_or(Dialect::Ollama, |served| served.endpoint.dialect());
        let waiting = self.worker.wait(self.context, &config, dialect, &self.seen.request_id, true, now);
        Ok(Next::Wait(Reading { config, key, served, head, waiting, upload }))
    }

    /// The whole body is here: what is asked, where it goes, whether there is money for it.
    fn decide(&mut self, reading: Reading, served: &Served, size: usize) -> Result<Box<Admitted>, Denial> {
        let Reading { config, key, head, upload, .. } = reading;
        // A request does not wait for itself.
        drop(upload);
        let body = host::buffer(Buffer::RequestBody, 0, size).map_err(|error| self.unsupported(error))?;
        // Of two, a provider may believe the other one.
        if head.all("content-type").nth(1).is_some() {
            return Err(Denial::Body(AskError::NotAForm));
        }
        let content_type = head.first("content-type").unwrap_or_default();
        let ask = Ask::read(served, head.path(), content_type, &body)?;
        self.send(config, &key, served, &head, &ask, &body)
    }

    /// What is asked is known: where it goes, whether there is money for it. Without its body if that is not read.
    fn send(
        &mut self,
        config: Rc<Config>,
        key: &Key,
        served: &Served,
        head: &RequestHead,
        ask: &Ask,
        body: &[u8],
    ) -> Result<Box<Admitted>, Denial> {
        let endpoint = served.endpoint;
        self.seen.said = core::mem::take(&mut self.seen.said).or(&ask.named);
        self.seen.model.clone_from(&ask.model);
        self.seen.stream = ask.stream;
        let (ledger, now) = (self.worker.ledger(&config), host::now());
        let draw = self.seen.draw(self.context);
        let keyring = Keyring::new(&SharedStore);
        let order = Order {
            config: &config,
            key,
            said: &self.seen.said,
            head,
            api: served.api,
            ask,
            body,
            draw,
            rests: &|place| {
                keyring.choose(&place.provider, (&place.model, endpoint.name()), 0, draw, now).is_none()
            },
            recent: &self.worker.recent.borrow(),
            arrived: self.seen.arrived,
            now,
        };
        self.worker.claim(&config, now);
        let admission = order.place(&ledger)?;
        self.worker.uses(admission.hold.accounts());
        let hides_usage = ask.stream
            && !ask.wants_usage
            && may_ask(&admission.target.provider, served, head.target(), body);
        let departure = Departure {
            config: &config,
            worker: &self.worker,
            head,
            served,
            ask,
            admission: &admission,
            body,
            asks_for_usage: hides_usage,
            draw,
            now,
        };
        match departure.send() {
            Ok(sent) => {
                self.worker.begun();
                Ok(Admitted::new(config, key, admission, served.api, ask, hides_usage, sent))
            }
            Err(error) => {
                admission.hold.release(&ledger, now);
                Err(self.unsupported(error))
            }
        }
    }

    /// Takes the next state out of a request whose body is complete.
    fn body_complete(&mut self, size: usize) -> Action {
        let State::Reading(mut reading) = core::mem::replace(&mut self.state, State::Ended) else {
            return Action::Pause;
        };
        self.worker.stop_waiting(self.context);
        let Some(served) = reading.served.take() else {
            return self.show(&reading.config, &reading.key, size);
        };
        match self.decide(reading, &served, size) {
            Ok(admitted) => {
                self.state = State::Admitted(admitted);
                Action::Continue
            }
            Err(denial) => self.deny(denial),
        }
    }

    pub(crate) fn deny(&mut self, denial: Denial) -> Action {
        let dialect = self.dialect();
        // Only a budget's refusal says when to come again.
        let now = if denial.budget_name().is_some() { host::now() } else { self.seen.arrived };
        let reply = denial.reply(dialect, self.seen.client, &self.seen.request_id, now);
        if let Denial::Store(error) = &denial {
            log::error!("a request was refused because budgets cannot be checked: {error}");
        }
        let details = ["farebox_denied_", denial.reason()].concat();
        self.state = State::Replied(Some(denial));
        self.reply(reply, &details)
    }

    pub(crate) fn reply(&mut self, mut reply: Reply, details: &str) -> Action {
        if let Some(visitor) = self.visitor.as_ref().filter(|_| reply.status != 204) {
            reply.headers.extend(visitor.headers(&RequestHead::default()));
        }
        self.worker.stop_waiting(self.context);
        self.seen.status = Some(u64::from(reply.status));
        if let Err(error) = host::reply(reply.status, details, &reply.headers, &reply.body) {
            log::error!("a reply could not be sent: {error}");
        }
        // What was answered must not go on to a provider.
        Action::Pause
    }

    fn unsupported(&self, error: HostError) -> Denial {
        self.worker.host_unsupported(&error.to_string());
        Denial::HostUnsupported
    }
}

/// What follows on the request's headers.
enum Next {
    Page(Reply),
    Wait(Reading),
    Send(Box<Admitted>),
}

impl Context for Gateway {}

impl HttpContext for Gateway {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.seen.arrived = host::now();
        match self.arrive(end_of_stream) {
            Ok(Next::Wait(reading)) => {
                self.state = State::Reading(reading);
                Action::Pause
            }
            Ok(Next::Send(admitted)) => {
                self.state = State::Admitted(admitted);
                Action::Continue
            }
            Ok(Next::Page(reply)) => {
                self.state = State::Replied(None);
                self.reply(reply, "farebox_page")
            }
            Err(denial) => self.refuse(denial, end_of_stream),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if let Some(action) = self.too_late() {
            return action;
        }
        if matches!(self.state, State::Refusing(_)) {
            return self.refuse_at_last(size, end_of_stream);
        }
        let State::Reading(reading) = &mut self.state else {
            return if matches!(self.state, State::Admitted(_)) { Action::Continue } else { Action::Pause };
        };
        self.worker.body_seen.set(true);
        let limit = reading.config.request_body_bytes;
        if size > limit {
            return self.deny(Denial::TooLarge(limit));
        }
        if end_of_stream {
            return self.body_complete(size);
        }
        match reading.upload.grow(size as u64, &self.seen.said, &reading.head) {
            Ok(()) => Action::Pause,
            Err(denial) => self.deny(denial),
        }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if let Some(action) = self.too_late() {
            return action;
        }
        match &self.state {
            // The body's callback is not told that the body ended when trailers follow.
            State::Reading(reading) => {
                let limit = reading.config.request_body_bytes;
                self.body_complete(limit)
            }
            State::Refusing(_) => self.refuse_at_last(0, true),
            State::Admitted(_) => Action::Continue,
            State::New | State::Replied(_) | State::Ended => Action::Pause,
        }
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        // What was answered here is known.
        if matches!(self.state, State::Replied(_)) {
            return Action::Continue;
        }
        let head = host::headers(Map::Response).unwrap_or_default();
        let status = head.first(":status").and_then(json::count);
        self.seen.status = status.or(self.seen.status);
        match &mut self.state {
            State::Admitted(admitted) => {
                if let Some(denial) = admitted.begin(&head, status, end_of_stream, &self.worker) {
                    return self.mask(denial);
                }
                if let Some(visitor) = &self.visitor {
                    tell(visitor, &head);
                }
                if admitted.doubt.is_some() && !end_of_stream {
                    return Action::Pause;
                }
                // A body that was not read did not say so.
                self.seen.stream |= admitted.config.headers_only.is_some() && admitted.is_stream();
            }
            // An answer of a provider to a request that was never let through.
            State::New | State::Reading(_) | State::Refusing(_) if is_via_upstream() => {
                self.worker.host_unsupported("a request was sent on while it was held");
                return self.deny(Denial::HostUnsupported);
            }
            State::New | State::Reading(_) | State::Refusing(_) | State::Replied(_) | State::Ended => {
                if let Some(visitor) = &self.visitor {
                    tell(visitor, &head);
                }
            }
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let State::Admitted(admitted) = &mut self.state else { return Action::Continue };
        let Some(piece) = admitted.released(size, end_of_stream) else { return Action::Pause };
        self.answered(&piece, end_of_stream)
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        let State::Admitted(admitted) = &mut self.state else { return Action::Continue };
        // What was held was not read yet.
        if let Some(held) = admitted.held() {
            return self.answered(&held, true);
        }
        admitted.complete = true;
        Action::Continue
    }

    fn on_log(&mut self) {
        self.worker.forget(self.context);
        self.end(host::now());
    }
}
