//! Follows one attempt to send a request: where it goes, with whose key, and whether another one should follow.
//!
//! Envoy makes this context anew for every attempt, behind its router, in a VM of its own. The gateway has
//! addressed the first attempt and written down where else the request may go; the first attempt of this
//! file only says who is next, and those after it are addressed here. All attempts share one header map, so
//! what an earlier one set is taken out first; the body is always the one the gateway sent.
//!
//! ```text
//! request headers    Passive (nowhere else to go) | First | Again (held until the body is here)
//! response headers   passed | held, if what follows may say that this was no answer
//! response body      released with the first token | turned into a status that the router retries
//! ```
//!
//! A request is sent again by Envoy's router, as its retry policy says and as often as the request itself allows.
//! Never answers a client, and never settles: the gateway does.

use std::rc::Rc;

use farebox_core::ask::Ask;
use farebox_core::chain::{Chain, Failure, Leg, says_too_long, wait_in_body, wait_ms};
use farebox_core::config::Config;
use farebox_core::dialect::Served;
use farebox_core::json;
use farebox_core::keyring::Keyring;
use farebox_core::meter::{Framing, Meter};
use farebox_core::place;
use farebox_core::route::Destination;
use farebox_core::window::Millis;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::answer::is_success;
use crate::forward;
use crate::host::{self, Buffer, HostError, Map};
use crate::shared_store::SharedStore;
use crate::trail::Trail;
use crate::worker::Worker;

/// A status that the router's retry policy retries, for what was no answer although its status says so.
const RETRIED: &[u8] = b"503";
/// Most of an answer that is held to see what it is.
const HELD_BYTES: usize = 64 * 1024;

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    config: Option<Rc<Config>>,
    worker: Rc<Worker>,
    run: Option<Run>,
}

/// An attempt of a request that may go elsewhere.
#[derive(Debug)]
struct Run {
    config: Rc<Config>,
    chain: Chain,
    leg: Leg,
    destination: Destination,
    /// It has to be addressed when its body is here.
    again: bool,
    began: Millis,
    trail: Trail,
    held: Held,
}

/// Why the answer's headers are held.
#[derive(Debug)]
enum Held {
    No,
    /// A stream, until its first token.
    Stream(Box<Meter>, usize),
    /// A refusal, until its body has said more.
    Refusal(u64),
}

impl Attempt {
    pub(crate) fn new(config: Option<Rc<Config>>, worker: Rc<Worker>) -> Self {
        Self { config, worker, run: None }
    }

    fn begin(&mut self) -> Result<Option<Run>, HostError> {
        let text = match host::filter_state(forward::CHAIN) {
            Err(HostError::NOT_FOUND) => return Ok(None),
            text => text?,
        };
        let missing = || HostError::NOT_FOUND;
        let config = self.config.clone().ok_or_else(missing)?;
        let chain = Chain::read(&text).ok_or_else(missing)?;
        let leg = Leg::read(&host::filter_state(forward::LEG)?).ok_or_else(missing)?;
        let destination = leg.destination(&chain, &config).ok_or_else(missing)?;
        let count = host::number_property("upstream\0request_attempt_count").unwrap_or(1);
        let before = host::filter_state(forward::TRAIL).unwrap_or_default();
        let began = host::now();
        let trail = Trail::new(&before, &destination, leg);
        let run = Run { config, chain, leg, destination, again: count > 1, began, trail, held: Held::No };
        host::set_property(forward::AT, leg.to_text().as_bytes())?;
        // Should nothing at all come back, nobody will be asked who is next.
        run.next(Failure::NoAnswer, began)?;
        Ok(Some(run))
    }
}

