//! Decides what becomes of a hold and of a charge: which counter is changed by them, and how.
//!
//! What overlaps in one worker goes by its lease, if the budget may be leased; all else is a change of the record.
//!
//! Does not know how records are written: see `record.rs`.

use super::lease::{LEASED, Leases};
use super::record::Records;
use super::{Account, Amounts, AtLimit, Counter, Mode, Room, Scope, Short, Store, StoreError};
use crate::base::window::Millis;
use crate::budget::fleet::{FleetLedger, Turn};

/// How old the ledger's last word may be to be told, in milliseconds.
const FRESH_MS: u64 = 1_000;

/// The counters of a store.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a, S> {
    records: Records<'a, S>,
    leases: Option<&'a Leases>,
    fleet: Option<(&'a FleetLedger, Turn)>,
}

impl<'a, S: Store> Ledger<'a, S> {
    /// Counters in `store`; a hold is forgotten after one to two times `epoch_ms` milliseconds.
    pub fn new(store: &'a S, epoch_ms: u64) -> Self {
        Self { records: Records::new(store, epoch_ms), leases: None, fleet: None }
    }

    /// The same, with what this worker has of the counters in `leases`.
    #[must_use]
    pub fn with_leases(self, leases: &'a Leases) -> Self {
        Self { leases: Some(leases), ..self }
    }

    /// The same, with what this worker has of the budgets of a fleet, for a request that has waited so long for it.
    #[must_use]
    pub fn with_fleet(self, fleet: &'a FleetLedger, turn: Turn) -> Self {
        Self { fleet: Some((fleet, turn)), ..self }
    }

    /// Holds `amounts` for `account`, if its limits leave room.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is held then.
    pub fn hold(&self, account: &Account, amounts: Amounts, now: Millis) -> Result<Room, StoreError> {
        if let Some((fleet, turn)) = self.fleet_for(account) {
            return Ok(fleet.hold(account, amounts, turn, now));
        }
        match self.leases_for(account) {
            Some(leases) => leases.hold(&self.records, account, amounts, now),
            None => {
                // Another configuration may have a lease of it.
                self.write(account, now)?;
                self.regrow(account, (Amounts::default(), 0), amounts, false, now)
            }
        }
    }

    /// Whether it may be known of any account that it lacks something, without a look at the store.
    pub fn knows_of_short(&self, now: Millis) -> bool {
        self.leases.is_some_and(Leases::any_short)
            || self.fleet.is_some_and(|(fleet, _)| fleet.knows_of_short(now))
    }

    /// What `account` lacks for `amounts`, if that is known without a look at the store. A budget that only watches
    /// lacks nothing.
    pub fn is_short(&self, account: &Account, amounts: Amounts, now: Millis) -> Option<Short> {
        if let Some((fleet, _)) = self.fleet_for(account) {
            return fleet.was_refused(account, amounts, now);
        }
        let leases = self.leases_for(account)?;
        leases
            .is_short(&self.records, account, amounts, now)
            .filter(|_| account.budget.at_limit != AtLimit::Shadow)
    }

    /// What [`Ledger::hold`] would come to; nothing is held. By what the counter said not longer than a tick ago, but for
    /// a strict budget, of which what is left decides how much a request may have.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ask(&self, account: &Account, amounts: Amounts, now: Millis) -> Result<Option<Short>, StoreError> {
        let Account { budget, limits, .. } = account;
        if let Some((fleet, _)) = self.fleet_for(account) {
            return Ok(fleet.look(account, amounts, now).filter(|_| budget.at_limit != AtLimit::Shadow));
        }
        let counter = match self.leases_for(account).filter(|_| budget.mode != Mode::Strict) {
            Some(leases) => leases.seen(&self.records, account, now)?,
            None => self.records.stored(account, now)?,
        };
        let watches = budget.at_limit == AtLimit::Shadow;
        let short = counter.short(amounts, limits, budget.mode).filter(|_| !watches);
        Ok(short.map(|measure| Short::of(account, &counter, amounts, measure)))
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
        if let Some((fleet, _)) = self.fleet_for(account) {
            return Ok(fleet.regrow(account, (before, epoch), amounts, forced, now));
        }
        if let Some(leases) = self.leases.filter(|_| epoch == LEASED) {
            return leases.regrow(&self.records, account, (before, amounts), forced, now);
        }
        let Account { budget, limits, .. } = account;
        let watches = budget.at_limit == AtLimit::Shadow || forced;
        self.records
            .change(account, now, |counter| {
                counter.release(before, epoch);
                let short = counter.short(amounts, limits, budget.mode);
                if let Some(measure) = short.filter(|_| !watches) {
                    return (false, Room::Short(Short::of(account, counter, amounts, measure)));
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
        if let Some((fleet, _)) = self.fleet_for(account) {
            fleet.settle(account, amounts, epoch, charge, now);
            return Ok(());
        }
        if let Some(leases) = self.leases.filter(|_| epoch == LEASED) {
            return leases.settle(&self.records, account, amounts, charge, now);
        }
        // A subject that was forgotten together with its hold gets a place as anybody new does. If there is none, the
        // charge is not counted here: it is no reason to forget what others have used.
        self.records
            .change(account, now, |counter| {
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
        if let Some((fleet, _)) = self.fleet_for(account) {
            let known = fleet.known(account, now).ok_or(StoreError::OutOfReach)?;
            return Ok(Counter::known(known.spent, known.held));
        }
        self.write(account, now)?;
        self.records.stored(account, now)
    }

    fn write(&self, account: &Account, now: Millis) -> Result<(), StoreError> {
        let leases = self.leases.filter(|_| account.tag.is_none());
        leases.map_or(Ok(()), |leases| leases.write(&self.records, account, now))
    }

    /// Writes what this worker owes to all counters, and gives back what it does not need of any. To be called at short
    /// intervals: this is how long others may see the state before.
    ///
    /// # Errors
    /// The first of [`StoreError`]; what could not be written is tried again by the next call.
    pub fn tick(&self, now: Millis) -> Result<(), StoreError> {
        self.leases.map_or(Ok(()), |leases| leases.tick(&self.records, now))
    }

    /// What the counters are kept in.
    #[must_use]
    pub fn store(&self) -> &'a S {
        self.records.store()
    }

    /// The records themselves.
    pub(super) fn records(&self) -> &Records<'a, S> {
        &self.records
    }

    /// Whether what is known of `account` is too old to be told: the ledger of the fleet has to be asked.
    pub fn is_stale(&self, account: &Account, now: Millis) -> bool {
        self.fleet_for(account).is_some_and(|(fleet, turn)| {
            turn == Turn::First && fleet.known(account, now).is_none_or(|known| known.age_ms > FRESH_MS)
        })
    }

    fn fleet_for(&self, account: &Account) -> Option<(&'a FleetLedger, Turn)> {
        self.fleet.filter(|_| account.budget.scope == Scope::Fleet)
    }

    fn leases_for(&self, account: &Account) -> Option<&'a Leases> {
        self.leases.filter(|_| Leases::may_have(account))
    }
}
