//! Follows one request through its callbacks: each asks the host, names the stages in order and tells the
//! host what came of them.
//!
//! ```text
//! ## New      => Reading (headers held) | Admitted (`headers_only`) | Refusing | Replied
//! ## Reading  => Admitted (forwarded) | Replied
//! ## Refusing => Replied
//! ## Admitted => Ended (in `on_log`, which takes the hold: it cannot be settled twice)
//! ```

mod access_log;
mod browser;
mod deferred_reply;
mod forward;
mod page;
mod response;
mod state;
mod upload;

use std::rc::Rc;

use farebox_core::base::headers::RequestHead;
use farebox_core::budget::admit::{self, AdmissionRequest};
use farebox_core::config::Config;
use farebox_core::denial::{Denial, Reply};
use farebox_core::dialect::{Api, Dialect, Served};
use farebox_core::exchange::Exchange;
use farebox_core::exchange::dispatch::Dispatch;
use farebox_core::failover::key_pool::KeyPool;
use farebox_core::request::context::RequestContext;
use farebox_core::request::cors::Visitor;
use farebox_core::request::identity::{claimed_key, identify};
use farebox_core::request::llm_request::{LlmRequest, LlmRequestError};
use farebox_core::request::resource::{Resource, UnknownPath, dialect_of};
use farebox_core::{json, pages};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::gateway::browser::tell;
use crate::gateway::page::page;
use crate::gateway::response::{bytes, is_via_upstream};
use crate::gateway::state::{Call, Reading, State};
use crate::gateway::upload::Upload;
use crate::host::shared_store::SharedStore;
use crate::host::{self, Buffer, HostError, Map};
use crate::vm::Vm;

/// One request.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) context_id: u32,
    pub(crate) config: Option<Rc<Config>>,
    pub(crate) vm: Rc<Vm>,
    pub(crate) context: RequestContext,
    /// The page in a browser that asks, if it may.
    visitor: Option<Visitor>,
    pub(crate) state: State,
}

impl Gateway {
    pub(crate) fn new(context_id: u32, config: Option<Rc<Config>>, vm: Rc<Vm>) -> Self {
        Self { context_id, config, vm, context: RequestContext::default(), visitor: None, state: State::New }
    }

    /// Request headers: who calls, and what for.
    fn read_head(&mut self, bodiless: bool) -> Result<Next, Denial> {
        let head = host::headers(Map::Request).map_err(|error| self.unsupported(error))?;
        let config = self.config.clone().ok_or(Denial::HostUnsupported)?;
        let now = self.context.arrived;
        self.context.read(&head);
        self.visitor = config.cors.as_ref().and_then(|cors| cors.visitor(&head));
        if let Some(reply) = self.visitor.as_ref().and_then(|visitor| visitor.preflight(&config, &head)) {
            return Ok(Next::Page(reply));
        }
        let resource = Resource::find(&config, &head);
        if let Ok(Resource::Endpoint(served)) = &resource {
            self.context.endpoint = Some(served.endpoint);
        }
        if matches!(resource, Ok(Resource::Health)) {
            return Ok(Next::Page(page(pages::HEALTH.into())));
        }
        let api = match &resource {
            Ok(Resource::Endpoint(served)) => Some(served.api),
            // Google's clients may have their key in the query of any path.
            _ => (dialect_of(&config, &head) == Dialect::Gemini).then_some(Api::Gemini),
        };
        let key = identify(&config, &head, api, now)
            .inspect_err(|_| self.context.claimed_key = claimed_key(&config, &head, api))?;
        self.context.key = Some(Rc::clone(&key));
        let resource = resource?;
        if let Some(page) = self.page_at(&resource, &config, &key, &head, now)? {
            return Ok(Next::Page(page));
        }
        let served = if let Resource::Endpoint(served) = resource { Some(served) } else { None };
        if self.context.length.unwrap_or(0) > config.request_body_bytes as u64 {
            return Err(Denial::TooLarge(config.request_body_bytes));
        }
        if bodiless {
            return Err(Denial::Body(LlmRequestError::Empty));
        }
        let free = served.as_ref().is_none_or(|served| !served.endpoint.is_charged());
        if let Some(served) = &served {
            if free {
                let mut counting = self.vm.counting.borrow_mut();
                counting.take(&key.id, config.count_requests_per_minute, now).map_err(Denial::Counts)?;
            } else if let Some(denial) = admit::used_up(&self.vm.ledger(&config), &config, &key, now) {
                return Err(denial);
            }
            if let Some(mode) = &config.headers_only {
                let request = LlmRequest::unread(served, &head, mode.model_header.as_deref())?;
                return Ok(Next::Send(self.admit(
                    &Call { config: Rc::clone(&config), key, head },
                    served,
                    &request,
                    &[],
                )?));
            }
        }
        // Where bodies are not read, nobody can say which model is meant.
        if config.headers_only.is_some() {
            return Err(Denial::UnknownEndpoint(UnknownPath::Unknown));
        }
        let mut upload = Upload::new(&self.vm, &config, &key, free);
        upload.announced(self.context.length, &self.context.attribution, &head, now)?;
        let dialect = served.as_ref().map_or(Dialect::Ollama, |served| served.endpoint.dialect());
        let waiting = self.vm.wait(self.context_id, &config, dialect, &self.context.request_id, true, now);
        Ok(Next::Wait(Reading { call: Call { config, key, head }, served, waiting, upload }))
    }

