//! Decides what a worker may take from a counter, and give back to it, without writing it.
//!
//! A write of a shared counter costs more than all else that a request needs of its budget, and every worker waits
//! for the others' writes of a budget that all share. So while requests of one worker overlap, they share one hold
//! in the store, the worker's *lease*: a request that ends leaves its hold to the next one and its charge to
//! the next write, and where a budget is far from its limit, a write takes a little more than is needed.
//!
//! ```text
//! ## hold    => from the lease, if it has as much; else one write: what is owed ▸ is there room? ▸ a new lease
//! ## settle  => to the lease, if another request of this worker runs and the lease has as much; else one write
//! ## tick    => what is owed is written, what is not needed is given back
//! ```
//!
//! What makes it safe: the store always holds at least what the requests of this worker hold or owe, in every measure,
//! so others can only find too little room, never too much, whichever measures their configuration limits. And all this
//! is done only as long as no more than half of any limit is used: beyond that every hold and every settlement is a
//! write, so whoever is refused is refused by what is really spent and held. When the last request of a worker
//! has ended, nothing is leased and nothing is owed. A worker that dies takes along what it owed: the charges of one tick.
//!
//! What was used is known from the last write, which is not older than a tick, and with it the very limits that hold for
//! who asks: others' charges or answers that grow may have passed them since, or a push lowered them.
//! Charges count in the window in which they are written.
//!
//! Budgets that limit how many requests run, or that only check, are not leased: others would count wrong. Nor are
//! subjects that callers name, which seldom overlap.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::base::hash::HashMap;

use super::record::Records;
use super::{Account, Amounts, AtLimit, Counter, Limits, Mode, Room, Short, Store, StoreError};
use crate::base::window::Millis;

/// The epoch of a hold that is part of a lease. No epoch begins there.
pub(super) const LEASED: u64 = u64::MAX;
/// The part of a limit that a lease may have more than it needs.
const SPARE_PART: u64 = 1_024;
/// How many requests as large as the one that asks may find room in it.
const SPARE_REQUESTS: u64 = 64;

/// What one worker has of the counters.
#[derive(Debug, Default)]
pub struct Leases {
    leases: RefCell<HashMap<Box<str>, Lease>>,
    /// Some budget was found used up since the last tick.
    short: Cell<bool>,
}

/// What it has of one counter.
#[derive(Debug)]
struct Lease {
    /// Of the configuration that was last asked for room: another may have another window.
    account: Account,
    /// What the store holds for it, in which epoch.
    reserved: Amounts,
    epoch: u64,
    /// The limits at the last write, if they were far.
    far: Option<Limits>,
    /// The requests that run, and what they hold of it.
    running: u64,
    open: Amounts,
    /// What requests used that ended, as far as the store does not know. `reserved` has room for it.
    owed: Amounts,
    /// How much of the nearest limit was used at the last write.
    percent: u64,
    /// The counter as it was last seen, since the last tick.
    seen: Option<Counter>,
    /// Whether a request asked since the last tick.
    wanted: bool,
}

impl Leases {
    /// Whether requests of `account` may share a hold.
    pub(super) fn may_have(account: &Account) -> bool {
        account.tag.is_none() && account.limits.concurrent.is_none() && account.budget.mode != Mode::Check
    }

    /// As [`super::Ledger::hold`].
    pub(super) fn hold<S: Store>(
        &self,
        records: &Records<'_, S>,
        account: &Account,
        amounts: Amounts,
        now: Millis,
    ) -> Result<Room, StoreError> {
        self.with(account, |lease| {
            lease.is_of(account);
            let room = lease.take(records, account, (Amounts::default(), amounts), false, now)?;
            match room {
                Room::Held { .. } => lease.running += 1,
                Room::Short(_) => self.short.set(true),
                Room::NoSlot | Room::Ask | Room::OutOfReach => {}
            }
            Ok(room)
        })
    }

    /// As [`super::Ledger::regrow`].
    pub(super) fn regrow<S: Store>(
        &self,
        records: &Records<'_, S>,
        account: &Account,
        (before, amounts): (Amounts, Amounts),
        forced: bool,
        now: Millis,
    ) -> Result<Room, StoreError> {
        self.with(account, |lease| lease.take(records, account, (before, amounts), forced, now))
    }

