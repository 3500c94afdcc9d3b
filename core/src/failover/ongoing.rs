//! Decides what an attempt is that begins, how it is addressed, and what follows when its answer is known.
//!
//! All attempts share one header map and one state. What an earlier attempt set is taken out first; the body is always the
//! one the gateway sent. What brought no answer at all is sent again without asking, so every attempt names the next one when
//! it begins; an attempt that finds itself sent where the one before went is a repeat, and ends there.
//!
//! What an answer is taken for is decided in `failover/verdict.rs`, and what follows in `failover/aftermath.rs`.

use std::rc::Rc;

use crate::base::headers::{EditHeaders, RequestHead};
use crate::base::window::Millis;
use crate::budget::ledger::Store;
use crate::config::Config;
use crate::dialect::framing::Framing;
use crate::dialect::{Endpoint, Served};
use crate::failover::attempt_log::AttemptLog;
use crate::failover::attempt_state::AttemptState;
use crate::failover::failed_usage::FailedUsage;
use crate::failover::key_pool::KeyPool;
use crate::failover::plan::{Attempt, FailoverPlan, Failure};
use crate::failover::reach::Reach;
use crate::request::llm_request::LlmRequest;
use crate::request::resource;
use crate::request::route::Destination;
use crate::request::upstream::{Unaddressed, Upstream, edited_body, strip_credentials};
use crate::request::usage_option::{may_ask, take_back};
use crate::response::meter::Meter;

/// What some routers tell providers of how often a request was sent.
const ATTEMPT_COUNT: &str = "x-envoy-attempt-count";

/// What an attempt finds when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// What the gateway has written down.
    pub plan: &'a [u8],
    /// What the attempt before has, if there was one.
    pub state: Option<&'a [u8]>,
    /// The cluster that was written down for this one.
    pub cluster: Option<&'a [u8]>,
    /// What the host calls the cluster that it was brought to; empty if it does not say.
    pub reached: &'a [u8],
    /// How far requests can be sent on.
    pub reach: Reach,
}

/// What an attempt is.
#[derive(Debug)]
pub enum Begun {
    /// One of several.
    Ongoing(Box<OngoingAttempt>),
    /// The one before once more, which got no answer and has no successor.
    Repeat,
}

/// What was written down cannot be read, or does not fit together: the attempt must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// Why the answer's headers are held.
#[derive(Debug)]
pub(super) enum Held {
    No,
    /// A stream, until its first token; with the bytes that were read.
    Stream(Box<Meter>, usize),
    /// A plain answer that may be nothing but an error, framed like this.
    Plain(Framing),
    /// A refusal, until its body has said more: of this kind by its headers, which also say when to come back.
    Refusal(Option<Vec<u8>>, Option<u64>),
}

/// An attempt of a request that may go elsewhere.
#[derive(Debug)]
pub struct OngoingAttempt {
    pub(super) config: Rc<Config>,
    pub(super) plan: FailoverPlan,
    /// What is written down of it, for the next one and for the gateway.
    pub(super) state: AttemptState,
    pub(super) destination: Destination,
    served: Option<Served>,
    /// It has to be addressed when its body is here.
    again: bool,
    astray: bool,
    /// The provider of the attempt before, if that got no answer.
    unanswered: Option<Box<str>>,
    pub(super) status: u64,
    pub(super) held: Held,
}

