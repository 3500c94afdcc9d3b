//! Decides whether a request may be sent: every budget that holds for it must have room.
//!
//! The budgets are asked one after the other and each holds its amount at once; if one has no room, what
//! the earlier ones hold is given back. So two requests can never both be let through on the same
//! money, and a refused request leaves nothing behind. In the moment between, a request of somebody else
//! may be refused that would have found room a microsecond later: erring to that side keeps the limit.
//!
//! Does not end a hold: see `accounting/settlement.rs`. Does not choose the amounts: see `budget/admit.rs`.

use std::rc::Rc;

use crate::base::window::Millis;
use crate::budget::estimate::Estimate;
use crate::budget::ledger::{Amounts, Ledger, Measure, Room, Short, Store, StoreError};
use crate::config::{Account, AtLimit, Budget, Key, Mode, Running, WhenFull};

/// Room taken in every budget that holds for a request. Ends by being settled, once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hold(Vec<Held>);

/// Room taken in one budget.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    account: Rc<Account>,
    amounts: Amounts,
    epoch: u64,
}

/// What is wanted of budgets, by their mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// What the request is expected to use.
    pub expected: Amounts,
    /// What of that is more than a guess: its input, and the output that it limits itself to.
    pub certain: Amounts,
    /// The most that it can use.
    pub most: Amounts,
}

impl Wanted {
    /// The same, whatever the mode.
    #[must_use]
    pub fn exactly(amounts: Amounts) -> Self {
        Self { expected: amounts, certain: amounts, most: amounts }
    }

    /// What `account` has to hold. A guess that is larger than its whole limit would refuse the request for ever, and
    /// might be wrong: of that it holds what there can be.
    fn of(&self, account: &Account) -> Amounts {
        match account.budget.mode {
            Mode::Check => Amounts { requests: self.expected.requests, ..Amounts::default() },
            Mode::Hold => account.limits.cap(self.expected, self.certain),
            Mode::Strict => self.most,
        }
    }
}

/// What was noticed of the budgets of an admitted request.
#[derive(Debug, Default)]
pub struct Noticed {
    /// Every account with the percentage of its nearest limit that is spent and held.
    pub percents: Vec<(Rc<Account>, u64)>,
    /// Budgets that only watch and would have refused.
    pub shadowed: Vec<Rc<Account>>,
    /// Budgets that do not count the request, because they have no slot for its subject.
    pub uncounted: Vec<Rc<Account>>,
}

/// Why a request is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This budget has no room.
    Short(Rc<Account>, Short),
    /// This budget has no slot for its subject.
    NoSlot(Rc<Account>),
    /// A counter cannot be read or written, so no limit can be kept.
    Store(StoreError),
    /// The ledger of the fleet has to be asked for these first. It is no refusal yet.
    Ask(Asks),
}

/// What has to be asked for: of which accounts, and how much of each.
pub type Asks = Vec<(Rc<Account>, Amounts)>;

