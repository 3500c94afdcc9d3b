//! Decides what a store of counters must offer: read with a version, write if the version still stands.
//!
//! That is all Proxy-Wasm shared data has, so the rules above it need nothing more. There is no delete
//! and no listing: keys must be bounded by whoever makes them.
//!
//! Does not know what the bytes mean.

use core::cell::RefCell;
use core::fmt;
use std::collections::HashMap;
use std::rc::Rc;

/// What was written when a value was read: a later write changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there.
    Stored,
    /// Somebody else wrote first; nothing was changed.
    Conflict,
}

/// A store that several workers write.
pub trait Store {
    /// The value of `key` with its version. `None`: never written.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError>;

    /// Writes `value` if `key` is still at `version`; with `None`, if it was never written.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError>;
}

/// Why a counter could not be read or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The host refused the call; its status.
    Host(u32),
    /// What is stored is not a counter that this version can read.
    Unreadable,
    /// Others wrote first, every time.
    Contended,
    /// The ledger of the fleet does not answer.
    OutOfReach,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(status) => write!(f, "the host refused a shared-data call with status {status}"),
            Self::Unreadable => f.write_str("a stored counter has an unknown format"),
            Self::OutOfReach => {
                f.write_str("the ledger that the fleet's budgets are kept in does not answer")
            }
            Self::Contended => f.write_str("a counter was changed by others at every attempt"),
        }
    }
}

impl core::error::Error for StoreError {}

/// A store in memory with the semantics of shared data: for tests and for trying things out.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Rc<RefCell<HashMap<String, Versioned>>>);

/// A value and which of its key's values it is.
type Versioned = (Vec<u8>, u32);

impl Store for MemoryStore {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        Ok(self.0.borrow().get(key).map(|(value, version)| (value.clone(), Version(*version))))
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        let mut values = self.0.borrow_mut();
        let current = values.get(key).map(|(_, version)| Version(*version));
        if current != version {
            return Ok(Put::Conflict);
        }
        let next = current.map_or(1, |version| version.0.wrapping_add(1));
        values.insert(key.to_owned(), (value.to_vec(), next));
        Ok(Put::Stored)
    }
}
