//! Decides what a request is charged, whatever way it ended.
//!
//! | ending | charge |
//! |---|---|
//! | answered, usage reported | what the provider reported |
//! | answered without usage, text seen | an estimate from the text |
//! | answered, and nothing could be read of it | as much as there may have been, or what the team's answers of this model were lately |
//! | a report that cannot be true | the same |
//! | client gone, or broken off by the gateway | by policy: what was seen and what cannot be seen, what is usual, as much as there may have been, or the input alone |
//! | a provider that was given up on | what such an answer usually has, or as much as there may have been |
//! | stream cut by the provider or a budget, ended by an error or without its last event | what was seen and what cannot be seen |
//! | plain answer cut by the provider | what was seen, and no less than is usual: it was made to its end |
//! | refused by the provider, or never reached it | nothing, unless usage was reported |
//!
//! A cost that the answer states is the cost where the provider is one that bills it: see `stated.rs`.
//!
//! Every charge says where its numbers come from. A number the provider reported always beats a guess, if it can be true.
//! What cannot be seen is reasoning: no provider streams all of it, and it comes before the text, so who has seen text has
//! had it.
//!
//! Does not write counters: `Hold::settle` does.

mod source;
mod stated;

use std::rc::Rc;

use crate::accounting::outcome::Outcome;
use crate::base::money::PicoUsd;
use crate::base::product;
use crate::base::tokens::{BYTES_PER_TOKEN, Tokens, Usage};
use crate::budget::estimate::{Estimate, is_charged};
use crate::budget::ledger::Amounts;
use crate::budget::recent::Lately;
use crate::config::{Config, OnDisconnect, Provider, StatedCost};
use crate::dialect::{Count, Endpoint};
use crate::pricing::{Price, ServiceTier};
use crate::response::meter::Reading;

pub use source::{Basis, UsageSource};

/// What a request is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Tokens by bucket.
    pub tokens: Tokens,
    /// Their cost; `None` if the model has no price.
    pub usd: Option<PicoUsd>,
    /// Whether that is what the provider states.
    pub is_stated: bool,
    /// Where the tokens come from.
    pub source: UsageSource,
    /// What was estimated from, if something was.
    pub basis: Option<Basis>,
}

impl Charge {
    /// What the budgets count.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        let (input, output) = (self.tokens.total_input(), self.tokens.total_output());
        Amounts { usd: self.usd.unwrap_or_default(), input, output, requests: 1 }
    }

    /// What the record calls the place that the cost comes from; `None` if there is no cost.
    #[must_use]
    pub fn cost_source(&self) -> Option<&'static str> {
        self.usd.map(|_| if self.is_stated { "stated" } else { "price" })
    }

    /// Whether the provider states a cost that is more than a hundredth off this one: a sign that a price is
    /// out of date. An estimate is expected to be off.
    #[must_use]
    pub fn contradicts(&self, stated: PicoUsd) -> bool {
        let Some(usd) = self.usd.filter(|_| self.source == UsageSource::Provider) else { return false };
        let (more, less) = (usd.max(stated), usd.min(stated));
        more.saturating_sub(less).0 > more.0 / 100
    }
}

/// What must be known to charge a request.
#[derive(Clone, Copy)]
pub struct Bill<'a> {
    /// What the request is taken for if nothing of its answer is seen.
    pub estimate: &'a Estimate,
    /// What the answer said.
    pub reading: &'a Reading,
    /// The price of the model that answered, if it has one.
    pub price: Option<&'a Price>,
    /// The price of another model that a step of the answer names. A step at a model without a price costs
    /// what the answer's model costs, rather than nothing.
    pub step_price: &'a dyn Fn(&str) -> Option<Rc<Price>>,
    /// The service tier that the caller asked for, in the provider's word.
    pub tier_asked: Option<&'a str>,
    /// What to make of a cost that the answer states.
    pub stated: StatedCost,
    /// What to do when the client leaves.
    pub policy: OnDisconnect,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// Whether the answer came, or was to come, as a stream.
    pub streamed: bool,
    /// Bytes of the answer that nobody could read.
    pub unread_bytes: u64,
    /// What the model's answers to the team have been like lately, as many as were asked for.
    pub lately: Option<Lately>,
    /// Output tokens that the request allows all of its answers together, if it says so.
    pub output_bound: Option<u64>,
    /// Most tokens, in or out, that a report can have and be true.
    pub plausible_tokens: u64,
}