    /// As [`super::Ledger::settle`].
    pub(super) fn settle<S: Store>(
        &self,
        records: &Records<'_, S>,
        account: &Account,
        amounts: Amounts,
        charge: Amounts,
        now: Millis,
    ) -> Result<(), StoreError> {
        self.with(account, |lease| lease.give(records, account, amounts, charge, now))
    }

    /// Whether any account was found short since the last tick.
    pub(super) fn any_short(&self) -> bool {
        self.short.get()
    }

    /// Whether it is known without a look at the store that `account` has no room for `amounts`.
    pub(super) fn is_short<S: Store>(
        &self,
        records: &Records<'_, S>,
        account: &Account,
        amounts: Amounts,
        now: Millis,
    ) -> Option<Short> {
        if !self.any_short() {
            return None;
        }
        self.leases.borrow().get(&account.record)?.used_up(records, account, amounts, now)
    }

    /// The counter of `account`, not older than a tick.
    pub(super) fn seen<S: Store>(
        &self,
        records: &Records<'_, S>,
        account: &Account,
        now: Millis,
    ) -> Result<Counter, StoreError> {
        self.with(account, |lease| {
            let mut counter = match lease.seen {
                Some(seen) => seen,
                None => *lease.seen.insert(records.stored(account, now)?),
            };
            records.roll(&mut counter, account, now);
            Ok(counter)
        })
    }

    /// Writes what is owed to the counter of `account`, and gives back what is not needed of it.
    pub(super) fn write<S: Store>(
        &self,
        records: &Records<'_, S>,
        account: &Account,
        now: Millis,
    ) -> Result<(), StoreError> {
        match self.leases.borrow_mut().get_mut(&account.record) {
            Some(lease) => {
                lease.is_of(account);
                lease.tidy(records, now)
            }
            None => Ok(()),
        }
    }

    /// As [`super::Ledger::tick`].
    pub(super) fn tick<S: Store>(&self, records: &Records<'_, S>, now: Millis) -> Result<(), StoreError> {
        self.short.set(false);
        let mut result = Ok(());
        self.leases.borrow_mut().retain(|_, lease| {
            lease.seen = None;
            let tidied = lease.tidy(records, now);
            let is_needed = lease.running > 0 || core::mem::take(&mut lease.wanted) || tidied.is_err();
            result = result.and(tidied);
            is_needed
        });
        result
    }

    fn with<T>(&self, account: &Account, change: impl FnOnce(&mut Lease) -> T) -> T {
        let mut leases = self.leases.borrow_mut();
        if let Some(lease) = leases.get_mut(&account.record) {
            return change(lease);
        }
        change(leases.entry(account.record.clone()).or_insert_with(|| Lease::new(account)))
    }
}

impl Lease {
    fn new(account: &Account) -> Self {
        Self {
            account: account.clone(),
            reserved: Amounts::default(),
            epoch: 0,
            far: None,
            running: 0,
            open: Amounts::default(),
            owed: Amounts::default(),
            percent: 0,
            seen: None,
            wanted: true,
        }
    }

    /// The budget is as `account` has it from now on.
    fn is_of(&mut self, account: &Account) {
        if !Rc::ptr_eq(&self.account.budget, &account.budget) {
            self.account = account.clone();
        }
    }

    /// Makes a hold of `amounts` out of one of `before`.
    fn take<S: Store>(
        &mut self,
        records: &Records<'_, S>,
        account: &Account,
        (before, amounts): (Amounts, Amounts),
        forced: bool,
        now: Millis,
    ) -> Result<Room, StoreError> {
        self.wanted = true;
        let Account { budget, limits, .. } = account;
        let (unchanged, others) = (self.open, self.open.minus(before));
        let open = others.plus(amounts);
        if self.has(records, limits, open.plus(self.owed), now) {
            self.open = open;
            return Ok(Room::Held { epoch: LEASED, percent: self.percent, short: None });
        }
        let watches = budget.at_limit == AtLimit::Shadow || forced;
        if !watches && let Some(short) = self.used_up(records, account, amounts, now) {
            return Ok(Room::Short(short));
        }
        let overlaps = self.running > 0;
        let room = self.put(records, account, now, |counter| {
            let mut counter = *counter;
            counter.hold(others);
            let short = counter.short(amounts, limits, budget.mode);
            if let Some(measure) = short.filter(|_| !watches) {
                return (unchanged, Room::Short(Short::of(account, &counter, amounts, measure)));
            }
            counter.hold(amounts);
            let spare = if overlaps { spare(&counter, limits, amounts) } else { Amounts::default() };
            let percent = limits.percent(counter.used());
            (open.plus(spare), Room::Held { epoch: LEASED, percent, short })
        })?;
        if let Room::Held { percent, .. } = room {
            (self.open, self.percent) = (open, percent);
        }
        Ok(room)
    }

