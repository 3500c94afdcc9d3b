//! What becomes of an attempt that fails: whose fault it was, which key or target is next, and what it has cost.

pub mod aftermath;
pub mod attempt_log;
pub mod attempt_state;
pub mod classify;
pub mod key_pool;
pub mod ongoing;
pub mod verdict;
pub mod reach;
pub mod limitation;
pub mod plan;
pub mod failed_usage;
