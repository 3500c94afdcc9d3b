//! Follows one attempt of a request that may go elsewhere: where it goes, what came of it, and who is next.
//!
//! All attempts share one header map and one filter state. What an earlier attempt set is taken out first; the body
//! is always the one the gateway sent. The router retries what it was told to as often as it was told to, so this
//! says of every answer whether it should: a status that is retried if another attempt can be of use, and
//! `x-envoy-ratelimited`, which the router never retries, if none can. What brought no answer at all is retried
//! without asking; an attempt that finds itself sent where the one before went is a repeat, and ends here.

mod aftermath;
mod held;

use std::rc::Rc;

use farebox_core::base::window::Millis;
use farebox_core::config::Config;
use farebox_core::dialect::{Endpoint, Served};
use farebox_core::failover::attempt_log::AttemptLog;
use farebox_core::failover::attempt_state::AttemptState;
use farebox_core::failover::classify::{Fault, wait_in_body};
use farebox_core::failover::failed_usage::FailedUsage;
use farebox_core::failover::key_pool::{Cooldown, KeyPool};
use farebox_core::failover::plan::{Attempt, FailoverPlan, Failure};
use farebox_core::failover::reach::Reach;
use farebox_core::json;
use farebox_core::request::llm_request::LlmRequest;
use farebox_core::request::resource;
use farebox_core::request::route::Destination;
use farebox_core::request::usage_option::{is_refused, may_ask, take_back};
use farebox_core::response::meter::Meter;

use self::held::{Held, in_good_clothes};
use crate::gateway::forward;
use crate::gateway::response::is_success;
use crate::host::shared_store::SharedStore;
use crate::host::{self, Buffer, HostError, Map, filter_state};
use crate::vm::Vm;

/// A status that the router's retry policy retries, for what was no answer although its status says so.
const RETRIED: &[u8] = b"503";
/// A header of an answer that the router does not retry, whatever its status.
pub(crate) const NOT_RETRIED: &str = "x-envoy-ratelimited";
/// Most of an answer that is held to see what it is.
const HELD_BYTES: usize = 64 * 1024;

/// What an attempt is.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The only one: its request can go nowhere else.
    Only,
    /// One of several.
    Retry(Box<Retry>),
    /// The one before once more, which got no answer and has no successor.
    Repeat,
}

/// An attempt of a request that may go elsewhere.
#[derive(Debug)]
pub(crate) struct Retry {
    config: Rc<Config>,
    failover_plan: FailoverPlan,
    /// What is written down of it, for the next one and for the gateway.
    state: AttemptState,
    destination: Destination,
    /// It has to be addressed when its body is here.
    again: bool,
    status: u64,
    held: Held,
}

impl Retry {
    /// Finds out which attempt this is. An error: it must not go on.
    pub(crate) fn begin(config: Option<&Rc<Config>>, vm: &Vm) -> Result<Begun, HostError> {
        let missing = || HostError::NOT_FOUND;
        let Some(plan) = filter_state::entry(filter_state::FAILOVER_PLAN)? else { return Ok(Begun::Only) };
        let config = Rc::clone(config.ok_or_else(missing)?);
        let mut failover_plan = FailoverPlan::read(&plan).ok_or_else(missing)?;
        match vm.reach(&config) {
            // To hold an answer there is dangerous, and nothing is sent again.
            Reach::Nowhere => return Ok(Begun::Only),
            reach => failover_plan.confined = reach != Reach::Everywhere,
        }
        let before = filter_state::entry(filter_state::ATTEMPT)?;
        let before = before.map(|state| AttemptState::read(&state).ok_or_else(missing)).transpose()?;
        let mut attempt =
            before.as_ref().map_or_else(|| Attempt::first(failover_plan.key), |before| before.next);
        if before.as_ref().is_some_and(|before| before.attempt == attempt) {
            return Ok(Begun::Repeat);
        }
        let mut destination = attempt.destination(&failover_plan, &config).ok_or_else(missing)?;
        // The attempt and the cluster are written one after the other. Were only one of them the new one, a key would
        // be sent to another provider than its own.
        let cluster = filter_state::entry(filter_state::CLUSTER)?;
        if cluster.as_deref() != Some(destination.provider.cluster.as_bytes()) {
            return Err(missing());
        }
        let reached = host::property("xds\0cluster_name").unwrap_or_default();
        let reached = String::from_utf8_lossy(&reached).into_owned();
        let (mut failed_usage, mut attempt_log) = (FailedUsage::default(), AttemptLog::default());
        let again = before.is_some();
        if let Some(before) = before {
            let left = before.attempt.destination(&failover_plan, &config);
            if let Some(left) = &left
                && left.provider.cluster != destination.provider.cluster
            {
                if reached.is_empty() || before.cluster.is_empty() {
                    return Err(missing());
                }
                // An Envoy that does not pick the cluster anew (`refresh_cluster_on_retry`) has brought this attempt to
                // the provider of the one before. It goes on as that one: what is said there is all that can be had.
                if reached == before.cluster {
                    vm.astray(&config, host::now());
                    failover_plan.confined = true;
                    attempt = Attempt { number: attempt.number, ..before.attempt };
                    destination = left.clone();
                }
            }
            (failed_usage, attempt_log) = (before.failed_usage, before.attempt_log);
            if let Some(left) = left.filter(|_| attempt_log.ends_unanswered()) {
                vm.metrics.attempt(&left.provider.name, Failure::NoAnswer.reason());
                failed_usage = failed_usage.and_waited(host::now().since(before.began));
            }
        }
        attempt_log.begin(&destination, attempt.key);
        let began = host::now();
        let state =
            AttemptState { attempt, began, next: attempt, cluster: reached, failed_usage, attempt_log };
        let mut run = Self { again, status: 0, held: Held::No, config, failover_plan, state, destination };
        // Should nothing at all come back, nobody will be asked who is next.
        run.choose_next(Failure::NoAnswer, began);
        run.write()?;
        Ok(Begun::Retry(Box::new(run)))
    }

