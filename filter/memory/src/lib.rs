//! Decides how the VM's memory is handed out and compared, where wasi-libc is slow at it.
//!
//! Knows nothing of Envoy or of requests.

#[cfg(any(target_arch = "wasm32", test))]
mod compare;
mod size_classes;

pub use size_classes::SizeClasses;
