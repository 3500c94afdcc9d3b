//! Decides what the operator says use costs, over what the catalogue says.

use core::cmp::Reverse;
use std::rc::Rc;

use crate::base::hash::HashMap;

use super::cursor::{Cursor, Fields};
use super::policy::MAX_COUNT;
use super::syntax::{MODEL, NAME};
use crate::base::hash::{self, fnv1a};
use crate::config::{Pattern, Provider};
use crate::pricing::{Catalogue, Kind, Override, Price, RateTiers, Rates, ServiceTier};

/// The prices of long prompts.
const STEPS: &str = "tiers";
/// The prices of tiers by the words of the provider.
const WORDS: &str = "service_tiers";
/// The most words that a model may have prices for.
const MOST_WORDS: usize = 16;
/// The threshold of one of them.
const ABOVE: &str = "above_input_tokens";

/// The overrides in the order in which they are tried: exact names, then patterns, the longest first.
pub(super) fn read(at: Option<&Cursor<'_>>, providers: &HashMap<Box<str>, Rc<Provider>>) -> Catalogue {
    let mut prices = Vec::new();
    for (name, entry) in at.and_then(Cursor::entries).unwrap_or_default() {
        if entry.key_is(name, MODEL) && !Pattern::is_pattern(name) && !name.contains('/') {
            entry.fail("the name must be \"provider/model\" or a pattern of that");
        }
        if let Some(price) = read_price(&entry) {
            prices.push((name.to_ascii_lowercase(), price));
        }
    }
    prices.sort_by_key(|(name, _)| (Pattern::is_pattern(name), Reverse(name.len())));
    let seed = seed(&prices, providers);
    let overrides = prices.into_iter().map(|(name, price)| Override { pattern: Pattern::new(&name), price });
    Catalogue::new(overrides.collect(), seed)
}

/// Tells apart all that the configuration says about prices. Providers have no order.
fn seed(prices: &[(String, Price)], providers: &HashMap<Box<str>, Rc<Provider>>) -> u64 {
    let hash = |texts: [&str; 2], number: u64| {
        let hash = texts.iter().fold(hash::EMPTY, |hash, text| fnv1a(fnv1a(hash, text.as_bytes()), b"/"));
        fnv1a(hash, &number.to_le_bytes())
    };
    let providers = providers.values().map(|at| hash([&at.name, &at.catalogue], at.price_permille));
    let providers = providers.fold(0, u64::wrapping_add);
    prices.iter().fold(providers, |before, (name, price)| price.hash(hash([name, ""], before)))
}

fn read_price(at: &Cursor<'_>) -> Option<Price> {
    let own = Kind::ALL.into_iter().map(|(_, name, _)| name);
    let tiers = || ServiceTier::ALL.into_iter().filter(|(tier, _)| *tier != ServiceTier::Standard);
    let known: Vec<_> = own.chain([STEPS, WORDS]).chain(tiers().map(|(_, name)| name)).collect();
    let fields = at.fields(&known)?;
    let needed = [fields.need("input").is_some(), fields.need("output").is_some()];
    let base = quote(&fields);
    let steps = fields.get(STEPS).map(|list| read_steps(&list)).unwrap_or_default();
    let over = |at: &Cursor<'_>| {
        let own = quote(&at.fields(&kinds())?);
        let steps = steps.iter().map(|(above, quote)| (*above, own.over(quote)));
        Some(RateTiers::new(own.over(&base), steps.collect()))
    };
    let tiers = tiers().filter_map(|(tier, name)| Some((tier, over(&fields.get(name)?)?))).collect();
    let words = fields.get(WORDS).map(|at| read_words(&at, over)).unwrap_or_default();
    (needed == [true; 2]).then(|| Price::new(RateTiers::new(base, steps), tiers).with_words(words))
}

/// Prices of tiers that are told apart by the provider's words.
fn read_words(
    at: &Cursor<'_>,
    read: impl Fn(&Cursor<'_>) -> Option<RateTiers>,
) -> Vec<(Box<str>, RateTiers)> {
    let entries = at.entries().unwrap_or_default();
    if entries.len() > MOST_WORDS {
        at.fail(format!("has more than {MOST_WORDS} names"));
    }
    let words = entries.into_iter().filter_map(|(word, entry)| {
        entry.key_is(word, NAME);
        Some((word.to_ascii_lowercase().into(), read(&entry)?))
    });
    words.collect()
}

/// What changes for long prompts, by the threshold.
fn read_steps(at: &Cursor<'_>) -> Vec<(u64, Rates)> {
    let known: Vec<_> = [ABOVE].into_iter().chain(kinds()).collect();
    let steps = at.items().unwrap_or_default().into_iter().filter_map(|step| {
        let fields = step.fields(&known)?;
        Some((fields.need(ABOVE)?.count(0..=MAX_COUNT)?, quote(&fields)))
    });
    steps.collect()
}

fn kinds() -> [&'static str; Kind::ALL.len()] {
    Kind::ALL.map(|(_, name, _)| name)
}

/// The prices among `fields`.
fn quote(fields: &Fields<'_>) -> Rates {
    Kind::ALL.into_iter().fold(Rates::default(), |quote, (kind, name, _)| {
        let price = fields.get(name).and_then(|at| at.decimal(|text| Rates::published(kind, text)));
        price.map_or(quote, |price| quote.with(kind, price))
    })
}
