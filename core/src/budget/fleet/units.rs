//! Decides how amounts are counted by the ledger: money in nano-dollars, all else as it is.
//!
//! Lua counts in doubles, which are exact up to nine times ten to the fifteenth: nine million dollars in nano-dollars.
//! What is held or asked is rounded up and sums are rounded down, so a limit is never passed by rounding, and the
//! rounding of a sum does not add up.

use crate::base::money::PicoUsd;
use crate::budget::ledger::Amounts;

/// Pico-dollars in a nano-dollar.
const PICO: u64 = 1_000;

/// Amounts as the ledger counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Money, in nano-dollars.
    pub nano_usd: u64,
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Requests.
    pub requests: u64,
}

impl Units {
    /// The largest number that the ledger counts exactly.
    pub const MOST: u64 = 9_000_000_000_000_000;

    /// `amounts`, rounded up.
    #[must_use]
    pub fn ceil(amounts: Amounts) -> Self {
        Self::with(amounts, amounts.usd.0.div_ceil(PICO))
    }

    /// `amounts`, rounded down.
    #[must_use]
    pub fn floor(amounts: Amounts) -> Self {
        Self::with(amounts, amounts.usd.0 / PICO)
    }

    fn with(Amounts { input, output, requests, .. }: Amounts, nano_usd: u64) -> Self {
        let [nano_usd, input, output, requests] =
            [nano_usd, input, output, requests].map(|of| of.min(Self::MOST));
        Self { nano_usd, input, output, requests }
    }

    /// The same as amounts.
    #[must_use]
    pub fn amounts(self) -> Amounts {
        let Self { nano_usd, input, output, requests } = self;
        Amounts { usd: PicoUsd(nano_usd.saturating_mul(PICO)), input, output, requests }
    }

    /// What is left of it without `other`, measure by measure.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            nano_usd: self.nano_usd.saturating_sub(other.nano_usd),
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            requests: self.requests.saturating_sub(other.requests),
        }
    }

    /// Its four numbers.
    #[must_use]
    pub fn numbers(self) -> [u64; 4] {
        [self.nano_usd, self.input, self.output, self.requests]
    }

    /// That of four numbers.
    #[must_use]
    pub fn of([nano_usd, input, output, requests]: [u64; 4]) -> Self {
        Self { nano_usd, input, output, requests }
    }
}
