//! Decides what of an answer is held, and what an error with a status of success means.

use farebox_core::base::headers::RequestHead;
use farebox_core::dialect::framing::Framing;
use farebox_core::failover::classify::{Fault, Waits};
use farebox_core::failover::plan::Failure;
use farebox_core::response::meter::Meter;

use super::Retry;
use crate::host;

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

impl Retry {
    /// Whether the answer must say more before it is known what it is.
    pub(super) fn hold(&self, head: &RequestHead) -> Held {
        let may_be_too_long = || self.failover_plan.targets.iter().any(|target| target.long);
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
                let wait = (self.status == 429).then(|| Waits { head, now: host::now() }.read()).flatten();
                Held::Refusal(head.first("x-amzn-errortype").map(<[u8]>::to_vec), wait)
            }
            _ => Held::No,
        }
    }
}

/// What an error with a status of success means; `other` if it only says that something went wrong. `None`: it is the
/// request's own fault.
pub(super) fn in_good_clothes(body: &[u8], other: Failure) -> Option<Failure> {
    // As a status that says that the answer is good does not say either that there was too much to do.
    match Failure::of(Fault::of_body(body), 500, None)? {
        Failure::Status => Some(other),
        failure => Some(failure),
    }
}
