//! Decides when the counters of a budget that no configuration has any more are given up.
//!
//! A store has no delete and no listing, and no VM knows what the configurations of the others say: while a push is
//! under way some have the old one, and a draining listener keeps it for longer. So every VM registers the budgets of its
//! own configurations, in a list that all share, and remembers which records it used. What no configuration has
//! had for an hour it empties, at the latest three quarters of an hour after that. A budget that was removed by
//! mistake can be brought back until then.
//!
//! ```text
//! ## register  => before a configuration is first used, then every ten minutes; written only if it is not fresh
//! ## free   => read the record ▸ read the list again ▸ still in no list? ▸ empty the record if it is unchanged
//! ```
//!
//! The order is what makes this safe. A VM that uses a budget has registered it before. If it did so before the list was
//! read again, its registration is seen there; if after that, then so was its first use, which changes the record.
//!
//! A record in which something is held waits: the request settles, or its hold is forgotten. Records that only a VM
//! used that has ended are not found again; they go with the process.

use core::fmt;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::record::Content;
use super::registrations::{LASTS_S, RECORD, Registrations};
use super::{Account, Budget, Ledger, Put, Store, StoreError};
use crate::base::window::Millis;

/// Seconds between registrations, and how old a registration may be to be left as it is.
const PERIOD_S: u64 = 600;
/// After a silence of so many seconds the clock may have jumped, and others must be given time to register.
const SILENCE_S: u64 = 2 * PERIOD_S;
/// Compare-and-set attempts on the list.
const TRIES: usize = 16;
/// Records that one tick looks at: at most two store calls each.
const BATCH: usize = 480;
/// Budgets whose records are remembered: those of sixteen configurations at least.
const BUDGETS: usize = 256;
/// Records that are remembered. Those beyond stay until the process ends.
const RECORDS: usize = 65_536;

/// What one VM knows of budgets: which it registered, and which records it used.
#[derive(Debug, Default)]
pub struct BudgetRegistry {
    used: Vec<Used>,
    /// How many records are remembered by their keys.
    keys: usize,
    /// What was registered last.
    registered: Vec<Rc<Budget>>,
    /// When it was, and when somebody last asked, in seconds.
    registered_s: Option<u64>,
    asked_s: Option<u64>,
    /// Records that are to be looked at before the next registration.
    queue: Vec<(Rc<Budget>, Box<str>)>,
}

/// The records that were used of one budget, by their keys.
struct Used {
    budget: Rc<Budget>,
    records: BTreeSet<Box<str>>,
}

impl BudgetRegistry {
    /// Remembers that the record of `account` is used. To be called whenever it may be written: for every hold, growth
    /// and settlement, as the record may have been emptied in between. Allocates nothing if it is known.
    pub fn used(&mut self, account: &Account) {
        let known = self.used.iter().position(|used| same(&used.budget, &account.budget));
        let at = known.unwrap_or(self.used.len());
        if at == BUDGETS {
            return;
        }
        if known.is_none() {
            self.used.push(Used::new(&account.budget));
        }
        let Some(used) = self.used.get_mut(at) else { return };
        if self.keys < RECORDS && !used.records.contains(&account.record) {
            used.records.insert(account.record.clone());
            self.keys += 1;
        }
    }

    /// Registers the budgets of all `live` configurations of this VM, if that is due, and empties records that this VM
    /// used and nobody registers. Says how many. To be called before a configuration is first used, and
    /// at least every ten minutes; it does nothing if nothing is due. Makes at most about 1,000 store calls.
    ///
    /// # Errors
    /// [`StoreError`]; nothing that is registered was emptied. The next call registers again what could not be registered;
    /// records that could not be emptied are looked at again ten minutes later.
    pub fn tick<S: Store>(
        &mut self,
        ledger: &Ledger<'_, S>,
        live: &[Rc<Budget>],
        now: Millis,
    ) -> Result<usize, StoreError> {
        let now_s = now.0 / 1_000;
        let silence_s = self.asked_s.replace(now_s).map_or(0, |asked_s| now_s.saturating_sub(asked_s));
        let is_live = |budget: &Budget| live.iter().any(|live| same(live, budget));
        let has_all =
            live.iter().all(|budget| self.registered.iter().any(|registered| same(registered, budget)));
        let due = self.registered_s.is_none_or(|registered_s| registered_s.abs_diff(now_s) >= PERIOD_S);
        if due || !has_all {
            let registered = register(ledger.records().store(), live, now_s)?;
            self.registered = live.to_vec();
            if due {
                self.registered_s = Some(now_s);
                self.queue.clear();
                if silence_s < SILENCE_S {
                    self.used.iter().for_each(|used| {
                        if !is_live(&used.budget) && !registered.counts(&used.budget, now_s) {
                            used.list(&mut self.queue);
                        }
                    });
                }
            }
        }
        self.queue.retain(|(budget, _)| !is_live(budget));
        self.free(ledger, now)
    }

