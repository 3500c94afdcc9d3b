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

use farebox_core::ask::Ask;
use farebox_core::behind::Reach;
use farebox_core::chain::{Chain, Failure, Leg};
use farebox_core::config::Config;
use farebox_core::dialect::{Endpoint, Served};
use farebox_core::failure::{Fault, wait_in_body};
use farebox_core::json;
use farebox_core::keyring::{Keyring, Rest};
use farebox_core::meter::Meter;
use farebox_core::place;
use farebox_core::route::Destination;
use farebox_core::usage_option::{is_refused, may_ask, take_back};
use farebox_core::window::Millis;

use self::aftermath::waited;
use self::held::{Held, in_good_clothes};
use crate::answer::is_success;
use crate::forward;
use crate::host::{self, Buffer, HostError, Map};
use crate::shared_store::SharedStore;
use crate::trail::{Trail, ends_unanswered};
use crate::worker::Worker;

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
    Run(Box<Run>),
    /// The one before once more, which got no answer and has no successor.
    Repeat,
}

/// An attempt of a request that may go elsewhere.
#[derive(Debug)]
pub(crate) struct Run {
    config: Rc<Config>,
    chain: Chain,
    leg: Leg,
    destination: Destination,
    /// It has to be addressed when its body is here.
    again: bool,
    began: Millis,
    trail: Trail,
    status: u64,
    held: Held,
}

impl Run {
    /// Finds out which attempt this is. An error: it must not go on.
    pub(crate) fn begin(config: Option<&Rc<Config>>, worker: &Worker) -> Result<Begun, HostError> {
        let missing = || HostError::NOT_FOUND;
        let Some(text) = state(forward::CHAIN)? else { return Ok(Begun::Only) };
        let config = Rc::clone(config.ok_or_else(missing)?);
        let mut chain = Chain::read(&text).ok_or_else(missing)?;
        match worker.reach(&config) {
            // To hold an answer there is dangerous, and nothing is sent again.
            Reach::Nowhere => return Ok(Begun::Only),
            reach => chain.confined = reach != Reach::Everywhere,
        }
        let read = |text: Vec<u8>| Leg::read(&text).ok_or_else(missing);
        let mut leg = read(state(forward::LEG)?.ok_or_else(missing)?)?;
        let before = state(forward::AT)?;
        let before = before.map(|text| Leg::read_begun(&text).ok_or_else(missing)).transpose()?;
        let (before, sent) = (before.map(|(leg, _)| leg), before.map(|(_, began)| began));
        if before == Some(leg) {
            return Ok(Begun::Repeat);
        }
        let mut destination = leg.destination(&chain, &config).ok_or_else(missing)?;
        // The leg and the cluster are written one after the other. Were only one of them the new one, a key would
        // be sent to another provider than its own.
        if state(forward::CLUSTER)?.as_deref() != Some(destination.provider.cluster.as_bytes()) {
            return Err(missing());
        }
        let reached = host::property("xds\0cluster_name").unwrap_or_default();
        if let Some(before) = before
            && let Some(left) = before.destination(&chain, &config)
            && left.provider.cluster != destination.provider.cluster
        {
            let last = state(forward::REACHED)?.unwrap_or_default();
            if reached.is_empty() || last.is_empty() {
                return Err(missing());
            }
            // An Envoy that does not pick the cluster anew (`refresh_cluster_on_retry`) has brought this attempt to the
            // provider of the one before. It goes on as that one: what is said there is all that can be had.
            if reached == last {
                worker.astray(&config, host::now());
                chain.confined = true;
                leg = Leg { number: leg.number, ..before };
                destination = left;
            }
        }
        host::set_property(forward::REACHED, &reached)?;
        let trail = state(forward::TRAIL)?.unwrap_or_default();
        let failed = before.filter(|_| ends_unanswered(&trail));
        if let Some(failed) = failed.and_then(|leg| leg.destination(&chain, &config)) {
            worker.metrics.attempt(&failed.provider.name, Failure::NoAnswer.reason());
            waited(sent)?;
        }
        let run = Self {
            again: before.is_some(),
            began: host::now(),
            trail: Trail::new(&trail, &destination, leg),
            status: 0,
            held: Held::No,
            config,
            chain,
            leg,
            destination,
        };
        host::set_property(forward::AT, leg.begun_text(run.began).as_bytes())?;
        // Should nothing at all come back, nobody will be asked who is next.
        run.next(Failure::NoAnswer, run.began)?;
        host::set_property(forward::TRAIL, run.trail.unanswered().as_bytes())?;
        Ok(Begun::Run(Box::new(run)))
    }

    /// Whether it has to be addressed before it goes on.
    pub(crate) fn wants_address(&self) -> bool {
        self.again
    }

    /// Names the next attempt's target after this one went wrong. Says whether there is one.
    fn next(&self, failure: Failure, now: Millis) -> Result<bool, HostError> {
        let keyring = Keyring::new(&SharedStore);
        let endpoint = self.endpoint().map_or("", Endpoint::name);
        let next = self.chain.next(&self.config, &keyring, endpoint, self.leg, failure, now);
        let destination = next.and_then(|next| next.destination(&self.chain, &self.config));
        let (leg, destination) = match (next, &destination) {
            (Some(leg), Some(destination)) => (leg, destination),
            _ => (self.leg, &self.destination),
        };
        host::set_property(forward::CLUSTER, destination.provider.cluster.as_bytes())?;
        host::set_property(forward::LEG, leg.to_text().as_bytes())?;
        Ok(leg != self.leg)
    }

