//! What a request did cost, and what is written down of it.

pub mod metrics;
pub mod outcome;
pub mod settlement;
pub mod record;