    /// Ends a hold of `amounts` and charges `charge`. Changes nothing if that cannot be written; but who is charged
    /// nothing does not come again, so that is left to the next tick.
    fn give<S: Store>(
        &mut self,
        records: &Records<'_, S>,
        account: &Account,
        amounts: Amounts,
        charge: Amounts,
        now: Millis,
    ) -> Result<(), StoreError> {
        let (running, open) = (self.running.saturating_sub(1), self.open.minus(amounts));
        let owed = self.owed;
        self.owed = owed.plus(charge);
        if running == 0 || !self.has(records, &account.limits, open.plus(self.owed), now) {
            let written = self.put(records, account, now, |_| (open, ()));
            if written.is_err() && charge != Amounts::default() {
                self.owed = owed;
                return written;
            }
        }
        (self.running, self.open) = (running, open);
        Ok(())
    }

    /// Writes what is owed and gives back what is not needed.
    fn tidy<S: Store>(&mut self, records: &Records<'_, S>, now: Millis) -> Result<(), StoreError> {
        let is_tidy = self.owed == Amounts::default() && self.reserved == self.open;
        if is_tidy && (self.epoch == records.epoch(now) || self.running == 0) {
            return Ok(());
        }
        let (account, open) = (self.account.clone(), self.open);
        self.put(records, &account, now, |_| (open, ()))
    }

    /// Whether `limits` are far, and `amounts` find room in what is reserved.
    fn has<S: Store>(
        &self,
        records: &Records<'_, S>,
        limits: &Limits,
        amounts: Amounts,
        now: Millis,
    ) -> bool {
        self.far.as_ref() == Some(limits) && self.epoch == records.epoch(now) && amounts.within(self.reserved)
    }

    /// What `account` lacks for `amounts`, if what was spent of it when it was last seen leaves no room: that does not
    /// become less before its window ends. What was held then may have been given back, so it takes nothing from what is
    /// left.
    fn used_up<S: Store>(
        &self,
        records: &Records<'_, S>,
        account: &Account,
        amounts: Amounts,
        now: Millis,
    ) -> Option<Short> {
        let seen = self.seen.as_ref()?;
        // Nearly always there is room, and a new window leaves no less.
        account.limits.exceeded(seen.spent().plus(amounts), amounts.requests)?;
        let mut counter = *seen;
        records.roll(&mut counter, account, now);
        let spent = counter.without_holds();
        let measure = spent.short(amounts, &account.limits, account.budget.mode)?;
        Some(Short::of(account, &spent, amounts, measure))
    }

    /// Writes what is owed, and reserves as much as `rule` says of a counter in which this worker holds nothing.
    fn put<S: Store, T>(
        &mut self,
        records: &Records<'_, S>,
        account: &Account,
        now: Millis,
        rule: impl Fn(&Counter) -> (Amounts, T),
    ) -> Result<T, StoreError> {
        let Self { reserved, epoch, owed, .. } = *self;
        let mut written = (Counter::default(), Amounts::default(), 0);
        let outcome = records.change(account, now, |counter| {
            counter.release(reserved, epoch);
            counter.charge(owed);
            let (reserved, outcome) = rule(counter);
            let epoch = counter.hold(reserved);
            written = (*counter, reserved, epoch);
            (true, outcome)
        })?;
        // Only the slots of a record may have no place.
        let outcome = outcome.ok_or(StoreError::Unreadable)?;
        let (counter, reserved, epoch) = written;
        (self.seen, self.reserved, self.epoch) = (Some(counter), reserved, epoch);
        self.far = account.limits.are_far(counter.used()).then_some(account.limits);
        self.owed = Amounts::default();
        Ok(outcome)
    }
}

/// What may be reserved beyond `counter`, which `amounts` are held in already: for requests as large as that.
fn spare(counter: &Counter, limits: &Limits, amounts: Amounts) -> Amounts {
    if !limits.are_far(counter.used()) {
        return Amounts::default();
    }
    let each = limits.measures(amounts, 0).into_iter();
    let requests = each.filter_map(|(_, each, limit)| (limit? / SPARE_PART).checked_div(each));
    amounts.times(requests.min().unwrap_or(SPARE_REQUESTS).min(SPARE_REQUESTS))
}
