//! Decides what is said to who asks a counter for room.

use super::{Account, Amounts, Counter, Limits, Measure};

/// What came of asking a counter for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Held.
    Held {
        /// The epoch the hold belongs to; of one that is part of a lease, none that there is.
        epoch: u64,
        /// How much of the nearest limit is spent and held now, in percent.
        percent: u64,
        /// What there was no room in, if the budget only watches.
        short: Option<Measure>,
    },
    /// The limit leaves no room; nothing is held.
    Short(Short),
    /// There is no slot for the subject; nothing is held.
    NoSlot,
}

/// What a limit lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Of which measure there is not enough.
    pub measure: Measure,
    /// What is left.
    pub left: Limits,
    /// Whether an unused budget would not have enough either.
    pub alone: bool,
}

impl Short {
    /// What `account`, of which the counter says `counter`, lacks for `amounts`: `measure`.
    pub(super) fn of(account: &Account, counter: &Counter, amounts: Amounts, measure: Measure) -> Self {
        let Account { budget, limits, .. } = account;
        let left = limits.left(counter.used(), counter.held().requests);
        let alone = Counter::default().short(amounts, limits, budget.mode).is_some();
        Self { measure, left, alone }
    }
}
