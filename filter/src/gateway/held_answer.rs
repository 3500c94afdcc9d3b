//! Decides which answers are held to see what they are: refusals that may be about the gateway's own key, and answers
//! that say that they are good and may be nothing but an error.
//!
//! What is between the operator and the provider is not for callers, and what a request has caused is for its caller
//! alone. Some providers tell an error with a status of success; SDKs would read an answer without content out of it.
//!
//! Does not hold what is asked to be a stream and does not look like an error, nor more than a bound of anything.

use farebox_core::base::headers::RequestHead;
use farebox_core::denial::Denial;
use farebox_core::dialect::framing::Framing;
use farebox_core::dialect::{Dialect, Endpoint};
use farebox_core::failover::classify::Fault;
use farebox_core::json;
use proxy_wasm::types::Action;

use crate::gateway::Gateway;
use crate::gateway::response::{Admitted, is_success};
use crate::gateway::state::State;
use crate::host::{self, Buffer};

/// Most of an answer that is read to know what it is.
pub(crate) const HELD_BYTES: usize = 64 * 1024;

/// Bytes of an answer that goes on after which it is taken for one.
const UNDECIDED_BYTES: usize = 1_024;

/// Why an answer is held.
#[derive(Debug)]
pub(crate) enum HeldAnswer {
    /// It is a refusal, of which the body must say whose fault it is.
    Refusal {
        status: u64,
        /// What its headers call it.
        kind: Option<Vec<u8>>,
    },
    /// It says that it is good, and may be an error all the same. What has come of it.
    Success { status: u64, held: Vec<u8> },
}

impl Admitted {
    /// The headers of an answer of the provider: whether it is held.
    pub(crate) fn doubts(&mut self, head: &RequestHead, status: u64, framing: Framing) {
        if may_be_ours(status) {
            let kind = head.first("x-amzn-errortype").map(<[u8]>::to_vec);
            self.doubt = Some(HeldAnswer::Refusal { status, kind });
            return;
        }
        let is_short = || {
            let length = head.first("content-length").and_then(json::count);
            length.is_none_or(|length| length <= HELD_BYTES as u64)
        };
        // A host that cannot hold a request for its body is not asked to hold an answer for it.
        let may_be_an_error = is_success(status) && framing == Framing::Json;
        if may_be_an_error && !self.complete && self.config.headers_only.is_none() && is_short() {
            self.doubt = Some(HeldAnswer::Success { status, held: Vec::new() });
        }
    }

    /// What goes on of the answer, of which `size` bytes are here besides what went on before. `None`: it is held.
    pub(crate) fn released(&mut self, size: usize, end: bool) -> Option<Vec<u8>> {
        let is_enough = end || size > HELD_BYTES;
        match &mut self.doubt {
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
                    self.first_byte = Some(host::now());
                }
                if is_enough {
                    return Some(core::mem::take(held));
                }
                // An answer that is long begins to go on before it has ended; few errors are.
                let is_long = held.len() > UNDECIDED_BYTES;
                if is_long || is_first && !looks_like_an_error(held, self.streams) {
                    let held = core::mem::take(held);
                    self.doubt = None;
                    return Some(held);
                }
                None
            }
        }
    }

    /// What was held when trailers come.
    pub(crate) fn held(&mut self) -> Option<Vec<u8>> {
        match self.doubt.as_mut()? {
            HeldAnswer::Refusal { .. } => Some(bytes(0, HELD_BYTES)),
            HeldAnswer::Success { held, .. } => Some(core::mem::take(held)),
        }
    }

    /// Says what the client must be told instead of a refusal that was held, of which `body` is here.
    pub(crate) fn judge_refusal(&mut self, body: &[u8]) -> Option<Denial> {
        let Some(HeldAnswer::Refusal { status, kind }) = &self.doubt else { return None };
        let body = body.get(..HELD_BYTES).unwrap_or(body);
        let (status, fault) = (*status, Fault::of(*status, kind.as_deref(), body));
        self.doubt = None;
        fault.is_ours(status).then(|| {
            self.provider_status = Some(status);
            Denial::ProviderRefused
        })
    }

    /// The same of an answer that said it was good, when `body` was read.
    pub(crate) fn judge_success(&mut self, body: &[u8]) -> Option<Denial> {
        let Some(HeldAnswer::Success { status, .. }) =
            self.doubt.take_if(|doubt| matches!(doubt, HeldAnswer::Success { .. }))
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

impl Gateway {
    /// A piece of a provider's answer that is held no longer.
    pub(crate) fn answered(&mut self, piece: &[u8], last: bool) -> Action {
        let State::Admitted(admitted) = &mut self.state else { return Action::Continue };
        if let Some(denial) = admitted.judge_refusal(piece) {
            return self.mask(denial);
        }
        let was_cut = admitted.piece(piece, last, &self.context.request_id, &self.vm);
        if let Some(denial) = admitted.judge_success(piece) {
            return self.mask(denial);
        }
        if was_cut {
            // Should the provider say nothing more, there is no other occasion to close the stream.
            self.vm.close_later(self.context_id, host::now());
        }
        Action::Continue
    }

    /// Answers in place of a provider, of which the answer would mislead the client. The request stays admitted:
    /// it was sent, and is settled as any other.
    pub(crate) fn mask(&mut self, denial: Denial) -> Action {
        let dialect = self.context.endpoint.map_or(Dialect::OpenAi, Endpoint::dialect);
        let reply = denial.reply(dialect, self.context.client, &self.context.request_id, host::now());
        let details = ["farebox_masked_", denial.reason()].concat();
        self.reply(reply, &details)
    }
}

/// Whether what an answer begins with may be the beginning of an error. That of a stream must say more.
fn looks_like_an_error(begin: &[u8], stream: bool) -> bool {
    matches!(begin.first(), Some(b'{' | b'[' | b'\xef')) && (!stream || Fault::may_be_all(begin))
}

/// The bytes of the answer's body from `start` on.
fn bytes(start: usize, size: usize) -> Vec<u8> {
    match size.saturating_sub(start) {
        0 => Vec::new(),
        length => host::buffer(Buffer::ResponseBody, start, length).unwrap_or_default(),
    }
}

/// Whether an error with this status may be about the gateway's own key or account.
fn may_be_ours(status: u64) -> bool {
    matches!(status, 400..=403 | 407 | 412 | 429 | 498)
}
