//! Decides what a request is charged, whatever way it ended.
//!
//! | ending | charge |
//! |---|---|
//! | answered, usage reported | what the provider reported |
//! | answered without usage, text seen | an estimate from the text |
//! | answered, and nothing could be read of it | what was held, or what the team's answers of this model were lately |
//! | a report that cannot be true | the same |
//! | client gone, or broken off by the gateway | by policy: what was seen and what cannot be seen, what is usual, what was held, or the input alone |
//! | a provider that was given up on | what such an answer usually has, or what was held |
//! | stream cut by the provider or a budget | what was seen and what cannot be seen |
//! | plain answer cut by the provider | what was seen, and no less than is usual: it was made to its end |
//! | refused by the provider, or never reached it | nothing, unless usage was reported |
//!
//! Every charge says where its numbers come from. A number the provider reported always beats a guess, if it can be true.
//! What cannot be seen is reasoning: no provider streams all of it, and it comes before the text, so who has seen text has
//! had it.
//!
//! Does not write counters: `Hold::settle` does.

mod ending;

use std::rc::Rc;

use crate::config::OnDisconnect;
use crate::dialect::{Count, Endpoint};
use crate::estimate::Estimate;
use crate::ledger::Amounts;
use crate::meter::Reading;
use crate::money::PicoUsd;
use crate::price::{Price, ServiceTier};
use crate::recent::Lately;
use crate::tokens::{Tokens, Usage};

pub use ending::Ending;

/// Bytes of text that make one token, roughly; where deltas are finer than this, they are counted instead.
const BYTES_PER_TOKEN: u64 = 4;

/// Where the numbers of a charge come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageSource {
    /// The provider said all of it.
    Provider,
    /// The provider said a part, the rest is estimated.
    ProviderPartial,
    /// Nobody said; it is estimated.
    Estimated,
    /// Something was answered that could not be read.
    Unread,
    /// The provider said what cannot be true.
    Implausible,
    /// There is nothing to charge.
    None,
}

impl UsageSource {
    /// Every source, for metrics.
    pub const ALL: [Self; 6] =
        [Self::Provider, Self::ProviderPartial, Self::Estimated, Self::Unread, Self::Implausible, Self::None];

    /// What the record and metrics call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::ProviderPartial => "provider_partial",
            Self::Estimated => "estimated",
            Self::Unread => "unread",
            Self::Implausible => "implausible",
            Self::None => "none",
        }
    }
}

/// What a request is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Tokens by bucket.
    pub tokens: Tokens,
    /// Their cost; `None` if the model has no price.
    pub usd: Option<PicoUsd>,
    /// Where the tokens come from.
    pub source: UsageSource,
    /// What was estimated from, if something was.
    pub basis: Option<Basis>,
}

/// What the output of an estimate was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The pieces of text that came: about one token each at many providers.
    Deltas,
    /// The bytes of text that came.
    TextBytes,
    /// What was held.
    Hold,
    /// What the answers of the model to the team were lately.
    Recent,
    /// The prompt alone: no output came, or the policy asks for this.
    Input,
}

impl Basis {
    /// What the record calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deltas => "deltas",
            Self::TextBytes => "text_bytes",
            Self::Hold => "hold",
            Self::Recent => "recent",
            Self::Input => "input",
        }
    }
}

impl Charge {
    /// What the budgets count.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        let (input, output) = (self.tokens.total_input(), self.tokens.total_output());
        Amounts { usd: self.usd.unwrap_or_default(), input, output, requests: 1 }
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
    /// What was estimated before.
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

impl Bill<'_> {
    /// The charge for a request that ended like this.
    #[must_use]
    pub fn charge(&self, ending: Ending) -> Charge {
        let Used { tokens, source, basis } = self.used(ending);
        let usd = self.price.map(|price| match (source, basis) {
            (UsageSource::None, _) => PicoUsd::ZERO,
            (_, Some(Basis::Hold)) => self.estimate.amounts.usd.max(self.cost(price, &self.least())),
            (UsageSource::Provider, _) if self.steps().is_some() => self.cost_of_steps(price),
            _ => self.cost(price, &tokens),
        });
        // Anthropic's price for it, of every kind of token. Source: its documentation of data residency.
        let usd =
            usd.map(|usd| if self.reading.in_us { PicoUsd(usd.0.saturating_add(usd.0 / 10)) } else { usd });
        Charge { tokens, usd, source, basis }
    }

    fn cost(&self, price: &Price, tokens: &Tokens) -> PicoUsd {
        price.cost(&Usage { tokens: *tokens, ..self.reading.reported.usage() }, self.tier())
    }

