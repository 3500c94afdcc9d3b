//! Follows one attempt of a request that may go elsewhere: asks the host where it is and what came of it, and tells the
//! host what `failover` of the core makes of that.
//!
//! The router retries what it was told to as often as it was told to, so this says of every answer whether it should: a
//! status that is retried if another attempt can be of use, and `x-envoy-ratelimited`, which the router never retries, if
//! none can.

use std::rc::Rc;

use farebox_core::config::Config;
use farebox_core::failover::aftermath::Failed;
use farebox_core::failover::key_pool::KeyPool;
use farebox_core::failover::ongoing::{self, Found, OngoingAttempt};
use farebox_core::failover::plan::Failure;
use farebox_core::failover::reach::Reach;
use farebox_core::failover::verdict::Verdict;
use farebox_core::response::meter::Meter;

use crate::vm::Vm;
use farebox_hostcalls::shared_store::SharedStore;
use farebox_hostcalls::{self as host, Buffer, HostError, Map, filter_state};

/// A status that the router's retry policy retries, for what was no answer although its status says so.
const RETRIED: &[u8] = b"503";
/// A header of an answer that the router does not retry, whatever its status.
pub(crate) const NOT_RETRIED: &str = "x-envoy-ratelimited";

/// What an attempt is.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The only one: its request can go nowhere else.
    Only,
    /// One of several.
    Retry(Retry),
    /// The one before once more, which got no answer and has no successor.
    Repeat,
}

/// An attempt of a request that may go elsewhere.
#[derive(Debug)]
pub(crate) struct Retry(Box<OngoingAttempt>);

impl Retry {
    /// Finds out which attempt this is. An error: it must not go on.
    pub(crate) fn begin(config: Option<&Rc<Config>>, vm: &Vm) -> Result<Begun, HostError> {
        let lost = HostError::NOT_FOUND;
        let Some(plan) = filter_state::entry(filter_state::FAILOVER_PLAN)? else { return Ok(Begun::Only) };
        let config = config.ok_or(lost)?;
        let reach = vm.reach(config);
        // To hold an answer there is dangerous, and nothing is sent again.
        if reach == Reach::Nowhere {
            return Ok(Begun::Only);
        }
        let state = filter_state::entry(filter_state::ATTEMPT)?;
        let cluster = filter_state::entry(filter_state::CLUSTER)?;
        let reached = host::property("xds\0cluster_name").unwrap_or_default();
        let found = Found {
            plan: &plan,
            state: state.as_deref(),
            cluster: cluster.as_deref(),
            reached: &reached,
            reach,
        };
        let key_pool = KeyPool::new(&SharedStore);
        let attempt = match OngoingAttempt::begin(config, &found, &key_pool, host::now()).map_err(|_| lost)? {
            ongoing::Begun::Ongoing(attempt) => attempt,
            ongoing::Begun::Repeat => return Ok(Begun::Repeat),
        };
        if attempt.is_astray() {
            vm.astray(config, host::now());
        }
        if let Some(provider) = attempt.unanswered() {
            vm.metrics.attempt(provider, Failure::NoAnswer.reason());
        }
        let retry = Self(attempt);
        retry.write()?;
        Ok(Begun::Retry(retry))
    }

    /// Whether it has to be addressed before it goes on.
    pub(crate) fn wants_address(&self) -> bool {
        self.0.wants_address()
    }

    /// Addresses the attempt, of which the whole body is here.
    pub(crate) fn address(&mut self, size: usize) -> Result<(), HostError> {
        let body = host::buffer(Buffer::RequestBody, 0, size)?;
        let head = host::headers(Map::Request)?;
        match self.0.address(&mut Map::Request, &head, &body)? {
            Some(changed) => host::set_buffer(Buffer::RequestBody, &changed),
            None => Ok(()),
        }
    }

    /// The answer's headers, after which nothing comes if it is `complete`. Says whether they are held.
    pub(crate) fn answered(&mut self, complete: bool, vm: &Vm) -> Result<bool, HostError> {
        let head = host::headers(Map::Response)?;
        match self.0.answered(&head, host::now) {
            Verdict::Held if complete => self.answering(0, true, vm),
            verdict => self.follow(verdict, vm),
        }
    }

    /// The answer's body, of which `size` bytes are held. Says whether they still are.
    pub(crate) fn answering(&mut self, size: usize, end: bool, vm: &Vm) -> Result<bool, HostError> {
        let verdict = self.0.judge(size, end, piece)?;
        self.follow(verdict, vm)
    }

    /// The end of an answer whose body did not say that it ended.
    pub(crate) fn ended(&mut self, vm: &Vm) -> Result<bool, HostError> {
        self.answering(self.0.held_bytes(), true, vm)
    }

    fn follow(&mut self, verdict: Verdict, vm: &Vm) -> Result<bool, HostError> {
        match verdict {
            Verdict::Held => return Ok(true),
            Verdict::Known => {}
            Verdict::Passed => self.passed()?,
            Verdict::Failed(failure, used) => self.failed(failure, used.as_deref(), vm)?,
        }
        Ok(false)
    }

    /// The attempt went wrong: has the router send the next one, if there is one.
    fn failed(&mut self, failure: Failure, used: Option<&Meter>, vm: &Vm) -> Result<(), HostError> {
        vm.metrics.attempt(self.0.provider(), failure.reason());
        let failed = self.0.failed(failure, used, &KeyPool::new(&SharedStore), host::now());
        let Failed { is_last, is_told_by_status, cools_model, not_paused } = failed;
        if cools_model {
            vm.metrics.resting_model(self.0.provider());
        }
        if let Some(error) = not_paused {
            log::error!("a cooldown could not be begun: {error}");
        }
        self.write()?;
        if is_last {
            return host::set_header(Map::Response, NOT_RETRIED, b"true");
        }
        // A provider behind an Envoy of its own may say so too.
        host::remove_header(Map::Response, NOT_RETRIED.as_bytes())?;
        if is_told_by_status { Ok(()) } else { host::set_header(Map::Response, ":status", RETRIED) }
    }

    fn passed(&mut self) -> Result<(), HostError> {
        if let Some(error) = self.0.passed(&KeyPool::new(&SharedStore), host::now()) {
            log::error!("a cooldown could not be begun: {error}");
        }
        // The router goes by the status, which here does not say enough.
        if self.0.is_refused() {
            host::set_header(Map::Response, NOT_RETRIED, b"true")?;
        }
        host::set_property(filter_state::ATTEMPT, &self.0.state())
    }

    /// Writes down what this attempt leaves for the next one, and where that goes.
    fn write(&self) -> Result<(), HostError> {
        host::set_property(filter_state::ATTEMPT, &self.0.state())?;
        host::set_property(filter_state::CLUSTER, self.0.next_cluster().as_bytes())
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
