//! Google's Gemini: its paths, what of a head passes, its errors, and the event that breaks a stream off.
//!
//! Which members of a request matter is in `request.rs`, where an answer says what was used in `answer.rs`, and what is
//! otherwise on Vertex in `vertex.rs`.

pub(super) mod answer;
pub(super) mod request;
pub mod vertex;

use super::error::{ErrorFacts, whole_seconds};
use super::headers::{HeadTable, headers};
use super::path::{Served, find, named};
use super::{Api, Endpoint};
use crate::base::text::json_string;

const VERBS: &[(&str, Endpoint)] = &[
    ("generateContent", Endpoint::GenerateContent),
    ("streamGenerateContent", Endpoint::StreamGenerateContent),
    ("embedContent", Endpoint::EmbedContent),
    ("batchEmbedContents", Endpoint::EmbedContent),
    ("countTokens", Endpoint::CountContent),
];

/// `/v1beta/models/<model>:<verb>`, also under `/v1`.
pub(super) fn at(path: &str) -> Option<Served> {
    let rest = path.strip_prefix("/v1beta/models/").or_else(|| path.strip_prefix("/v1/models/"))?;
    let (model, verb) = rest.split_once(':')?;
    (!model.contains('/')).then_some(())?;
    named(path, path.len() - rest.len(), model, Api::Gemini, find(VERBS, verb)?)
}

/// What of a request's head goes on, and what of an answer's comes back.
pub(super) static HEAD: HeadTable = HeadTable {
    query: &[("alt", &["sse", "json"])],
    request_headers: headers!(
        ["x-goog-api-client" as b"x-goog-api-client", "x-server-timeout" as b"x-server-timeout"],
        [],
    ),
    response_headers: headers!(
        ["server-timing" as b"server-timing", "x-gemini-service-tier" as b"x-gemini-service-tier"],
        [],
    ),
};

/// How long a client of Google's should wait.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The body of an error. Source: Google's API design guide, error model.
pub(super) fn error_body(error: &ErrorFacts<'_>) -> String {
    let status = error.status;
    let kind = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        402 | 429 => "RESOURCE_EXHAUSTED",
        504 => "DEADLINE_EXCEEDED",
        500.. => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    };
    let message = json_string(error.message);
    let details = error.lasts_ms.map(|ms| {
        let delay = whole_seconds(ms);
        format!(",\"details\":[{{\"@type\":\"{RETRY_INFO}\",\"retryDelay\":\"{delay}s\"}}]")
    });
    let details = details.unwrap_or_default();
    format!("{{\"error\":{{\"code\":{status},\"message\":{message},\"status\":\"{kind}\"{details}}}}}")
}

/// The event that breaks a stream off, with a message that is a JSON string already.
///
/// Source: Google's API design guide, error model. Gemini ends lines with CRLF.
pub(super) fn stream_error(message: &str) -> String {
    format!(
        "data: {{\"error\":{{\"code\":429,\"message\":{message},\"status\":\"RESOURCE_EXHAUSTED\"}}}}\r\n\r\n"
    )
}