/// How many times what the request allows may be reported and be true: some providers do not count reasoning there.
const BOUND_FACTOR: u64 = 16;
/// Output tokens that are plausible whatever the request allows.
const ALWAYS_PLAUSIBLE: u64 = 100_000;

impl<'a> Bill<'a> {
    /// That of a stream of `provider` of which nothing is known but its `reading`, at no price.
    #[must_use]
    pub fn new(
        config: &Config,
        provider: &Provider,
        endpoint: Endpoint,
        estimate: &'a Estimate,
        reading: &'a Reading,
    ) -> Self {
        Self {
            estimate,
            reading,
            price: None,
            step_price: &|_| None,
            tier_asked: None,
            stated: provider.stated_cost,
            policy: config.on_disconnect,
            endpoint,
            streamed: true,
            unread_bytes: 0,
            lately: None,
            output_bound: None,
            plausible_tokens: config.plausible_tokens,
        }
    }

    /// What the prices are called that a charge was made with; `None` if none was.
    #[must_use]
    pub fn tier_charged(&self, charge: &Charge) -> Option<&str> {
        let price = self.price.filter(|_| !charge.is_stated && charge.source != UsageSource::None)?;
        let usage = Usage { tokens: charge.tokens, ..self.reading.reported.usage() };
        Some(price.charged_as(self.tier(price, &usage)))
    }

    /// The charge for a request that ended like this.
    #[must_use]
    pub fn charge(&self, outcome: Outcome) -> Charge {
        let Used { tokens, source, basis } = self.used(outcome);
        let usd = self.price.map(|price| match (source, basis) {
            (UsageSource::None, _) => PicoUsd::ZERO,
            (_, Some(Basis::Hold)) => self.estimate.amounts.usd.max(self.cost(price, &self.least())),
            (UsageSource::Provider, _) if self.steps().is_some() => self.cost_of_steps(price),
            _ => self.cost(price, &tokens),
        });
        // Anthropic's price for it, of every kind of token. Source: its documentation of data residency.
        let usd =
            usd.map(|usd| if self.reading.in_us { PicoUsd(usd.0.saturating_add(usd.0 / 10)) } else { usd });
        let stated = self.stated(outcome, source, usd);
        Charge { tokens, usd: stated.or(usd), is_stated: stated.is_some(), source, basis }
    }

    fn cost(&self, price: &Price, tokens: &Tokens) -> PicoUsd {
        let usage = Usage { tokens: *tokens, ..self.reading.reported.usage() };
        price.cost(&usage, self.tier(price, &usage))
    }

    fn used(&self, outcome: Outcome) -> Used {
        let reported = &self.reading.reported;
        let nothing = Used { tokens: Tokens::default(), source: UsageSource::None, basis: None };
        if !is_charged(self.endpoint, self.price) {
            return nothing;
        }
        // The provider was hung up on, whoever wanted that.
        let outcome = if outcome.is_broken_off() { Outcome::ClientDisconnect } else { outcome };
        if self.is_implausible() {
            return self.held(UsageSource::Implausible);
        }
        let has_output = reported.has_output() && !self.lags(outcome);
        let complete = reported.has_input() && (has_output || !self.endpoint.generates());
        if let Some(tokens) = self.steps().filter(|steps| complete || steps.total() > 0) {
            return Used { tokens, source: UsageSource::Provider, basis: None };
        }
        if complete {
            return Used { tokens: self.tokens(), source: UsageSource::Provider, basis: None };
        }
        let any = reported.has_input() || reported.has_output();
        if !any && matches!(outcome, Outcome::Refused | Outcome::NotAnswered) {
            return nothing;
        }
        if !any && self.is_unread(outcome) {
            return self.held(UsageSource::Unread);
        }
        let mut tokens = self.tokens();
        let mut basis = Basis::Input;
        if !reported.has_input() {
            (tokens.input, tokens.input_audio) =
                (self.estimate.tokens.input, self.estimate.tokens.input_audio);
        }
        if !has_output && self.endpoint.generates() {
            (tokens.output, basis) = self.estimated_output(outcome);
        }
        let source = if any { UsageSource::ProviderPartial } else { UsageSource::Estimated };
        Used { tokens, source, basis: Some(basis) }
    }

