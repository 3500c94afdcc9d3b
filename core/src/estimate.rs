//! Decides what a request may cost before anybody has answered it: what is held while it runs.
//!
//! Input is estimated from the size of the body; output is what the caller allows, or the configured
//! assumption where it allows anything. A ceiling bounds the money held for one request, so that one
//! generous `max_tokens` does not lock a whole team out.
//!
//! Does not promise to be above the real cost: the real cost is charged, whatever was held.

use crate::ask::Ask;
use crate::config::HoldPolicy;
use crate::ledger::Amounts;
use crate::money::PicoUsd;
use crate::price::{Price, ServiceTier};
use crate::tokens::{Tokens, Usage};

/// What a request may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The most tokens that are expected.
    pub tokens: Tokens,
    /// What is held.
    pub amounts: Amounts,
}

impl Estimate {
    /// What `ask` may use at `price`; without a price no money is held.
    #[must_use]
    pub fn of(ask: &Ask, price: Option<&Price>, policy: &HoldPolicy) -> Self {
        if !ask.endpoint.is_charged() {
            return Self {
                tokens: Tokens::default(),
                amounts: Amounts { requests: 1, ..Amounts::default() },
            };
        }
        let output = if ask.endpoint.generates() {
            ask.output_limit.unwrap_or(policy.output_tokens).saturating_mul(ask.choices)
        } else {
            0
        };
        let tokens = Tokens { input: ask.input_tokens, output, ..Tokens::default() };
        let cost = price.map_or(PicoUsd::ZERO, |price| price.cost(&Usage::of(tokens), ServiceTier::Standard));
        let usd = policy.ceiling.map_or(cost, |ceiling| cost.min(ceiling));
        Self { tokens, amounts: Amounts { usd, tokens: tokens.total(), requests: 1 } }
    }
}
