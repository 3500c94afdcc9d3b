//! Decides what failed attempts have cost: a provider may say what it has read before it says that it fails.
//!
//! Such an attempt is charged what the provider reported and nothing else, since no answer came of it that could be
//! measured; the one that answers is charged as if it had been the only one. Both are one charge.
//!
//! Does not decide whether an attempt failed: see `chain.rs`.

use crate::money::PicoUsd;
use crate::settlement::{Charge, UsageSource};

/// What the failed attempts of one request used, by what their providers reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sunk {
    /// Its cost, where it has a price.
    pub usd: PicoUsd,
    /// Input tokens of every kind.
    pub input: u64,
    /// Output tokens of every kind.
    pub output: u64,
}

impl Sunk {
    /// This and what one more failed attempt is charged.
    #[must_use]
    pub fn and(self, charge: &Charge) -> Self {
        Self {
            usd: self.usd.saturating_add(charge.usd.unwrap_or_default()),
            input: self.input.saturating_add(charge.tokens.total_input()),
            output: self.output.saturating_add(charge.tokens.total_output()),
        }
    }

    /// The charge of a request whose last attempt is charged `charge`.
    #[must_use]
    pub fn with(self, charge: &Charge) -> Charge {
        if self == Self::default() {
            return *charge;
        }
        let mut whole = *charge;
        whole.tokens.input = whole.tokens.input.saturating_add(self.input);
        whole.tokens.output = whole.tokens.output.saturating_add(self.output);
        // Without a price of its own the last attempt costs nothing, but the others may.
        let priced = whole.usd.is_some() || self.usd > PicoUsd::ZERO;
        whole.usd = priced.then(|| whole.usd.unwrap_or_default().saturating_add(self.usd));
        if whole.source == UsageSource::None {
            whole.source = UsageSource::Provider;
        }
        whole
    }

    /// The text that the next attempt reads, and the gateway.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{} {} {}", self.usd.0, self.input, self.output)
    }

    /// Reads what [`Sunk::to_text`] wrote; anything else is nothing.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let read = || {
            let mut numbers = core::str::from_utf8(text).ok()?.split(' ').map(str::parse);
            let mut next = || numbers.next()?.ok();
            Some(Self { usd: PicoUsd(next()?), input: next()?, output: next()? })
        };
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Tokens;
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn charge(usd: Option<u64>, input: u64, output: u64, source: UsageSource) -> Charge {
        let tokens = Tokens { input, output, ..Tokens::default() };
        Charge { tokens, usd: usd.map(PicoUsd), source, basis: None }
    }

    #[test]
    fn without_failed_attempts_a_charge_stays_what_it_is() {
        let charge = charge(None, 3, 4, UsageSource::Estimated);
        assert_eq!(Sunk::default().with(&charge), charge);
    }

    #[test]
    fn failed_attempts_and_the_last_one_are_one_charge() {
        let failed = charge(Some(7), 11, 1, UsageSource::Provider);
        let sunk = Sunk::default().and(&failed).and(&failed);
        let whole = sunk.with(&charge(Some(100), 5, 6, UsageSource::Provider));
        assert_eq!(
            (whole.usd, whole.tokens.total_input(), whole.tokens.total_output()),
            (Some(PicoUsd(114)), 27, 8)
        );
        // Nobody answered after that.
        let whole = sunk.with(&charge(Some(0), 0, 0, UsageSource::None));
        assert_eq!(
            (whole.usd, whole.source, whole.amounts().requests),
            (Some(PicoUsd(14)), UsageSource::Provider, 1)
        );
        let unpriced = sunk.with(&charge(None, 5, 6, UsageSource::Provider));
        assert_eq!(unpriced.usd, Some(PicoUsd(14)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_sums_do_not_overflow(usd: u64, input: u64, output: u64) {
            let sunk = Sunk { usd: PicoUsd(usd), input, output };
            prop_assert_eq!(Sunk::read(sunk.to_text().as_bytes()), sunk);
            let whole = sunk.with(&charge(Some(usd), input, output, UsageSource::Provider));
            prop_assert_eq!(whole.usd, Some(PicoUsd(usd.saturating_mul(2))));
        }

        #[test]
        fn any_other_text_is_nothing(text in prop::collection::vec(any::<u8>(), 0..8)) {
            let read = Sunk::read(&text);
            prop_assert!(read == Sunk::default() || text.contains(&b' '));
        }
    }
}