    /// As much as there may have been, and no less than was seen or is usual.
    fn held(&self, source: UsageSource) -> Used {
        let least = self.least();
        let mut tokens = self.estimate.tokens;
        tokens.input = tokens.input.max(least.input);
        tokens.output = tokens.output.max(least.output);
        Used { tokens, source, basis: Some(Basis::Hold) }
    }

    /// What was certainly used of an answer that could not be read: the input as it was estimated, and of the output what
    /// was seen or is usual.
    fn least(&self) -> Tokens {
        if !self.endpoint.generates() {
            return Tokens { output: 0, ..self.estimate.tokens };
        }
        // What is not read of a transcript is a text in another form than JSON.
        let text = if self.endpoint == Endpoint::Transcriptions { self.unread_bytes } else { 0 };
        let usual = self.lately.map_or(0, |lately| lately.output);
        let output = self.seen_output().0.max(text.div_ceil(BYTES_PER_TOKEN)).max(usual);
        Tokens { output, ..self.estimate.tokens }
    }

    /// Whether the provider worked, and nothing of what it answered says how much.
    fn is_unread(&self, outcome: Outcome) -> bool {
        let nothing_read =
            matches!(outcome, Outcome::Answered | Outcome::UpstreamError) || self.reading.unreadable > 0;
        self.unread_bytes > 0 || (nothing_read && self.reading.deltas == 0)
    }

    /// Whether what was reported cannot be true.
    fn is_implausible(&self) -> bool {
        let whole = self.reading.reported.tokens();
        let tokens = self.steps().unwrap_or(whole);
        let output = tokens.total_output();
        let most = self.output_bound.map_or(u64::MAX, |bound| product::saturating(bound, BOUND_FACTOR));
        tokens.total_input().max(output) > self.plausible_tokens || output > most.max(ALWAYS_PLAUSIBLE)
    }

    /// What was reported, in buckets. What an endpoint makes that makes images is images, unless it says otherwise.
    fn tokens(&self) -> Tokens {
        let reported = &self.reading.reported;
        let mut tokens = reported.tokens();
        if self.endpoint.makes_images() && reported.get(Count::OutputImage).is_none() {
            tokens.output_image = tokens.output_image.saturating_add(core::mem::take(&mut tokens.output));
        }
        tokens
    }

    /// Whether the answer broke off while a running total had not counted any of the text that was seen.
    fn lags(&self, outcome: Outcome) -> bool {
        matches!(
            outcome,
            Outcome::UpstreamReset | Outcome::BudgetCut | Outcome::UpstreamError | Outcome::ClientDisconnect
        ) && self.reading.deltas > 0
            && self.reading.reported.tokens().total_output() == 0
    }

    /// What the steps used together. `None` if they are none, or say less than the answer as a whole, which
    /// is a part of them: then some of their numbers are missing.
    fn steps(&self) -> Option<Tokens> {
        let steps = self.reading.steps.iter().map(|step| step.reported.tokens());
        steps
            .reduce(|all, step| all.plus(&step))
            .filter(|all| all.total() >= self.reading.reported.tokens().total())
    }

