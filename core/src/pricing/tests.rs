//! What use costs.

use super::*;
use crate::base::tokens::Tokens;
use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const STANDARD: ServiceTier = ServiceTier::Standard;

fn price(row: &str) -> Price {
    row::read(row).unwrap_or_else(|| panic!("{row}"))
}

fn use_of(counts: &[(Kind, u64)]) -> Usage {
    let mut usage = Usage::default();
    counts.iter().for_each(|&(kind, count)| *kind.place(&mut usage) = count);
    usage
}

/// What `counts` cost in dollars, by a row of the catalogue.
fn cost(row: &str, tier: ServiceTier, counts: &[(Kind, u64)]) -> String {
    price(row).cost(&use_of(counts), tier).to_string()
}

#[test]
fn each_kind_is_charged_once_at_its_own_price() {
    let row = "i1 r2 w3 l4 ia5 ra6 ii7 ri8 o9 t10 oa11 oi12 s0.013 f0.014 q0.015 g0.016";
    for (index, (kind, name, _)) in Kind::ALL.into_iter().enumerate() {
        let expected = PicoUsd((index as u64 + 1) * 1_000_000);
        assert_eq!(price(row).cost(&use_of(&[(kind, 1)]), STANDARD), expected, "{name}");
    }
    let all: Vec<_> = Kind::ALL.into_iter().map(|(kind, ..)| (kind, 1)).collect();
    assert_eq!(price(row).cost(&use_of(&all), STANDARD), PicoUsd((1..=16).sum::<u64>() * 1_000_000));
}

#[test]
fn what_is_not_listed_costs_what_its_substitute_does() {
    for (row, kind, pico) in [
        ("i3 o15", Kind::CacheRead, 3),
        ("i3 o15", Kind::CacheWrite, 3),
        ("i3 o15", Kind::CacheWriteLong, 3),
        ("i3 o15 w4", Kind::CacheWriteLong, 4),
        ("i3 o15", Kind::InputAudio, 3),
        ("i3 o15", Kind::InputImage, 3),
        ("i3 o15", Kind::Reasoning, 15),
        ("i3 o15", Kind::OutputAudio, 15),
        ("i3 o15", Kind::OutputImage, 15),
        // Audio from a cache is not charged as a fresh one.
        ("i3 o15 r1 ia32", Kind::CacheReadAudio, 1),
        ("i3 o15 ia32", Kind::CacheReadAudio, 32),
        ("i3 o15 r1 ii8", Kind::CacheReadImage, 1),
        ("i3 o15 ii8", Kind::CacheReadImage, 8),
        // A price of nothing is a price.
        ("i3 o15 r0", Kind::CacheRead, 0),
        ("i3 o15", Kind::WebSearch, 0),
        ("i3", Kind::Output, 0),
    ] {
        let got = price(row).cost(&use_of(&[(kind, 1)]), STANDARD);
        assert_eq!(got, PicoUsd(pico * 1_000_000), "{kind:?} of {row}");
    }
}

#[test]
fn a_long_prompt_raises_the_price_of_every_token_of_its_request() {
    let row = "i3 o15 r0.3 w3.75 l6 s10 >200000 i6 o22.5 r0.6 w7.5 l12";
    use Kind::{CacheRead, CacheWrite, Input, Output, WebSearch};
    for (counts, dollars) in [
        ([(Input, 200_000), (CacheRead, 0), (CacheWrite, 0), (Output, 1_000), (WebSearch, 1)], "0.625"),
        ([(Input, 200_001), (CacheRead, 0), (CacheWrite, 0), (Output, 1_000), (WebSearch, 1)], "1.232506"),
        // Caches count towards the threshold, output does not.
        (
            [(Input, 1), (CacheRead, 100_000), (CacheWrite, 99_999), (Output, 300_000), (WebSearch, 0)],
            "4.90499925",
        ),
        (
            [(Input, 1), (CacheRead, 100_000), (CacheWrite, 100_000), (Output, 300_000), (WebSearch, 0)],
            "7.560006",
        ),
    ] {
        assert_eq!(cost(row, STANDARD, &counts), dollars, "{counts:?}");
    }
}

#[test]
fn a_threshold_may_be_met_or_passed() {
    // xAI's price changes at 200,000 tokens, the others' after them.
    let at = |row: &str| cost(row, STANDARD, &[(Kind::Input, 200_000)]);
    assert_eq!((at("i1 o1 >199999 i2").as_str(), at("i1 o1 >200000 i2").as_str()), ("0.40", "0.20"));
    assert_eq!(at("i1 o1 >100000 i2 >150000 i4 >250000 i8"), "0.80");
}

