//! Decides which target an attempt uses, and which one the next attempt uses when it is known how this one went.
//!
//! The gateway writes the chain of a request down; every attempt reads it, because it runs in another VM and
//! knows nothing else. What an attempt leaves for the next one is a [`Leg`]: the target and the key.
//!
//! ```text
//! ## connection failed, reset, too slow, 5xx, 529, an error or nothing before the first token   => next target
//! ## 401, 403, 429   => another key of the same provider, else the next target
//! ## prompt too long   => the first target that is meant for it
//! ## any other 4xx   => none: the request is at fault
//! ```
//!
//! Does not send anything: Envoy's router does, as often as the request says that it may.

use serde_json::{Value, json};

use crate::config::{Config, Provider};
use crate::keyring::Keyring;
use crate::ledger::Store;
use crate::money::parse_decimal;
use crate::route::{Destination, Plan};
use crate::window::Millis;

/// Nothing rests longer because a provider says so, in milliseconds: a day.
const LONGEST_WAIT_MS: u64 = 86_400_000;

/// Where the attempts of a request may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// `:authority` as the client sent it.
    pub authority: String,
    /// `:path` as the client sent it, query included.
    pub target: String,
    /// A number drawn for this request, to choose keys by.
    pub draw: u64,
    /// How often the request may be sent.
    pub attempts: u32,
    /// Targets in their order; those for long prompts last.
    pub stops: Vec<Stop>,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The provider's name.
    pub provider: String,
    /// Its name for the model.
    pub model: String,
    /// Whether it is only for prompts that were too long elsewhere.
    pub long: bool,
}

/// What one attempt uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Which target.
    pub stop: usize,
    /// Which key of its provider's pool.
    pub key: usize,
    /// How many attempts there were before it.
    pub number: u32,
}

/// How an attempt went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer: not connected, reset, or too slow.
    NoAnswer,
    /// The provider is at fault: this status.
    Status(u64),
    /// The key is not good: 401 or 403.
    Unauthorized(u64),
    /// The key was used too much; it may be used again after so many milliseconds, if that was said.
    RateLimited(Option<u64>),
    /// The prompt is too long for the model.
    ContextLength,
    /// An error in a stream, before the first token.
    StreamError,
    /// A stream that ended before the first token.
    EmptyStream,
}

impl Failure {
    /// What a status means, for requests that may go elsewhere. `None`: it is the request's own fault, or none.
    /// `wait_ms`: what the answer says about when to come back.
    #[must_use]
    pub fn of_status(status: u64, wait_ms: Option<u64>) -> Option<Self> {
        match status {
            401 | 403 => Some(Self::Unauthorized(status)),
            429 => Some(Self::RateLimited(wait_ms)),
            408 | 500..=599 => Some(Self::Status(status)),
            _ => None,
        }
    }

    /// The word that records have for it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Status(_) => "status",
            Self::Unauthorized(_) => "unauthorized",
            Self::RateLimited(_) => "rate_limited",
            Self::ContextLength => "context_length",
            Self::StreamError => "stream_error",
            Self::EmptyStream => "empty_stream",
        }
    }
}

impl Chain {
    /// The chain of `plan`, of which the first target is `first`.
    #[must_use]
    pub fn new(
        config: &Config,
        plan: &Plan,
        first: &Destination,
        (authority, target): (&str, &str),
        draw: u64,
    ) -> Self {
        let stop = |long| {
            move |destination: &Destination| Stop {
                provider: destination.provider.name.to_string(),
                model: destination.model.clone(),
                long,
            }
        };
        let others = plan.targets.iter().filter(|other| !other.is(first));
        let stops = core::iter::once(first).chain(others).map(stop(false));
        let stops: Vec<Stop> = stops.chain(plan.long.iter().map(stop(true))).collect();
        let attempts = of_use(&stops, config).min(config.failover.attempts);
        Self { authority: authority.to_owned(), target: target.to_owned(), draw, attempts, stops }
    }

    /// The next attempt's leg after `leg` went wrong; `None` if there is nowhere else to go.
    pub fn next<S: Store>(
        &self,
        config: &Config,
        keyring: &Keyring<'_, S>,
        leg: Leg,
        failure: Failure,
        now: Millis,
    ) -> Option<Leg> {
        let number = leg.number.checked_add(1).filter(|number| *number < self.attempts)?;
        let at_long = self.stops.get(leg.stop)?.long;
        let usable = |stop: usize| {
            let provider = config.providers.get(self.stops.get(stop)?.provider.as_str())?;
            let key = keyring.choose(provider, self.draw, now)?;
            Some(Leg { stop, key, number })
        };
        let later = |long: bool| {
            let from = if long && !at_long { 0 } else { leg.stop + 1 };
            (from..self.stops.len())
                .filter(|&stop| self.stops.get(stop).is_some_and(|other| other.long == long))
                .find_map(usable)
        };
        match failure {
            Failure::ContextLength => later(true),
            Failure::Unauthorized(_) | Failure::RateLimited(_) => {
                usable(leg.stop).filter(|other| other.key != leg.key).or_else(|| later(at_long))
            }
            // What was too long elsewhere has nowhere to go but to targets that are meant for it.
            _ => later(at_long),
        }
    }

