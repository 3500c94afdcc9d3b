//! Decides where the price of a model comes from: the configuration first, then the checked-in list.
//!
//! Has a hash over everything that a price can come from, so that a charge can be checked against the
//! very prices it was made with.
//!
//! Does not read the configuration: `config/prices.rs` does.

use super::listing::CHECKED_IN;
use super::{Listing, Price};
use crate::config::{Pattern, Provider};
use crate::hash::fnv1a;
use crate::window::Millis;

/// A price that the configuration sets.
#[derive(Clone, Debug)]
pub struct Override {
    /// Over `provider/model` in lower case.
    pub pattern: Pattern,
    /// The price.
    pub price: Price,
}

/// Every price that is known.
#[derive(Debug)]
pub struct Catalogue {
    overrides: Vec<Override>,
    listing: Listing,
    hash: u64,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new(vec![], 0)
    }
}

impl Catalogue {
    /// The checked-in list under `overrides`, of which the first that fits wins. `seed` tells apart what
    /// the overrides and the providers' multipliers are.
    #[must_use]
    pub fn new(overrides: Vec<Override>, seed: u64) -> Self {
        let hash = fnv1a(seed, CHECKED_IN.as_bytes());
        Self { overrides, listing: Listing::checked_in(), hash }
    }

    /// The checked-in list alone.
    #[must_use]
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Hash of the list, the overrides and the multipliers.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The price of `model` at `provider` at the moment `now`. `None`: not known.
    #[must_use]
    pub fn price(&self, provider: &Provider, model: &str, now: Millis) -> Option<Price> {
        self.price_of_answer(provider, model, None, now)
    }

    /// The price of an answer of the model `served` to a request for `sent`: the one that the
    /// configuration sets for either, otherwise the listed one, each for the model that answered first.
    #[must_use]
    pub fn price_of_answer(
        &self,
        provider: &Provider,
        sent: &str,
        served: Option<&str>,
        now: Millis,
    ) -> Option<Price> {
        let models = || served.into_iter().chain([sent]);
        let set = models().find_map(|model| self.set(&provider.name, model)).cloned();
        set.or_else(|| {
            let listed = models().find_map(|model| self.listing.price(&provider.catalogue, model, now))?;
            Some(listed.times(provider.price_permille))
        })
    }

    fn set(&self, provider: &str, model: &str) -> Option<&Price> {
        let name = format!("{provider}/{model}").to_ascii_lowercase();
        self.overrides.iter().find(|set| set.pattern.matches(&name)).map(|set| &set.price)
    }
}
