//! Farebox inside Envoy: one HTTP filter that checks who calls, picks the route, holds the money and meters
//! the answer. The life of a request, callback by callback:
//!
//! ```text
//! request headers   gateway             resource ▸ identity ▸ attribution; the headers are held   (Pause)
//! request body      gateway             llm_request ▸ admit (route ▸ estimate ▸ hold), then forward (Continue)
//! response headers  gateway/response    what kind of answer it is
//! response body     gateway/response    meter, on every piece as it passes; the hold grows with it
//! log               gateway/access_log  settlement ▸ record ▸ metrics, once, whatever way the stream ended
//! ```
//!
//! Every rule is in `farebox-core`; what is here only asks Envoy and tells Envoy.

#![cfg_attr(
    not(any(target_arch = "wasm32", test)),
    allow(dead_code, reason = "only Envoy's VM enters the filter, and tests do")
)]

#[cfg(any(target_arch = "wasm32", test))]
mod allocator;
mod attempt;
mod fleet;
mod gateway;
mod host;
#[cfg(any(target_arch = "wasm32", test))]
mod memory;
mod metrics;
mod root;
mod vm;

#[cfg(test)]
mod fake_host;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "wasm32")]
#[allow(missing_docs, unsafe_code, reason = "the SDK's macro exports the ABI's entry point")]
mod entry {
    use std::rc::Rc;

    use proxy_wasm::traits::RootContext;
    use proxy_wasm::types::LogLevel;

    use super::allocator::SizeClasses;
    use super::root::Root;
    use super::vm::Vm;

    #[global_allocator]
    static MEMORY: SizeClasses<std::alloc::System> = SizeClasses::over(std::alloc::System);

    // A VM has one thread, and a root context for every configuration that is pushed to it.
    thread_local! { static WORKER: Rc<Vm> = Rc::default(); }

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> {
            Box::new(Root::new(WORKER.with(Rc::clone)))
        });
    }}
}