#[test]
fn a_service_tier_has_its_own_prices_and_multiplies_nothing() {
    let row = "i2.5 o15 r0.25 >272000 i5 o22.5 r0.5 /flex i1.25 o7.5 r0.13 >272000 i2.5 o11.25 r0.25 /priority i5 o30 r0.5";
    let long = [(Kind::Input, 300_000), (Kind::Output, 1_000)];
    let short = [(Kind::Input, 1_000), (Kind::Output, 1_000)];
    for (tier, long_dollars, short_dollars) in [
        (STANDARD, "1.5225", "0.0175"),
        (ServiceTier::Flex, "0.76125", "0.00875"),
        (ServiceTier::Priority, "1.53", "0.035"),
        // No price apart: that of the standard tier.
        (ServiceTier::Batch, "1.5225", "0.0175"),
    ] {
        assert_eq!(cost(row, tier, &long), long_dollars, "{tier:?}");
        assert_eq!(cost(row, tier, &short), short_dollars, "{tier:?}");
    }
}

#[test]
fn the_tier_that_was_given_counts_and_not_the_one_that_was_asked_for() {
    let price = price("i2 o8 /flex i1 o4 /priority i4 o16 /fast i6 o24");
    let usage = Usage::of(Tokens { input: 10, ..Tokens::default() });
    for (served, asked, tier) in [
        (Some("default"), Some("priority"), ServiceTier::Standard),
        (Some("priority"), Some("fast"), ServiceTier::Priority),
        (Some("flex"), None, ServiceTier::Flex),
        (None, Some("flex"), ServiceTier::Standard),
        (None, Some("batch"), ServiceTier::Standard),
        (None, Some("priority"), ServiceTier::Priority),
        (None, Some("optimized"), ServiceTier::Fast),
        (Some("SERVICE_TIER_PRIORITY"), None, ServiceTier::Priority),
        (None, Some("auto"), ServiceTier::Standard),
        (None, None, ServiceTier::Standard),
        (Some("batch"), None, ServiceTier::Batch),
        (Some("ON_DEMAND_PRIORITY"), None, ServiceTier::Priority),
        (Some("standard"), None, ServiceTier::Standard),
        (Some("ultrafast"), None, ServiceTier::Unknown),
        (None, Some("ultrafast"), ServiceTier::Unknown),
        (Some("auto"), None, ServiceTier::Standard),
    ] {
        assert_eq!(price.tier_of_answer(served, asked, &usage), tier, "{served:?} {asked:?}");
    }
}

#[test]
fn a_tier_can_be_priced_by_a_word_that_nobody_knows() {
    let quote = |input| RateTiers::flat(Rates::default().with(Kind::Input, input));
    let words = vec![("ultrafast".into(), quote(9)), ("scale".into(), quote(1))];
    let price = Price::new(quote(2), vec![(ServiceTier::Priority, quote(4))]).with_words(words);
    let usage = Usage::of(Tokens { input: 10, ..Tokens::default() });
    for (served, asked, pico, charged) in [
        (Some("ultrafast"), None, 90, "ultrafast"),
        (Some("UltraFast"), None, 90, "ultrafast"),
        // A word that is known and that the operator prices is the operator's.
        (Some("scale"), None, 10, "scale"),
        (None, Some("scale"), 20, "standard"),
        (None, Some("ultrafast"), 90, "ultrafast"),
        (Some("default"), Some("ultrafast"), 20, "standard"),
        (Some("priority"), None, 40, "priority"),
        (Some("flex"), None, 20, "standard"),
        (Some("warp"), None, 90, "dearest"),
        (Some("fast"), None, 90, "dearest"),
    ] {
        let tier = price.tier_of_answer(served, asked, &usage);
        let got = (price.cost(&usage, tier).0, price.charged_as(tier));
        assert_eq!(got, (pico, charged), "{served:?} {asked:?}");
    }
}

#[test]
fn a_multiplier_is_applied_once_to_the_whole_and_rounded_once() {
    let usage = Usage::of(Tokens { input: 1, output: 1, ..Tokens::default() });
    for (input, output, permille, pico) in [
        (5, 0, 1_100, 6),
        (4, 0, 1_100, 4),
        (2, 3, 1_100, 6),
        (10, 0, 850, 9),
        (1, 1, 0, 0),
        (7, 0, 1_000, 7),
    ] {
        let price = Price::flat(input, output).times(permille);
        assert_eq!(price.cost(&usage, STANDARD), PicoUsd(pico), "{input} + {output} by {permille}");
    }
}

#[test]
fn what_is_dearer_in_or_out_and_nowhere_cheaper_is_dearer() {
    let dearer = |one: (u64, u64), other: (u64, u64)| {
        Price::flat(one.0, one.1).is_dearer(&Price::flat(other.0, other.1), 10)
    };
    assert_eq!([dearer((2, 8), (1, 8)), dearer((1, 9), (1, 8))], [true, true]);
    assert_eq!([dearer((2, 7), (1, 8)), dearer((1, 8), (1, 8)), dearer((0, 0), (1, 8))], [false; 3]);
    assert!(Price::flat(1, 8).times(1_100).is_dearer(&Price::flat(1, 8), 10));
}

