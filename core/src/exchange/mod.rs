//! What is decided about one request and its answer: what follows on its headers, how it is sent, what its answer is taken
//! for, when more is held for it and when it is cut, and what it comes to.
//!
//! An adapter asks its host for facts, asks here what follows from them, and tells the host.
//!
//! ```text
//! ## arrival         => what follows on the request's headers
//! ## waiting         => how long it is held for its body
//! ## dispatch        => the request's headers and body for its first target, and where else it may go
//! ## answer          => the headers of an answer: metered, held, or not for callers
//! ## held_answer     => what an answer is that is held until it says more
//! ## piece           => a piece of the answer: metered, held for, cut
//! ## ending          => how it ended, what it is charged, and what is written down of it
//! ```

pub mod answer;
pub mod arrival;
pub mod closing;
pub mod dispatch;
pub mod ending;
mod measured;
pub mod held_answer;
pub mod piece;
pub mod signed_answer;
pub mod waiting;

use std::rc::Rc;

use crate::base::text::Label;
use crate::base::window::Millis;
use crate::budget::admit::Admission;
use crate::config::{Account, Config, Key};
use crate::dialect::framing::Framing;
use crate::dialect::{Api, Endpoint};
use crate::exchange::dispatch::Sent;
use crate::exchange::signed_answer::Binding;
use crate::failover::attempt_log::AttemptLog;
use crate::failover::attempt_state::AttemptState;
use crate::failover::failed_usage::FailedUsage;
use crate::request::llm_request::LlmRequest;
use crate::response::meter::Meter;

/// An admitted request and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// What the operator decided, when the request came.
    pub config: Rc<Config>,
    /// Where it goes, and what is held for it. Its target is the one that has answered, once one has.
    pub admission: Admission,
    api: Api,
    endpoint: Endpoint,
    choices: u64,
    tier_asked: Option<Label>,
    /// It was asked for as a stream.
    streams: bool,
    sent: Sent,
    binding: Option<Binding>,
    attempt_log: AttemptLog,
    /// What those of its attempts that failed have used.
    failed_usage: FailedUsage,
    /// The status that a provider sent, if the client got another.
    provider_status: Option<u64>,
    held: Option<HeldAnswer>,
    framing: Framing,
    meter: Meter,
    /// The answer is the host's own.
    local: bool,
    first_byte: Option<Millis>,
    complete: bool,
    /// Output tokens that are held for.
    held_output: u64,
    /// Output tokens that the request allows all of its answers together, if it says so.
    output_bound: Option<u64>,
    cut: Cut,
}

/// Why an answer is held.
#[derive(Debug)]
enum HeldAnswer {
    /// It is a refusal, of which the body must say whose fault it is.
    Refusal {
        status: u64,
        /// What its headers call it.
        kind: Option<Vec<u8>>,
    },
    /// It says that it is good, and may be an error all the same. What has come of it.
    Success { status: u64, held: Vec<u8> },
}

/// Whether the answer is ended early.
#[derive(Debug)]
enum Cut {
    /// Not so far.
    No,
    /// As soon as an event ends: by this budget.
    Wanted(Rc<Account>),
    /// The last event was sent at this moment.
    Done(Rc<Account>, Millis),
}

impl Exchange {
    /// That of a request of `key` to `api` which was sent.
    #[must_use]
    pub fn new(
        config: Rc<Config>,
        key: &Key,
        admission: Admission,
        (api, request): (Api, &LlmRequest),
        sent: Sent,
    ) -> Box<Self> {
        let each = admission.output_limit.or(request.output_limit);
        Box::new(Self {
            binding: Binding::new(&config, key, request.endpoint, &admission.plan),
            config,
            api,
            endpoint: request.endpoint,
            choices: request.choices,
            tier_asked: request.tier().cloned(),
            streams: request.stream,
            sent,
            attempt_log: AttemptLog::default(),
            failed_usage: FailedUsage::default(),
            provider_status: None,
            held: None,
            framing: Framing::Opaque,
            meter: Meter::new(request.endpoint, Framing::Opaque, false),
            local: false,
            first_byte: None,
            complete: false,
            held_output: admission.estimate.covers,
            output_bound: each.map(|limit| limit.saturating_mul(request.choices)),
            cut: Cut::No,
            admission,
        })
    }

    /// Whether it may have gone elsewhere than to its first target, and nothing is known of that yet.
    #[must_use]
    pub fn wants_attempts(&self) -> bool {
        self.sent.failover_plan.is_some() && self.attempt_log.is_empty()
    }

    /// Whether it may go elsewhere than to its first target.
    #[must_use]
    pub fn may_go_elsewhere(&self) -> bool {
        self.sent.failover_plan.is_some()
    }

    /// Takes what its attempts have written down: which target has answered, and what came of the others.
    pub fn attempted(&mut self, state: AttemptState) {
        let Some(failover_plan) = &self.sent.failover_plan else { return };
        if let Some(target) = state.attempt.destination(failover_plan, &self.config) {
            self.admission.target = target;
            self.sent.key = state.attempt.key;
        }
        (self.attempt_log, self.failed_usage) = (state.attempt_log, state.failed_usage);
    }

    /// Whether the answer is a stream, once it has begun.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.framing.is_stream()
    }

    /// Whether the answer is held until it says more.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The answer has come to the end of its connection.
    pub fn end_answer(&mut self) {
        self.complete = true;
    }
}

#[cfg(test)]
mod tests;
