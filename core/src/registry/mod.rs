//! Decides what keys, limits and teams are that can change while Envoys run: entries in the ledger's server, each with a
//! version, read by every Envoy and written by the command line.
//!
//! ```text
//! ## <prefix>:{registry}:entries   => a hash: name of an entry => its version and its JSON
//! ## <prefix>:{registry}:changes   => a sorted set: name => version of its last change, removals too
//! ## <prefix>:{registry}:meta      => a hash: the last version, the highest one of which the removal was forgotten, counts
//! ## <prefix>:{registry}:audit     => a stream: who changed what, before and after
//! ```
//!
//! What an entry's JSON may say is read by `config/read/entry.rs`, as the configuration is.

mod entry;
mod key_entry;
mod limit_entry;
mod name;
pub mod script;
mod settings;
mod team_entry;
mod write;

pub use entry::Entry;
pub use key_entry::{KeyEntry, KeyHash};
pub use limit_entry::{LimitEntry, Raised};
pub use name::EntryName;
pub use script::Keys;
pub use settings::{OnColdStart, RegistrySettings};
pub use team_entry::TeamEntry;
pub use write::{Change, Expected, Written, push_write, written};
