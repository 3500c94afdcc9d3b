//! Decides what is added to a price of the catalogue: fees and tiers that a provider has and the catalogue lacks.
//!
//! The catalogue is made from a package that knows few fees and, of most models, the standard tier alone. A fee of
//! which nobody knows anything would be nothing, and a dearer tier would be guessed. So what providers publish for all
//! their models is one table, `prices/additions.txt`; a price that the catalogue lists holds before it.
//!
//! Does not change what the configuration says: that is all there is to such a price.

use super::name::fits;
use super::{Price, ServiceTier, row};
use crate::base::money::parse_decimal;

/// The table: provider, pattern over models, and what is added, with tabs in between.
pub(super) const ADDED: &str = include_str!("../../../prices/additions.txt");

/// What says that the listed fee of a search is that of a request that searches.
const BY_REQUEST: &str = "s>g";

/// One row of the table.
struct Row {
    provider: &'static str,
    pattern: &'static str,
    what: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    ADDED.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        Some(Row { provider: cells.next()?, pattern: cells.next()?, what: cells.next()? })
    })
}

/// `price` with all that is known besides of a model that has one of these names, at one of these providers.
pub(super) fn add(price: Price, providers: &[&str], names: &[&str]) -> Price {
    let holds =
        |row: &Row| providers.contains(&row.provider) && names.iter().any(|name| fits(row.pattern, name));
    let held: Vec<Row> = rows().filter(holds).collect();
    let is_by_request = held.iter().any(|row| row.what == BY_REQUEST);
    let price = if is_by_request { price.with_searches_by_request() } else { price };
    // Fees first: a tier that is made of the standard prices has them too.
    let price = held.iter().filter_map(|row| row::quote(row.what)).fold(price, |price, fees| price.or(&fees));
    held.iter().filter_map(factor).fold(price, |price, (tier, permille)| price.or_tier(tier, permille))
}

/// A tier, and its factor in thousandths.
fn factor(row: &Row) -> Option<(ServiceTier, u64)> {
    let (name, factor) = row.what.strip_prefix('/')?.split_once(' ')?;
    let (tier, _) = ServiceTier::ALL.into_iter().find(|(_, known)| *known == name)?;
    Some((tier, parse_decimal(factor, 3).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::tokens::{Tokens, Usage};
    use crate::base::window::Millis;
    use crate::pricing::{Kind, Listing};
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn cost(provider: &str, model: &str, tier: ServiceTier, counts: &[(Kind, u64)]) -> String {
        let mut usage = Usage::of(Tokens::default());
        counts.iter().for_each(|&(kind, count)| *kind.place(&mut usage) = count);
        let price = Listing::checked_in().price(provider, model, Millis::parse("2026-11-21").unwrap());
        price.unwrap_or_else(|| panic!("{model}")).cost(&usage, tier).to_string()
    }

    #[test]
    fn every_line_has_a_source_and_a_day() {
        let is_source = |line: &str| {
            line.starts_with("# 2026-") && line.get(2..12).is_some_and(|day| Millis::parse(day).is_some())
        };
        let mut sourced = false;
        for (line, before) in ADDED.lines().zip(core::iter::once("").chain(ADDED.lines())) {
            if line.starts_with('#') && !before.starts_with('#') {
                sourced = false;
            }
            sourced |= is_source(line);
            assert!(line.starts_with('#') || sourced, "{line}");
        }
    }

    #[test]
    fn every_row_can_be_read_and_has_a_provider_of_the_catalogue() {
        for row in rows() {
            let is_read = factor(&row).is_some() || row::quote(row.what).is_some() || row.what == BY_REQUEST;
            assert!(is_read, "{}", row.what);
            assert_eq!(Listing::checked_in().provider(row.provider), Some(row.provider));
        }
        let lines = ADDED.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows().count(), lines);
    }

    #[test]
    fn a_tier_that_is_sold_at_a_factor_costs_that_and_one_that_is_listed_what_is_listed() {
        let used = [(Kind::Input, 1_000), (Kind::Output, 2_500)];
        for (model, tier, dollars) in [
            ("gemini-3-flash-preview", ServiceTier::Standard, "0.008"),
            ("gemini-3-flash-preview", ServiceTier::Priority, "0.0144"),
            ("gemini-3-flash-preview", ServiceTier::Flex, "0.004"),
            ("models/gemini-3-flash-preview", ServiceTier::Priority, "0.0144"),
            // The catalogue has a price of its own for these.
            ("gemini-3-flash-preview", ServiceTier::Batch, "0.004"),
            ("gemini-3.8-flash-tts", ServiceTier::Priority, "0.0414"),
            // Nothing is known of it: the dearest that is.
            ("gemini-3-flash-preview", ServiceTier::Unknown, "0.0144"),
        ] {
            assert_eq!(cost("gemini", model, tier, &used), dollars, "{model} {tier:?}");
        }
        // Long prompts, and fees, which are no part of what a tier changes.
        let long = [(Kind::Input, 300_000), (Kind::WebSearch, 1)];
        assert_eq!(cost("google", "gemini-3.1-pro-preview", ServiceTier::Priority, &long), "2.174");
    }

    #[test]
    fn a_search_has_a_fee_wherever_it_is_sold() {
        for (provider, model, counts, dollars) in [
            ("gemini", "gemini-3-flash-preview", [(Kind::WebSearch, 2), (Kind::GroundedRequest, 1)], "0.028"),
            ("gemini", "gemini-2.5-flash", [(Kind::WebSearch, 2), (Kind::GroundedRequest, 1)], "0.035"),
            ("xai", "grok-4", [(Kind::WebSearch, 3), (Kind::FileSearch, 0)], "0.015"),
            ("openai", "gpt-5.3", [(Kind::WebSearch, 1), (Kind::FileSearch, 2)], "0.015"),
            ("azure", "gpt-5.3", [(Kind::WebSearch, 1), (Kind::FileSearch, 2)], "0.015"),
            ("vertex", "claude-3-opus", [(Kind::WebSearch, 1), (Kind::FileSearch, 0)], "0.01"),
            // What searches once for each request, and does not say it.
            ("openai", "gpt-5-search-api", [(Kind::Input, 0), (Kind::Output, 0)], "0.01"),
            ("openai", "gpt-5-search-api-2025-10-14", [(Kind::Input, 1_000_000), (Kind::Output, 0)], "1.26"),
            (
                "openai",
                "gpt-4o-mini-search-preview-2025-03-11",
                [(Kind::Input, 0), (Kind::Output, 0)],
                "0.025",
            ),
            ("openai", "gpt-4o-search-preview", [(Kind::Input, 0), (Kind::Output, 0)], "0.025"),
        ] {
            let cost = cost(provider, model, ServiceTier::Standard, &counts);
            assert_eq!(cost.trim_end_matches('0'), dollars, "{provider}/{model}");
        }
    }
}