    /// Empties what it can of the next records of the queue.
    fn free<S: Store>(&mut self, ledger: &Ledger<'_, S>, now: Millis) -> Result<usize, StoreError> {
        let batch = self.queue.split_off(self.queue.len().saturating_sub(BATCH));
        let mut found = Vec::with_capacity(batch.len());
        for (budget, record) in batch {
            match ledger.records().content(&record, budget.is_slots(&record), now) {
                Ok(Content::Usage(version)) => found.push((budget, record, version)),
                // What is not a counter stays as it is.
                Ok(Content::Nothing) | Err(StoreError::Unreadable) => self.drop_record(&budget, &record),
                Ok(Content::Held) => {}
                Err(error) => return Err(error),
            }
        }
        if found.is_empty() {
            return Ok(0);
        }
        let stored = ledger.records().store().get(RECORD)?;
        let registered = Registrations::read(stored.as_ref().map_or(&[], |(value, _)| value))?;
        let mut freed = 0;
        for (budget, record, version) in found {
            if !registered.counts(&budget, now.0 / 1_000)
                && ledger.records().forget(&record, version)? == Put::Stored
            {
                self.drop_record(&budget, &record);
                freed += 1;
            }
        }
        Ok(freed)
    }

    fn drop_record(&mut self, budget: &Budget, record: &str) {
        let Some(at) = self.used.iter().position(|used| same(&used.budget, budget)) else { return };
        let Some(used) = self.used.get_mut(at) else { return };
        self.keys -= usize::from(used.records.remove(record));
        if used.records.is_empty() {
            self.used.swap_remove(at);
        }
    }
}

/// Registers the budgets in `live` of which the registration is not fresh. Returns what is registered then.
fn register<S: Store>(store: &S, live: &[Rc<Budget>], now_s: u64) -> Result<Registrations, StoreError> {
    for _ in 0..TRIES {
        let stored = store.get(RECORD)?;
        let mut registered = Registrations::read(stored.as_ref().map_or(&[], |(value, _)| value))?;
        let fresh = |budget: &Rc<Budget>| {
            registered.last_s(budget).is_some_and(|last_s| last_s.abs_diff(now_s) < PERIOD_S)
        };
        let missing: Vec<&Rc<Budget>> = live.iter().filter(|budget| !fresh(budget)).collect();
        if missing.is_empty() {
            return Ok(registered);
        }
        registered.prune(now_s);
        missing.into_iter().for_each(|budget| registered.register(budget, now_s));
        if store.put(RECORD, &registered.write(), stored.map(|(_, version)| version))? == Put::Stored {
            return Ok(registered);
        }
    }
    Err(StoreError::Contended)
}

const _: () =
    assert!(LASTS_S > 2 * PERIOD_S + SILENCE_S, "whoever registers in time is never taken for gone");

impl Used {
    fn new(budget: &Rc<Budget>) -> Self {
        Self { budget: Rc::clone(budget), records: BTreeSet::new() }
    }

    fn list(&self, queue: &mut Vec<(Rc<Budget>, Box<str>)>) {
        queue.extend(self.records.iter().map(|record| (Rc::clone(&self.budget), record.clone())));
    }
}

/// How many records; their keys would fill a page.
impl fmt::Debug for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.records.len(), self.budget.name)
    }
}

/// Whether both count under the same name and by the same dimensions: their records are the same then.
fn same(one: &Budget, other: &Budget) -> bool {
    core::ptr::eq(one, other) || (one.name == other.name && one.per == other.per)
}
