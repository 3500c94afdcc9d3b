//! Decides what an attempt's answer is taken for: which answers are held until they say more, and what each is then.
//!
//! What is an error although its status is that of success (an error event, an empty stream, a document with nothing but an
//! error), and what only the body of a refusal tells, is known late. A stream goes on with its first token.

use crate::base::headers::RequestHead;
use crate::base::window::Millis;
use crate::dialect::framing::Framing;
use crate::failover::classify::{Fault, Waits, wait_in_body};
use crate::failover::ongoing::{Held, OngoingAttempt};
use crate::failover::plan::Failure;
use crate::json;
use crate::request::usage_option::is_refused;
use crate::response::meter::Meter;

/// Most of an answer that is held to see what it is.
const HELD_BYTES: usize = 64 * 1024;

/// What an answer is taken for.
#[derive(Debug)]
pub enum Verdict {
    /// It is held until it says more.
    Held,
    /// It was decided before.
    Known,
    /// It is passed on.
    Passed,
    /// It is none. What has read what it used, if that may be something.
    Failed(Failure, Option<Box<Meter>>),
}

impl OngoingAttempt {
    /// The answer's headers.
    pub fn answered(&mut self, head: &RequestHead, now: impl FnOnce() -> Millis) -> Verdict {
        self.status = head.first(":status").and_then(json::count).unwrap_or(0);
        self.held = self.hold(head, now);
        if !matches!(self.held, Held::No) {
            return Verdict::Held;
        }
        match Failure::of(Fault::of_status(self.status), self.status, None) {
            // A redirect leads where nobody has sent the key.
            _ if (300..400).contains(&self.status) => Verdict::Failed(Failure::Status, None),
            Some(failure) if self.status >= 400 => Verdict::Failed(failure, None),
            Some(_) | None => Verdict::Passed,
        }
    }

    /// The answer's body, of which `size` bytes are held; `bytes` reads so many of them from an offset on. `end`: there are
    /// no more.
    ///
    /// # Errors
    /// Those of `bytes`; the answer is not held any more then.
    pub fn judge<E>(
        &mut self,
        size: usize,
        end: bool,
        bytes: impl Fn(usize, usize) -> Result<Vec<u8>, E>,
    ) -> Result<Verdict, E> {
        let verdict = |failure: Option<Failure>, used: Option<Box<Meter>>| match failure {
            Some(failure) => Verdict::Failed(failure, used),
            None => Verdict::Passed,
        };
        match core::mem::replace(&mut self.held, Held::No) {
            Held::No => Ok(Verdict::Known),
            Held::Stream(mut meter, read) => {
                meter.feed(&bytes(read, size)?, end);
                let reading = meter.reading();
                let begun = reading.output_so_far() > 1 || reading.deltas > 0 || reading.begun;
                if reading.error && reading.deltas == 0 {
                    let failure = in_good_clothes(&bytes(0, size)?, Failure::StreamError);
                    Ok(verdict(failure, Some(meter)))
                } else if end && !begun {
                    Ok(Verdict::Failed(Failure::EmptyStream, Some(meter)))
                } else if begun || size > HELD_BYTES {
                    Ok(Verdict::Passed)
                } else {
                    self.held = Held::Stream(meter, size);
                    Ok(Verdict::Held)
                }
            }
            Held::Plain(framing) => {
                let begin = bytes(0, size.min(1))?;
                // What is no document, and what a provider sends to keep the connection, goes on at once.
                let may_be_an_error =
                    matches!(begin.first(), Some(b'{' | b'[' | b'\xef')) && size <= HELD_BYTES;
                if !end && (size == 0 || may_be_an_error) {
                    self.held = Held::Plain(framing);
                    return Ok(Verdict::Held);
                }
                let body = if may_be_an_error { bytes(0, size)? } else { begin };
                if !may_be_an_error || !Fault::is_all(&body) {
                    return Ok(Verdict::Passed);
                }
                let used = self.endpoint().map(|endpoint| {
                    let mut meter = Meter::new(endpoint, framing, false);
                    meter.feed(&body, true);
                    Box::new(meter)
                });
                Ok(verdict(in_good_clothes(&body, Failure::AnswerError), used))
            }
            Held::Refusal(kind, wait) if !end && size <= HELD_BYTES => {
                self.held = Held::Refusal(kind, wait);
                Ok(Verdict::Held)
            }
            Held::Refusal(kind, wait) => {
                let body = bytes(0, size.min(HELD_BYTES))?;
                if self.plan.asks_for_usage && !self.state.attempt.bare && is_refused(self.status, &body) {
                    return Ok(Verdict::Failed(Failure::Option, None));
                }
                let fault = Fault::of(self.status, kind.as_deref(), &body);
                let wait = wait.or_else(|| wait_in_body(&body));
                Ok(verdict(Failure::of(fault, self.status, wait), None))
            }
        }
    }

    /// Bytes of the answer that are held when it ends without a last piece, as far as that is known.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match self.held {
            Held::Stream(_, read) => read,
            Held::No | Held::Plain(_) | Held::Refusal(..) => HELD_BYTES,
        }
    }

    /// Whether the answer must say more before it is known what it is.
    fn hold(&self, head: &RequestHead, now: impl FnOnce() -> Millis) -> Held {
        let may_be_too_long = || self.plan.targets.iter().any(|target| target.long);
        match self.status {
            200..300 => {
                let Some(endpoint) = self.endpoint() else { return Held::No };
                let framing =
                    Framing::of(endpoint, head.first("content-type"), head.first("content-encoding"));
                if framing.is_stream() {
                    Held::Stream(Box::new(Meter::new(endpoint, framing, false)), 0)
                } else {
                    Held::Plain(framing)
                }
            }
            408 => Held::No,
            500 if may_be_too_long() => Held::Refusal(None, None),
            400..500 => {
                let wait = (self.status == 429).then(|| Waits { head, now: now() }.read()).flatten();
                Held::Refusal(head.first("x-amzn-errortype").map(<[u8]>::to_vec), wait)
            }
            _ => Held::No,
        }
    }
}

/// What an error with a status of success means; `other` if it only says that something went wrong. `None`: it is the
/// request's own fault.
fn in_good_clothes(body: &[u8], other: Failure) -> Option<Failure> {
    // As a status that says that the answer is good does not say either that there was too much to do.
    match Failure::of(Fault::of_body(body), 500, None)? {
        Failure::Status => Some(other),
        failure => Some(failure),
    }
}