#[test]
fn what_cannot_be_read_is_no_price() {
    for row in [
        "",
        "i",
        "i3 o",
        "x3",
        "i3  o15",
        "i-3",
        "i3 o15 >",
        "i3 >2000",
        "i3 >two i4",
        "i3 /turbo i4",
        "i3 /flex",
        "i0.0000001",
    ] {
        assert_eq!(row::read(row), None, "{row:?}");
    }
}

/// Usage as each provider reports it, and what it comes to by the provider's price list. Each was got wrong
/// by a gateway at some time.
#[test]
fn the_mistakes_of_others_are_not_made_here() {
    use Kind::{
        CacheRead, CacheReadAudio, CacheWrite, CacheWriteLong, Input, InputAudio, Output, Reasoning, Request,
    };
    let haiku = "i1 o5 r0.1 w1.25 l2";
    let mini = "i0.15 o0.6 r0.075";
    let pro = "i1.25 o10 r0.125 >200000 i2.5 o15 r0.25";
    type Case = (&'static str, &'static str, &'static [(Kind, u64)], &'static str);
    let cases: [Case; 8] = [
        (
            "cache writes are not input as well",
            haiku,
            &[(Input, 3), (CacheWrite, 2_074), (Output, 288)],
            "0.0040355",
        ),
        (
            "a write for an hour costs twice the input",
            haiku,
            &[(CacheWrite, 74), (CacheWriteLong, 2_000)],
            "0.0040925",
        ),
        (
            "what is read from a cache is not at full price",
            mini,
            &[(Input, 1), (CacheRead, 35), (Output, 7)],
            "0.000006975",
        ),
        ("thoughts are output", pro, &[(Input, 12), (Output, 1), (Reasoning, 290)], "0.002925"),
        ("a cliff is no marginal rate", pro, &[(Input, 250_000), (Output, 10)], "0.62515"),
        (
            "caches reach the cliff too",
            pro,
            &[(Input, 50_000), (CacheRead, 200_000), (Output, 10)],
            "0.17515",
        ),
        (
            "audio from a cache is not fresh audio",
            "i4 o16 r0.4 ia32 ra0.4 oa64",
            &[(InputAudio, 10), (CacheReadAudio, 1_000)],
            "0.00072",
        ),
        (
            "a request has a fee of its own",
            "i3 o15 q14",
            &[(Input, 10), (Output, 10), (Request, 1)],
            "0.01418",
        ),
    ];
    for (what, row, counts, dollars) in cases {
        assert_eq!(cost(row, STANDARD, counts), dollars, "{what}");
    }
}

fn any_quote() -> impl Strategy<Value = Rates> {
    prop::collection::vec(prop::option::of(any::<u64>()), Kind::ALL.len()).prop_map(|prices| {
        let listed = Kind::ALL.into_iter().zip(prices).filter_map(|((kind, ..), price)| Some((kind, price?)));
        listed.fold(Rates::default(), |quote, (kind, price)| quote.with(kind, price))
    })
}

fn any_use(largest: u64) -> impl Strategy<Value = Usage> {
    prop::collection::vec(0..=largest, Kind::ALL.len()).prop_map(|counts| {
        let counts: Vec<_> =
            Kind::ALL.into_iter().zip(counts).map(|((kind, ..), count)| (kind, count)).collect();
        use_of(&counts)
    })
}

proptest! {
    #[test]
    fn more_use_never_costs_less_and_no_use_wraps(
        quote in any_quote(), usage in any_use(u64::MAX), more: u64, kind in 0..Kind::ALL.len(), permille in 0u64..=1_000_000,
    ) {
        let price = Price::new(RateTiers::flat(quote), vec![]).times(permille);
        let mut larger = usage;
        let place = Kind::ALL[kind].0.place(&mut larger);
        *place = place.saturating_add(more);
        prop_assert!(price.cost(&larger, STANDARD) >= price.cost(&usage, STANDARD));
    }

    #[test]
    fn a_cliff_prices_all_kinds_of_a_request_alike(
        base in any_quote(), step in any_quote(), above in 0u64..10_000, usage in any_use(1_000),
    ) {
        let schedule = RateTiers::new(base, vec![(above, step)]);
        let is_above = usage.tokens.total_input() > above;
        let expected = if is_above { step.over(&base) } else { base };
        prop_assert_eq!(schedule.cost(&usage), expected.cost(&usage));
    }

    #[test]
    fn a_cost_is_the_sum_of_its_parts(quote in any_quote(), usage in any_use(1 << 40)) {
        let parts = Kind::ALL.into_iter().map(|(kind, ..)| quote.cost(&use_of(&[(kind, kind.count(usage))])));
        prop_assert_eq!(quote.cost(&usage), parts.fold(0, u128::saturating_add));
    }

    #[test]
    fn no_text_makes_the_reader_of_rows_panic(text in "[a-z0-9.>/ ]{0,40}") {
        let _ = row::read(&text);
    }
}