    fn served(&self) -> Option<Served> {
        let path = self.chain.target.split('?').next().unwrap_or_default();
        place::served(&self.config, path.as_bytes())
    }

    /// Addresses the attempt, of which the whole body is here.
    pub(crate) fn address(&mut self, size: usize) -> Result<(), HostError> {
        let body = host::buffer(Buffer::RequestBody, 0, size)?;
        let head = host::headers(Map::Request)?;
        let path = self.chain.target.as_bytes();
        let served = self.served().ok_or(HostError::NOT_FOUND)?;
        let content_type = head.first("content-type").unwrap_or_default();
        let ask = Ask::read_sent(&served, path, content_type, &body).map_err(|_| HostError::NOT_FOUND)?;
        forward::strip_credentials(&head)?;
        host::set_header(Map::Request, ":authority", self.chain.authority.as_bytes())?;
        host::set_header(Map::Request, ":path", path)?;
        forward::address(&self.destination, self.leg.key, &served, &ask, path, path)?;
        let mut edits = ask.name_model(&self.destination.model);
        if self.chain.asks_for_usage
            && (self.leg.bare || !may_ask(&self.destination.provider, &served, path, &body))
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
    pub(crate) fn answered(&mut self, complete: bool, worker: &Worker) -> Result<bool, HostError> {
        let head = host::headers(Map::Response)?;
        self.status = head.first(":status").and_then(json::count).unwrap_or(0);
        self.held = self.hold(&head);
        if !matches!(self.held, Held::No) {
            return if complete { self.answering(0, true, worker) } else { Ok(true) };
        }
        match Failure::of(Fault::of_status(self.status), self.status, None) {
            // A redirect leads where nobody has sent the key.
            _ if (300..400).contains(&self.status) => _ = self.failed(Failure::Status, worker)?,
            Some(failure) if self.status >= 400 => _ = self.failed(failure, worker)?,
            Some(_) | None => self.passed()?,
        }
        Ok(false)
    }

    /// The answer's body, of which `size` bytes are held. Says whether they still are.
    pub(crate) fn answering(&mut self, size: usize, end: bool, worker: &Worker) -> Result<bool, HostError> {
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
                if self.chain.asks_for_usage && !self.leg.bare && is_refused(self.status, &body) {
                    Some(Failure::Option)
                } else {
                    let fault = Fault::of(self.status, kind.as_deref(), &body);
                    Failure::of(fault, self.status, wait.or_else(|| wait_in_body(&body)))
                }
            }
        };
        match failure {
            // What the last attempt has used is read of the answer that goes on.
            Some(failure) => {
                if self.failed(failure, worker)?
                    && let Some(meter) = used
                {
                    self.sink(meter.reading())?;
                }
            }
            None => self.passed()?,
        }
        Ok(false)
    }

    /// The end of an answer whose body did not say that it ended.
    pub(crate) fn ended(&mut self, worker: &Worker) -> Result<bool, HostError> {
        let size = match self.held {
            Held::Stream(_, read) => read,
            Held::No | Held::Plain(_) | Held::Refusal(..) => HELD_BYTES,
        };
        self.answering(size, true, worker)
    }

    /// The attempt went wrong: lets its key rest if that is why, names the next one, and has the router send it.
    /// Says whether there is one.
    fn failed(&self, failure: Failure, worker: &Worker) -> Result<bool, HostError> {
        let now = host::now();
        self.rest(failure, now, worker);
        worker.metrics.attempt(&self.destination.provider.name, failure.reason());
        let trail = self.trail.failed(failure, self.status, now.since(self.began));
        host::set_property(forward::TRAIL, trail.as_bytes())?;
        if !self.next(failure, now)? {
            return host::set_header(Map::Response, NOT_RETRIED, b"true").map(|()| false);
        }
        // A provider behind an Envoy of its own may say so too.
        host::remove_header(Map::Response, NOT_RETRIED.as_bytes())?;
        match failure {
            Failure::Status | Failure::RateLimited(_) if self.status == 429 || self.status >= 500 => {}
            _ => host::set_header(Map::Response, ":status", RETRIED)?,
        }
        Ok(true)
    }

    fn passed(&self) -> Result<(), HostError> {
        // What another key has got an answer to was not the request's fault.
        if self.leg.suspects != 0 && is_success(self.status) {
            let now = host::now();
            let until = now.plus(self.config.failover.unauthorized_ms);
            self.leg.found_out().for_each(|key| self.pause(Rest::Key(key), until, now));
        }
        // The router goes by the status, which here does not say enough.
        if self.status >= 400 {
            host::set_header(Map::Response, NOT_RETRIED, b"true")?;
        }
        let trail = self.trail.passed(self.status, host::now().since(self.began));
        host::set_property(forward::TRAIL, trail.as_bytes())
    }

    fn endpoint(&self) -> Option<Endpoint> {
        self.served().map(|served| served.endpoint)
    }
}

/// A value of the filter state, if it was ever put there.
fn state(name: &str) -> Result<Option<Vec<u8>>, HostError> {
    match host::filter_state(name) {
        Err(HostError::NOT_FOUND) => Ok(None),
        value => value.map(Some),
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