/// Takes what is `wanted` from every account.
///
/// # Errors
/// [`Refusal`]; nothing is held then. Of several budgets without room it names the one that has none for the
/// longest: a caller that waits for another would be refused again.
pub fn admit<S: Store>(
    ledger: &Ledger<'_, S>,
    accounts: &[Rc<Account>],
    wanted: &Wanted,
    now: Millis,
) -> Result<(Hold, Noticed), Refusal> {
    let (mut hold, mut noticed) = (Hold(Vec::with_capacity(accounts.len())), Noticed::default());
    // Of what is known to be used up nothing is held in vain.
    let asked = if ledger.knows_of_short(now) { accounts } else { &[] };
    let mut refusal = asked.iter().find_map(|account| {
        let short = ledger.is_short(account, wanted.of(account), now)?;
        Some(Refusal::Short(Rc::clone(account), short))
    });
    let mut asks = Asks::new();
    for account in accounts {
        let amounts = wanted.of(account);
        if refusal.is_some() {
            // Refused already; only by whom for the longest is the question.
            if let Ok(Some(short)) = ledger.ask(account, amounts, now) {
                let found = Refusal::Short(Rc::clone(account), short);
                refusal = refusal.filter(|before| before.lasts(now) >= found.lasts(now)).or(Some(found));
            }
            continue;
        }
        refusal = Some(match ledger.hold(account, amounts, now) {
            Ok(Room::Held { epoch, percent, short }) => {
                hold.0.push(Held { account: Rc::clone(account), amounts, epoch });
                noticed.percents.push((Rc::clone(account), percent));
                noticed.shadowed.extend(short.map(|_| Rc::clone(account)));
                continue;
            }
            Ok(Room::NoSlot) if lets_pass(&account.budget) => {
                noticed.uncounted.push(Rc::clone(account));
                continue;
            }
            // What the others have room for is held meanwhile, to find out whether one refuses.
            Ok(Room::Ask) => {
                asks.push((Rc::clone(account), amounts));
                continue;
            }
            Ok(Room::OutOfReach) => Refusal::Store(StoreError::OutOfReach),
            Ok(Room::NoSlot) => Refusal::NoSlot(Rc::clone(account)),
            Ok(Room::Short(short)) => Refusal::Short(Rc::clone(account), short),
            Err(error) => Refusal::Store(error),
        });
    }
    match refusal.or((!asks.is_empty()).then_some(Refusal::Ask(asks))) {
        None => Ok((hold, noticed)),
        Some(refusal) => {
            // What cannot be given back now is forgotten with its epoch.
            hold.release(ledger, now);
            Err(refusal)
        }
    }
}

/// The budget of the caller that has no room for any request, as far as that is known without a look at the store. Of
/// several the one that has none for the longest.
pub fn used_up<S: Store>(ledger: &Ledger<'_, S>, key: &Key, now: Millis) -> Option<Refusal> {
    if !ledger.knows_of_short(now) {
        return None;
    }
    let short = |account: &Rc<Account>| {
        let short = ledger.is_short(account, Amounts::REQUEST, now)?;
        Some(Refusal::Short(Rc::clone(account), short))
    };
    key.accounts.iter().flatten().filter_map(short).max_by_key(|refusal| refusal.lasts(now))
}

/// Takes one of the requests that may run at one time from every account that limits them, and looks whether the others
/// have anything left.
///
/// # Errors
/// [`Refusal`]; nothing is held then.
pub fn enter<S: Store>(
    ledger: &Ledger<'_, S>,
    accounts: &[Rc<Account>],
    now: Millis,
) -> Result<Hold, Refusal> {
    let looked = |account: &Rc<Account>| match ledger.ask(account, Amounts::REQUEST, now) {
        Ok(short) => short.map(|short| Refusal::Short(Rc::clone(account), short)),
        Err(error) => Some(Refusal::Store(error)),
    };
    let (lanes, others): (Vec<_>, Vec<_>) =
        accounts.iter().cloned().partition(|account| account.limits.concurrent.is_some());
    // Of several the one that has nothing for the longest.
    let spent = others.iter().filter_map(looked).max_by_key(|refusal| refusal.lasts(now));
    let wanted = Wanted::exactly(Amounts::REQUEST);
    match spent {
        Some(refusal) => Err(refusal),
        None => match admit(ledger, &lanes, &wanted, now) {
            Ok((hold, _)) => Ok(hold),
            // Its turn is asked for when the whole request is here.
            Err(Refusal::Ask(_)) => Ok(Hold::default()),
            Err(refusal) => Err(refusal),
        },
    }
}

/// Whether the budget lets pass whom it has no slot for.
fn lets_pass(budget: &Budget) -> bool {
    budget.when_full == WhenFull::Allow || budget.at_limit == AtLimit::Shadow
}

