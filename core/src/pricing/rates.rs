//! Decides what each kind of use costs at one moment, at one size of prompt, in one service tier.
//!
//! Prices are pico-dollars a token or a piece. A price of zero is a price; a price that is not listed is
//! that of the kind's substitute.
//!
//! Does not choose between quotes: see `tiers.rs`.

use super::ONE;
use super::kind::{KINDS, Kind};
use crate::base::hash::fnv1a;
use crate::base::money::{DecimalError, parse_decimal};
use crate::base::product;
use crate::base::tokens::Usage;

/// The prices that are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates([Option<u64>; KINDS]);

impl Rates {
    /// The same with a price of `kind`.
    #[must_use]
    pub fn with(mut self, kind: Kind, price: u64) -> Self {
        if let Some(place) = self.0.get_mut(kind as usize) {
            *place = Some(price);
        }
        self
    }

    /// The listed price of `kind`.
    #[must_use]
    pub fn listed(&self, kind: Kind) -> Option<u64> {
        self.0.get(kind as usize).copied().flatten()
    }

    /// Whether nothing costs anything.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.0.iter().flatten().all(|price| *price == 0)
    }

    /// What one of `kind` costs, listed or not.
    #[must_use]
    pub fn price(&self, kind: Kind) -> u64 {
        let substitute = || kind.substitutes().iter().find_map(|&other| self.listed(other));
        self.listed(kind).or_else(substitute).unwrap_or(0)
    }

    /// These prices, and those of `below` where there are none.
    #[must_use]
    pub fn over(mut self, below: &Self) -> Self {
        for (place, price) in self.0.iter_mut().zip(below.0) {
            *place = place.or(price);
        }
        self
    }

    /// The same with the price of one kind for another one.
    pub(super) fn moved(mut self, from: Kind, to: Kind) -> Self {
        let price = self.0.get_mut(from as usize).and_then(Option::take);
        price.map_or(self, |price| self.with(to, price))
    }

    /// The same with every price of a token multiplied by so many thousandths, half a pico-dollar rounded up. Fees stay.
    pub(super) fn times(mut self, permille: u64) -> Self {
        for (place, _) in self.0.iter_mut().zip(Kind::ALL).filter(|(_, (kind, ..))| !kind.is_fee()) {
            let product = place.map(|price| u128::from(price) * u128::from(permille) + u128::from(ONE / 2));
            *place = product.map(|product| u64::try_from(product / u128::from(ONE)).unwrap_or(u64::MAX));
        }
        self
    }

    /// What `usage` costs, in pico-dollars. Cannot overflow: sixteen products of 64 bits are added up
    /// with saturation.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> u128 {
        let (mut usage, mut sum) = (*usage, 0u128);
        for (kind, ..) in Kind::ALL {
            let count = *kind.place(&mut usage);
            if count > 0 {
                sum = sum.saturating_add(product::whole(self.price(kind), count));
            }
        }
        sum
    }

    /// The most that a request of so many tokens can cost, in pico-dollars.
    #[must_use]
    pub fn most(&self, input: u64, output: u64) -> u128 {
        let dearest = |is: fn(Kind) -> bool| {
            let kinds = Kind::ALL.into_iter().map(|(kind, ..)| kind);
            kinds.filter(|kind| is(*kind)).map(|kind| u128::from(self.price(kind))).max().unwrap_or(0)
        };
        let input = dearest(Kind::is_input).saturating_mul(u128::from(input));
        let output = dearest(Kind::is_output).saturating_mul(u128::from(output));
        input.saturating_add(output).saturating_add(u128::from(self.price(Kind::Request)))
    }

    /// Adds the listed prices to a hash.
    #[must_use]
    pub fn hash(&self, before: u64) -> u64 {
        let listed = self.0.iter().zip(0u64..).filter_map(|(price, kind)| Some((kind, (*price)?)));
        listed
            .fold(before, |hash, (kind, price)| fnv1a(fnv1a(hash, &kind.to_le_bytes()), &price.to_le_bytes()))
    }

    /// Reads a price as it is published: dollars for a million tokens, or for a thousand pieces.
    ///
    /// # Errors
    /// [`DecimalError`]; a price finer than a pico-dollar is an error.
    pub fn published(kind: Kind, text: &str) -> Result<u64, DecimalError> {
        parse_decimal(text, if kind.is_fee() { 9 } else { 6 })
    }
}
