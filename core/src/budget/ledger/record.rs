//! Decides how a counter in a shared store is changed: read, apply the rule, write if nobody else did.
//!
//! Every change is one compare-and-set, tried again on a conflict. The number of tries is bounded so that
//! a store that misbehaves cannot stop a worker; somebody wins every round, so with real workers the
//! bound is never met.
//!
//! Does not know what holds and settlements are: see `shared.rs` and `lease.rs`.

use super::slots::Slots;
use super::{Account, Amounts, Counter, FORMAT, Put, Store, StoreError, Version};
use crate::base::window::Millis;

/// Compare-and-set attempts before a counter is given up as contended.
const TRIES: usize = 1_000;

/// The records of a store, each with one counter or with those of several subjects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'a, S> {
    store: &'a S,
    epoch_ms: u64,
}

/// What is in a record.
pub(super) enum Content {
    /// Nothing: it was never written, or emptied.
    Nothing,
    /// Requests run that have not settled.
    Held,
    /// Only what was spent.
    Usage(Version),
}

impl<'a, S: Store> Records<'a, S> {
    /// Those in `store`, with epochs of `epoch_ms` milliseconds.
    pub(super) fn new(store: &'a S, epoch_ms: u64) -> Self {
        Self { store, epoch_ms: epoch_ms.max(1) }
    }

    /// The counter of `account` as the store has it.
    pub(super) fn stored(&self, account: &Account, now: Millis) -> Result<Counter, StoreError> {
        let stored = self.store.get(&account.record)?;
        let stored = stored.as_ref().map_or(&[][..], |(value, _)| value);
        let mut counter = decode(account, stored)?;
        self.roll(&mut counter, account, now);
        Ok(counter)
    }

    /// What is in a record, whoever's it is; `shared`: it has the counters of several subjects.
    pub(super) fn content(&self, record: &str, shared: bool, now: Millis) -> Result<Content, StoreError> {
        let Some((value, version)) = self.store.get(record)?.filter(|(value, _)| !value.is_empty()) else {
            return Ok(Content::Nothing);
        };
        let epoch = self.epoch(now);
        let roll = |counter: &mut Counter| counter.roll(0, epoch, self.epoch_ms);
        let held = if shared {
            Slots::of(&value)?.any_held(roll)?
        } else {
            let mut counter = alone(&value)?;
            roll(&mut counter);
            counter.held() != Amounts::default()
        };
        Ok(if held { Content::Held } else { Content::Usage(version) })
    }

    /// Empties a record that is still at `version`. A record cannot be deleted; an empty one takes no more than
    /// its name.
    pub(super) fn forget(&self, record: &str, version: Version) -> Result<Put, StoreError> {
        self.store.put(record, &[], Some(version))
    }

    /// The store itself.
    pub(super) fn store(&self) -> &'a S {
        self.store
    }

    /// Applies `rule`, which says whether it changed the counter, until it could be written. `None`: there is no
    /// place for the counter.
    pub(super) fn change<T>(
        &self,
        account: &Account,
        now: Millis,
        mut rule: impl FnMut(&mut Counter) -> (bool, T),
    ) -> Result<Option<T>, StoreError> {
        for _ in 0..TRIES {
            let (stored, version): (Vec<u8>, Option<Version>) = match self.store.get(&account.record)? {
                Some((value, version)) => (value, Some(version)),
                None => (Vec::new(), None),
            };
            let mut counter = decode(account, &stored)?;
            self.roll(&mut counter, account, now);
            let (changed, outcome) = rule(&mut counter);
            if !changed {
                return Ok(Some(outcome));
            }
            let Some(record) = self.encode(account, &stored, &counter, now)? else { return Ok(None) };
            // What says the same already was true when it was read.
            if record == stored || self.store.put(&account.record, &record, version)? == Put::Stored {
                return Ok(Some(outcome));
            }
        }
        Err(StoreError::Contended)
    }

    fn encode(
        &self,
        account: &Account,
        stored: &[u8],
        counter: &Counter,
        now: Millis,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(tag) = &account.tag else {
            let mut record = Vec::with_capacity(96);
            record.push(FORMAT);
            counter.write(&mut record);
            return Ok(Some(record));
        };
        let slots = Slots::of(stored)?;
        slots.with(tag, counter, now, &account.budget, |other| self.roll(other, account, now))
    }

    pub(super) fn roll(&self, counter: &mut Counter, account: &Account, now: Millis) {
        counter.roll(account.budget.window.begins_at(now).0, self.epoch(now), self.epoch_ms);
    }

    pub(super) fn epoch(&self, now: Millis) -> u64 {
        now.0 - now.0 % self.epoch_ms
    }
}

/// The counter of `account` in what is stored; a new one if it has none.
fn decode(account: &Account, stored: &[u8]) -> Result<Counter, StoreError> {
    if let Some(tag) = &account.tag {
        return Ok(Slots::of(stored)?.counter(tag)?.unwrap_or_default());
    }
    alone(stored)
}

/// The only counter in what is stored.
fn alone(stored: &[u8]) -> Result<Counter, StoreError> {
    match stored.split_first() {
        None => Ok(Counter::default()),
        Some((&FORMAT, mut words)) => Counter::read(&mut words),
        Some(_) => Err(StoreError::Unreadable),
    }
}