    /// The whole body is here: what is asked, where it goes, whether there is money for it.
    fn decide(&mut self, reading: Reading, served: &Served, size: usize) -> Result<Box<Exchange>, Denial> {
        let Reading { call, upload, .. } = reading;
        // A request does not wait for itself.
        drop(upload);
        let body = host::buffer(Buffer::RequestBody, 0, size).map_err(|error| self.unsupported(error))?;
        // Of two, a provider may believe the other one.
        if call.head.all("content-type").nth(1).is_some() {
            return Err(Denial::Body(LlmRequestError::NotAForm));
        }
        let content_type = call.head.first("content-type").unwrap_or_default();
        let request = LlmRequest::read(served, call.head.path(), content_type, &body)?;
        self.admit(&call, served, &request, &body)
    }

    /// What is asked is known: where it goes, whether there is money for it. Without its body if that is not read.
    fn admit(
        &mut self,
        call: &Call,
        served: &Served,
        request: &LlmRequest,
        body: &[u8],
    ) -> Result<Box<Exchange>, Denial> {
        let Call { config, key, head } = call;
        self.context.asks(request);
        let (ledger, now) = (self.vm.ledger(config), host::now());
        let draw = self.context.draw(self.context_id);
        let order = AdmissionRequest {
            config,
            key,
            attribution: &self.context.attribution,
            head,
            api: served.api,
            request,
            body,
            draw,
            in_cooldown: &|target| {
                let model = (&*target.model, served.endpoint.name());
                KeyPool::new(&SharedStore).choose(&target.provider, model, 0, draw, now).is_none()
            },
            recent: &self.vm.recent.borrow(),
            arrived: self.context.arrived,
            now,
        };
        self.vm.register(config, now);
        let admission = order.admit(&ledger)?;
        self.vm.uses(admission.hold.accounts());
        let dispatch = Dispatch { config, head, served, request, admission: &admission, body, draw };
        match forward::send(&dispatch, &self.vm, now) {
            Ok(sent) => {
                self.vm.begun();
                Ok(Exchange::new(Rc::clone(config), key, admission, (served.api, request), sent))
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
        self.vm.stop_waiting(self.context_id);
        let Some(served) = reading.served.take() else {
            return self.show(&reading.call.config, &reading.call.key, size);
        };
        match self.decide(reading, &served, size) {
            Ok(exchange) => {
                self.state = State::Admitted(exchange);
                Action::Continue
            }
            Err(denial) => self.deny(denial),
        }
    }

    pub(crate) fn deny(&mut self, denial: Denial) -> Action {
        let dialect = self.dialect();
        // Only a budget's refusal says when to come again.
        let now = if denial.budget_name().is_some() { host::now() } else { self.context.arrived };
        let reply = denial.reply(dialect, self.context.client, &self.context.request_id, now);
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
        self.vm.stop_waiting(self.context_id);
        self.context.status = Some(u64::from(reply.status));
        if let Err(error) = host::reply(reply.status, details, &reply.headers, &reply.body) {
            log::error!("a reply could not be sent: {error}");
        }
        // What was answered must not go on to a provider.
        Action::Pause
    }

    fn unsupported(&self, error: HostError) -> Denial {
        self.vm.host_unsupported(&error.to_string());
        Denial::HostUnsupported
    }
}

/// What follows on the request's headers.
enum Next {
    Page(Reply),
    Wait(Reading),
    Send(Box<Exchange>),
}

impl Context for Gateway {}

impl HttpContext for Gateway {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.context.arrived = host::now();
        match self.read_head(end_of_stream) {
            Ok(Next::Wait(reading)) => {
                self.state = State::Reading(reading);
                Action::Pause
            }
            Ok(Next::Send(exchange)) => {
                self.state = State::Admitted(exchange);
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
        self.vm.body_seen.set(true);
        let limit = reading.call.config.request_body_bytes;
        if size > limit {
            return self.deny(Denial::TooLarge(limit));
        }
        if end_of_stream {
            return self.body_complete(size);
        }
        match reading.upload.grow(size as u64, &self.context.attribution, &reading.call.head) {
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
                let limit = reading.call.config.request_body_bytes;
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
        self.context.status = status.or(self.context.status);
        match &mut self.state {
            State::Admitted(exchange) => {
                if let Some(denial) = response::begin(exchange, &head, status, end_of_stream, &self.vm) {
                    return self.mask(denial);
                }
                if let Some(visitor) = &self.visitor {
                    tell(visitor, &head);
                }
                if exchange.is_held() && !end_of_stream {
                    return Action::Pause;
                }
                // A body that was not read did not say so.
                self.context.stream |= exchange.config.headers_only.is_some() && exchange.is_stream();
            }
            // An answer of a provider to a request that was never let through.
            State::New | State::Reading(_) | State::Refusing(_) if is_via_upstream() => {
                self.vm.host_unsupported("a request was sent on while it was held");
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
        let State::Admitted(exchange) = &mut self.state else { return Action::Continue };
        let Some(piece) = exchange.release(size, end_of_stream, bytes, host::now) else {
            return Action::Pause;
        };
        self.answered(&piece, end_of_stream)
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        let State::Admitted(exchange) = &mut self.state else { return Action::Continue };
        // What was held was not read yet.
        if let Some(held) = exchange.release_all(bytes) {
            return self.answered(&held, true);
        }
        exchange.end_answer();
        Action::Continue
    }

    fn on_log(&mut self) {
        self.vm.forget(self.context_id);
        self.end(host::now());
    }
}
