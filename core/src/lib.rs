//! Farebox's rules: who is calling, where the call goes, what it may cost and what it did cost.
//!
//! Pure Rust: no Envoy, no clock, no I/O. In which order a request passes the modules is shown in `README.md`, "Life of a
//! request".

#![forbid(unsafe_code)]

pub mod base;
pub mod json;
pub mod config;
pub mod dialect;

// The life of a request, in reading order.
pub mod request;
pub mod resp;
pub mod registry;
pub mod pricing;
pub mod budget;
pub mod failover;
pub mod response;
pub mod accounting;
pub mod exchange;
pub mod denial;
pub mod pages;
