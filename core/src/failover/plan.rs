//! Decides which target an attempt uses, and which one the next attempt uses when it is known how this one went.
//!
//! The gateway writes the plan of a request down; every attempt reads it, because it runs in another VM and
//! knows nothing else. What an attempt leaves for the next one is an [`Attempt`]: the target and the key. How both are
//! written is said in `failover/attempt_state.rs`.
//!
//! ```text
//! ## connection failed, reset, too slow, 5xx, 529, an error or nothing before the first token   => another host, else the next target
//! ## the key, its account   => another key of the same provider, else the next target
//! ## its limits   => another key, else another host, else the next target
//! ## the model is not there   => another host, else the next target
//! ## prompt too long   => the first target that is meant for it
//! ## an option that was added here is refused   => the same target, without it
//! ## any other 4xx   => none: the request is at fault
//! ```
//!
//! Whose fault an answer was is decided in `failover/classify.rs`.
//!
//! Another host is one of the same provider, of which Envoy takes one that this request was not sent to
//! (`retry_host_predicate`). The last attempt is kept for the next target, if there is one: all hosts may be down.
//!
//! Does not send anything: Envoy's router does, as often as the request says that it may.

use std::rc::Rc;

use crate::base::window::Millis;
use crate::budget::ledger::Store;
use crate::config::{Config, Provider};
use crate::failover::classify::Fault;
use crate::failover::key_pool::KeyPool;
use crate::request::route::{Destination, Plan};

/// Where the attempts of a request may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailoverPlan {
    /// `:path` as the client sent it, query included.
    pub path: String,
    /// A number drawn for this request, to choose keys by.
    pub draw: u64,
    /// Which key of its first target's provider the request is sent with.
    pub key: usize,
    /// How often the request may be sent.
    pub attempts: u32,
    /// The gateway has put the wish for usage into the body.
    pub asks_for_usage: bool,
    /// Targets in their order; those for long prompts last.
    pub targets: Vec<PlannedTarget>,
    /// Attempts can only be made at the cluster of the one before. Not written down: every attempt knows it by itself.
    pub confined: bool,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTarget {
    /// The provider's name.
    pub provider: String,
    /// Its name for the model.
    pub model: String,
    /// Whether it is only for prompts that were too long elsewhere.
    pub long: bool,
}

/// What one attempt uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which target.
    pub target: usize,
    /// Which key of its provider's pool.
    pub key: usize,
    /// How many attempts there were before it.
    pub number: u32,
    /// Keys of this pool that were tried before, a bit each.
    pub tried: u64,
    /// Those of them that were refused without a word about why.
    pub suspects: u64,
    /// Options that the gateway adds are left out: this target has refused one.
    pub bare: bool,
    /// How many hosts of this provider have failed.
    pub failed_hosts: usize,
}

/// How an attempt went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer: not connected, reset, or too slow.
    NoAnswer,
    /// The provider is broken, or has too much to do.
    Status,
    /// The key is not accepted.
    Key,
    /// The account has no money, or is closed.
    Account,
    /// The account cannot pay for this request.
    Allowance,
    /// The key may not do this, or nothing at all: 401, 403 or the like.
    Access(u64),
    /// The model is not there.
    Model,
    /// The request is larger than the key's limits for the model.
    Size,
    /// The key was used too much; it may be used again after so many milliseconds, if that was said.
    RateLimited(Option<u64>),
    /// The prompt is too long for the model.
    ContextLength,
    /// An option that the gateway added is not known.
    Option,
    /// A plain answer that says it is good and has nothing but an error in it.
    AnswerError,
    /// An error in a stream, before the first token.
    StreamError,
    /// A stream that ended before the first token.
    EmptyStream,
}

impl Failure {
    /// What an error with this status means for requests that may go elsewhere. `None`: it is the request's own fault.
    /// `wait_ms`: what the answer says about when to come back.
    #[must_use]
    pub fn of(fault: Fault, status: u64, wait_ms: Option<u64>) -> Option<Self> {
        Some(match fault {
            Fault::Key => Self::Key,
            Fault::Account => Self::Account,
            Fault::Allowance => Self::Allowance,
            Fault::Access => Self::Access(status),
            Fault::Model => Self::Model,
            Fault::Size => Self::Size,
            Fault::Length => Self::ContextLength,
            Fault::Load if status == 408 || status >= 500 => Self::Status,
            Fault::Load => Self::RateLimited(wait_ms),
            Fault::Request => return None,
        })
    }

    /// The word that records have for it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Status => "status",
            Self::Key | Self::Access(401) => "unauthorized",
            Self::Account => "account",
            Self::Allowance => "allowance",
            Self::Access(_) => "forbidden",
            Self::Model => "model_not_found",
            Self::Size => "request_too_large",
            Self::RateLimited(_) => "rate_limited",
            Self::ContextLength => "context_length",
            Self::Option => "option_refused",
            Self::AnswerError => "answer_error",
            Self::StreamError => "stream_error",
            Self::EmptyStream => "empty_stream",
        }
    }
}