    fn used(&self, ending: Ending) -> Used {
        let reported = &self.reading.reported;
        let nothing = Used { tokens: Tokens::default(), source: UsageSource::None, basis: None };
        if !self.endpoint.is_charged() {
            return nothing;
        }
        // The provider was hung up on, whoever wanted that.
        let ending = if ending.is_broken_off() { Ending::ClientGone } else { ending };
        if self.is_implausible() {
            return self.held(UsageSource::Implausible);
        }
        let has_output = reported.has_output() && !self.lags(ending);
        let complete = reported.has_input() && (has_output || !self.endpoint.generates());
        if let Some(tokens) = self.steps().filter(|steps| complete || steps.total() > 0) {
            return Used { tokens, source: UsageSource::Provider, basis: None };
        }
        if complete {
            return Used { tokens: self.tokens(), source: UsageSource::Provider, basis: None };
        }
        let any = reported.has_input() || reported.has_output();
        if !any && matches!(ending, Ending::Refused | Ending::NotAnswered) {
            return nothing;
        }
        if !any && self.is_unread(ending) {
            return self.held(UsageSource::Unread);
        }
        let mut tokens = self.tokens();
        let mut basis = Basis::Input;
        if !reported.has_input() {
            (tokens.input, tokens.input_audio) =
                (self.estimate.tokens.input, self.estimate.tokens.input_audio);
        }
        if !has_output && self.endpoint.generates() {
            (tokens.output, basis) = self.estimated_output(ending);
        }
        let source = if any { UsageSource::ProviderPartial } else { UsageSource::Estimated };
        Used { tokens, source, basis: Some(basis) }
    }

    /// What was held, and no less than was seen or is usual.
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
    fn is_unread(&self, ending: Ending) -> bool {
        let nothing_read = ending == Ending::Answered || self.reading.unreadable > 0;
        self.unread_bytes > 0 || (nothing_read && self.reading.deltas == 0)
    }

    /// Whether what was reported cannot be true.
    fn is_implausible(&self) -> bool {
        let whole = self.reading.reported.tokens();
        let tokens = self.steps().unwrap_or(whole);
        let output = tokens.total_output();
        let most = self.output_bound.map_or(u64::MAX, |bound| bound.saturating_mul(BOUND_FACTOR));
        tokens.total_input().max(output) > self.plausible_tokens || output > most.max(ALWAYS_PLAUSIBLE)
    }

    /// What was reported, in buckets. What an endpoint makes that makes pictures is pictures, unless it says otherwise.
    fn tokens(&self) -> Tokens {
        let reported = &self.reading.reported;
        let mut tokens = reported.tokens();
        if self.endpoint.makes_images() && reported.get(Count::OutputImage).is_none() {
            tokens.output_image = tokens.output_image.saturating_add(core::mem::take(&mut tokens.output));
        }
        tokens
    }

    /// Whether the answer broke off while a running total had not counted any of the text that was seen.
    fn lags(&self, ending: Ending) -> bool {
        matches!(ending, Ending::Cut | Ending::CutOff | Ending::ClientGone)
            && self.reading.deltas > 0
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
    fn estimated_output(&self, ending: Ending) -> (u64, Basis) {
        let seen = self.seen_output();
        match (ending, self.policy) {
            (Ending::ClientGone, OnDisconnect::BillInputOnly) => (0, Basis::Input),
            (Ending::ClientGone, OnDisconnect::BillHold) => {
                most(seen, (self.estimate.tokens.output, Basis::Hold))
            }
            (Ending::ClientGone, OnDisconnect::BillExpected) => most(seen, self.usual()),
            // A plain answer is made to its end before any of it is seen, and what has come to its end was paid for.
            (Ending::ClientGone, OnDisconnect::BillSeen) if !self.streamed || self.reading.finished => {
                most(self.with_reasoning(seen), self.usual())
            }
            // It was made to its end too, and a provider that breaks off while it sends has charged for it.
            (Ending::Cut, _) if !self.streamed => most(self.with_reasoning(seen), self.usual()),
            (Ending::GivenUp, _) => most(seen, self.usual()),
            (Ending::ClientGone | Ending::Cut | Ending::CutOff, _) => self.with_reasoning(seen),
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

    /// What an answer usually has; what was held, if that is not known.
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
        self.reading.steps.iter().fold(price.cost(&tools, self.tier()), |sum, step| {
            let own = step.model.as_ref().and_then(|model| (self.step_price)(model.as_str()));
            let used = Usage { requests: 0, ..Usage::of(step.reported.tokens()) };
            sum.saturating_add(own.as_deref().unwrap_or(price).cost(&used, self.tier()))
        })
    }

    fn tier(&self) -> ServiceTier {
        if self.reading.fast {
            return ServiceTier::Fast;
        }
        let served = self.reading.service_tier.as_ref().map(|tier| tier.as_str());
        ServiceTier::of_answer(served, self.tier_asked)
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
