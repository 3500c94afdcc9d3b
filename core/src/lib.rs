//! Farebox's rules: who is calling, where the call goes, what it may cost and what it did cost.
//!
//! Pure Rust: no Envoy, no clock, no I/O. A request passes the modules in this order:
//!
//! ```text
//! RequestHead ─identity▸ Key ─────────────┐
//! body bytes ──llm_request▸ LlmRequest ───┴─route▸ Plan ─estimate▸ Estimate ─hold▸ Hold ──▸ upstream
//!                                                                         └▸ Denial ─▸ reply
//! response bytes ─meter▸ Reading ──┐
//!                          Hold ───┴─settlement▸ Charge ─record▸ log line, metrics
//! ```

#![forbid(unsafe_code)]

pub mod base;
pub mod json;
pub mod config;
pub mod dialect;

// The life of a request, in reading order.
pub mod request;
pub mod resp;
pub mod pricing;
pub mod budget;
pub mod failover;
pub mod response;
pub mod accounting;
pub mod exchange;
pub mod denial;
pub mod pages;
