//! Decides what budgets measure: money, tokens in and out, and requests.

use crate::base::money::PicoUsd;
use crate::base::product;

/// What a request uses, in every measure a budget may limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Money.
    pub usd: PicoUsd,
    /// Input tokens, caches included.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Requests.
    pub requests: u64,
}

impl Amounts {
    /// One request and nothing else.
    pub const REQUEST: Self = Self { usd: PicoUsd::ZERO, input: 0, output: 0, requests: 1 };

    /// Input and output tokens together.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Both together, measure by measure; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            usd: self.usd.saturating_add(other.usd),
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            requests: self.requests.saturating_add(other.requests),
        }
    }

    /// The difference, measure by measure, never below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            usd: self.usd.saturating_sub(other.usd),
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            requests: self.requests.saturating_sub(other.requests),
        }
    }

    /// Whether they are not more than `room` in any measure.
    #[must_use]
    pub fn within(self, room: Self) -> bool {
        self.minus(room) == Self::default()
    }

    /// So many times as much, measure by measure; saturates.
    #[must_use]
    pub fn times(self, factor: u64) -> Self {
        Self {
            usd: PicoUsd(product::saturating(self.usd.0, factor)),
            input: product::saturating(self.input, factor),
            output: product::saturating(self.output, factor),
            requests: product::saturating(self.requests, factor),
        }
    }

    /// The smaller of both, measure by measure.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            usd: self.usd.min(other.usd),
            input: self.input.min(other.input),
            output: self.output.min(other.output),
            requests: self.requests.min(other.requests),
        }
    }

    /// The larger of both, measure by measure.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            usd: self.usd.max(other.usd),
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            requests: self.requests.max(other.requests),
        }
    }
}

/// The most that may be used in one window. An unset measure is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Money.
    pub usd: Option<PicoUsd>,
    /// Tokens, input and output together.
    pub tokens: Option<u64>,
    /// Input tokens.
    pub input_tokens: Option<u64>,
    /// Output tokens.
    pub output_tokens: Option<u64>,
    /// Requests.
    pub requests: Option<u64>,
    /// Requests that run at one time.
    pub concurrent: Option<u64>,
}

/// A measure that a budget limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Money.
    Usd,
    /// Tokens, input and output together.
    Tokens,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Requests.
    Requests,
    /// Requests that run at one time.
    Concurrent,
}

impl Measure {
    /// As records call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Requests => "requests",
            Self::Concurrent => "concurrent",
        }
    }
}

impl Limits {
    /// Whether anything is limited.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether something is limited to nothing at all.
    #[must_use]
    pub fn allow_nothing(&self) -> bool {
        self.measures(Amounts::default(), 0).into_iter().any(|(_, _, limit)| limit == Some(0))
    }

    /// These limits, and those of `below` where there are none.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        Self {
            usd: self.usd.or(below.usd),
            tokens: self.tokens.or(below.tokens),
            input_tokens: self.input_tokens.or(below.input_tokens),
            output_tokens: self.output_tokens.or(below.output_tokens),
            requests: self.requests.or(below.requests),
            concurrent: self.concurrent.or(below.concurrent),
        }
    }

    /// `amounts`, but no more money and output than is allowed, where what is `certain` of them leaves something of that.
    #[must_use]
    pub fn cap(&self, amounts: Amounts, certain: Amounts) -> Amounts {
        let cap =
            |amount: u64, certain: u64, limit: u64| if certain < limit { amount.min(limit) } else { amount };
        let most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        let output = most(self.output_tokens).min(most(self.tokens).saturating_sub(amounts.input));
        let usd = most(self.usd.map(|usd| usd.0));
        Amounts {
            usd: PicoUsd(cap(amounts.usd.0, certain.usd.0, usd)),
            output: cap(amounts.output, certain.output, output),
            ..amounts
        }
    }

    /// Every measure with what is used of it and its limit, if it has one: `used` over the window, and
    /// `running` requests right now.
    pub fn measures(&self, used: Amounts, running: u64) -> [(Measure, u64, Option<u64>); 6] {
        [
            (Measure::Usd, used.usd.0, self.usd.map(|usd| usd.0)),
            (Measure::Tokens, used.tokens(), self.tokens),
            (Measure::InputTokens, used.input, self.input_tokens),
            (Measure::OutputTokens, used.output, self.output_tokens),
            (Measure::Requests, used.requests, self.requests),
            (Measure::Concurrent, running, self.concurrent),
        ]
    }

    /// The first measure of which more than the limit would be used.
    #[must_use]
    pub fn exceeded(&self, used: Amounts, running: u64) -> Option<Measure> {
        let over = |used: u64, limit: Option<u64>| limit.is_some_and(|limit| used > limit);
        // Not by the list of measures, which would have to be made for every request.
        Some(match self {
            _ if over(used.usd.0, self.usd.map(|usd| usd.0)) => Measure::Usd,
            _ if over(used.tokens(), self.tokens) => Measure::Tokens,
            _ if over(used.input, self.input_tokens) => Measure::InputTokens,
            _ if over(used.output, self.output_tokens) => Measure::OutputTokens,
            _ if over(used.requests, self.requests) => Measure::Requests,
            _ if over(running, self.concurrent) => Measure::Concurrent,
            _ => return None,
        })
    }

    /// Whether no more than half of any limit is used. Requests that run do not count.
    #[must_use]
    pub fn are_far(&self, used: Amounts) -> bool {
        self.measures(used, 0).into_iter().all(|(_, used, limit)| limit.is_none_or(|limit| used <= limit / 2))
    }

    /// How much of the limit that is nearest is used, in percent, rounded down; 100 for a limit of nothing.
    /// Requests that run do not count: they end.
    #[must_use]
    pub fn percent(&self, used: Amounts) -> u64 {
        let percent = |(_, used, limit): (Measure, u64, Option<u64>)| {
            let limit = limit?;
            // In 128 bits only where it has to be: that takes some hundred instructions.
            if used < u64::MAX / 100 {
                return Some((used * 100).checked_div(limit).unwrap_or(100));
            }
            let hundredfold = u128::from(used) * 100;
            Some(u64::try_from(hundredfold.checked_div(u128::from(limit)).unwrap_or(100)).unwrap_or(u64::MAX))
        };
        let concurrent = Self { concurrent: None, ..*self };
        concurrent.measures(used, 0).into_iter().filter_map(percent).max().unwrap_or(0)
    }

    /// The part of each that one of so many workers has.
    #[must_use]
    pub fn parted(&self, workers: u64) -> Self {
        let part = |limit: u64| limit / workers.max(1);
        Self {
            usd: self.usd.map(|limit| PicoUsd(part(limit.0))),
            tokens: self.tokens.map(part),
            input_tokens: self.input_tokens.map(part),
            output_tokens: self.output_tokens.map(part),
            requests: self.requests.map(part),
            concurrent: self.concurrent.map(part),
        }
    }

    /// What is left when `used` is spent or held and `running` requests run; `None` for a measure without a limit.
    #[must_use]
    pub fn left(&self, used: Amounts, running: u64) -> Self {
        Self {
            usd: self.usd.map(|limit| limit.saturating_sub(used.usd)),
            tokens: self.tokens.map(|limit| limit.saturating_sub(used.tokens())),
            input_tokens: self.input_tokens.map(|limit| limit.saturating_sub(used.input)),
            output_tokens: self.output_tokens.map(|limit| limit.saturating_sub(used.output)),
            requests: self.requests.map(|limit| limit.saturating_sub(used.requests)),
            concurrent: self.concurrent.map(|limit| limit.saturating_sub(running)),
        }
    }
}
