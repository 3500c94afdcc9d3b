//! Decides which prices hold for a prompt of a certain size.
//!
//! Long prompts are priced by cliffs: once all input together, caches included, is more than a threshold,
//! every token of the request has the higher price, the first one too, and so has the output.
//!
//! Does not know service tiers: see `mod.rs`.

use super::kind::Kind;
use super::rates::Rates;
use crate::base::hash::fnv1a;
use crate::base::tokens::Usage;

/// Prices by size of prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateTiers {
    base: Rates,
    /// By threshold, lowest first; each complete but for what the base does not list either.
    steps: Vec<(u64, Rates)>,
}

impl RateTiers {
    /// The same prices at every size.
    #[must_use]
    pub fn flat(base: Rates) -> Self {
        Self { base, steps: Vec::new() }
    }

    /// `base`, and above each threshold what changes there. A price that a step does not name stays as it
    /// is below the step.
    #[must_use]
    pub fn new(base: Rates, mut steps: Vec<(u64, Rates)>) -> Self {
        steps.sort_by_key(|(above, _)| *above);
        let mut below = base;
        for (_, quote) in &mut steps {
            *quote = quote.over(&below);
            below = *quote;
        }
        Self { base, steps }
    }

    /// The same with these prices where there are none.
    pub(super) fn or(mut self, other: &Rates) -> Self {
        self.base = self.base.over(other);
        self.steps.iter_mut().for_each(|(_, quote)| *quote = quote.over(other));
        self
    }

    /// The same with the price of one kind for another one.
    pub(super) fn moved(mut self, from: Kind, to: Kind) -> Self {
        self.base = self.base.moved(from, to);
        self.steps.iter_mut().for_each(|(_, quote)| *quote = quote.moved(from, to));
        self
    }

    /// The same with every price of a token multiplied by so many thousandths.
    pub(super) fn times(&self, permille: u64) -> Self {
        let steps = self.steps.iter().map(|(above, quote)| (*above, quote.times(permille)));
        Self { base: self.base.times(permille), steps: steps.collect() }
    }

    /// Whether it costs nothing at any size of prompt.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.base.is_free() && self.steps.iter().all(|(_, quote)| quote.is_free())
    }

    /// The prices for a prompt of `input` tokens, caches included.
    #[must_use]
    pub fn quote(&self, input: u64) -> &Rates {
        let reached = self.steps.iter().rev().find(|(above, _)| input > *above);
        reached.map_or(&self.base, |(_, quote)| quote)
    }

    /// Adds all prices to a hash.
    #[must_use]
    pub fn hash(&self, before: u64) -> u64 {
        let steps = self.steps.iter();
        steps.fold(self.base.hash(before), |hash, (above, quote)| {
            quote.hash(fnv1a(fnv1a(hash, b">"), &above.to_le_bytes()))
        })
    }

    /// What `usage` costs, in pico-dollars.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> u128 {
        self.quote(usage.tokens.total_input()).cost(usage)
    }
}
