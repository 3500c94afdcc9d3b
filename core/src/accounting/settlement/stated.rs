//! Decides whether a request is charged what its answer states as its cost.
//!
//! A few providers state what they bill, with discounts and fees of which no price list knows. At these a statement is the
//! cost; at any other it may be a list price, an estimate or somebody else's money, and is only compared. Which provider is which the
//! configuration says.
//!
//! A statement must be plausible, because one number of one answer could else empty a budget:
//! * above 16 times the price, it is not believed beyond $100: a unit was mistaken, or a fee for a hundred searches is in it;
//! * below a tenth of the price of what the provider itself reports as used, it is not all that the answer costs: a zero
//!   that holds a place, or the few percent that a broker takes when the customer's own key pays for the rest. No discount that
//!   is stated is so large; a model that is free has a price of nothing.
//!
//! Where an answer broke off, a statement may be one that ran, so no less than the price is charged.

use super::{Bill, UsageSource};
use crate::accounting::outcome::Outcome;
use crate::base::money::PicoUsd;
use crate::config::StatedCost;

/// How many times its price an answer may cost.
const MOST_TIMES: u64 = 16;
/// What an answer may cost whatever its price is: $100.
const ALWAYS_PLAUSIBLE: PicoUsd = PicoUsd(100_000_000_000_000);
/// The part of its price that an answer costs at least.
const LEAST_PART: u64 = 10;

impl Bill<'_> {
    /// What the answer states, if it is what is charged; `priced` is what its use costs by its price.
    pub(super) fn stated(
        &self,
        outcome: Outcome,
        source: UsageSource,
        priced: Option<PicoUsd>,
    ) -> Option<PicoUsd> {
        let stated = self.reading.stated_cost.filter(|_| self.stated == StatedCost::Charge)?;
        let price = priced.unwrap_or_default();
        let least = match source {
            UsageSource::None | UsageSource::Implausible => return None,
            UsageSource::Provider => PicoUsd(price.0 / LEAST_PART),
            // A guess says only that it is not free.
            _ => PicoUsd(price.0.min(1)),
        };
        let most = PicoUsd(price.0.saturating_mul(MOST_TIMES)).max(ALWAYS_PLAUSIBLE);
        let broke_off =
            matches!(outcome, Outcome::UpstreamReset | Outcome::BudgetCut | Outcome::ClientDisconnect);
        (least..=most).contains(&stated).then(|| if broke_off { stated.max(price) } else { stated })
    }
}
