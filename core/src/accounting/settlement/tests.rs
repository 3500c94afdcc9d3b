//! The charge for every ending.

use super::*;
use crate::base::text::Label;
use crate::dialect::{Count, Reported};
use crate::pricing::{Kind, RateTiers, Rates};
use crate::response::meter::Step;

fn estimate() -> Estimate {
    let tokens = Tokens { input: 100, output: 1_000, ..Tokens::default() };
    Estimate {
        tokens,
        amounts: Amounts { usd: PicoUsd(777), input: 1_000, output: 100, requests: 1 },
        covers: 100,
    }
}

fn reading(fields: &[(Count, u64)]) -> Reading {
    let mut reported = Reported::default();
    fields.iter().for_each(|&(field, count)| reported.set(field, count));
    Reading { reported, deltas: 3, text_bytes: 40, ..Reading::default() }
}

fn charge(reading: &Reading, outcome: Outcome, policy: OnDisconnect) -> (u64, u64, Option<u64>, UsageSource) {
    let (estimate, price) = (estimate(), Price::flat(1, 10));
    let bill = Bill { price: Some(&price), policy, ..bill(&estimate, reading) };
    let charge = bill.charge(outcome);
    (charge.tokens.total_input(), charge.tokens.total_output(), charge.usd.map(|usd| usd.0), charge.source)
}

/// A bill for a stream of a chat without a price.
fn bill<'a>(estimate: &'a Estimate, reading: &'a Reading) -> Bill<'a> {
    Bill {
        estimate,
        reading,
        price: None,
        step_price: &|_| None,
        tier_asked: None,
        stated: StatedCost::Compare,
        policy: SEEN,
        endpoint: Endpoint::ChatCompletions,
        streamed: true,
        unread_bytes: 0,
        lately: None,
        output_bound: None,
        plausible_tokens: 10_000_000,
    }
}

const REPORTED: [(Count, u64); 2] = [(Count::InputWithCache, 36), (Count::Output, 7)];
const SEEN: OnDisconnect = OnDisconnect::BillSeen;

#[test]
fn what_the_provider_reported_is_charged_on_every_ending_and_policy() {
    for outcome in [
        Outcome::Answered,
        Outcome::ClientDisconnect,
        Outcome::UpstreamReset,
        Outcome::Refused,
        Outcome::NotAnswered,
    ] {
        for (_, policy) in OnDisconnect::NAMES {
            let expected = (36, 7, Some(106), UsageSource::Provider);
            assert_eq!(charge(&reading(&REPORTED), outcome, policy), expected, "{outcome:?}");
        }
    }
}

#[test]
fn a_client_that_leaves_is_charged_by_policy() {
    let gone = |policy| charge(&reading(&[]), Outcome::ClientDisconnect, policy);
    assert_eq!(gone(SEEN), (100, 10, Some(200), UsageSource::Estimated));
    assert_eq!(gone(OnDisconnect::BillHold), (100, 1_000, Some(777), UsageSource::Estimated));
    assert_eq!(gone(OnDisconnect::BillInputOnly), (100, 0, Some(100), UsageSource::Estimated));
}

