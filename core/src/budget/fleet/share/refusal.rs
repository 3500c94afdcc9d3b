//! Decides what a request lacks by what is known here, and how long a refusal of the ledger is remembered.

use super::{Part, Refused, Share};
use crate::base::window::Millis;
use crate::budget::fleet::component::Component;
use crate::budget::ledger::{Account, Amounts, Counter, Limits, Measure, Short};

/// How long a refusal is remembered, in milliseconds.
const REFUSED_MS: u64 = 500;

impl Share {
    /// Remembers that there was no room for `amounts`.
    pub(in crate::budget::fleet) fn refuse(&mut self, amounts: Amounts, now: Millis) {
        self.refused = Some(Refused { until: now.plus(REFUSED_MS), amounts });
    }

    /// Remembers that the ledger has no place for the subject.
    pub(in crate::budget::fleet) fn crowd(&mut self, now: Millis) {
        self.crowded_until = Some(now.plus(REFUSED_MS));
    }

    /// Whether there was no place for the subject just now.
    pub(in crate::budget::fleet) fn is_crowded(&self, now: Millis) -> bool {
        self.crowded_until.is_some_and(|until| now < until)
    }

    /// Whether there was no room for less just now.
    pub(in crate::budget::fleet) fn was_refused(&self, amounts: Amounts, now: Millis) -> bool {
        self.refused.is_some_and(|refused| now < refused.until && refused.amounts.within(amounts))
    }

    /// Whether what was lent here has no room for `amounts`.
    pub(in crate::budget::fleet) fn lacks(&self, amounts: Amounts) -> bool {
        let runs = Amounts { requests: amounts.requests, ..Amounts::default() };
        let lacks = |part: &Component, of: Part, amounts| part.short(&self.limits(of), amounts).is_some();
        self.windows.last().is_some_and(|window| lacks(window, Part::Window(window.from), amounts))
            || self.running.as_ref().is_some_and(|running| lacks(running, Part::Running, runs))
    }

    /// What the account lacks for `amounts`, by what is known here.
    pub(in crate::budget::fleet) fn short(&self, amounts: Amounts) -> Option<Short> {
        let Account { limits, budget, .. } = &self.account;
        let (spent, held) =
            self.windows.last().map_or_else(Default::default, |last| (last.spent(), last.allotted()));
        let running = self.running.as_ref().map_or(0, |running| running.allotted().requests);
        let windowed = Limits { concurrent: None, ..*limits };
        let measure = Counter::known(spent, held).short(amounts, &windowed, budget.mode).or_else(|| {
            let lanes = Limits { concurrent: limits.concurrent, ..Limits::default() };
            lanes.exceeded(Amounts::default(), running.saturating_add(amounts.requests))
        })?;
        let alone = limits.exceeded(amounts, amounts.requests).is_some();
        Some(Short { measure, alone, spent, held, wanted: amounts })
    }

    /// The same where the ledger refused: something is lacking, if only because others have it to spare.
    pub(in crate::budget::fleet) fn short_as_refused(&self, amounts: Amounts) -> Short {
        self.short(amounts).unwrap_or_else(|| {
            let limits = &self.account.limits;
            let last = self.windows.last();
            let lent = last.and_then(|last| last.short(limits, amounts));
            let running = limits.concurrent.and(Some(Measure::Concurrent));
            let (spent, held) = last.map_or_else(Default::default, |last| (last.spent(), last.allotted()));
            let measure = lent.or(running).unwrap_or(Measure::Usd);
            Short { measure, alone: false, spent, held, wanted: amounts }
        })
    }

    /// How much of the nearest limit the whole fleet has spent and holds, in percent.
    pub(in crate::budget::fleet) fn percent(&self) -> u64 {
        let used =
            self.windows.last().map_or_else(Amounts::default, |last| last.spent().plus(last.allotted()));
        self.account.limits.percent(used)
    }

    /// Until when a refusal is remembered.
    pub(in crate::budget::fleet) fn refused_until(&self) -> Millis {
        self.refused.map_or(Millis(0), |refused| refused.until)
    }
}