impl OngoingAttempt {
    /// Finds out which attempt this is.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn begin<S: Store>(
        config: &Rc<Config>,
        found: &Found<'_>,
        key_pool: &KeyPool<'_, S>,
        now: Millis,
    ) -> Result<Begun, Lost> {
        let mut plan = FailoverPlan::read(found.plan).ok_or(Lost)?;
        plan.confined = found.reach != Reach::Everywhere;
        let before = found.state.map(|state| AttemptState::read(state).ok_or(Lost)).transpose()?;
        let mut attempt = before.as_ref().map_or_else(|| Attempt::first(plan.key), |before| before.next);
        if before.as_ref().is_some_and(|before| before.attempt == attempt) {
            return Ok(Begun::Repeat);
        }
        let mut destination = attempt.destination(&plan, config).ok_or(Lost)?;
        // The attempt and the cluster are written one after the other. Were only one of them the new one, a key would
        // be sent to another provider than its own.
        if found.cluster != Some(destination.provider.cluster.as_bytes()) {
            return Err(Lost);
        }
        let reached = String::from_utf8_lossy(found.reached).into_owned();
        let (again, mut astray, mut unanswered) = (before.is_some(), false, None);
        let (mut failed_usage, mut attempt_log) = (FailedUsage::default(), AttemptLog::default());
        if let Some(before) = before {
            let left = before.attempt.destination(&plan, config);
            if let Some(left) = &left
                && left.provider.cluster != destination.provider.cluster
            {
                if reached.is_empty() || before.cluster.is_empty() {
                    return Err(Lost);
                }
                // A host that does not pick the cluster anew (`refresh_cluster_on_retry` of Envoy) has brought this attempt
                // to the provider of the one before. It goes on as that one: what is said there is all that can be had.
                if reached == before.cluster {
                    (astray, plan.confined) = (true, true);
                    attempt = Attempt { number: attempt.number, ..before.attempt };
                    destination = left.clone();
                }
            }
            (failed_usage, attempt_log) = (before.failed_usage, before.attempt_log);
            if let Some(left) = left.filter(|_| attempt_log.ends_unanswered()) {
                unanswered = Some(left.provider.name.clone());
                failed_usage = failed_usage.and_waited(now.since(before.began));
            }
        }
        attempt_log.begin(&destination, attempt.key);
        let path = plan.path.split('?').next().unwrap_or_default();
        let mut ongoing = Self {
            served: resource::served(config, path.as_bytes()),
            config: Rc::clone(config),
            state: AttemptState {
                attempt,
                began: now,
                next: attempt,
                cluster: reached,
                failed_usage,
                attempt_log,
            },
            plan,
            destination,
            again,
            astray,
            unanswered,
            status: 0,
            held: Held::No,
        };
        // Should nothing at all come back, nobody will be asked who is next.
        ongoing.choose_next(Failure::NoAnswer, key_pool, now);
        Ok(Begun::Ongoing(Box::new(ongoing)))
    }

    /// The provider that it goes to.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.destination.provider.name
    }

    /// The provider of the attempt before, if that got no answer.
    #[must_use]
    pub fn unanswered(&self) -> Option<&str> {
        self.unanswered.as_deref()
    }

    /// Whether it was brought to the cluster of the attempt before and not to its own.
    #[must_use]
    pub fn is_astray(&self) -> bool {
        self.astray
    }

    /// Whether it has to be addressed before it goes on.
    #[must_use]
    pub fn wants_address(&self) -> bool {
        self.again
    }

    /// What the next attempt and the gateway have to know.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        self.state.to_bytes()
    }

    /// The cluster of the next attempt.
    #[must_use]
    pub fn next_cluster(&self) -> Box<str> {
        let next = self.state.next.destination(&self.plan, &self.config);
        next.as_ref().unwrap_or(&self.destination).provider.cluster.clone()
    }

    /// Addresses the attempt, of which `body` is the whole one that the gateway has sent. Returns another one, if that has
    /// to change.
    ///
    /// # Errors
    /// [`Unaddressed`]: it must not go on.
    pub fn address<H: EditHeaders>(
        &mut self,
        headers: &mut H,
        head: &RequestHead,
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, Unaddressed<H::Error>> {
        let path = self.plan.path.as_bytes();
        let served = self.served.as_ref().ok_or(Unaddressed::NoPlace)?;
        let content_type = head.first("content-type").unwrap_or_default();
        let request =
            LlmRequest::read_sent(served, path, content_type, body).map_err(|_| Unaddressed::NoPlace)?;
        strip_credentials(headers, head)?;
        // Routes take it out once, and the router of a mesh writes it anew for every attempt.
        if head.first(ATTEMPT_COUNT).is_some() {
            headers.remove(ATTEMPT_COUNT.as_bytes())?;
        }
        headers.set(":path", path)?;
        let target = &self.destination;
        // The route has named the first attempt's.
        headers.set(":authority", target.provider.authority.as_bytes())?;
        Upstream { target, key: self.state.attempt.key, served, request: &request }
            .address(headers, path, path)?;
        let mut edits = request.name_model(&target.model);
        if self.plan.asks_for_usage
            && (self.state.attempt.bare || !may_ask(&target.provider, served, path, body))
        {
            edits.extend(take_back(body));
        }
        // The body is what the gateway sent; its length may be another attempt's.
        if edits.is_empty() && head.first("content-length").is_some() {
            headers.set("content-length", body.len().to_string().as_bytes())?;
        }
        let changed = edited_body(headers, head, body, edits)?;
        self.again = false;
        Ok(changed)
    }

    /// Whether the answer is a refusal that the client gets, or one that is to be sent again.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.status >= 400
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        self.served.as_ref().map(|served| served.endpoint)
    }

    /// Names the next attempt after this one went wrong. Says whether there is one.
    pub(super) fn choose_next<S: Store>(
        &mut self,
        failure: Failure,
        key_pool: &KeyPool<'_, S>,
        now: Millis,
    ) -> bool {
        let (endpoint, attempt) = (self.endpoint().map_or("", Endpoint::name), self.state.attempt);
        let next = self.plan.next(&self.config, key_pool, endpoint, attempt, failure, now);
        self.state.next = next.unwrap_or(attempt);
        next.is_some()
    }
}
