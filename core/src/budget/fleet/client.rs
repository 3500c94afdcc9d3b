//! Decides what a request may have of budgets that the whole fleet shares: from what this VM was lent, if there is
//! room; else the ledger is asked first.
//!
//! ```text
//! ## hold    => held, if the VM's part has room; else short (as was just said), or to be asked
//! ## settle  => the hold ends and its charge counts, in the window of the hold; no call is made for it
//! ## regrow  => what runs cannot be refused: it is held and said with the next push
//! ```
//!
//! Everything is in the memory of one VM, so nothing here waits for another worker. What the VM owes the ledger is one
//! number for each component, however long the ledger is away.
//!
//! Does not decide on a hold: see `lending.rs`. Does not call the ledger: see `calls.rs`.

use core::cell::RefCell;
use std::rc::Rc;

use super::Settings;
use super::share::Share;
use super::state::{FleetLedger, State, Turn};
use super::waiter::AskState;
use crate::base::window::Millis;
use crate::budget::ledger::{Account, Amounts, AtLimit, Budget, RegisteredLimits, Room, Short};

/// What is known of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the fleet has spent in the present window.
    pub spent: Amounts,
    /// What it holds, or has to spare.
    pub held: Amounts,
    /// How old that word of the ledger is, in milliseconds.
    pub age_ms: u64,
}

impl FleetLedger {
    /// The part of a VM that is told from all others by `instance`, which is random and has no space in it.
    #[must_use]
    pub fn new(instance: String) -> Self {
        Self(RefCell::new(State { instance, workers: 1, ..State::default() }))
    }

    /// The ledger is as `settings` have it from now on.
    pub fn configure(&self, settings: &Rc<Settings>) {
        let mut state = self.0.borrow_mut();
        if state.settings.as_ref().is_none_or(|known| !Rc::ptr_eq(known, settings)) {
            state.settings = Some(Rc::clone(settings));
        }
    }

    /// These budgets hold from now on. Of those that limit how many requests run, what runs already is said with the next
    /// push: others must not find its room free until a request comes here.
    pub fn begin(&self, budgets: &[Rc<Budget>], now: Millis) {
        let mut state = self.0.borrow_mut();
        let State { shares, number, .. } = &mut *state;
        let limits = |budget: &Budget| {
            let own = budget.limits.concurrent.is_some();
            own || budget.overrides.all().any(|limits| limits.concurrent.is_some())
        };
        let limits: Vec<&str> =
            budgets.iter().filter(|budget| limits(budget)).map(|budget| &*budget.name).collect();
        let is_limited = |share: &Share| limits.contains(&&*share.account.budget.name);
        for share in shares.values_mut().filter(|share| share.runs_uncounted() && is_limited(share)) {
            share.lanes(number, now);
        }
    }

    /// The registry gives these limits from now on. What is waited for is asked for at once: there may be room now. What
    /// runs already counts where it was not limited before.
    pub fn obey(&self, limits: Option<&RegisteredLimits>, now: Millis) {
        let mut state = self.0.borrow_mut();
        let State { shares, number, waiting, .. } = &mut *state;
        for share in shares.values_mut() {
            if !share.obey(limits) {
                continue;
            }
            if share.account.limits.concurrent.is_some() && share.runs_uncounted() {
                share.lanes(number, now);
            }
            let asks = waiting.iter_mut().flat_map(|waiter| &mut waiter.asks);
            for ask in asks.filter(|ask| ask.share == share.id) {
                if let AskState::Waits(at) = &mut ask.state {
                    *at = now.min(*at);
                }
            }
        }
    }

    /// What tells this VM from all others, if nothing does yet: random, and without a space.
    pub fn identify(&self, instance: impl FnOnce() -> String) {
        let mut state = self.0.borrow_mut();
        if state.instance.is_empty() {
            state.instance = instance();
        }
    }

    /// What tells this VM from all others, if it uses the ledger.
    #[must_use]
    pub fn used_as(&self) -> Option<String> {
        let state = self.0.borrow();
        (!state.shares.is_empty()).then(|| state.instance.clone())
    }

    /// How many workers of this process call the ledger.
    pub fn set_workers(&self, workers: u64) {
        self.0.borrow_mut().workers = workers.max(1);
    }

