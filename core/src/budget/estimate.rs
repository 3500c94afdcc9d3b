//! Decides what a request may cost before anybody has answered it: what is held while it runs.
//!
//! Expected is the size of its body in, and out what the model's answers have been lately, or what the operator
//! expects of a model that has hardly answered; never more than the caller allows. What a caller allows says little:
//! agents allow 128,000 tokens and get a few hundred. A ceiling bounds the money held for one request. At most it is what
//! the body can be in tokens and what the caller allows, at the dearest prices.
//!
//! What an answer cost of which nothing was seen is another question. It may have been as long as was allowed, and who
//! guesses low there makes answers that nobody can read cheap: see [`Expectation::unseen`].
//!
//! Does not promise that the expectation is above the real cost: the real cost is charged, whatever was held.

use crate::base::money::PicoUsd;
use crate::base::product;
use crate::base::tokens::{Tokens, Usage};
use crate::budget::ledger::Amounts;
use crate::config::HoldPolicy;
use crate::dialect::Endpoint;
use crate::pricing::Price;
use crate::request::llm_request::LlmRequest;

/// What a request is expected to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens.
    pub tokens: Tokens,
    /// What is held.
    pub amounts: Amounts,
    /// Output tokens that this is enough for: fewer than expected if a ceiling holds.
    pub covers: u64,
}

impl Estimate {
    /// What `ask` is expected to use at `price` if each of its answers has `each` output tokens; without a price no money
    /// is held.
    #[must_use]
    pub fn of(request: &LlmRequest, price: Option<&Price>, policy: &HoldPolicy, each: u64) -> Self {
        if !is_charged(request.endpoint, price) {
            return Self { amounts: Amounts::REQUEST, ..Self::default() };
        }
        let output =
            if request.endpoint.generates() { product::saturating(each, request.choices) } else { 0 };
        // Of a form with audio in it nearly all is the audio.
        let (input, input_audio) = if request.endpoint == Endpoint::Transcriptions {
            (0, request.input_tokens)
        } else {
            (request.input_tokens, 0)
        };
        // A dearer tier is held for; a discount is one only when the answer says so.
        Self::new(
            Tokens { input, input_audio, output, ..Tokens::default() },
            price,
            policy.ceiling,
            asked(request),
        )
    }

    /// Output tokens of which `held` is enough: fewer than are expected if that is less than was estimated.
    #[must_use]
    pub fn covered_by(&self, held: Amounts) -> u64 {
        let share = || product::whole(self.tokens.total_output(), held.usd.0);
        let usd = if held.usd < self.amounts.usd {
            share().checked_div(u128::from(self.amounts.usd.0))
        } else {
            None
        };
        let usd = usd.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(u64::MAX);
        self.covers.min(held.output).min(usd)
    }

    /// What is used when there is so much output: seen and not expected, so that no ceiling holds for it.
    #[must_use]
    pub fn with_output(&self, output: u64, price: Option<&Price>) -> Self {
        Self::new(Tokens { output, ..self.tokens }, price, None, None)
    }

    fn new(tokens: Tokens, price: Option<&Price>, ceiling: Option<PicoUsd>, tier: Option<&str>) -> Self {
        let usage = Usage::of(tokens);
        let cost = |price: &Price| price.cost(&usage, price.tier_of_answer(None, tier, &usage));
        let cost = price.map_or(PicoUsd::ZERO, cost);
        let usd = ceiling.map_or(cost, |ceiling| cost.min(ceiling));
        let (input, output) = (tokens.total_input(), tokens.total_output());
        let covers = if usd == cost {
            output
        } else {
            let share = product::whole(output, usd.0).checked_div(u128::from(cost.0));
            share.and_then(|share| u64::try_from(share).ok()).unwrap_or(output)
        };
        Self { tokens, amounts: Amounts { usd, input, output, requests: 1 }, covers }
    }
}

/// How long an answer is thought to be before there is one, in output tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// What is held.
    pub expected: u64,
    /// Of that, what the request itself says: all of it, if it allows no more than that; else nothing, as the rest is only a
    /// guess of ours.
    pub stated: u64,
    /// What is charged for an answer of which nothing was seen.
    pub unseen: u64,
}