#[test]
fn a_client_that_leaves_pays_for_the_reasoning_that_it_could_not_see() {
    let (estimate, price) = (estimate(), Price::flat(1, 10));
    let lately = Some(Lately { output: 500, reasoning: 400 });
    let output = |reading: &Reading, change: fn(Bill<'_>) -> Bill<'_>| {
        let bill = Bill { price: Some(&price), lately, ..bill(&estimate, reading) };
        let charge = change(bill).charge(Outcome::ClientDisconnect);
        (charge.tokens.total_output(), charge.basis.unwrap())
    };
    let (begun, nothing) = (reading(&[]), Reading::default());
    let finished = Reading { finished: true, ..begun.clone() };
    // What was seen, and what came before it; never more than the request allows, nor less than was seen.
    assert_eq!(output(&begun, |bill| bill), (410, Basis::TextBytes));
    assert_eq!(output(&begun, |bill| Bill { output_bound: Some(50), ..bill }), (50, Basis::TextBytes));
    assert_eq!(output(&begun, |bill| Bill { output_bound: Some(5), ..bill }), (10, Basis::TextBytes));
    // Who has seen the end has had all of it, and so has who asked for a plain answer.
    assert_eq!(output(&finished, |bill| bill), (500, Basis::Recent));
    assert_eq!(output(&nothing, |bill| Bill { streamed: false, ..bill }), (500, Basis::Recent));
    assert_eq!(output(&finished, |bill| Bill { lately: None, ..bill }), (1_000, Basis::Hold));
    assert_eq!(output(&nothing, |bill| bill), (0, Basis::Input));
    assert_eq!(
        output(&nothing, |bill| Bill { policy: OnDisconnect::BillExpected, ..bill }),
        (500, Basis::Recent)
    );
}

#[test]
fn an_answer_that_cannot_be_read_is_charged_what_was_held_and_no_less_than_is_usual() {
    let (estimate, price) = (estimate(), Price::flat(1, 10));
    let nothing = Reading::default();
    let charge = |change: fn(Bill<'_>) -> Bill<'_>, outcome| {
        let charge = change(Bill { price: Some(&price), ..bill(&estimate, &nothing) }).charge(outcome);
        (charge.tokens.total_output(), charge.usd.unwrap().0, charge.source)
    };
    assert_eq!(charge(|bill| bill, Outcome::Answered), (1_000, 777, UsageSource::Unread));
    assert_eq!(
        charge(
            |bill| Bill { lately: Some(Lately { output: 2_000, reasoning: 0 }), ..bill },
            Outcome::Answered
        ),
        (2_000, 100 + 20_000, UsageSource::Unread)
    );
    for outcome in [Outcome::UpstreamReset, Outcome::BudgetCut, Outcome::ClientDisconnect] {
        assert_eq!(
            charge(|bill| Bill { unread_bytes: 9, ..bill }, outcome),
            (1_000, 777, UsageSource::Unread),
            "{outcome:?}"
        );
    }
    assert_eq!(charge(|bill| Bill { unread_bytes: 9, ..bill }, Outcome::Refused), (0, 0, UsageSource::None));
    // A provider that is given up on has worked until then.
    assert_eq!(charge(|bill| bill, Outcome::UpstreamTimeout), (1_000, 777, UsageSource::Estimated));
    // A transcript in another form than JSON is no cheaper than its text.
    assert_eq!(
        charge(
            |bill| Bill { endpoint: Endpoint::Transcriptions, unread_bytes: 40_000, ..bill },
            Outcome::Answered
        ),
        (10_000, 100 + 100_000, UsageSource::Unread)
    );
    assert_eq!(
        charge(|bill| Bill { endpoint: Endpoint::Embeddings, ..bill }, Outcome::Answered).2,
        UsageSource::Unread
    );
}

#[test]
fn a_report_that_cannot_be_true_is_not_charged() {
    let (estimate, price) = (estimate(), Price::flat(1, 10));
    let source = |input, output, output_bound| {
        let reading = reading(&[(Count::InputWithCache, input), (Count::Output, output)]);
        let charge =
            Bill { price: Some(&price), output_bound, ..bill(&estimate, &reading) }.charge(Outcome::Answered);
        (charge.source, charge.usd.unwrap().0)
    };
    assert_eq!(source(9_000_000_000_000, 5, None), (UsageSource::Implausible, 777));
    assert_eq!(source(5, 9_000_000_000_000, None), (UsageSource::Implausible, 777));
    assert_eq!(source(5, 100_001, Some(10)), (UsageSource::Implausible, 777));
    assert_eq!(source(5, 100_000, Some(10)).0, UsageSource::Provider);
    assert_eq!(source(9_000_000, 900_000, None).0, UsageSource::Provider);
}

#[test]
fn what_an_endpoint_for_pictures_makes_is_pictures_unless_it_says_otherwise() {
    let estimate = estimate();
    let tokens = |endpoint, counts: &[(Count, u64)]| {
        let reading = reading(counts);
        let tokens = Bill { endpoint, ..bill(&estimate, &reading) }.charge(Outcome::Answered).tokens;
        (tokens.output, tokens.output_image)
    };
    let usage = [(Count::InputWithCache, 50), (Count::Output, 4_160)];
    assert_eq!(tokens(Endpoint::Images, &usage), (0, 4_160));
    assert_eq!(tokens(Endpoint::ImageEdits, &usage), (0, 4_160));
    assert_eq!(tokens(Endpoint::ChatCompletions, &usage), (4_160, 0));
    let detailed = [usage.as_slice(), &[(Count::OutputImage, 4_000)]].concat();
    assert_eq!(tokens(Endpoint::Images, &detailed), (160, 4_000));
}

#[test]
fn a_tier_that_nobody_knows_costs_the_dearest_prices_of_the_model_and_a_discount_must_be_confirmed() {
    let quote = |input| RateTiers::flat(Rates::default().with(Kind::Input, input));
    let tiers = vec![(ServiceTier::Flex, quote(1)), (ServiceTier::Priority, quote(5))];
    let (estimate, price) = (estimate(), Price::new(quote(2), tiers));
    let cost = |served: &[u8], asked| {
        let mut reading = reading(&REPORTED);
        reading.service_tier = Label::from_bytes(served);
        let bill = Bill { price: Some(&price), tier_asked: asked, ..bill(&estimate, &reading) };
        bill.charge(Outcome::Answered).usd.unwrap().0 / 36
    };
    assert_eq!([cost(b"ultrafast", None), cost(b"fast", None), cost(b"", Some("ultrafast"))], [5, 5, 5]);
    assert_eq!(
        [cost(b"default", Some("ultrafast")), cost(b"", Some("flex")), cost(b"flex", None)],
        [2, 2, 1]
    );
}

#[test]
fn an_answer_that_was_made_where_it_costs_more_costs_more() {
    let mut reading = reading(&REPORTED);
    reading.in_us = true;
    assert_eq!(charge(&reading, Outcome::Answered, SEEN).2, Some(116));
}

#[test]
fn steps_are_the_usage_where_the_totals_say_nothing() {
    let mut reading = reading(&[(Count::InputFresh, 0), (Count::Output, 0)]);
    let mut reported = Reported::default();
    reported.set(Count::InputFresh, 83_555);
    reported.set(Count::Output, 139);
    reading.steps = vec![Step { model: None, reported }];
    assert_eq!(charge(&reading, Outcome::Answered, SEEN), (83_555, 139, Some(84_945), UsageSource::Provider));
}

#[test]
fn an_input_that_was_reported_before_the_stream_ended_is_used() {
    let partial = charge(&reading(&[(Count::InputFresh, 41)]), Outcome::UpstreamReset, SEEN);
    assert_eq!(partial, (41, 10, Some(141), UsageSource::ProviderPartial));
}

#[test]
fn an_answer_without_usage_is_estimated_and_says_so() {
    assert_eq!(charge(&reading(&[]), Outcome::Answered, SEEN), (100, 10, Some(200), UsageSource::Estimated));
}

#[test]
fn a_plain_answer_that_breaks_off_costs_what_is_usual_because_it_was_made_to_its_end() {
    let (estimate, seen) = (estimate(), reading(&[]));
    let output = |streamed, output| {
        let lately = Some(Lately { output, reasoning: 0 });
        let charge = Bill { streamed, lately, ..bill(&estimate, &seen) }.charge(Outcome::UpstreamReset);
        (charge.tokens.total_output(), charge.source)
    };
    assert_eq!(output(false, 300), (300, UsageSource::Estimated));
    assert_eq!(output(false, 3), (10, UsageSource::Estimated));
    assert_eq!(output(true, 300), (10, UsageSource::Estimated));
}

#[test]
fn an_explicit_zero_is_a_number_and_not_a_gap() {
    let zero = charge(&reading(&[(Count::InputWithCache, 36), (Count::Output, 0)]), Outcome::Answered, SEEN);
    assert_eq!(zero, (36, 0, Some(36), UsageSource::Provider));
}

#[test]
fn a_running_total_that_has_not_counted_the_text_yet_is_no_output() {
    let reading = reading(&[(Count::InputWithCache, 36), (Count::Output, 0)]);
    assert_eq!(
        charge(&reading, Outcome::UpstreamReset, SEEN),
        (36, 10, Some(136), UsageSource::ProviderPartial)
    );
}

#[test]
fn nothing_is_charged_for_what_no_model_did() {
    for outcome in [Outcome::Refused, Outcome::NotAnswered] {
        assert_eq!(
            charge(&reading(&[]), outcome, OnDisconnect::BillHold),
            (0, 0, Some(0), UsageSource::None)
        );
    }
}

#[test]
fn a_model_without_a_price_is_charged_in_tokens_and_its_cost_is_unknown() {
    let (estimate, reading) = (estimate(), reading(&REPORTED));
    let charge = bill(&estimate, &reading).charge(Outcome::Answered);
    assert_eq!((charge.usd, charge.amounts().tokens(), charge.amounts().usd), (None, 43, PicoUsd::ZERO));
}

#[test]
fn embeddings_are_complete_without_output_and_counting_tokens_is_free() {
    let (estimate, price, reading) = (estimate(), Price::flat(1, 10), reading(&[(Count::InputWithCache, 8)]));
    let bill = Bill { price: Some(&price), endpoint: Endpoint::Embeddings, ..bill(&estimate, &reading) };
    assert_eq!(bill.charge(Outcome::Answered).source, UsageSource::Provider);
    let free = Bill { endpoint: Endpoint::CountTokens, ..bill }.charge(Outcome::Answered);
    assert_eq!(
        (free.usd, free.tokens, free.source),
        (Some(PicoUsd(0)), Tokens::default(), UsageSource::None)
    );
}

#[test]
fn steps_are_charged_each_at_its_own_model_and_tools_once() {
    let step = |model: Option<&str>, input, output| {
        let mut reported = Reported::default();
        reported.set(Count::InputFresh, input);
        reported.set(Count::Output, output);
        Step { model: model.and_then(|model| Label::from_bytes(model.as_bytes())), reported }
    };
    let mut reading = reading(&[(Count::InputFresh, 220), (Count::Output, 8)]);
    reading.steps =
        vec![step(None, 220, 8), step(None, 55_196, 125), step(Some("big"), 10, 1), step(Some("new"), 5, 0)];
    let (estimate, price) = (estimate(), Price::flat(1, 10));
    let bill = Bill {
        price: Some(&price),
        step_price: &|model| (model == "big").then(|| Rc::new(Price::flat(100, 1_000))),
        ..bill(&estimate, &reading)
    };
    let charge = bill.charge(Outcome::Answered);
    assert_eq!((charge.tokens.total_input(), charge.tokens.total_output()), (55_431, 134));
    let expected = 220 + 80 + 55_196 + 1_250 + 1_000 + 1_000 + 5;
    assert_eq!(charge.usd, Some(PicoUsd(expected)));
}

#[test]
fn the_tier_that_was_given_and_the_searches_that_were_made_are_charged() {
    let quote = |input| Rates::default().with(Kind::Input, input).with(Kind::WebSearch, 1_000);
    let tiers = vec![(ServiceTier::Priority, RateTiers::flat(quote(3).with(Kind::Request, 50)))];
    let (estimate, price) =
        (estimate(), Price::new(RateTiers::flat(quote(2).with(Kind::Request, 50)), tiers));
    let cost = |tier: &[u8], tier_asked, searches, outcome| {
        let mut reading = reading(if searches > 0 { &REPORTED } else { &[] });
        reading.service_tier = Label::from_bytes(tier);
        reading.reported.set(Count::WebSearches, searches);
        let bill = Bill { price: Some(&price), tier_asked, ..bill(&estimate, &reading) };
        bill.charge(outcome).usd.unwrap().0
    };
    assert_eq!(cost(b"default", Some("priority"), 2, Outcome::Answered), 36 * 2 + 2_000 + 50);
    assert_eq!(cost(b"priority", None, 2, Outcome::Answered), 36 * 3 + 2_000 + 50);
    assert_eq!(cost(b"", Some("priority"), 1, Outcome::Answered), 36 * 3 + 1_000 + 50);
    // A request that nobody worked on has no fee either.
    assert_eq!(cost(b"", None, 0, Outcome::Refused), 0);
}

#[test]
fn steps_that_say_less_than_the_whole_are_not_what_is_charged() {
    let mut reading = reading(&REPORTED);
    reading.steps = vec![Step::default(), Step::default()];
    assert_eq!(charge(&reading, Outcome::Answered, SEEN), (36, 7, Some(106), UsageSource::Provider));
}

#[test]
fn a_stated_cost_contradicts_a_reported_charge_when_it_is_more_than_a_hundredth_off() {
    let charge = |source| Charge {
        tokens: Tokens::default(),
        usd: Some(PicoUsd(1_000)),
        is_stated: false,
        source,
        basis: None,
    };
    for (stated, contradicts) in [(1_000, false), (1_010, false), (990, false), (1_020, true), (0, true)] {
        assert_eq!(charge(UsageSource::Provider).contradicts(PicoUsd(stated)), contradicts, "{stated}");
        assert!(!charge(UsageSource::Estimated).contradicts(PicoUsd(stated)));
    }
}

#[test]
fn what_an_answer_states_is_charged_where_the_provider_bills_it_and_it_can_be_true() {
    let dollar = 1_000_000_000_000;
    let (estimate, price) = (estimate(), Price::flat(1, 10));
    let cost = |stated: u64, counts: &[(Count, u64)], outcome, price| {
        let reading = Reading { stated_cost: Some(PicoUsd(stated)), ..reading(counts) };
        let bill = Bill { price, stated: StatedCost::Charge, ..bill(&estimate, &reading) };
        let charge = bill.charge(outcome);
        (charge.usd.map(|usd| usd.0), charge.is_stated, bill.tier_charged(&charge).map(str::to_owned))
    };
    let (price, standard) = (Some(&price), Some("standard".to_owned()));
    let by_price = (Some(106), false, standard);
    let stated = |usd| (Some(usd), true, None);
    for (said, expected) in [
        (5_000, stated(5_000)),
        (50, stated(50)),
        (11, stated(11)),
        // Less than a tenth, or nothing: not all of it.
        (9, by_price.clone()),
        (0, by_price.clone()),
        (100 * dollar, stated(100 * dollar)),
        (101 * dollar, by_price.clone()),
    ] {
        assert_eq!(cost(said, &REPORTED, Outcome::Answered, price), expected, "{said}");
    }
    // What runs may not be the whole yet.
    assert_eq!(cost(50, &REPORTED, Outcome::UpstreamReset, price).0, Some(106));
    assert_eq!(cost(500, &REPORTED, Outcome::UpstreamReset, price).0, Some(500));
    // A guess does not contradict it, a report that cannot be true does, and without a price there is nothing else.
    assert_eq!(cost(5, &[], Outcome::Answered, price).0, Some(5));
    assert_eq!(cost(5_000, &[(Count::Output, u64::MAX)], Outcome::Answered, price).0, Some(777));
    assert_eq!(cost(5, &REPORTED, Outcome::Answered, None).0, Some(5));
    assert_eq!(cost(5, &[], Outcome::Refused, price).0, Some(0));
}

#[test]
fn what_an_answer_states_is_not_charged_where_it_is_only_compared() {
    let (estimate, price) = (estimate(), Price::flat(1, 10));
    let reading = Reading { stated_cost: Some(PicoUsd(50)), ..reading(&REPORTED) };
    let charge = Bill { price: Some(&price), ..bill(&estimate, &reading) }.charge(Outcome::Answered);
    assert_eq!((charge.usd, charge.is_stated), (Some(PicoUsd(106)), false));
    assert!(charge.contradicts(PicoUsd(50)));
}
