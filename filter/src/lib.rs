//! Farebox inside Envoy: one HTTP filter that checks who calls, picks the route, holds the money and meters
//! the answer. Callback by callback it is shown in `README.md`, "Life of a request".
//!
//! Every rule is in `farebox-core`; what is here only asks Envoy and tells Envoy.

#![deny(unsafe_code)]
#![cfg_attr(
    not(any(target_arch = "wasm32", test)),
    allow(dead_code, reason = "only Envoy's VM enters the filter, and tests do")
)]

mod attempt;
mod fleet;
mod gateway;
mod ledger_calls;
mod registry;
mod root;
mod vm;

#[cfg(test)]
#[allow(unsafe_code, reason = "it is what foreign function calls lead to")]
mod fake_host;
#[cfg(test)]
#[allow(unsafe_code, reason = "an environment variable is set before there is a second thread")]
mod tests;

#[cfg(target_arch = "wasm32")]
#[allow(missing_docs, unsafe_code, reason = "the SDK's macro exports the ABI's entry point")]
mod entry {
    use std::rc::Rc;

    use farebox_memory::SizeClasses;
    use proxy_wasm::traits::RootContext;
    use proxy_wasm::types::LogLevel;

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
