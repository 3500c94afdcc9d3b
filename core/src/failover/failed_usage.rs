//! Decides what failed attempts have cost: a provider may say what it has read before it says that it fails.
//!
//! Such an attempt is charged what the provider reported and nothing else, since no answer came of it that could be
//! measured. One that was waited for in vain, longer than a connection takes, may have worked all the time: it is charged what
//! was held. The one that answers is charged as if it had been the only one. Both are one charge.
//!
//! Does not decide whether an attempt failed: see `failover/plan.rs`.

use crate::accounting::settlement::{Basis, Charge, UsageSource};
use crate::base::money::PicoUsd;
use crate::budget::estimate::Estimate;

/// What the failed attempts of one request used, by what their providers reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedUsage {
    /// Its cost, where it has a price.
    pub usd: PicoUsd,
    /// Input tokens of every kind.
    pub input: u64,
    /// Output tokens of every kind.
    pub output: u64,
    /// Attempts that were waited for in vain.
    pub given_up: u64,
}

/// How long an attempt must have been waited for to have been at work, in milliseconds: no connection takes so long to be
/// made, or to fail.
const AT_WORK_MS: u64 = 6_000;

impl FailedUsage {
    /// This and one more attempt that had no answer after so long.
    #[must_use]
    pub fn and_waited(self, ms: u64) -> Self {
        Self { given_up: self.given_up.saturating_add(u64::from(ms >= AT_WORK_MS)), ..self }
    }

    /// This and what one more failed attempt is charged.
    #[must_use]
    pub fn and(self, charge: &Charge) -> Self {
        Self {
            usd: self.usd.saturating_add(charge.usd.unwrap_or_default()),
            input: self.input.saturating_add(charge.tokens.total_input()),
            output: self.output.saturating_add(charge.tokens.total_output()),
            ..self
        }
    }

    /// The charge of a request whose last attempt is charged `charge`, and for which `held` was held.
    #[must_use]
    pub fn with(self, charge: &Charge, held: &Estimate) -> Charge {
        if self == Self::default() {
            return *charge;
        }
        let mut whole = *charge;
        let times = |count: u64| count.saturating_mul(self.given_up);
        let input = self.input.saturating_add(times(held.tokens.total_input()));
        let output = self.output.saturating_add(times(held.tokens.total_output()));
        let failed_usage = self.usd.saturating_add(PicoUsd(times(held.amounts.usd.0)));
        whole.tokens.input = whole.tokens.input.saturating_add(input);
        whole.tokens.output = whole.tokens.output.saturating_add(output);
        // Without a price of its own the last attempt costs nothing, but the others may.
        let priced = whole.usd.is_some() || failed_usage > PicoUsd::ZERO;
        whole.usd = priced.then(|| whole.usd.unwrap_or_default().saturating_add(failed_usage));
        if self.given_up > 0 {
            whole.basis = Some(Basis::Hold);
            whole.source = match whole.source {
                UsageSource::Provider | UsageSource::ProviderPartial => UsageSource::ProviderPartial,
                _ => UsageSource::Estimated,
            };
        } else if whole.source == UsageSource::None {
            whole.source = UsageSource::Provider;
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::tokens::Tokens;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn charge(usd: Option<u64>, input: u64, output: u64, source: UsageSource) -> Charge {
        let tokens = Tokens { input, output, ..Tokens::default() };
        Charge { tokens, usd: usd.map(PicoUsd), is_stated: false, source, basis: None }
    }

    #[test]
    fn without_failed_attempts_a_charge_stays_what_it_is() {
        let charge = charge(None, 3, 4, UsageSource::Estimated);
        assert_eq!(FailedUsage::default().with(&charge, &Estimate::default()), charge);
    }

    #[test]
    fn failed_attempts_and_the_last_one_are_one_charge() {
        let failed = charge(Some(7), 11, 1, UsageSource::Provider);
        let failed_usage = FailedUsage::default().and(&failed).and(&failed);
        let whole = failed_usage.with(&charge(Some(100), 5, 6, UsageSource::Provider), &Estimate::default());
        assert_eq!(
            (whole.usd, whole.tokens.total_input(), whole.tokens.total_output()),
            (Some(PicoUsd(114)), 27, 8)
        );
        // Nobody answered after that.
        let whole = failed_usage.with(&charge(Some(0), 0, 0, UsageSource::None), &Estimate::default());
        assert_eq!(
            (whole.usd, whole.source, whole.amounts().requests),
            (Some(PicoUsd(14)), UsageSource::Provider, 1)
        );
        let unpriced = failed_usage.with(&charge(None, 5, 6, UsageSource::Provider), &Estimate::default());
        assert_eq!(unpriced.usd, Some(PicoUsd(14)));
    }

    #[test]
    fn an_attempt_that_was_waited_for_in_vain_is_charged_what_was_held_and_one_that_failed_at_once_is_not() {
        let held = Estimate {
            tokens: Tokens { input: 100, output: 50, ..Tokens::default() },
            amounts: crate::budget::ledger::Amounts { usd: PicoUsd(1_000), ..Default::default() },
            ..Estimate::default()
        };
        let answered = charge(Some(7), 11, 1, UsageSource::Provider);
        assert_eq!(FailedUsage::default().and_waited(5_000).with(&answered, &held), answered);
        let whole = FailedUsage::default().and_waited(6_000).and_waited(660_000).with(&answered, &held);
        assert_eq!((whole.usd, whole.tokens.input, whole.tokens.output), (Some(PicoUsd(2_007)), 211, 101));
        assert_eq!((whole.source, whole.basis), (UsageSource::ProviderPartial, Some(Basis::Hold)));
    }

    proptest! {
        #[test]
        fn sums_do_not_overflow(usd: u64, input: u64, output: u64) {
            let failed_usage = FailedUsage { usd: PicoUsd(usd), input, output, given_up: 0 };
            let whole = failed_usage.with(&charge(Some(usd), input, output, UsageSource::Provider), &Estimate::default());
            prop_assert_eq!(whole.usd, Some(PicoUsd(usd.saturating_mul(2))));
        }
    }
}
