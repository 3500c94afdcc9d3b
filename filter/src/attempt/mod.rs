//! Follows one attempt to send a request through its callbacks: asks what it is to do, and tells Envoy.
//!
//! Envoy makes this context anew for every attempt, behind its router, in a VM of its own. The gateway has
//! addressed the first attempt and written down where else the request may go; the first attempt only says who is
//! next, and those after it are addressed here.
//!
//! ```text
//! ## request headers    => passed on (the only attempt, or the first) | held until the body is here
//! ## response headers   => passed on | held, if what follows may say that this was no answer
//! ## response body      => released with the first token | turned into a status that the router retries
//! ```
//!
//! A request is sent again by Envoy's router, as its retry policy says and as often as the request itself allows.
//! Never settles: the gateway does. Answers a client only where going on would be wrong.

mod reach;
pub(crate) mod retry;

use std::rc::Rc;

use farebox_core::config::Config;
use farebox_core::request::upstream::strip_credentials;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::attempt::retry::{Begun, Retry};
use crate::vm::Vm;
use farebox_hostcalls::{self as host, HostError, Map};

/// As large as a body can be: the host gives what there is.
const ALL: usize = usize::MAX;

/// One attempt.
#[derive(Debug)]
pub(crate) struct AttemptFilter {
    config: Option<Rc<Config>>,
    vm: Rc<Vm>,
    retry: Option<Retry>,
    /// It must not go on.
    refused: bool,
}

impl AttemptFilter {
    pub(crate) fn new(config: Option<Rc<Config>>, vm: Rc<Vm>) -> Self {
        Self { config, vm, retry: None, refused: false }
    }

    /// Addresses the attempt if it has to be, once `size` bytes of its body are all.
    fn address(&mut self, size: usize) -> Action {
        match &mut self.retry {
            Some(retry) if retry.wants_address() => match retry.address(size) {
                Ok(()) => Action::Continue,
                Err(error) => self.refuse("an attempt could not be addressed", error),
            },
            _ => Action::Continue,
        }
    }

    fn refuse(&mut self, why: &str, error: HostError) -> Action {
        self.vm.host_unsupported(&format!("{why}: {error}"));
        self.end("farebox_not_addressed")
    }

    /// Ends the request with the answer that Envoy gives when there is none. Whatever becomes of that, no credential
    /// goes on.
    fn end(&mut self, details: &str) -> Action {
        self.refused = true;
        if let Ok(head) = host::headers(Map::Request) {
            let _ = strip_credentials(&mut Map::Request, &head);
        }
        if host::reply(503, details, &[("content-type", "text/plain".into())], "no answer").is_err() {
            host::close_request();
        }
        Action::Pause
    }

    /// What to do with an answer that is `held`, or about which nothing could be found out.
    fn held(held: Option<Result<bool, HostError>>) -> Action {
        match held {
            Some(Ok(true)) => Action::Pause,
            Some(Ok(false)) | None => Action::Continue,
            Some(Err(error)) => {
                log::error!("an attempt's answer is passed on as it is: {error}");
                Action::Continue
            }
        }
    }
}

impl Context for AttemptFilter {}

impl HttpContext for AttemptFilter {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        match Retry::begin(self.config.as_ref(), &self.vm) {
            Ok(Begun::Only) => Action::Continue,
            Ok(Begun::Retry(retry)) => {
                let waits = retry.wants_address() && !end_of_stream;
                self.retry = Some(retry);
                if waits { Action::Pause } else { self.address(0) }
            }
            Ok(Begun::Repeat) => self.end("farebox_no_answer"),
            // Never on with what an earlier attempt left behind.
            Err(error) => self.refuse("an attempt cannot find out where to go", error),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let waits = !end_of_stream && self.retry.as_ref().is_some_and(Retry::wants_address);
        if self.refused || waits { Action::Pause } else { self.address(size) }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        // The body's callback is not told that the body ended when trailers follow.
        if self.refused { Action::Pause } else { self.address(ALL) }
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        Self::held(self.retry.as_mut().map(|retry| retry.answered(end_of_stream, &self.vm)))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        Self::held(self.retry.as_mut().map(|retry| retry.answering(size, end_of_stream, &self.vm)))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        Self::held(self.retry.as_mut().map(|retry| retry.ended(&self.vm)))
    }
}
