//! Decides what tokens cost.
//!
//! Prices are pico-dollars a token. A model's price is looked up under `provider/model`: first what the
//! configuration sets, then the catalogue in `prices/`, there by the exact name and by the name without
//! its date. A model without a price has none: it is never taken to be free.
//!
//! Does not know tiers, fees or modalities with prices of their own yet.

use hashbrown::HashMap;

use crate::config::PriceOverride;
use crate::money::{DecimalError, PicoUsd, parse_decimal};
use crate::tokens::Tokens;

/// The checked-in catalogue: `prices/catalogue.tsv`.
const CATALOGUE: &str = include_str!("../../prices/catalogue.tsv");

/// Prices in pico-dollars a token. What a provider does not price apart costs what its kind costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Fresh input.
    pub input: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache for a short time.
    pub cache_write: u64,
    /// Input written to a cache for a long time.
    pub cache_write_long: u64,
    /// Output, reasoning included.
    pub output: u64,
}

impl Price {
    /// A price with no prices apart: every input costs `input`.
    #[must_use]
    pub fn flat(input: u64, output: u64) -> Self {
        Self { input, cache_read: input, cache_write: input, cache_write_long: input, output }
    }

    /// What `tokens` cost; saturates.
    #[must_use]
    pub fn cost(&self, tokens: &Tokens) -> PicoUsd {
        let sum = [
            (self.input, tokens.input.saturating_add(tokens.input_audio)),
            (self.cache_read, tokens.cache_read),
            (self.cache_write, tokens.cache_write),
            (self.cache_write_long, tokens.cache_write_long),
            (self.output, tokens.output.saturating_add(tokens.reasoning).saturating_add(tokens.output_audio)),
        ]
        .into_iter()
        .map(|(price, count)| u128::from(price) * u128::from(count))
        .fold(0u128, u128::saturating_add);
        PicoUsd::from_sum(sum)
    }
}

/// Reads dollars for a million tokens, the unit in which prices are published.
///
/// # Errors
/// [`DecimalError`]; a price finer than a pico-dollar a token is an error.
pub fn per_million(text: &str) -> Result<u64, DecimalError> {
    parse_decimal(text, 6)
}

/// Every price that is known.
#[derive(Debug, Default)]
pub struct Catalogue {
    overrides: Vec<PriceOverride>,
    rows: HashMap<&'static str, Price>,
}

impl Catalogue {
    /// The checked-in catalogue under the prices of the configuration, of which the first that fits wins.
    #[must_use]
    pub fn new(overrides: Vec<PriceOverride>) -> Self {
        Self { overrides, rows: CATALOGUE.lines().filter_map(read_row).collect() }
    }

    /// The price of `model` at `provider`. `None`: not known.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str) -> Option<Price> {
        let name = format!("{provider}/{model}");
        if let Some((_, price)) = self.overrides.iter().find(|(pattern, _)| pattern.matches(&name)) {
            return Some(*price);
        }
        self.rows.get(name.as_str()).or_else(|| self.rows.get(without_date(&name)?)).copied()
    }
}

/// `name⇥input⇥cache_read⇥cache_write⇥cache_write_long⇥output` in dollars a million; an empty cache
/// price means the input price. `None` for comments and for a row that cannot be read (a test reads all).
fn read_row(line: &'static str) -> Option<(&'static str, Price)> {
    let mut columns = line.split('\t');
    let name = columns.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let input = per_million(columns.next()?).ok()?;
    let mut cache = || match columns.next() {
        Some("") => Some(input),
        Some(text) => per_million(text).ok(),
        None => None,
    };
    let (cache_read, cache_write, cache_write_long) = (cache()?, cache()?, cache()?);
    let output = per_million(columns.next()?).ok()?;
    Some((name, Price { input, cache_read, cache_write, cache_write_long, output }))
}

/// The name without `-YYYY-MM-DD` or `-YYYYMMDD` at its end; `None` if there is no such date.
fn without_date(name: &str) -> Option<&str> {
    [10, 8].into_iter().find_map(|length| {
        let (base, date) = name.split_at_checked(name.len().checked_sub(length)?)?;
        let dashes = if length == 10 { [4, 7].as_slice() } else { &[] };
        let is_date = date
            .bytes()
            .enumerate()
            .all(|(at, byte)| if dashes.contains(&at) { byte == b'-' } else { byte.is_ascii_digit() });
        base.strip_suffix('-').filter(|_| is_date)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Pattern;
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_row_of_the_catalogue_can_be_read() {
        let rows = CATALOGUE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut names: Vec<_> =
            rows.map(|line| read_row(line).unwrap_or_else(|| panic!("{line}")).0).collect();
        assert!(names.len() >= 20, "only {} models", names.len());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a model has two prices");
    }

    #[test]
    fn a_dated_name_costs_what_its_model_costs() {
        let catalogue = Catalogue::new(vec![]);
        let price = catalogue.price("openai", "gpt-4o-mini");
        assert!(price.is_some());
        assert_eq!(catalogue.price("openai", "gpt-4o-mini-2024-07-18"), price);
        assert_eq!(catalogue.price("openai", "gpt-4o-mini-20240718"), price);
    }

    #[test]
    fn a_model_nobody_priced_is_not_free() {
        assert_eq!(Catalogue::new(vec![]).price("openai", "gpt-99"), None);
    }

    #[test]
    fn the_configuration_beats_the_catalogue() {
        let catalogue = Catalogue::new(vec![(Pattern::new("openai/gpt-4o*"), Price::flat(1, 2))]);
        assert_eq!(catalogue.price("openai", "gpt-4o-mini"), Some(Price::flat(1, 2)));
    }

    #[test]
    fn each_bucket_is_charged_once_at_its_own_price() {
        let price =
            Price { input: 1, cache_read: 10, cache_write: 100, cache_write_long: 1_000, output: 10_000 };
        let tokens = Tokens {
            input: 1,
            cache_read: 2,
            cache_write: 3,
            cache_write_long: 4,
            output: 5,
            reasoning: 1,
            ..Tokens::default()
        };
        assert_eq!(price.cost(&tokens), PicoUsd(1 + 20 + 300 + 4_000 + 60_000));
    }

    proptest! {
        #[test]
        fn no_usage_makes_the_price_wrap(input: u64, output: u64, price: u64) {
            let price = Price::flat(price, price);
            let cost = |input| price.cost(&Tokens { input, output, ..Tokens::default() });
            prop_assert!(cost(input) >= cost(input / 2));
        }
    }
}