impl Expectation {
    /// Of an answer that may have `limit`, if that is said, by a model of which `recent` is expected if it has answered
    /// often enough, and else `first`.
    #[must_use]
    pub fn new(limit: Option<u64>, recent: Option<u64>, first: u64) -> Self {
        let guess = recent.unwrap_or(first);
        let expected = limit.map_or(guess, |limit| limit.min(guess));
        let stated = limit.filter(|&limit| limit <= guess).unwrap_or(0);
        // What was allowed may have been made, unless it is known that it seldom is.
        let unseen = limit.filter(|_| recent.is_none()).unwrap_or(expected);
        Self { expected, stated, unseen }
    }
}

/// Whether anything is counted of what is asked of `endpoint`. Moderations are free where their price is nothing, as
/// OpenAI's is, and not because of what they are: others sell them.
#[must_use]
pub fn is_charged(endpoint: Endpoint, price: Option<&Price>) -> bool {
    endpoint.is_charged() && !(endpoint == Endpoint::Moderations && price.is_some_and(Price::is_free))
}

/// The tier that a request asks for, in the provider's word.
fn asked(request: &LlmRequest) -> Option<&str> {
    request.tier().map(|tier| tier.as_str())
}

/// The most that `request`, of which the body has `bytes`, can use if each of its answers has `output` tokens at most. A
/// token is a byte or more. What is not in the body (files that were uploaded before, images behind an address,
/// tools that the provider runs) is not in this either.
#[must_use]
pub fn most(request: &LlmRequest, bytes: u64, output: u64, price: Option<&Price>) -> Amounts {
    if !is_charged(request.endpoint, price) {
        return Amounts::REQUEST;
    }
    let output = if request.endpoint.generates() { output.saturating_mul(request.choices) } else { 0 };
    let tier = |price: &Price| asked(request).and_then(|word| price.tier(word)).unwrap_or_default();
    let cost = |price: &Price| price.most(bytes, output, tier(price));
    Amounts { usd: price.map_or(PicoUsd::ZERO, cost), input: bytes, output, requests: 1 }
}

/// How many times the bound of an answer may have been seen before it is not believed to hold: text is counted by its
/// bytes, which are a token more or less often.
const BOUND_FACTOR: u64 = 2;

/// Output tokens to hold for when `seen` were seen of an answer, of which `reported` by its provider. What is seen of a
/// text is an estimate, so it is no reason to hold more than the request allows, unless it is far above that.
#[must_use]
pub fn growth(seen: u64, reported: u64, bound: Option<u64>) -> u64 {
    let bound = bound.filter(|bound| seen <= bound.saturating_mul(BOUND_FACTOR)).unwrap_or(u64::MAX);
    seen.saturating_add(seen / 2).min(bound).max(reported)
}

#[cfg(test)]
mod tests {
    use super::{Expectation, growth};
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn less_is_expected_than_is_allowed_and_what_nobody_saw_may_have_been_all_of_it() {
        let of = |limit, recent| {
            let Expectation { expected, stated, unseen } = Expectation::new(limit, recent, 4_096);
            (expected, stated, unseen)
        };
        assert_eq!(of(Some(128_000), None), (4_096, 0, 128_000));
        assert_eq!(of(Some(100), None), (100, 100, 100));
        assert_eq!(of(None, None), (4_096, 0, 4_096));
        // Once the model has answered, that says more than what is allowed.
        assert_eq!(of(Some(128_000), Some(404)), (404, 0, 404));
        assert_eq!(of(Some(100), Some(404)), (100, 100, 100));
        assert_eq!(of(None, Some(80_000)), (80_000, 0, 80_000));
    }

    #[test]
    fn a_hold_grows_to_what_the_request_allows_and_beyond_only_with_what_is_far_above_or_reported() {
        assert_eq!(growth(40, 0, None), 60);
        assert_eq!(
            [growth(50, 0, Some(90)), growth(85, 0, Some(90)), growth(170, 0, Some(90))],
            [75, 90, 90]
        );
        assert_eq!([growth(181, 0, Some(90)), growth(100, 100, Some(90))], [271, 100]);
        assert_eq!(growth(u64::MAX, 0, Some(u64::MAX)), u64::MAX);
    }
}
