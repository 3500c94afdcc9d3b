//! Decides what may be spent: counters that hold, settle and release, over a store that others write too.
//!
//! Checking a counter and adding to it later lets a thousand concurrent requests through a budget for
//! one. So a request's worst case is *held* first, in the same compare-and-set that checks the limit,
//! and replaced by the real charge when the answer has ended.
//!
//! Does not know requests, keys or prices: see `admission.rs` and `settlement.rs`.

mod account;
mod book;
mod counter;
mod store;
#[cfg(test)]
mod tests;

pub use account::{Account, Budget, Per};
pub use book::{Ledger, Room, left};
pub use counter::{Counter, CounterError};
pub use store::{MemoryStore, Put, Store, StoreError, Version};

use crate::money::PicoUsd;

/// What a request uses, in every measure a budget may limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Money.
    pub usd: PicoUsd,
    /// Tokens, input and output together.
    pub tokens: u64,
    /// Requests.
    pub requests: u64,
}

impl Amounts {
    /// Both together, measure by measure; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            usd: self.usd.saturating_add(other.usd),
            tokens: self.tokens.saturating_add(other.tokens),
            requests: self.requests.saturating_add(other.requests),
        }
    }

    /// The difference, measure by measure, never below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            usd: self.usd.saturating_sub(other.usd),
            tokens: self.tokens.saturating_sub(other.tokens),
            requests: self.requests.saturating_sub(other.requests),
        }
    }
}

/// The most that may be used in one window. An unset measure is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Money.
    pub usd: Option<PicoUsd>,
    /// Tokens, input and output together.
    pub tokens: Option<u64>,
    /// Requests.
    pub requests: Option<u64>,
}

impl Limits {
    /// Whether `used` is within every limit.
    #[must_use]
    pub fn allow(&self, used: Amounts) -> bool {
        self.usd.is_none_or(|limit| used.usd <= limit)
            && self.tokens.is_none_or(|limit| used.tokens <= limit)
            && self.requests.is_none_or(|limit| used.requests <= limit)
    }
}
