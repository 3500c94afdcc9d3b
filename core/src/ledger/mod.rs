//! Decides what may be spent: counters that hold, settle and release, over a store that others write too.
//!
//! Checking a counter and adding to it later lets a thousand concurrent requests through a budget for
//! one. So a request's worst case is *held* first, in the same compare-and-set that checks the limit,
//! and replaced by the real charge when the answer has ended.
//!
//! Does not know requests, keys or prices: see `admission.rs` and `settlement.rs`.

mod account;
mod amounts;
mod book;
mod budget;
mod claimed;
mod claims;
mod counter;
mod downgrade;
mod lease;
mod number;
mod records;
mod room;
mod slots;
mod store;
#[cfg(test)]
mod tests;

pub use account::Account;
pub use amounts::{Amounts, Limits, Measure};
pub use book::Ledger;
pub use budget::{AtLimit, Budget, Dimension, Mode, Overrides, Running, WhenAbsent, WhenFull};
pub use claims::Claims;
pub use counter::Counter;
pub use downgrade::{Downgrade, Step};
pub use lease::Leases;
pub use room::{Figures, Room, Short};
pub use store::{MemoryStore, Put, Store, StoreError, Version};

/// First byte of a stored record.
const FORMAT: u8 = 2;
