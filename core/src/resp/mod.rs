//! Decides how Valkey and Redis are spoken to: commands and replies of RESP2.
//!
//! A pipeline is written into one buffer and its replies are read from one. A reply may end anywhere: what is whole is
//! read, and what is cut is said to be cut.

mod command;
mod reply;

pub use command::push_command;
pub use reply::{Replies, Value};
