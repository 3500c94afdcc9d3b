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
pub mod hash;
pub mod money;
pub mod text;
pub mod tokens;
pub mod pattern;
pub mod window;
mod product;
mod word;

// Configuration.
pub mod config;

// The pipeline, in reading order: the request ...
pub mod place;
pub mod identity;
pub mod attribution;
pub mod bound_id;
pub mod dialect;
pub mod api;
pub mod ask;
pub mod splice;
pub mod usage_option;
pub mod repeat;
pub mod route;
pub mod keyring;
pub mod failure;
pub mod chain;
pub mod behind;
pub mod price;
pub mod recent;
pub mod estimate;
pub mod ledger;
pub mod subject;
pub mod admission;
pub mod order;
pub mod cors;
pub mod pending;
pub mod counting;
pub mod upload;
pub mod denial;
// ... and the answer.
pub mod meter;
pub mod last_event;
pub mod settlement;
pub mod sunk;
pub mod record;
pub mod pages;
