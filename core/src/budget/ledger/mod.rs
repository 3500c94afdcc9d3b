//! Decides what may be spent: counters that hold, settle and release, over a store that others write too.
//!
//! Checking a counter and adding to it later lets a thousand concurrent requests through a budget for
//! one. So what a request is expected to use is *held* first, in the same compare-and-set that checks the limit, or
//! out of a lease that one took. The real charge replaces it when the answer has ended.
//!
//! Does not know requests, keys or prices: see `budget/hold.rs` and `accounting/settlement.rs`.

mod account;
mod amounts;
mod shared;
mod budget;
mod registrations;
mod registry;
mod counter;
mod downgrade;
mod lease;
mod listed;
mod number;
mod record;
mod registered_limits;
mod room;
mod slots;
mod store;
#[cfg(test)]
mod tests;

pub use account::Account;
pub(crate) use account::Tag;
pub use amounts::{Amounts, Limits, Measure};
pub use budget::{AtLimit, Budget, Dimension, Mode, Overrides, Running, Scope, WhenAbsent, WhenFull};
pub use counter::Counter;
pub use downgrade::{Downgrade, Step};
pub use lease::Leases;
pub use listed::{Listed, NameSet, PROVEN_BY};
pub use registered_limits::RegisteredLimits;
pub use registry::BudgetRegistry;
pub use room::{Figures, Room, Short};
pub use shared::Ledger;
pub use store::{MemoryStore, Put, Store, StoreError, Version};

/// First byte of a stored record.
const FORMAT: u8 = 2;
