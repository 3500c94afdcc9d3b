//! Decides what the operator says tokens cost, over what the catalogue says.

use core::cmp::Reverse;

use super::cursor::Cursor;
use super::syntax::MODEL;
use super::{Pattern, PriceOverride};
use crate::price::{Price, per_million};

const FIELDS: [&str; 5] = ["input", "cache_read", "cache_write", "cache_write_long", "output"];

/// The prices, in the order in which they are tried: exact names, then patterns, the longest first.
pub(super) fn read(at: &Cursor<'_>) -> Vec<PriceOverride> {
    let mut prices = Vec::new();
    for (name, entry) in at.entries().unwrap_or_default() {
        if entry.key_is(name, MODEL) && !Pattern::is_pattern(name) && !name.contains('/') {
            entry.fail("the name must be \"provider/model\" or a pattern of that");
        }
        if let Some(price) = read_price(&entry) {
            prices.push((name, price));
        }
    }
    prices.sort_by_key(|(name, _)| (Pattern::is_pattern(name), Reverse(name.len())));
    prices.into_iter().map(|(name, price)| (Pattern::new(name), price)).collect()
}

fn read_price(at: &Cursor<'_>) -> Option<Price> {
    let fields = at.fields(&FIELDS)?;
    let price = |at: Cursor<'_>| at.decimal(per_million);
    let input = fields.need("input").and_then(price);
    let [cache_read, cache_write, cache_write_long] =
        ["cache_read", "cache_write", "cache_write_long"].map(|key| fields.get(key).and_then(price));
    let output = fields.need("output").and_then(price);
    let input = input?;
    Some(Price {
        input,
        cache_read: cache_read.unwrap_or(input),
        cache_write: cache_write.unwrap_or(input),
        cache_write_long: cache_write_long.unwrap_or(input),
        output: output?,
    })
}