    /// Whether it has to be addressed before it goes on.
    pub(crate) fn wants_address(&self) -> bool {
        self.again
    }

    /// Names the next attempt after this one went wrong. Says whether there is one.
    fn choose_next(&mut self, failure: Failure, now: Millis) -> bool {
        let key_pool = KeyPool::new(&SharedStore);
        let (endpoint, attempt) = (self.endpoint().map_or("", Endpoint::name), self.state.attempt);
        let next = self.failover_plan.next(&self.config, &key_pool, endpoint, attempt, failure, now);
        self.state.next = next.unwrap_or(attempt);
        next.is_some()
    }

    /// Writes down what this attempt leaves for the next one, and where that goes.
    fn write(&self) -> Result<(), HostError> {
        host::set_property(filter_state::ATTEMPT, &self.state.to_bytes())?;
        let next = self.state.next.destination(&self.failover_plan, &self.config);
        let next = next.as_ref().unwrap_or(&self.destination);
        host::set_property(filter_state::CLUSTER, next.provider.cluster.as_bytes())
    }

    fn served(&self) -> Option<Served> {
        let path = self.failover_plan.path.split('?').next().unwrap_or_default();
        resource::served(&self.config, path.as_bytes())
    }

    /// Addresses the attempt, of which the whole body is here.
    pub(crate) fn address(&mut self, size: usize) -> Result<(), HostError> {
        let body = host::buffer(Buffer::RequestBody, 0, size)?;
        let head = host::headers(Map::Request)?;
        let path = self.failover_plan.path.as_bytes();
        let served = self.served().ok_or(HostError::NOT_FOUND)?;
        let content_type = head.first("content-type").unwrap_or_default();
        let request =
            LlmRequest::read_sent(&served, path, content_type, &body).map_err(|_| HostError::NOT_FOUND)?;
        forward::strip_credentials(&head)?;
        host::set_header(Map::Request, ":authority", self.failover_plan.authority.as_bytes())?;
        host::set_header(Map::Request, ":path", path)?;
        forward::address(&self.destination, self.state.attempt.key, &served, &request, path, path)?;
        let mut edits = request.name_model(&self.destination.model);
        if self.failover_plan.asks_for_usage
            && (self.state.attempt.bare || !may_ask(&self.destination.provider, &served, path, &body))
        {
            edits.extend(take_back(&body));
        }
        // The body is what the gateway sent; its length may be another attempt's.
        if edits.is_empty() && head.first("content-length").is_some() {
            host::set_header(Map::Request, "content-length", body.len().to_string().as_bytes())?;
        }
        forward::replace_body(&head, &body, edits)?;
        self.again = false;
        Ok(())
    }

    /// The answer's headers, after which nothing comes if it is `complete`. Says whether they are held.
    pub(crate) fn answered(&mut self, complete: bool, vm: &Vm) -> Result<bool, HostError> {
        let head = host::headers(Map::Response)?;
        self.status = head.first(":status").and_then(json::count).unwrap_or(0);
        self.held = self.hold(&head);
        if !matches!(self.held, Held::No) {
            return if complete { self.answering(0, true, vm) } else { Ok(true) };
        }
        match Failure::of(Fault::of_status(self.status), self.status, None) {
            // A redirect leads where nobody has sent the key.
            _ if (300..400).contains(&self.status) => self.failed(Failure::Status, None, vm)?,
            Some(failure) if self.status >= 400 => self.failed(failure, None, vm)?,
            Some(_) | None => self.passed()?,
        }
        Ok(false)
    }

