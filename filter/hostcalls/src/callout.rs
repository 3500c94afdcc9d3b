//! Decides how another cluster is called: one request, and the answer as a whole.
//!
//! The SDK makes the call, because it takes an answer to a call that it did not make for a mistake and stops. Of the
//! host's statuses it knows the three that there are: done, no such cluster, and that it cannot be sent.

use core::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::Status;

use super::{Buffer, HostError, Map, Result};

/// Names a call while it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u32);

/// An answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its `:status`; `None` if it has no headers: then the call failed.
    pub status: Option<u16>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Sends `body` to a cluster, with one header more if there is one. The call belongs to the context that this is called
/// in and ends with it, so this is never called where a stream was entered.
pub fn dispatch(cluster: &str, header: Option<(&str, &str)>, body: &[u8], timeout_ms: u32) -> Result<Token> {
    let mut headers = vec![(":method", "POST"), (":path", "/"), (":authority", cluster)];
    headers.extend(header);
    let timeout = Duration::from_millis(timeout_ms.into());
    match hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout) {
        Ok(token) => Ok(Token(token)),
        Err(Status::BadArgument) => Err(HostError::BAD_ARGUMENT),
        Err(_) => Err(HostError::INTERNAL_FAILURE),
    }
}

/// The answer that a callback is about, of which it says how large the body is.
pub fn answer(body_size: usize) -> Answer {
    // There are none if the connection broke, and Envoy then has no buffer either.
    let head = super::headers(Map::Callout).unwrap_or_default();
    let status = head.first(":status").and_then(|status| core::str::from_utf8(status).ok()?.parse().ok());
    let body = super::buffer(Buffer::CalloutBody, 0, body_size).unwrap_or_default();
    Answer { status, body }
}
