//! Decides how a counter in a shared store is changed: read, apply the rule, write if nobody else did.
//!
//! Every change is one compare-and-set, tried again on a conflict. The number of tries is bounded so that
//! a store that misbehaves cannot stop a worker; somebody wins every round, so with real workers the
//! bound is never met.

use super::lease::{LEASED, Leases};
use super::slots::Slots;
use super::{Account, Amounts, AtLimit, Counter, FORMAT, Limits, Measure, Put, Store, StoreError, Version};
use crate::window::Millis;

/// Compare-and-set attempts before a counter is given up as contended.
const TRIES: usize = 1_000;

/// The counters of a store.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a, S> {
    store: &'a S,
    epoch_ms: u64,
    leases: Option<&'a Leases>,
}

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

/// What is in a record.
pub(super) enum Content {
    /// Nothing: it was never written, or emptied.
    Nothing,
    /// Requests run that have not settled.
    Held,
    /// Only what was spent.
    Usage(Version),
}

impl<'a, S: Store> Ledger<'a, S> {
    /// Counters in `store`; a hold is forgotten after one to two times `epoch_ms` milliseconds.
    pub fn new(store: &'a S, epoch_ms: u64) -> Self {
        Self { store, epoch_ms: epoch_ms.max(1), leases: None }
    }

    /// The same, with what this worker has of the counters in `leases`.
    #[must_use]
    pub fn with_leases(self, leases: &'a Leases) -> Self {
        Self { leases: Some(leases), ..self }
    }

    /// Holds `amounts` for `account`, if its limits leave room.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is held then.
    pub fn hold(&self, account: &Account, amounts: Amounts, now: Millis) -> Result<Room, StoreError> {
        match self.leases_for(account) {
            Some(leases) => leases.hold(self, account, amounts, now),
            None => {
                // Another configuration may have a lease of it.
                self.write(account, now)?;
                self.regrow(account, (Amounts::default(), 0), amounts, false, now)
            }
        }
    }

    /// What `account` lacks for `amounts`, if that is known without a look at the store. A budget that only watches
    /// lacks nothing.
    pub fn is_short(&self, account: &Account, amounts: Amounts, now: Millis) -> Option<Short> {
        let leases = self.leases_for(account)?;
        leases.is_short(self, account, amounts, now).filter(|_| account.budget.at_limit != AtLimit::Shadow)
    }

    /// What [`Ledger::hold`] would come to, by what the counter said not longer than a tick ago; nothing is held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ask(&self, account: &Account, amounts: Amounts, now: Millis) -> Result<Option<Short>, StoreError> {
        let Account { budget, limits, .. } = account;
        let counter = match self.leases_for(account) {
            Some(leases) => leases.seen(self, account, now)?,
            None => self.stored(account, now)?,
        };
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
        if let Some(leases) = self.leases.filter(|_| epoch == LEASED) {
            return leases.regrow(self, account, (before, amounts), forced, now);
        }
        let Account { budget, limits, .. } = account;
        let watches = budget.at_limit == AtLimit::Shadow || forced;
        self.change(account, now, |counter| {
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
        if let Some(leases) = self.leases.filter(|_| epoch == LEASED) {
            return leases.settle(self, account, amounts, charge, now);
        }
        // A subject that was forgotten together with its hold gets a place as anybody new does. If there is none, the
        // charge is not counted here: it is no reason to forget what others have used.
        self.change(account, now, |counter| {
            counter.release(amounts, epoch);
            counter.charge(charge);
            (true, ())
        })
        .map(drop)
    }

    /// The counter of `account` as it stands at `now`, after all that this worker knows of it was written.
    ///
    /// # Errors
    /// [`StoreError`] if the store does not answer or holds something else.
    pub fn read(&self, account: &Account, now: Millis) -> Result<Counter, StoreError> {
        self.write(account, now)?;
        self.stored(account, now)
    }

    fn write(&self, account: &Account, now: Millis) -> Result<(), StoreError> {
        let leases = self.leases.filter(|_| account.tag.is_none());
        leases.map_or(Ok(()), |leases| leases.write(self, account, now))
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

    fn leases_for(&self, account: &Account) -> Option<&'a Leases> {
        self.leases.filter(|_| Leases::may_have(account))
    }

    /// Applies `rule`, which says whether it changed the counter, until it could be written. `None`: there is no
    /// place for the counter.
    pub(super) fn change<T>(
        &self,
        account: &Account,
        now: Millis,
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

pub(super) fn lacking(account: &Account, counter: &Counter, amounts: Amounts, measure: Measure) -> Short {
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