impl Run {
    /// Names the next attempt's target after this one went wrong, and writes down how. Says whether there is one.
    fn next(&self, failure: Failure, now: Millis) -> Result<bool, HostError> {
        let keyring = Keyring::new(&SharedStore);
        let next = self.chain.next(&self.config, &keyring, self.leg, failure, now);
        let destination = next.and_then(|next| next.destination(&self.chain, &self.config));
        let (leg, destination) = match (next, &destination) {
            (Some(leg), Some(destination)) => (leg, destination),
            _ => (self.leg, &self.destination),
        };
        host::set_property(forward::CLUSTER, destination.provider.cluster.as_bytes())?;
        host::set_property(forward::LEG, leg.to_text().as_bytes())?;
        let trail = self.trail.with(failure.reason(), self.status(failure), now.since(self.began));
        host::set_property(forward::TRAIL, trail.as_bytes())?;
        Ok(leg != self.leg)
    }

    fn served(&self) -> Option<Served> {
        let path = self.chain.target.split('?').next().unwrap_or_default();
        place::served(&self.config, path.as_bytes())
    }

    fn status(&self, failure: Failure) -> Option<u64> {
        match (failure, &self.held) {
            (Failure::Status(status) | Failure::Unauthorized(status), _) => Some(status),
            (Failure::RateLimited(_), _) => Some(429),
            (_, Held::Refusal(status)) => Some(*status),
            _ => None,
        }
    }

    /// The attempt went wrong: lets its key rest if that is why, and names the next one.
    fn failed(&self, failure: Failure, worker: &Worker) -> Result<bool, HostError> {
        let now = host::now();
        let policy = &self.config.failover;
        let rest = match failure {
            Failure::Unauthorized(_) => Some(policy.unauthorized_ms),
            Failure::RateLimited(wait_ms) => Some(wait_ms.unwrap_or(policy.rate_limited_ms)),
            _ => None,
        };
        if let Some(rest) = rest
            && let Err(error) = Keyring::new(&SharedStore).pause(
                &self.destination.provider,
                self.leg.key,
                now.plus(rest),
                now,
            )
        {
            log::error!("a key could not be let rest: {error}");
        }
        worker.metrics.attempt(&self.destination.provider.name, failure.reason());
        self.next(failure, now)
    }

    /// Addresses the attempt, whose whole body is here.
    fn address(&self, size: usize) -> Result<(), HostError> {
        let body = host::buffer(Buffer::RequestBody, 0, size)?;
        let head = host::headers(Map::Request)?;
        let path = self.chain.target.as_bytes();
        let served = self.served().ok_or(HostError::NOT_FOUND)?;
        let content_type = head.first("content-type").unwrap_or_default();
        let ask = Ask::read(&served, path, content_type, &body).map_err(|_| HostError::NOT_FOUND)?;
        forward::strip_credentials(&head)?;
        host::set_header(Map::Request, ":authority", self.chain.authority.as_bytes())?;
        host::set_header(Map::Request, ":path", path)?;
        forward::address(&self.destination, self.leg.key, &served, &ask, path)?;
        forward::replace_body(&head, &body, ask.name_model(&self.destination.model).into_iter().collect())?;
        // The body is what the gateway sent; its length may be another attempt's.
        if ask.name_model(&self.destination.model).is_none() && head.first("content-length").is_some() {
            host::set_header(Map::Request, "content-length", body.len().to_string().as_bytes())?;
        }
        Ok(())
    }

    /// The answer's headers: passes them on, or holds them.
    fn answered(&mut self, worker: &Worker) -> Result<Action, HostError> {
        let head = host::headers(Map::Response)?;
        let status = head.first(":status").and_then(json::count).unwrap_or(0);
        let endpoint = self.served().map(|served| served.endpoint);
        let elsewhere = self.chain.stops.len() > 1;
        if is_success(status) {
            let framing = endpoint.map_or(Framing::Opaque, |endpoint| {
                Framing::of(endpoint, head.first("content-type"), head.first("content-encoding"))
            });
            if let Some(endpoint) = endpoint.filter(|_| elsewhere && framing.is_stream()) {
                self.held = Held::Stream(Box::new(Meter::new(endpoint, framing, false)), 0);
                return Ok(Action::Pause);
            }
            self.succeeded(status)?;
            return Ok(Action::Continue);
        }
        let wait_ms = wait_ms(head.first("retry-after-ms"), head.first("retry-after"));
        let asks_for_less =
            matches!(status, 400 | 413 | 422) && self.chain.stops.iter().any(|stop| stop.long);
        if asks_for_less || (status == 429 && wait_ms.is_none()) {
            self.held = Held::Refusal(status);
            return Ok(Action::Pause);
        }
        match Failure::of_status(status, wait_ms) {
            Some(failure) => drop(self.failed(failure, worker)?),
            None => self.succeeded(status)?,
        }
        Ok(Action::Continue)
    }

