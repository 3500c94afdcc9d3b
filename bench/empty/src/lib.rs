//! Decides nothing: holds a request until all of its body is here and lets it go as it is.
//!
//! A filter that picks a route by what a body says cannot do less, so this is the floor of the mechanism: what the
//! benchmark measures above it is Farebox, what lies below is Envoy and its host of WebAssembly.
//!
//! Does not look at answers, and is nothing anywhere but in WebAssembly.

#![cfg(target_arch = "wasm32")]
#![allow(missing_docs)] // the SDK's macro writes a function without any

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Held))
    }
}

struct Held;

impl Context for Held {}

impl HttpContext for Held {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        until(end_of_stream)
    }

    fn on_http_request_body(&mut self, _: usize, end_of_stream: bool) -> Action {
        until(end_of_stream)
    }
}

fn until(end_of_stream: bool) -> Action {
    if end_of_stream { Action::Continue } else { Action::Pause }
}
