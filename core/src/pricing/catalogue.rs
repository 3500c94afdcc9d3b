//! Decides where the price of a model comes from: the configuration first, then the checked-in list.
//!
//! Has a hash over everything that a price can come from, so that a charge can be checked against the
//! very prices it was made with.
//!
//! Does not read the configuration: `config/read/prices.rs` does.

use core::cell::RefCell;
use std::rc::Rc;

use hashbrown::Equivalent;

use crate::base::hash::HashMap;

use super::additions::ADDED;
use super::listing::CHECKED_IN;
use super::{Listing, Price};
use crate::base::hash::{self, fnv1a};
use crate::base::window::Millis;
use crate::config::{Pattern, Provider};

/// Hash of the checked-in list and of what is added to it, computed by the compiler.
const LISTED: u64 = fnv1a(fnv1a(hash::EMPTY, CHECKED_IN.as_bytes()), ADDED.as_bytes());

/// A price that the configuration sets.
#[derive(Clone, Debug)]
pub struct Override {
    /// Over `provider/model` in lower case.
    pub pattern: Pattern,
    /// The price.
    pub price: Price,
}

/// Names whose prices are remembered. A stranger can make up names, so there must be an end.
const REMEMBERED: usize = 512;
/// How long a price is remembered, in milliseconds: prices change on the hour at the most often.
const REMEMBERED_MS: u64 = 60_000;

/// Every price that is known.
///
/// Looking a name up in the list takes longer than all else that is done for a small request, so what was
/// found is remembered for the minute.
#[derive(Debug)]
pub struct Catalogue {
    overrides: Vec<Override>,
    listing: &'static Listing,
    hash: u64,
    remembered: RefCell<HashMap<Asked, Found>>,
}

/// What was found, and in which minute.
type Found = (u64, Option<Rc<Price>>);

/// What a price was asked for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    provider: Box<str>,
    sent: Box<str>,
    served: Option<Box<str>>,
}

/// The same, borrowed.
#[derive(Hash)]
struct Asking<'a> {
    provider: &'a str,
    sent: &'a str,
    served: Option<&'a str>,
}

