//! Farebox's rules: who is calling, where the call goes, what it may cost and what it did cost.
//!
//! Pure Rust: no Envoy, no clock, no I/O. A request passes the modules in this order:
//!
//! ```text
//! RequestHead ─identity▸ Caller ─┐
//! body bytes ─────ask▸ Ask ──────┴─route▸ Plan ─estimate▸ Estimate ─admission▸ Hold ──▸ upstream
//!                                                                   └▸ Denial ─▸ reply
//! response bytes ─meter▸ Usage ──┐
//!                         Hold ──┴─settlement▸ Charge ─record▸ log line, metrics
//! ```

#![forbid(unsafe_code)]

// Values.
pub mod head;
pub mod json;
pub mod money;
pub mod text;
pub mod tokens;
pub mod window;

// Configuration.
pub mod config;

// The pipeline, in reading order.
pub mod ask;
pub mod dialect;
pub mod ledger;
pub mod meter;
pub mod price;
pub mod splice;
