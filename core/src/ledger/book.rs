//! Decides how a counter in a shared store is changed: read, apply the rule, write if nobody else did.
//!
//! Every change is one compare-and-set, tried again on a conflict. The number of tries is bounded so that
//! a store that misbehaves cannot stop a worker; somebody wins every round, so with real workers the
//! bound is never met.

use super::slots::Slots;
use super::{
    Account, Amounts, AtLimit, Counter, FORMAT, Limits, Measure, Put, Store, StoreError, Version, WhenFull,
};
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
    /// Held.
    Held {
        /// The epoch the hold belongs to.
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
        self.regrow(account, (Amounts::default(), 0), amounts, false, now)
    }

    /// What [`Ledger::hold`] would come to; nothing is held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ask(&self, account: &Account, amounts: Amounts, now: Millis) -> Result<Option<Short>, StoreError> {
        let Account { budget, limits, .. } = account;
        let counter = self.read(account, now)?;
        let watches = budget.at_limit == AtLimit::Shadow;
        let short = counter.short(amounts, limits, budget.mode).filter(|_| !watches);
        Ok(short.map(|measure| lacking(account, &counter, amounts, measure)))
    }

    /// Makes a hold of `amounts` out of one that `account` got in an epoch, if its limits leave room or it is
    /// `forced`. A hold that does not find room stays as it was.
    ///
    /// # Errors
    /// [`StoreError`]; the hold stays as it was.
    pub fn regrow(
        &self,
        account: &Account,
        (before, epoch): (Amounts, u64),
        amounts: Amounts,
        forced: bool,
        now: Millis,
    ) -> Result<Room, StoreError> {
        let Account { budget, limits, .. } = account;
        let watches = budget.at_limit == AtLimit::Shadow || forced;
        self.change(account, now, budget.when_full == WhenFull::Evict, |counter| {
            counter.release(before, epoch);
            let short = counter.short(amounts, limits, budget.mode);
            if let Some(measure) = short.filter(|_| !watches) {
                return (false, Room::Short(lacking(account, counter, amounts, measure)));
            }
            let epoch = counter.hold(amounts);
            (true, Room::Held { epoch, percent: limits.percent(counter.used()), short })
        })
        .map(|room| room.unwrap_or(Room::NoSlot))
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
        // A subject that was forgotten together with its hold gets a place again, unless all are in use.
        self.change(account, now, true, |counter| {
            counter.release(amounts, epoch);
            counter.charge(charge);
            (true, ())
        })
        .map(drop)
    }

    /// The counter of `account` as it stands at `now`.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer or holds something else.
    pub fn read(&self, account: &Account, now: Millis) -> Result<Counter, StoreError> {
        let stored = self.store.get(&account.record)?;
        let stored = stored.as_ref().map_or(&[][..], |(value, _)| value);
        let mut counter = decode(account, stored)?;
        self.roll(&mut counter, account, now);
        Ok(counter)
    }

    /// Empties a record, unless somebody writes it at the same time.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer.
    pub fn forget(&self, record: &str) -> Result<(), StoreError> {
        match self.store.get(record)? {
            Some((value, version)) if !value.is_empty() => {
                self.store.put(record, &[], Some(version)).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Applies `rule`, which says whether it changed the counter, until it could be written. `None`: there is no
    /// place for the counter.
    fn change<T>(
        &self,
        account: &Account,
        now: Millis,
        evict: bool,
        rule: impl Fn(&mut Counter) -> (bool, T),
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
            let Some(record) = self.encode(account, &stored, &counter, now, evict)? else { return Ok(None) };
            if self.store.put(&account.record, &record, version)? == Put::Stored {
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
        evict: bool,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(tag) = &account.tag else {
            let mut record = Vec::with_capacity(96);
            record.push(FORMAT);
            counter.write(&mut record);
            return Ok(Some(record));
        };
        let forget_s = account.budget.forget_ms / 1_000;
        Slots::of(stored)?.with(tag, counter, now, &account.budget, evict, |mut other, used| {
            self.roll(&mut other, account, now);
            let forgotten = (now.0 / 1_000).saturating_sub(used) >= forget_s;
            other.is_idle() || (forgotten && other.held() == Amounts::default())
        })
    }

    fn roll(&self, counter: &mut Counter, account: &Account, now: Millis) {
        let epoch = now.0 - now.0 % self.epoch_ms;
        counter.roll(account.budget.window.begins_at(now).0, epoch, self.epoch_ms);
    }
}

fn lacking(account: &Account, counter: &Counter, amounts: Amounts, measure: Measure) -> Short {
    let Account { budget, limits, .. } = account;
    let left = limits.left(counter.used(), counter.held().requests);
    let alone = Counter::default().short(amounts, limits, budget.mode).is_some();
    Short { measure, left, alone }
}

/// The counter of `account` in what is stored; a new one if it has none.
fn decode(account: &Account, stored: &[u8]) -> Result<Counter, StoreError> {
    if let Some(tag) = &account.tag {
        return Ok(Slots::of(stored)?.counter(tag)?.unwrap_or_default());
    }
    match stored.split_first() {
        None => Ok(Counter::default()),
        Some((&FORMAT, mut words)) => Counter::read(&mut words),
        Some(_) => Err(StoreError::Unreadable),
    }
}