impl Equivalent<Asked> for Asking<'_> {
    fn equivalent(&self, asked: &Asked) -> bool {
        *asked.provider == *self.provider
            && *asked.sent == *self.sent
            && asked.served.as_deref() == self.served
    }
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
        let (listing, hash) = (Listing::checked_in(), fnv1a(LISTED, &seed.to_le_bytes()));
        Self { overrides, listing, hash, remembered: RefCell::default() }
    }

    /// Hash of the list, the overrides and the multipliers.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The price of `model` at `provider` at the moment `now`. `None`: not known.
    #[must_use]
    pub fn price(&self, provider: &Provider, model: &str, now: Millis) -> Option<Rc<Price>> {
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
    ) -> Option<Rc<Price>> {
        let (minute, asking) = (now.0 / REMEMBERED_MS, Asking { provider: &provider.name, sent, served });
        if let Some((of, found)) = self.remembered.borrow().get(&asking)
            && *of == minute
        {
            return found.clone();
        }
        let found = self.look_up(provider, sent, served, now).map(Rc::new);
        let mut remembered = self.remembered.borrow_mut();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        let asked =
            Asked { provider: provider.name.clone(), sent: sent.into(), served: served.map(Into::into) };
        remembered.insert(asked, (minute, found.clone()));
        found
    }

    fn look_up(&self, provider: &Provider, sent: &str, served: Option<&str>, now: Millis) -> Option<Price> {
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

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::testing::{NOW, config};
    use crate::pricing::{Kind, Price, ServiceTier};
    use serde_json::{Value, json};
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn with_prices(prices: Value, provider: Value) -> Config {
        config(|json| {
            json["providers"]["openai"] = json!({"dialect": "openai", "cluster": "o"});
            json["providers"]["mine"] = json!({"dialect": "openai", "cluster": "m"});
            let members = provider.as_object().unwrap().clone();
            json["providers"]["mine"].as_object_mut().unwrap().extend(members);
            json["prices"] = prices;
        })
    }

    fn price(config: &Config, provider: &str, sent: &str, served: Option<&str>) -> Option<Price> {
        config
            .prices
            .price_of_answer(&config.providers[provider], sent, served, NOW)
            .map(|price| (*price).clone())
    }

    /// What a million input tokens cost, in millionths of a dollar.
    fn input(config: &Config, provider: &str, sent: &str, served: Option<&str>) -> Option<u64> {
        let price = price(config, provider, sent, served)?;
        Some(price.schedule(ServiceTier::Standard).quote(0).price(Kind::Input))
    }

    #[test]
    fn the_configuration_comes_first_and_then_the_model_that_served() {
        let set =
            json!({"openai/gpt-4o*": {"input": 1, "output": 2}, "OPENAI/gpt-4.1": {"input": 7, "output": 8}});
        let config = with_prices(set, json!({}));
        for (sent, served, expected) in [
            ("gpt-4o-mini", None, Some(1_000_000)),
            ("GPT-4o-mini", None, Some(1_000_000)),
            ("gpt-4.1", None, Some(7_000_000)),
            ("o3-mini", None, Some(1_100_000)),
            // What the operator says of the model that was sent holds for whatever served it.
            ("gpt-4.1", Some("gpt-4.1-2025-04-14"), Some(7_000_000)),
            ("o3-mini", Some("gpt-4o-mini"), Some(1_000_000)),
            // What was served has a listed price, or else what was sent.
            ("gpt-5.4", Some("gpt-5.4-mini"), Some(750_000)),
            ("gpt-5.4", Some("gpt-5.4-2026-03-05"), Some(2_500_000)),
            ("gpt-5.4", Some("a name of their own"), Some(2_500_000)),
            ("a name of ours", Some("gpt-5.4"), Some(2_500_000)),
            ("a name of ours", Some("a name of their own"), None),
            ("gpt-99", None, None),
        ] {
            assert_eq!(input(&config, "openai", sent, served), expected, "{sent} {served:?}");
        }
    }

    #[test]
    fn a_provider_has_the_prices_of_the_one_it_names_times_its_multiplier() {
        let plain = with_prices(json!({}), json!({}));
        assert_eq!(input(&plain, "mine", "gpt-4o-mini", None), None);
        let named =
            with_prices(json!({}), json!({"catalogue": "Azure".to_lowercase(), "price_multiplier": "1.1"}));
        let usage = crate::base::tokens::Usage::of(crate::base::tokens::Tokens {
            input: 1_000,
            ..Default::default()
        });
        let cost = |price: Option<Price>| price.unwrap().cost(&usage, ServiceTier::Standard).0;
        assert_eq!(cost(price(&named, "mine", "gpt-4o-mini", None)), 165_000_000);
        // What the configuration sets is what it says.
        let set = json!({"mine/*": {"input": 1, "output": 2}});
        let set = with_prices(set, json!({"catalogue": "openai", "price_multiplier": 2}));
        assert_eq!(cost(price(&set, "mine", "gpt-4o-mini", None)), 1_000_000_000);
    }

    #[test]
    fn an_operator_prices_a_tier_by_any_word() {
        let set = json!({"input": 1, "output": 2, "service_tiers": {"UltraFast": {"input": 9}}, "flex": {"input": 0.5}});
        let config = with_prices(json!({"mine/*": set}), json!({}));
        let price = price(&config, "mine", "x", None).unwrap();
        let usage = crate::base::tokens::Usage::of(crate::base::tokens::Tokens {
            input: 1,
            output: 1,
            ..Default::default()
        });
        for (word, micro) in [("ultrafast", 11), ("flex", 2), ("default", 3), ("warp", 11)] {
            let cost = price.cost(&usage, price.tier_of_answer(Some(word), None, &usage));
            assert_eq!(cost.0 / 1_000_000, micro, "{word}");
        }
    }

    #[test]
    fn the_hash_tells_apart_whatever_a_price_can_come_from() {
        let hashes = [
            with_prices(json!({}), json!({})),
            with_prices(json!({"mine/*": {"input": 1, "output": 2}}), json!({})),
            with_prices(json!({"mine/*": {"input": 1, "output": 3}}), json!({})),
            with_prices(json!({"mine/*": {"input": 1, "output": 3, "flex": {"input": 1}}}), json!({})),
            with_prices(json!({"mine/*": {"input": 1, "output": 3, "service_tiers": {"flex": {"input": 1}, "x": {}}}}), json!({})),
            with_prices(json!({"mine/*": {"input": 1, "output": 3, "service_tiers": {"flex": {"input": 1}, "y": {}}}}), json!({})),
            with_prices(json!({}), json!({"catalogue": "azure"})),
            with_prices(json!({}), json!({"price_multiplier": 1.1})),
        ]
        .map(|config| config.prices.hash());
        let distinct: std::collections::BTreeSet<_> = hashes.into_iter().collect();
        assert_eq!(distinct.len(), hashes.len());
        assert_eq!(with_prices(json!({}), json!({"host": "h"})).prices.hash(), hashes[0]);
    }
}
