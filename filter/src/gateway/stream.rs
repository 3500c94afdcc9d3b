//! Decides who reaches a request: Envoy's callbacks, and while it waits for the ledger its worker as well.
//!
//! Envoy says nothing more to a request whose body has ended and which is then let go on. So who lets it go on has to do
//! all that is left: see [`Fleet`](crate::fleet::Fleet). Most requests never wait, and stay where Envoy put them.

use core::cell::RefCell;
use core::mem;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::Gateway;
use super::state::State;

/// A request as Envoy has it.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "Envoy keeps it in a box, and almost all are of the large kind")]
pub(crate) enum Stream {
    Own(Gateway),
    /// It waits or has waited.
    Shared(Rc<RefCell<Gateway>>),
    /// It is on its way from one to the other.
    Moving,
}

impl Stream {
    fn with(&mut self, act: impl FnOnce(&mut Gateway) -> Action) -> Action {
        match self {
            Self::Own(gateway) => act(gateway),
            Self::Shared(gateway) => act(&mut gateway.borrow_mut()),
            Self::Moving => Action::Pause,
        }
    }

    /// The same for what may make it wait.
    fn with_request(&mut self, act: impl FnOnce(&mut Gateway) -> Action) -> Action {
        let action = self.with(act);
        if let Self::Own(Gateway { state: State::Asking(_), .. }) = self
            && let Self::Own(gateway) = mem::replace(self, Self::Moving)
        {
            let (context, vm) = (gateway.context_id, Rc::clone(&gateway.vm));
            let gateway = Rc::new(RefCell::new(gateway));
            vm.fleet.wait(context, Rc::<RefCell<Gateway>>::clone(&gateway));
            *self = Self::Shared(gateway);
        }
        action
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        self.with_request(|gateway| gateway.on_http_request_headers(count, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.with_request(|gateway| gateway.on_http_request_body(size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.with_request(|gateway| gateway.on_http_request_trailers(count))
    }

    fn on_http_response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        self.with(|gateway| gateway.on_http_response_headers(count, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.with(|gateway| gateway.on_http_response_body(size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.with(|gateway| gateway.on_http_response_trailers(count))
    }

    fn on_log(&mut self) {
        self.with(|gateway| {
            gateway.on_log();
            Action::Continue
        });
    }
}
