//! Decides what a request is charged, whatever way it ended.
//!
//! | ending | charge |
//! |---|---|
//! | answered, usage reported | what the provider reported |
//! | answered without usage | an estimate from the text that was seen |
//! | client gone or answer cut | by policy: what was seen, what was held, or the input alone |
//! | refused by the provider, or never reached it | nothing, unless usage was reported |
//!
//! Every charge says where its numbers come from. A number the provider reported always beats a guess.
//!
//! Does not write counters: `Hold::settle` does.

use crate::config::OnDisconnect;
use crate::dialect::Count;
use crate::estimate::Estimate;
use crate::ledger::Amounts;
use crate::meter::Reading;
use crate::money::PicoUsd;
use crate::price::Price;
use crate::tokens::Tokens;

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
}

impl Charge {
    /// What the budgets count.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        Amounts { usd: self.usd.unwrap_or_default(), tokens: self.tokens.total(), requests: 1 }
    }
}

/// What must be known to charge a request.
#[derive(Clone, Copy, Debug)]
pub struct Bill<'a> {
    /// What was estimated before.
    pub estimate: &'a Estimate,
    /// What the answer said.
    pub reading: &'a Reading,
    /// The price of the model, if it has one.
    pub price: Option<&'a Price>,
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
        let (tokens, source) = self.used(ending);
        let held = ending == Ending::ClientGone
            && source != UsageSource::Provider
            && self.policy == OnDisconnect::BillHold;
        let usd = self.price.map(|price| if held { self.estimate.amounts.usd } else { price.cost(&tokens) });
        Charge { tokens, usd, source }
    }

    fn used(&self, ending: Ending) -> (Tokens, UsageSource) {
        let reported = &self.reading.reported;
        if !self.charged {
            return (Tokens::default(), UsageSource::None);
        }
        let has_output = reported.has_output() && !self.lags(ending);
        if reported.has_input() && (has_output || !self.generates) {
            return (reported.tokens(), UsageSource::Provider);
        }
        let any = reported.has_input() || reported.has_output();
        if !any && matches!(ending, Ending::Refused | Ending::NotAnswered) {
            return (Tokens::default(), UsageSource::None);
        }
        let mut tokens = reported.tokens();
        if !reported.has_input() {
            tokens.input = self.estimate.tokens.input;
        }
        if !has_output && self.generates {
            tokens.output = match (ending, self.policy) {
                (Ending::ClientGone, OnDisconnect::BillHold) => self.estimate.tokens.output,
                (Ending::ClientGone, OnDisconnect::BillInputOnly) => 0,
                _ => self.reading.deltas.max(self.reading.text_bytes.div_ceil(BYTES_PER_TOKEN)),
            };
        }
        (tokens, if any { UsageSource::ProviderPartial } else { UsageSource::Estimated })
    }

    /// Whether the answer broke off while a running total had not counted any of the text that was seen.
    fn lags(&self, ending: Ending) -> bool {
        matches!(ending, Ending::Cut | Ending::ClientGone)
            && self.reading.deltas > 0
            && self.reading.reported.tokens().total_output() == 0
            && self.reading.reported.get(Count::AudioSeconds).is_none()
    }
}

#[cfg(test)]
mod tests;
