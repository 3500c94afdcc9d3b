//! Decides how far the ledger's knowledge lags behind what was charged here, and since when it is away.
//!
//! A charge is unsaid from the end of its request until the ledger has answered a push that said it. Money counts in
//! every budget that it is charged to, because each of them is said for itself.

use super::Units;
use super::component::Component;
use super::state::FleetLedger;
use crate::base::window::Millis;

/// What the ledger is not known to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Since when the oldest of it is unsaid; `None`: there is nothing.
    pub since: Option<Millis>,
    /// What of it is money, in nano-dollars.
    pub nano_usd: u64,
}

impl Backlog {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let since = self.since.into_iter().chain(other.since).min();
        Self { since, nano_usd: self.nano_usd.saturating_add(other.nano_usd) }
    }

    /// How old the oldest of it is, in milliseconds.
    #[must_use]
    pub fn lag_ms(&self, now: Millis) -> u64 {
        self.since.map_or(0, |since| now.since(since))
    }

    fn of(component: &Component) -> Self {
        let since = component.unsaid_since();
        let money = || Units::floor(component.unsaid()).nano_usd;
        Self { since, nano_usd: since.map_or(0, |_| money()) }
    }
}

impl FleetLedger {
    /// What this VM has to say to the ledger.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let state = self.0.borrow();
        let parts = state.shares.values().flat_map(|share| share.parts().map(|(_, part)| Backlog::of(part)));
        parts.fold(Backlog::default(), Backlog::plus)
    }

    /// Since when the ledger has been silent, if that is for so long that it is out of reach.
    #[must_use]
    pub fn away_since(&self, now: Millis) -> Option<Millis> {
        let state = self.0.borrow();
        state.links.iter().filter_map(|(_, link)| link.away_since(now)).min()
    }
}