    /// The answer's body, of which `size` bytes are held. Says whether they still are.
    pub(crate) fn answering(&mut self, size: usize, end: bool, vm: &Vm) -> Result<bool, HostError> {
        let mut used = None;
        let failure = match core::mem::replace(&mut self.held, Held::No) {
            Held::No => return Ok(false),
            Held::Stream(mut meter, read) => {
                meter.feed(&piece(read, size)?, end);
                let reading = meter.reading();
                let begun = reading.output_so_far() > 1 || reading.deltas > 0 || reading.begun;
                let failure = if reading.error && reading.deltas == 0 {
                    in_good_clothes(&piece(0, size)?, Failure::StreamError)
                } else if end && !begun {
                    Some(Failure::EmptyStream)
                } else if begun || size > HELD_BYTES {
                    None
                } else {
                    self.held = Held::Stream(meter, size);
                    return Ok(true);
                };
                used = failure.is_some().then_some(meter);
                failure
            }
            Held::Plain(framing) => {
                let begin = piece(0, size.min(1))?;
                // What is no document, and what a provider sends to keep the connection, goes on at once.
                let may_be_an_error =
                    matches!(begin.first(), Some(b'{' | b'[' | b'\xef')) && size <= HELD_BYTES;
                if !end && (size == 0 || may_be_an_error) {
                    self.held = Held::Plain(framing);
                    return Ok(true);
                }
                let body = if may_be_an_error { piece(0, size)? } else { begin };
                let failure = if may_be_an_error && Fault::is_all(&body) {
                    in_good_clothes(&body, Failure::AnswerError)
                } else {
                    None
                };
                if failure.is_some()
                    && let Some(endpoint) = self.endpoint()
                {
                    let mut meter = Meter::new(endpoint, framing, false);
                    meter.feed(&body, true);
                    used = Some(Box::new(meter));
                }
                failure
            }
            Held::Refusal(kind, wait) if !end && size <= HELD_BYTES => {
                self.held = Held::Refusal(kind, wait);
                return Ok(true);
            }
            Held::Refusal(kind, wait) => {
                let body = piece(0, size.min(HELD_BYTES))?;
                if self.failover_plan.asks_for_usage
                    && !self.state.attempt.bare
                    && is_refused(self.status, &body)
                {
                    Some(Failure::Option)
                } else {
                    let fault = Fault::of(self.status, kind.as_deref(), &body);
                    Failure::of(fault, self.status, wait.or_else(|| wait_in_body(&body)))
                }
            }
        };
        match failure {
            Some(failure) => self.failed(failure, used.as_deref(), vm)?,
            None => self.passed()?,
        }
        Ok(false)
    }

    /// The end of an answer whose body did not say that it ended.
    pub(crate) fn ended(&mut self, vm: &Vm) -> Result<bool, HostError> {
        let size = match self.held {
            Held::Stream(_, read) => read,
            Held::No | Held::Plain(_) | Held::Refusal(..) => HELD_BYTES,
        };
        self.answering(size, true, vm)
    }

    /// The attempt went wrong: lets its key rest if that is why, names the next one, and has the router send it. `used`
    /// has read of the answer what it used.
    fn failed(&mut self, failure: Failure, used: Option<&Meter>, vm: &Vm) -> Result<(), HostError> {
        let now = host::now();
        self.cool_down(failure, now, vm);
        vm.metrics.attempt(&self.destination.provider.name, failure.reason());
        self.state.attempt_log.failed(failure, self.status, now.since(self.state.began));
        let is_last = !self.choose_next(failure, now);
        // What the last attempt has used is read of the answer that goes on.
        if let Some(meter) = used.filter(|_| !is_last) {
            self.sink(meter.reading());
        }
        self.write()?;
        if is_last {
            return host::set_header(Map::Response, NOT_RETRIED, b"true");
        }
        // A provider behind an Envoy of its own may say so too.
        host::remove_header(Map::Response, NOT_RETRIED.as_bytes())?;
        match failure {
            Failure::Status | Failure::RateLimited(_) if self.status == 429 || self.status >= 500 => Ok(()),
            _ => host::set_header(Map::Response, ":status", RETRIED),
        }
    }

    fn passed(&mut self) -> Result<(), HostError> {
        // What another key has got an answer to was not the request's fault.
        if self.state.attempt.suspects != 0 && is_success(self.status) {
            let now = host::now();
            let until = now.plus(self.config.failover.unauthorized_ms);
            self.state.attempt.found_out().for_each(|key| self.pause(Cooldown::Key(key), until, now));
        }
        // The router goes by the status, which here does not say enough.
        if self.status >= 400 {
            host::set_header(Map::Response, NOT_RETRIED, b"true")?;
        }
        self.state.attempt_log.passed(self.status, host::now().since(self.state.began));
        host::set_property(filter_state::ATTEMPT, &self.state.to_bytes())
    }

    fn endpoint(&self) -> Option<Endpoint> {
        self.served().map(|served| served.endpoint)
    }
}

/// The bytes of the held answer from `start` on.
fn piece(start: usize, size: usize) -> Result<Vec<u8>, HostError> {
    match size.saturating_sub(start) {
        // Where nothing came, there may be no buffer to ask for.
        0 => Ok(Vec::new()),
        length => host::buffer(Buffer::ResponseBody, start, length),
    }
}