    /// As [`crate::budget::ledger::Ledger::hold`].
    pub(crate) fn hold(&self, account: &Account, amounts: Amounts, turn: Turn, now: Millis) -> Room {
        let mut state = self.0.borrow_mut();
        if state.has_no_place(account) {
            return Room::NoSlot;
        }
        state.with(account, now, |share, rest| {
            share.is_of(account);
            rest.hold(share, amounts, turn, now)
        })
    }

    /// As [`crate::budget::ledger::Ledger::regrow`].
    pub(crate) fn regrow(
        &self,
        account: &Account,
        (before, window): (Amounts, u64),
        amounts: Amounts,
        forced: bool,
        now: Millis,
    ) -> Room {
        self.0.borrow_mut().with(account, now, |share, _| {
            let watches = forced || account.budget.at_limit == AtLimit::Shadow;
            let more = Amounts { requests: 0, ..amounts.minus(before) };
            let lacks = share.of_window(window).and_then(|part| part.short(&account.limits, more));
            // What runs cannot wait for an answer. Where the whole has room by what is known, it is held as needed.
            if lacks.is_some()
                && !watches
                && let Some(short) = share.short(more)
            {
                return Room::Short(short);
            }
            let Some(component) = share.of_window(window) else { return Room::NoSlot };
            component.held = component.held.minus(before).plus(amounts);
            Room::Held { epoch: window, percent: share.percent(), short: None }
        })
    }

    /// As [`crate::budget::ledger::Ledger::settle`].
    pub(crate) fn settle(
        &self,
        account: &Account,
        amounts: Amounts,
        window: u64,
        charge: Amounts,
        now: Millis,
    ) {
        self.0.borrow_mut().with(account, now, |share, rest| {
            if share.windows.is_empty() {
                rest.current(share, now);
            }
            if let Some(component) = share.of_window(window) {
                component.held = component.held.minus(amounts);
                component.charge(charge, now);
            }
            share.end(amounts.requests);
        });
    }

    /// What `account` lacks for `amounts` by what is known here; nothing is held or asked.
    pub(crate) fn look(&self, account: &Account, amounts: Amounts, now: Millis) -> Option<Short> {
        let state = self.0.borrow();
        state.present(account, now)?.short(amounts)
    }

    /// What `account` lacks for `amounts`, if the ledger has just refused no more than that.
    pub(crate) fn was_refused(&self, account: &Account, amounts: Amounts, now: Millis) -> Option<Short> {
        let state = self.0.borrow();
        let share = state.present(account, now)?;
        // What was given back meanwhile is there for whoever comes.
        let is_refused = share.was_refused(amounts, now) && share.lacks(amounts);
        is_refused.then(|| share.short_as_refused(amounts))
    }

    /// Whether any request was refused just now: see [`Self::was_refused`].
    pub(crate) fn knows_of_short(&self, now: Millis) -> bool {
        now < self.0.borrow().refused_until
    }

    /// What the whole fleet has spent and holds of `account`; `None` if the ledger has not said.
    #[must_use]
    pub fn known(&self, account: &Account, now: Millis) -> Option<Known> {
        let state = self.0.borrow();
        let last = state.present(account, now)?.windows.last()?;
        Some(Known { spent: last.spent(), held: last.allotted(), age_ms: last.age_ms(now)? })
    }
}

/// One component, for tests and for whoever looks into a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartView {
    /// The key of its account.
    pub key: String,
    /// When its window begins.
    pub window: u64,
    /// What ended requests have used.
    pub charged: Amounts,
    /// What running ones hold.
    pub held: Amounts,
    /// What of the charges the ledger is known to have.
    pub acknowledged: Amounts,
    /// What may be used.
    pub ceiling: Amounts,
}

impl FleetLedger {
    /// Every component.
    #[must_use]
    pub fn parts(&self) -> Vec<PartView> {
        let state = self.0.borrow();
        let Some(settings) = &state.settings else { return Vec::new() };
        let of = |share: &Share| {
            let parts = share.parts().map(|(part, component)| PartView {
                key: share.key(settings, part),
                window: component.from,
                charged: component.charged(),
                held: component.held,
                acknowledged: component.charged().minus(component.unsaid()),
                ceiling: component.ceiling(),
            });
            parts.collect::<Vec<_>>()
        };
        state.shares.values().flat_map(of).collect()
    }
}