impl FailoverPlan {
    /// That of a request that goes to `first` of the targets of `plan` with the `key`-th of its keys.
    #[must_use]
    pub fn new(
        config: &Config,
        plan: &Plan,
        first: &Destination,
        path: &str,
        (key, draw): (usize, u64),
    ) -> Self {
        let target = |long| {
            move |destination: &Destination| PlannedTarget {
                provider: destination.provider.name.to_string(),
                model: destination.model.clone(),
                long,
            }
        };
        let others = plan.targets.iter().filter(|other| !other.is(first));
        let targets = core::iter::once(first).chain(others).map(target(false));
        let targets: Vec<PlannedTarget> = targets.chain(plan.long.iter().map(target(true))).collect();
        let attempts = useful_attempts(&targets, config).min(config.failover.attempts);
        Self { path: path.to_owned(), draw, key, attempts, asks_for_usage: false, targets, confined: false }
    }

    /// Leaves out what is not at the cluster of the first target.
    pub fn confine(&mut self, config: &Config) {
        let cluster = |target: &PlannedTarget| {
            config.providers.get(target.provider.as_str()).map(|provider| &provider.cluster)
        };
        let first = self.targets.first().and_then(cluster);
        self.targets.retain(|target| cluster(target) == first);
        self.attempts = useful_attempts(&self.targets, config).min(config.failover.attempts);
        self.confined = true;
    }

    /// What comes after `attempt` went wrong on `endpoint`; `None` if there is nowhere else to go.
    pub fn next<S: Store>(
        &self,
        config: &Config,
        key_pool: &KeyPool<'_, S>,
        endpoint: &str,
        attempt: Attempt,
        failure: Failure,
        now: Millis,
    ) -> Option<Attempt> {
        let number = attempt.number.checked_add(1).filter(|number| *number < self.attempts)?;
        let at_long = self.targets.get(attempt.target)?.long;
        let left = self
            .targets
            .get(attempt.target)
            .and_then(|target| config.providers.get(target.provider.as_str()));
        let usable = |index: usize, tried: u64| {
            let target = self.targets.get(index)?;
            let provider = config.providers.get(target.provider.as_str())?;
            if self.confined && *provider.cluster != *left?.cluster {
                return None;
            }
            let key = key_pool.choose(provider, (&target.model, endpoint), tried, self.draw, now)?;
            Some(Attempt { target: index, key, number, tried, suspects: 0, bare: false, failed_hosts: 0 })
        };
        let later = |long: bool| {
            let from = if long && !at_long { 0 } else { attempt.target + 1 };
            (from..self.targets.len())
                .filter(|&target| self.targets.get(target).is_some_and(|other| other.long == long))
                .find_map(|target| usable(target, 0))
        };
        let another_key = || {
            let suspect = if matches!(failure, Failure::Access(_)) { bit(attempt.key) } else { 0 };
            let other = usable(attempt.target, attempt.tried | bit(attempt.key))
                .filter(|other| other.key != attempt.key)?;
            let Attempt { bare, failed_hosts, .. } = attempt;
            Some(Attempt { suspects: attempt.suspects | suspect, bare, failed_hosts, ..other })
        };
        let another_host = || {
            let failed_hosts = attempt.failed_hosts + 1;
            let provider = config.providers.get(self.targets.get(attempt.target)?.provider.as_str())?;
            let is_last = number.checked_add(1) == Some(self.attempts);
            if failed_hosts >= provider.hosts() || (is_last && later(at_long).is_some()) {
                return None;
            }
            Some(Attempt { number, failed_hosts, ..attempt })
        };
        match failure {
            Failure::ContextLength => later(true),
            Failure::Option if attempt.bare => None,
            Failure::Option => Some(Attempt { number, bare: true, ..attempt }),
            Failure::Key | Failure::Account | Failure::Allowance | Failure::Access(_) => {
                another_key().or_else(|| later(at_long))
            }
            Failure::RateLimited(_) => another_key().or_else(another_host).or_else(|| later(at_long)),
            Failure::Size => another_key().or_else(|| later(at_long)).or_else(|| later(true)),
            // What was too long elsewhere has nowhere to go but to targets that are meant for it.
            _ => another_host().or_else(|| later(at_long)),
        }
    }
}

/// The place of a key among those that were tried.
fn bit(key: usize) -> u64 {
    u32::try_from(key).ok().and_then(|key| 1_u64.checked_shl(key)).unwrap_or(0)
}

impl Attempt {
    /// The first attempt of a plan, with this key.
    #[must_use]
    pub fn first(key: usize) -> Self {
        Self { target: 0, key, number: 0, tried: 0, suspects: 0, bare: false, failed_hosts: 0 }
    }

    /// The keys of its pool that were refused without a word about why, now that this one has got an answer.
    pub fn found_out(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |&key| self.suspects & bit(key) != 0)
    }

    /// The provider and the model of this attempt.
    #[must_use]
    pub fn destination(self, failover_plan: &FailoverPlan, config: &Config) -> Option<Destination> {
        let PlannedTarget { provider, model, .. } = failover_plan.targets.get(self.target)?;
        let provider: &Rc<Provider> = config.providers.get(provider.as_str())?;
        Some(Destination { provider: Rc::clone(provider), model: model.clone() })
    }
}

/// How many attempts can be of use: one for each target, one for every other key and one for every other host.
fn useful_attempts(targets: &[PlannedTarget], config: &Config) -> u32 {
    let attempts = |target: &PlannedTarget| config.providers.get(target.provider.as_str()).map_or(1, ways_to);
    u32::try_from(targets.iter().map(attempts).sum::<usize>()).unwrap_or(u32::MAX)
}

/// How often a request may be sent to this provider.
#[must_use]
pub fn ways_to(provider: &Rc<Provider>) -> usize {
    provider.keys().len().max(1) + provider.hosts() - 1
}

#[cfg(test)]
mod tests;
