//! Follows one request through its callbacks: each asks the host, names the stages in order and tells the
//! host what came of them.
//!
//! ```text
//! ## New      => Reading (headers held) | Admitted (`headers_only`) | Asking | Refusing | Replied
//! ## Reading  => Admitted (forwarded) | Asking (the fleet's ledger) | Replied
//! ## Asking   => Admitted | Asking (once more) | Replied
//! ## Refusing => Replied
//! ## Admitted => Ended (in `on_log`, which takes the hold: it cannot be settled twice)
//! ```

mod access_log;
mod asking;
mod deferred_reply;
mod forward;
mod response;
mod state;
pub(crate) mod stream;
mod upload;

use std::rc::Rc;

use farebox_core::budget::admit::AdmissionRequest;
use farebox_core::denial::Denial;
use farebox_core::dialect::Served;
use farebox_core::exchange::Exchange;
use farebox_core::exchange::arrival::{Arrival, Call, Counts, is_free};
use farebox_core::exchange::dispatch::Dispatch;
use farebox_core::exchange::waiting::{self, Waiting};
use farebox_core::failover::key_pool::KeyPool;
use farebox_core::request::llm_request::LlmRequest;
use farebox_core::{json, pages};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use self::asking::Stop;
use self::response::{bytes, is_via_upstream};
pub(crate) use self::state::Gateway;
use self::state::{Asking, Reading, State};
use self::upload::Upload;
use farebox_hostcalls::evidence::StreamEvidence;
use farebox_hostcalls::shared_store::SharedStore;
use farebox_hostcalls::{self as host, Buffer, Map};

impl Gateway {
    /// Request headers: who calls, and what for. Says what the request is after that.
    fn read_head(&mut self, bodiless: bool) -> Result<Action, Stop> {
        let head = host::headers(Map::Request).map_err(|error| self.unsupported(error))?;
        let config = self.config.clone().ok_or(Denial::HostUnsupported)?;
        let counts = Counts {
            ledger: &self.vm.ledger_in(&config, self.turn),
            counting: &self.vm.counting,
            evidence: &StreamEvidence,
            callers: &self.vm.callers,
            registry: &self.vm.registry.registry,
        };
        match Arrival::of(&mut self.context, &config, head, bodiless, &counts)? {
            Arrival::Page(page) => Ok(self.show(page)),
            Arrival::Asks(asks) => Err(Stop::Asks(asks)),
            Arrival::Known(call, served, request) => {
                self.state = State::Admitted(self.admit(&call, &served, &request, &[])?);
                Ok(Action::Continue)
            }
            Arrival::Body(call, served) => {
                let mut upload = Upload::new(&self.vm, &call.config, &call.key, is_free(served.as_ref()));
                let (length, now) = (self.context.length, self.context.arrived);
                upload.announced(length, &self.context.attribution, &call.head, now)?;
                let dialect = waiting::dialect(self.context.endpoint);
                let waiting = Waiting::new(&config, &self.context, dialect);
                let waiting = self.vm.wait(self.context_id, waiting);
                self.state = State::Reading(Reading { call, served, waiting, upload });
                Ok(Action::Pause)
            }
        }
    }

    /// The whole body is here: what is asked, where it goes, whether there is money for it.
    fn decide(&mut self, asking: &Asking, size: usize) -> Result<Box<Exchange>, Stop> {
        let Asking { call, served, .. } = asking;
        let body = host::buffer(Buffer::RequestBody, 0, size).map_err(|error| self.unsupported(error))?;
        let request = call.read(served, &body)?;
        self.admit(call, served, &request, &body)
    }

    /// What is asked is known: where it goes, whether there is money for it. Without its body if that is not read.
    fn admit(
        &mut self,
        call: &Call,
        served: &Served,
        request: &LlmRequest,
        body: &[u8],
    ) -> Result<Box<Exchange>, Stop> {
        let Call { config, key, head } = call;
        self.context.asks(request);
        let (ledger, now) = (self.vm.ledger_in(config, self.turn), host::now());
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
        let admission = order.admit(&ledger).map_err(Stop::of)?;
        self.vm.budgets.uses(admission.hold.accounts());
        let dispatch = Dispatch { config, head, served, request, admission: &admission, body, draw };
        match forward::send(&dispatch, &self.vm, now) {
            Ok(sent) => {
                self.vm.metrics.request_begun();
                Ok(Exchange::new(Rc::clone(config), key, admission, (served.api, request), sent))
            }
            Err(error) => {
                admission.hold.release(&ledger, now);
                Err(self.unsupported(error).into())
            }
        }
    }

    /// Takes the next state out of a request whose body is complete.
    fn body_complete(&mut self, size: usize) -> Action {
        let State::Reading(reading) = core::mem::replace(&mut self.state, State::Ended) else {
            return Action::Pause;
        };
        self.vm.stop_waiting(self.context_id);
        let Reading { call, served, mut upload, .. } = reading;
        let Some(served) = served else {
            let body = host::buffer(Buffer::RequestBody, 0, size).map_err(|_| Denial::HostUnsupported);
            let page = body.and_then(|body| pages::show(&call.config, &call.key, &body));
            return match page {
                Ok(page) => self.show(page),
                Err(denial) => self.deny(denial),
            };
        };
        // A request does not wait for itself.
        upload.leave_lane();
        self.decide_or_ask(Asking { call, served, upload }, size)
    }

    /// What follows on its headers.
    fn head_complete(&mut self, bodiless: bool) -> Action {
        match self.read_head(bodiless) {
            Ok(action) => action,
            Err(Stop::Denied(denial)) => self.refuse(denial, bodiless),
            Err(Stop::Asks(asks)) => self.ask(&asks, None),
        }
    }
}

impl Context for Gateway {}

impl HttpContext for Gateway {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.context.arrived = host::now();
        self.head_complete(end_of_stream)
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
            State::New | State::Asking(_) | State::Replied(_) | State::Ended => Action::Pause,
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
                let is_held = exchange.is_held() && !end_of_stream;
                // A body that was not read did not say so.
                self.context.stream |=
                    !is_held && exchange.config.headers_only.is_some() && exchange.is_stream();
                self.tell_browser(&head);
                if is_held {
                    return Action::Pause;
                }
            }
            // An answer of a provider to a request that was never let through.
            State::New | State::Reading(_) | State::Asking(_) | State::Refusing(_) if is_via_upstream() => {
                self.vm.host_unsupported("a request was sent on while it was held");
                return self.deny(Denial::HostUnsupported);
            }
            State::New
            | State::Reading(_)
            | State::Asking(_)
            | State::Refusing(_)
            | State::Replied(_)
            | State::Ended => {
                self.tell_browser(&head);
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