    /// What was held so far of the answer's body.
    fn answering(&mut self, size: usize, end: bool, worker: &Worker) -> Result<Action, HostError> {
        let failure = match &mut self.held {
            Held::No => return Ok(Action::Continue),
            Held::Stream(meter, read) => {
                let piece = host::buffer(Buffer::ResponseBody, *read, size.saturating_sub(*read))?;
                *read = size;
                meter.feed(&piece, end);
                let reading = meter.reading();
                let begun = reading.output_so_far() > 1 || reading.deltas > 0;
                if reading.error && reading.deltas == 0 {
                    Some(Failure::StreamError)
                } else if end && !begun {
                    Some(Failure::EmptyStream)
                } else if begun || size > HELD_BYTES {
                    None
                } else {
                    return Ok(Action::Pause);
                }
            }
            Held::Refusal(_) if !end && size <= HELD_BYTES => return Ok(Action::Pause),
            Held::Refusal(status) => {
                let body = host::buffer(Buffer::ResponseBody, 0, size.min(HELD_BYTES))?;
                match *status {
                    429 => Some(Failure::RateLimited(wait_in_body(&body))),
                    _ => says_too_long(&body).then_some(Failure::ContextLength),
                }
            }
        };
        match failure {
            // The router decides by the status; 429 it retries as it is.
            Some(failure) => {
                if self.failed(failure, worker)? && !matches!(failure, Failure::RateLimited(_)) {
                    host::set_header(Map::Response, ":status", RETRIED)?;
                }
            }
            None => self.succeeded(200)?,
        }
        self.held = Held::No;
        Ok(Action::Continue)
    }

    fn succeeded(&self, status: u64) -> Result<(), HostError> {
        let trail = self.trail.with("ok", Some(status), host::now().since(self.began));
        host::set_property(forward::TRAIL, trail.as_bytes())
    }
}

impl Context for Attempt {}

impl HttpContext for Attempt {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        match self.begin() {
            Ok(run) => {
                let again = run.as_ref().is_some_and(|run| run.again);
                self.run = run;
                if again && !end_of_stream { Action::Pause } else { Action::Continue }
            }
            Err(error) => {
                self.worker.host_unsupported(&format!("an attempt cannot find out where to go: {error}"));
                // Never on with what an earlier attempt left behind.
                self.refuse()
            }
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(run) = self.run.as_ref().filter(|run| run.again) else { return Action::Continue };
        if !end_of_stream {
            return Action::Pause;
        }
        match run.address(size) {
            Ok(()) => {
                if let Some(run) = &mut self.run {
                    run.again = false;
                }
                Action::Continue
            }
            Err(error) => {
                self.worker.host_unsupported(&format!("an attempt could not be addressed: {error}"));
                self.refuse()
            }
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let Some(run) = &mut self.run else { return Action::Continue };
        run.answered(&self.worker).unwrap_or(Action::Continue)
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(run) = &mut self.run else { return Action::Continue };
        run.answering(size, end_of_stream, &self.worker).unwrap_or(Action::Continue)
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        Action::Continue
    }
}

impl Attempt {
    /// Takes out every credential and holds the attempt: it ends with a timeout of the route, or with its client.
    fn refuse(&self) -> Action {
        if let Ok(head) = host::headers(Map::Request) {
            let _ = forward::strip_credentials(&head);
        }
        host::close_request();
        Action::Pause
    }
}
