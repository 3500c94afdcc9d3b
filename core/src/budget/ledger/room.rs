//! Decides what is said to who asks a counter for room.

use super::{Account, Amounts, Counter, Limits, Measure, Mode};

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
    /// The ledger of the fleet has to be asked first; nothing is held.
    Ask,
    /// The ledger of the fleet is out of reach, and without it there is no more; nothing is held.
    OutOfReach,
}

/// What a limit lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Of which measure there is not enough.
    pub measure: Measure,
    /// Whether an unused budget would not have enough either.
    pub alone: bool,
    /// What is spent.
    pub spent: Amounts,
    /// What requests that run hold, as far as it was looked at.
    pub held: Amounts,
    /// What is wanted.
    pub wanted: Amounts,
}

/// What a limit lacks, in numbers: of money in pico-dollars, else in tokens or requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// What is counted.
    pub measure: Measure,
    /// The limit.
    pub limit: u64,
    /// What is spent of it.
    pub spent: u64,
    /// What requests that run hold of it.
    pub held: u64,
    /// What the request wants of it.
    pub wanted: u64,
}

impl Short {
    /// What `account`, of which the counter says `counter`, lacks for `amounts`: `measure`.
    pub(super) fn of(account: &Account, counter: &Counter, amounts: Amounts, measure: Measure) -> Self {
        let Account { budget, limits, .. } = account;
        let alone = Counter::default().short(amounts, limits, budget.mode).is_some();
        Self { measure, alone, spent: counter.spent(), held: counter.held(), wanted: amounts }
    }

    /// What is left of `limits`.
    #[must_use]
    pub fn left(&self, limits: &Limits) -> Limits {
        limits.left(self.spent.plus(self.held), self.held.requests)
    }

    /// Whether there would be room in `account` if all that runs came to nothing. A request that runs will have been one,
    /// so as such it counts as spent.
    #[must_use]
    pub fn is_only_held(&self, account: &Account) -> bool {
        let requests = Amounts { requests: self.held.requests, ..Amounts::default() };
        let used = self.spent.plus(requests).plus(self.wanted);
        account.budget.mode != Mode::Check && account.limits.exceeded(used, 0).is_none()
    }

    /// The numbers of what there is not enough of.
    #[must_use]
    pub fn figures(&self, limits: &Limits) -> Figures {
        let of = |used: Amounts, running| {
            let mut measures = limits.measures(used, running).into_iter();
            measures.find(|(measure, _, _)| *measure == self.measure).unwrap_or((self.measure, 0, None))
        };
        let (measure, spent, limit) = of(self.spent, 0);
        let (_, held, _) = of(self.held, self.held.requests);
        let (_, wanted, _) = of(self.wanted, self.wanted.requests);
        Figures { measure, limit: limit.unwrap_or(0), spent, held, wanted }
    }
}
