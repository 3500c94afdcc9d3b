//! Decides which answers are held to see what they are: refusals that may be about the gateway's own key, and answers
//! that say that they are good and may be nothing but an error.
//!
//! What is between the operator and the provider is not for callers, and what a request has caused is for its caller
//! alone. Some providers tell an error with a status of success; SDKs would read an answer without content out of it.
//!
//! Does not hold what is asked to be a stream and does not look like an error, nor more than a bound of anything.

use crate::base::headers::{RequestHead, is_success};
use crate::base::window::Millis;
use crate::denial::Denial;
use crate::dialect::framing::Framing;
use crate::exchange::{Exchange, HeldAnswer};
use crate::failover::classify::Fault;
use crate::json;

/// Most of an answer that is read to know what it is.
pub const HELD_BYTES: usize = 64 * 1024;

/// Bytes of an answer that goes on after which it is taken for one.
const UNDECIDED_BYTES: usize = 1_024;

impl Exchange {
    /// The headers of an answer of the provider: whether it is held.
    pub(super) fn doubt(&mut self, head: &RequestHead, status: u64) {
        if may_be_ours(status) {
            let kind = head.first("x-amzn-errortype").map(<[u8]>::to_vec);
            self.held = Some(HeldAnswer::Refusal { status, kind });
            return;
        }
        let is_short = || {
            let length = head.first("content-length").and_then(json::count);
            length.is_none_or(|length| length <= HELD_BYTES as u64)
        };
        // A host that cannot hold a request for its body is not asked to hold an answer for it.
        let may_be_an_error = is_success(status) && self.framing == Framing::Json;
        if may_be_an_error && !self.complete && self.config.headers_only.is_none() && is_short() {
            self.held = Some(HeldAnswer::Success { status, held: Vec::new() });
        }
    }

    /// What goes on of the answer, of which `size` bytes are here besides what went on before; `bytes` reads so many of them
    /// from an offset on. `None`: it is held.
    pub fn release(
        &mut self,
        size: usize,
        end: bool,
        bytes: impl Fn(usize, usize) -> Vec<u8>,
        now: impl FnOnce() -> Millis,
    ) -> Option<Vec<u8>> {
        let is_enough = end || size > HELD_BYTES;
        match &mut self.held {
            None => Some(bytes(0, size)),
            Some(HeldAnswer::Refusal { .. }) => is_enough.then(|| bytes(0, size)),
            Some(HeldAnswer::Success { held, .. }) => {
                let is_first = held.is_empty();
                // Every byte is asked for once.
                held.extend(bytes(held.len(), size));
                if held.is_empty() && !end {
                    return None;
                }
                if is_first {
                    self.first_byte = Some(now());
                }
                if is_enough {
                    return Some(core::mem::take(held));
                }
                // An answer that is long begins to go on before it has ended; few errors are.
                let is_long = held.len() > UNDECIDED_BYTES;
                if is_long || is_first && !looks_like_an_error(held, self.streams) {
                    let held = core::mem::take(held);
                    self.held = None;
                    return Some(held);
                }
                None
            }
        }
    }

    /// What was held, when the answer ends without another piece.
    pub fn release_all(&mut self, bytes: impl Fn(usize, usize) -> Vec<u8>) -> Option<Vec<u8>> {
        match self.held.as_mut()? {
            HeldAnswer::Refusal { .. } => Some(bytes(0, HELD_BYTES)),
            HeldAnswer::Success { held, .. } => Some(core::mem::take(held)),
        }
    }

    /// Says what the client must be told instead of a refusal that was held, of which `body` is here.
    pub(super) fn judge_refusal(&mut self, body: &[u8]) -> Option<Denial> {
        let Some(HeldAnswer::Refusal { status, kind }) = &self.held else { return None };
        let body = body.get(..HELD_BYTES).unwrap_or(body);
        let (status, fault) = (*status, Fault::of(*status, kind.as_deref(), body));
        self.held = None;
        fault.is_ours(status).then(|| {
            self.provider_status = Some(status);
            Denial::ProviderRefused
        })
    }

    /// The same of an answer that said it was good, when `body` was read.
    pub(super) fn judge_success(&mut self, body: &[u8]) -> Option<Denial> {
        let Some(HeldAnswer::Success { status, .. }) =
            self.held.take_if(|held| matches!(held, HeldAnswer::Success { .. }))
        else {
            return None;
        };
        let reading = self.meter.reading();
        let says_something =
            reading.deltas > 0 || reading.reported.has_input() || reading.reported.has_output();
        if !self.complete || (says_something && !reading.error) || !Fault::is_all(body) {
            return None;
        }
        self.provider_status = Some(status);
        let fault = Fault::of_body(body);
        let status = fault.status_of_body(body);
        if fault.is_ours(status.into()) {
            return Some(Denial::ProviderRefused);
        }
        Some(Denial::ProviderError(status, Fault::words(body)))
    }
}

/// Whether what an answer begins with may be the beginning of an error. That of a stream must say more.
fn looks_like_an_error(begin: &[u8], stream: bool) -> bool {
    matches!(begin.first(), Some(b'{' | b'[' | b'\xef')) && (!stream || Fault::may_be_all(begin))
}

/// Whether an error with this status may be about the gateway's own key or account.
fn may_be_ours(status: u64) -> bool {
    matches!(status, 400..=403 | 407 | 412 | 429 | 498)
}
