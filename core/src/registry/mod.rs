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
//! ```text
//! ## sync.rs    => which worker asks the server, when, and what an answer means
//! ## merge.rs   => what an answer changes in what the workers of a process share
//! ## view.rs    => what one worker makes of that, and what a request is told
//! ```
//!
//! What an entry's JSON may say is read by `config/read/entry.rs`, as the configuration is.

mod entry;
mod head;
mod key_entry;
mod lease;
mod limit_entry;
mod merge;
mod name;
mod page;
mod record;
mod reader;
mod registered;
pub mod script;
mod settings;
mod store_names;
mod sync;
mod team_entry;
#[cfg(test)]
mod tests;
pub mod told;
mod view;
mod write;

pub use entry::Entry;
pub use key_entry::{KeyEntry, KeyHash};
pub use limit_entry::{LimitEntry, Raised};
pub use name::EntryName;
pub use page::{Changed, Page};
pub use reader::{At, Registry, Standing};
pub use registered::{Readiness, Refused, Registered, RegisteredKey};
pub use script::Keys;
pub use settings::{OnColdStart, RegistrySettings};
pub use sync::RegistryNotice;
pub use team_entry::TeamEntry;
pub use write::{Change, Expected, Written, push_write, written};