    /// The text that attempts read.
    #[must_use]
    pub fn to_text(&self) -> String {
        let stops: Vec<Value> =
            self.stops.iter().map(|stop| json!([stop.provider, stop.model, stop.long])).collect();
        json!([self.authority, self.target, self.draw, self.attempts, stops]).to_string()
    }

    /// Reads what [`Chain::to_text`] wrote.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let stop = |value: &Value| {
            Some(Stop {
                provider: text(value.get(0)?)?,
                model: text(value.get(1)?)?,
                long: value.get(2)?.as_bool()?,
            })
        };
        Some(Self {
            authority: text(value.get(0)?)?,
            target: text(value.get(1)?)?,
            draw: value.get(2)?.as_u64()?,
            attempts: value.get(3)?.as_u64()?.try_into().ok()?,
            stops: value.get(4)?.as_array()?.iter().map(stop).collect::<Option<_>>()?,
        })
    }
}

impl Leg {
    /// The text that the next attempt reads.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{} {} {}", self.stop, self.key, self.number)
    }

    /// Reads what [`Leg::to_text`] wrote.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut parts = core::str::from_utf8(text).ok()?.split(' ');
        let leg = Self {
            stop: parts.next()?.parse().ok()?,
            key: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(leg)
    }

    /// The provider and the model of this leg.
    #[must_use]
    pub fn destination(self, chain: &Chain, config: &Config) -> Option<Destination> {
        let Stop { provider, model, .. } = chain.stops.get(self.stop)?;
        let provider: &std::rc::Rc<Provider> = config.providers.get(provider.as_str())?;
        Some(Destination { provider: std::rc::Rc::clone(provider), model: model.clone() })
    }
}

/// How many attempts can be of use: one for each target and one for every other key.
fn of_use(stops: &[Stop], config: &Config) -> u32 {
    let keys = |stop: &Stop| {
        let provider = config.providers.get(stop.provider.as_str());
        provider.map_or(1, |provider| provider.keys().len().max(1))
    };
    u32::try_from(stops.iter().map(keys).sum::<usize>()).unwrap_or(u32::MAX)
}

/// Whether the body of a refusal says that the prompt is too long for the model. There is no common code: these are
/// the words of OpenAI (`context_length_exceeded`), Anthropic and Bedrock ("prompt is too long", "Input is too
/// long"), Gemini ("exceeds the maximum number of tokens") and vLLM ("maximum context length").
#[must_use]
pub fn says_too_long(body: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [
        b"context_length_exceeded",
        b"prompt is too long",
        b"input is too long",
        b"exceeds the maximum number of tokens",
        b"maximum context length",
        b"exceed context limit",
    ];
    let lower = body.to_ascii_lowercase();
    WORDS.iter().any(|words| memchr::memmem::find(&lower, words).is_some())
}

/// What the headers of an answer say about when to come back.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetryAfter<'a> {
    /// `retry-after-ms`.
    pub milliseconds: Option<&'a [u8]>,
    /// `retry-after`: seconds, or a date.
    pub retry_after: Option<&'a [u8]>,
    /// `date`: what the provider's clock says.
    pub date: Option<&'a [u8]>,
}

impl RetryAfter<'_> {
    /// How long the provider asks to be left alone, in milliseconds; a day at most. A date is counted from the
    /// provider's own clock if it says what that is, else from `now`. Source: RFC 9110, 10.2.3.
    #[must_use]
    pub fn wait_ms(&self, now: Millis) -> Option<u64> {
        let number = |bytes: &[u8], places| parse_decimal(text(bytes)?, places).ok();
        let ms = self.milliseconds.and_then(|bytes| number(bytes, 0)).or_else(|| {
            let retry_after = self.retry_after?;
            number(retry_after, 3).or_else(|| {
                let from = self.date.and_then(moment).unwrap_or(now);
                Some(moment(retry_after)?.since(from))
            })
        })?;
        Some(ms.min(LONGEST_WAIT_MS))
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok().map(str::trim)
}

/// The moment that a date of HTTP's names.
fn moment(bytes: &[u8]) -> Option<Millis> {
    let since = httpdate::parse_http_date(text(bytes)?).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Millis)
}

/// The same from the body of Google's refusals: `"retryDelay": "12s"`.
#[must_use]
pub fn wait_in_body(body: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"retryDelay\"";
    let rest = body.get(memchr::memmem::find(body, NAME)? + NAME.len()..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let seconds = text(rest.get(..memchr::memchr(b's', rest)?)?)?;
    Some(parse_decimal(seconds, 3).ok()?.min(LONGEST_WAIT_MS))
}

#[cfg(test)]
mod tests;