    /// Output tokens that nobody reported, and what they are guessed from.
    fn estimated_output(&self, outcome: Outcome) -> (u64, Basis) {
        let seen = self.seen_output();
        match (outcome, self.policy) {
            (Outcome::ClientDisconnect, OnDisconnect::BillInputOnly) => (0, Basis::Input),
            (Outcome::ClientDisconnect, OnDisconnect::BillHold) => {
                most(seen, (self.estimate.tokens.output, Basis::Hold))
            }
            (Outcome::ClientDisconnect, OnDisconnect::BillExpected) => most(seen, self.usual()),
            // A plain answer is made to its end before any of it is seen, and what has come to its end was paid for.
            (Outcome::ClientDisconnect, OnDisconnect::BillSeen)
                if !self.streamed || self.reading.finished =>
            {
                most(self.with_reasoning(seen), self.usual())
            }
            // It was made to its end too, and a provider that breaks off while it sends has charged for it.
            (Outcome::UpstreamReset | Outcome::UpstreamError, _) if !self.streamed => {
                most(self.with_reasoning(seen), self.usual())
            }
            (Outcome::UpstreamTimeout, _) => most(seen, self.usual()),
            (
                Outcome::ClientDisconnect
                | Outcome::UpstreamReset
                | Outcome::UpstreamError
                | Outcome::BudgetCut,
                _,
            ) => self.with_reasoning(seen),
            _ => seen,
        }
    }

    /// Output tokens of which the text was seen.
    fn seen_output(&self) -> (u64, Basis) {
        let by_bytes = self.reading.text_bytes.div_ceil(BYTES_PER_TOKEN);
        match self.reading.deltas {
            0 => (0, Basis::Input),
            deltas if deltas >= by_bytes => (deltas, Basis::Deltas),
            _ => (by_bytes, Basis::TextBytes),
        }
    }

    /// The same with the reasoning that usually comes before, as far as the request allows so much.
    fn with_reasoning(&self, (seen, basis): (u64, Basis)) -> (u64, Basis) {
        let reasoning = self.lately.map_or(0, |lately| lately.reasoning);
        if seen == 0 || reasoning == 0 {
            return (seen, basis);
        }
        let all = seen.saturating_add(reasoning);
        (self.output_bound.map_or(all, |bound| all.min(bound)).max(seen), basis)
    }

    /// What an answer usually has; as much as there may have been, if that is not known.
    fn usual(&self) -> (u64, Basis) {
        match self.lately {
            Some(lately) => {
                let output = self.output_bound.map_or(lately.output, |bound| lately.output.min(bound));
                (output, Basis::Recent)
            }
            None => (self.estimate.tokens.output, Basis::Hold),
        }
    }

    /// The cost of an answer that was made in steps, each at its own model's price; tools once.
    fn cost_of_steps(&self, price: &Price) -> PicoUsd {
        let tools = Usage { tokens: Tokens::default(), ..self.reading.reported.usage() };
        self.reading.steps.iter().fold(price.cost(&tools, self.tier(price, &tools)), |sum, step| {
            let own = step.model.as_ref().and_then(|model| (self.step_price)(model.as_str()));
            let used = Usage { requests: 0, ..Usage::of(step.reported.tokens()) };
            let price = own.as_deref().unwrap_or(price);
            sum.saturating_add(price.cost(&used, self.tier(price, &used)))
        })
    }

    /// The tier of the answer, by the words that the price knows.
    fn tier(&self, price: &Price, usage: &Usage) -> ServiceTier {
        if self.reading.fast {
            return ServiceTier::Fast;
        }
        let served = self.reading.service_tier.as_ref().map(|tier| tier.as_str());
        price.tier_of_answer(served, self.tier_asked, usage)
    }
}

/// The larger of two guesses.
fn most(one: (u64, Basis), other: (u64, Basis)) -> (u64, Basis) {
    if other.0 > one.0 { other } else { one }
}

/// What was used, and how that is known.
struct Used {
    tokens: Tokens,
    source: UsageSource,
    basis: Option<Basis>,
}

#[cfg(test)]
mod tests;
