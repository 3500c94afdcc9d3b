//! Decides how a counter in a shared store is changed: read, apply the rule, write if nobody else did.
//!
//! Every change is one compare-and-set, tried again on a conflict. The number of tries is bounded so that
//! a store that misbehaves cannot stop a worker; somebody wins every round, so with real workers the
//! bound is never met.

use super::{Account, Amounts, Counter, Limits, Put, Store, StoreError};
use crate::window::Millis;

/// Compare-and-set attempts before a counter is given up as contended.
const TRIES: usize = 1_000;

/// The counters of a store.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a, S> {
    store: &'a S,
    epoch_ms: u64,
}

/// What came of asking a counter for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Held, in this epoch.
    Held(u64),
    /// The limit leaves no room; nothing is held.
    None,
}

impl<'a, S: Store> Ledger<'a, S> {
    /// Counters in `store`; a hold is forgotten after one to two times `epoch_ms` milliseconds.
    pub fn new(store: &'a S, epoch_ms: u64) -> Self {
        Self { store, epoch_ms: epoch_ms.max(1) }
    }

    /// Holds `amounts` for `account`, if its limits leave room.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is held then.
    pub fn hold(&self, account: &Account, amounts: Amounts, now: Millis) -> Result<Room, StoreError> {
        self.change(account, now, |counter| match counter.hold(amounts, &account.limits) {
            Ok(epoch) => (true, Room::Held(epoch)),
            Err(_) => (false, Room::None),
        })
    }

    /// Ends the hold of `amounts` that `account` got in `epoch`, and charges `charge`.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then and the settlement must be tried again.
    pub fn settle(
        &self,
        account: &Account,
        amounts: Amounts,
        epoch: u64,
        charge: Amounts,
        now: Millis,
    ) -> Result<(), StoreError> {
        self.change(account, now, |counter| {
            counter.settle(amounts, epoch, charge);
            (true, ())
        })
    }

    /// The counter of `account` as it stands at `now`.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer or holds something else.
    pub fn read(&self, account: &Account, now: Millis) -> Result<Counter, StoreError> {
        let stored = self.store.get(&account.record)?;
        let mut counter =
            stored.map_or_else(|| Ok(Counter::default()), |(value, _)| Counter::decode(&value))?;
        self.roll(&mut counter, account, now);
        Ok(counter)
    }

    /// Applies `rule`, which says whether it changed the counter, until it could be written.
    fn change<T>(
        &self,
        account: &Account,
        now: Millis,
        rule: impl Fn(&mut Counter) -> (bool, T),
    ) -> Result<T, StoreError> {
        for _ in 0..TRIES {
            let stored = self.store.get(&account.record)?;
            let (mut counter, version) = match stored {
                Some((value, version)) => (Counter::decode(&value)?, Some(version)),
                None => (Counter::default(), None),
            };
            self.roll(&mut counter, account, now);
            let (changed, outcome) = rule(&mut counter);
            if !changed || self.store.put(&account.record, &counter.encode(), version)? == Put::Stored {
                return Ok(outcome);
            }
        }
        Err(StoreError::Contended)
    }

    fn roll(&self, counter: &mut Counter, account: &Account, now: Millis) {
        let epoch = now.0 - now.0 % self.epoch_ms;
        counter.roll(account.budget.window.begins_at(now).0, epoch, self.epoch_ms);
    }
}

/// What is left under `limits` when `used` is spent or held; `None` for a measure without a limit.
#[must_use]
pub fn left(limits: &Limits, used: Amounts) -> Limits {
    Limits {
        usd: limits.usd.map(|limit| limit.saturating_sub(used.usd)),
        tokens: limits.tokens.map(|limit| limit.saturating_sub(used.tokens)),
        requests: limits.requests.map(|limit| limit.saturating_sub(used.requests)),
    }
}