impl Refusal {
    /// How long it will last, in milliseconds.
    fn lasts(&self, now: Millis) -> u64 {
        match self {
            Self::Store(_) | Self::Ask(_) => 0,
            Self::Short(_, Short { alone: true, .. }) => u64::MAX,
            // Until one of those that run has ended.
            Self::Short(_, Short { measure: Measure::Concurrent, .. }) => 0,
            Self::Short(account, short) if short.is_only_held(account) => 0,
            Self::Short(account, _) | Self::NoSlot(account) => {
                let resets = account.budget.window.resets_at(now);
                resets.map_or(u64::MAX, |resets| resets.since(now))
            }
        }
    }
}

impl Hold {
    /// Whether a budget wants answers to be cut when it is used up.
    #[must_use]
    pub fn may_cut(&self) -> bool {
        self.0.iter().any(|held| held.account.budget.running == Running::Cut)
    }

    /// The accounts that it holds room in.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.0.iter().map(|held| &*held.account)
    }

    /// Output tokens of `estimate` for which every budget holds enough that holds what is expected.
    #[must_use]
    pub fn covers(&self, estimate: &Estimate) -> u64 {
        let holds = self.0.iter().filter(|held| held.account.budget.mode == Mode::Hold);
        holds.map(|held| estimate.covered_by(held.amounts)).min().unwrap_or(estimate.covers)
    }

    /// Holds what is expected by now, where that is more than is held. What runs cannot be refused, so others see
    /// it at once instead of when it ends.
    ///
    /// # Errors
    /// A budget that is used up and wants the answer to be cut.
    pub fn grow<S: Store>(
        &mut self,
        ledger: &Ledger<'_, S>,
        expected: Amounts,
        now: Millis,
    ) -> Result<(), Rc<Account>> {
        let mut used_up = Ok(());
        for held in &mut self.0 {
            let Held { account, amounts, epoch } = held;
            let cuts = account.budget.running == Running::Cut;
            // A strict budget holds the most that there can be already; what is expected by now may be more than that.
            let wanted = Wanted { most: *amounts, ..Wanted::exactly(expected) };
            let more = wanted.of(account).max(*amounts);
            if more == *amounts && !(cuts && account.budget.mode == Mode::Check) {
                continue;
            }
            match ledger.regrow(account, (*amounts, *epoch), more, !cuts, now) {
                Ok(Room::Held { epoch: moved, .. }) => (*amounts, *epoch) = (more, moved),
                Ok(Room::Short(_)) => used_up = Err(Rc::clone(account)),
                // The charge will say it.
                Ok(Room::NoSlot | Room::Ask | Room::OutOfReach) | Err(_) => {}
            }
        }
        used_up
    }

    /// Ends the hold and charges `charge` to every budget that it holds room in.
    ///
    /// # Errors
    /// The budgets that could not be charged, to be charged later.
    pub fn settle<S: Store>(
        self,
        ledger: &Ledger<'_, S>,
        charge: Amounts,
        now: Millis,
    ) -> Result<(), Unsettled> {
        let mut unsettled = Unsettled { open: self.0, charge };
        if unsettled.retry(ledger, now) { Ok(()) } else { Err(unsettled) }
    }

    /// Ends the hold without a charge: the request was not sent.
    pub fn release<S: Store>(self, ledger: &Ledger<'_, S>, now: Millis) {
        for Held { account, amounts, epoch } in self.0 {
            let _ = ledger.settle(&account, amounts, epoch, Amounts::default(), now);
        }
    }
}

/// A charge that some budgets have not taken yet. Must be kept and tried again: it is money.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsettled {
    open: Vec<Held>,
    charge: Amounts,
}

impl Unsettled {
    /// Tries the budgets that are still open; says whether none is left.
    pub fn retry<S: Store>(&mut self, ledger: &Ledger<'_, S>, now: Millis) -> bool {
        let Self { open, charge } = self;
        open.retain(|held| ledger.settle(&held.account, held.amounts, held.epoch, *charge, now).is_err());
        open.is_empty()
    }
}

#[cfg(test)]
mod tests;
