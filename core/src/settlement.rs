//! Decides what a request is charged, whatever way it ended.
//!
//! | ending | charge |
//! |---|---|
//! | answered, usage reported | what the provider reported |
//! | answered without usage | an estimate from the text that was seen |
//! | client gone | by policy: what was seen, what was held, or the input alone |
//! | answer cut by the provider or a budget | what was seen |
//! | refused by the provider, or never reached it | nothing, unless usage was reported |
//!
//! Every charge says where its numbers come from. A number the provider reported always beats a guess.
//!
//! Does not write counters: `Hold::settle` does.

use std::rc::Rc;

use crate::config::OnDisconnect;
use crate::estimate::Estimate;
use crate::ledger::Amounts;
use crate::meter::Reading;
use crate::money::PicoUsd;
use crate::price::{Price, ServiceTier};
use crate::tokens::{Tokens, Usage};

/// Bytes of text that make one token, roughly; where deltas are finer than this, they are counted instead.
const BYTES_PER_TOKEN: u64 = 4;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The provider answered to the end.
    Answered,
    /// The client left before that.
    ClientGone,
    /// The provider or the way to it broke in the middle of an answer.
    Cut,
    /// A budget was used up and ended the answer.
    CutOff,
    /// The provider answered with an error.
    Refused,
    /// No provider answered: Envoy did, or the connection broke before.
    NotAnswered,
}

impl Ending {
    /// What the record and metrics call it.
    #[must_use]
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::ClientGone => "client_disconnect",
            Self::Cut => "upstream_reset",
            Self::CutOff => "budget_cut",
            Self::Refused => "upstream_error",
            Self::NotAnswered => "not_answered",
        }
    }
}

/// Where the numbers of a charge come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageSource {
    /// The provider said all of it.
    Provider,
    /// The provider said a part, the rest is estimated.
    ProviderPartial,
    /// Nobody said; it is estimated.
    Estimated,
    /// There is nothing to charge.
    None,
}

impl UsageSource {
    /// Every source, for metrics.
    pub const ALL: [Self; 4] = [Self::Provider, Self::ProviderPartial, Self::Estimated, Self::None];

    /// What the record and metrics call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::ProviderPartial => "provider_partial",
            Self::Estimated => "estimated",
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
    /// Whether a complete answer has output tokens.
    pub generates: bool,
    /// Whether the provider charges for the endpoint at all.
    pub charged: bool,
}

impl Bill<'_> {
    /// The charge for a request that ended like this.
    #[must_use]
    pub fn charge(&self, ending: Ending) -> Charge {
        let Used { tokens, source, basis } = self.used(ending);
        let usd = self.price.map(|price| match (source, basis) {
            (UsageSource::None, _) => PicoUsd::ZERO,
            (_, Some(Basis::Hold)) => self.estimate.amounts.usd,
            (UsageSource::Provider, _) if self.steps().is_some() => self.cost_of_steps(price),
            _ => price.cost(&Usage { tokens, ..self.reading.reported.usage() }, self.tier()),
        });
        Charge { tokens, usd, source, basis }
    }

    fn used(&self, ending: Ending) -> Used {
        let reported = &self.reading.reported;
        let nothing = Used { tokens: Tokens::default(), source: UsageSource::None, basis: None };
        if !self.charged {
            return nothing;
        }
        let has_output = reported.has_output() && !self.lags(ending);
        if reported.has_input() && (has_output || !self.generates) {
            let tokens = self.steps().unwrap_or_else(|| reported.tokens());
            return Used { tokens, source: UsageSource::Provider, basis: None };
        }
        let any = reported.has_input() || reported.has_output();
        if !any && matches!(ending, Ending::Refused | Ending::NotAnswered) {
            return nothing;
        }
        let mut tokens = reported.tokens();
        let mut basis = Basis::Input;
        if !reported.has_input() {
            tokens.input = self.estimate.tokens.input;
        }
        if !has_output && self.generates {
            (tokens.output, basis) = self.estimated_output(ending);
        }
        let source = if any { UsageSource::ProviderPartial } else { UsageSource::Estimated };
        Used { tokens, source, basis: Some(basis) }
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
        let by_bytes = self.reading.text_bytes.div_ceil(BYTES_PER_TOKEN);
        match (ending, self.policy) {
            (Ending::ClientGone, OnDisconnect::BillHold) => (self.estimate.tokens.output, Basis::Hold),
            (Ending::ClientGone, OnDisconnect::BillInputOnly) => (0, Basis::Input),
            _ if self.reading.deltas == 0 => (0, Basis::Input),
            _ if self.reading.deltas >= by_bytes => (self.reading.deltas, Basis::Deltas),
            _ => (by_bytes, Basis::TextBytes),
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

/// What was used, and how that is known.
struct Used {
    tokens: Tokens,
    source: UsageSource,
    basis: Option<Basis>,
}

#[cfg(test)]
mod tests;
