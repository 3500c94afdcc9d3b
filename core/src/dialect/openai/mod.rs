//! OpenAI's dialect, which most providers speak: its paths, what of a head passes, its errors, and the event that breaks
//! a stream off.
//!
//! Which members of a request matter is in `request.rs`, where an answer says what was used in `answer.rs`, and what is
//! otherwise at Azure in `azure.rs`.

pub(super) mod answer;
pub(super) mod azure;
pub(super) mod request;

use super::Endpoint;
use super::error::ErrorFacts;
use super::headers::{HeadTable, headers};
use crate::base::text::push_json_string;

/// What comes behind `/v1`.
pub(super) const PATHS: &[(&str, Endpoint)] = &[
    ("/chat/completions", Endpoint::ChatCompletions),
    ("/completions", Endpoint::Completions),
    // Mistral's, with what comes behind the gap.
    ("/fim/completions", Endpoint::Completions),
    ("/embeddings", Endpoint::Embeddings),
    ("/responses", Endpoint::Responses),
    ("/responses/compact", Endpoint::CompactResponse),
    ("/responses/input_tokens", Endpoint::CountInput),
    ("/images/generations", Endpoint::Images),
    ("/images/edits", Endpoint::ImageEdits),
    ("/audio/transcriptions", Endpoint::Transcriptions),
    ("/audio/translations", Endpoint::Transcriptions),
    ("/audio/speech", Endpoint::Speech),
    ("/moderations", Endpoint::Moderations),
    ("/rerank", Endpoint::Rerank),
];

/// What of a request's head goes on, and what of an answer's comes back.
pub(super) static HEAD: HeadTable = HeadTable {
    query: &[],
    request_headers: headers!(
        [
            "conversation_id" as b"conversation_id", "http-referer" as b"http-referer",
            "openai-beta" as b"openai-beta", "originator" as b"originator", "session-id" as b"session-id",
            "session_id" as b"session_id", "thread-id" as b"thread-id", "version" as b"version",
            "x-openai-subagent" as b"x-openai-subagent", "x-session-affinity" as b"x-session-affinity",
            "x-title" as b"x-title",
        ],
        ["x-codex-*" as b"x-codex-"],
    ),
    response_headers: headers!(
        [
            "cf-ray" as b"cf-ray", "openai-model" as b"openai-model",
            "openai-processing-ms" as b"openai-processing-ms", "openai-version" as b"openai-version",
        ],
        ["groq-*" as b"groq-", "mistral-*" as b"mistral-", "x-groq-*" as b"x-groq-"],
    ),
};

/// The body of an error.
pub(super) fn error_body(error: &ErrorFacts<'_>) -> String {
    // Clients take `insufficient_quota` for final.
    let paced = error.status == 429 && error.wait_ms.is_some();
    let kind = match error.status {
        _ if paced => "requests",
        _ if error.budget.is_some() => "insufficient_quota",
        401 => "authentication_error",
        403 => "permission_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let code = match error.budget {
        _ if paced => "rate_limit_exceeded",
        Some(_) => "insufficient_quota",
        None => error.reason,
    };
    let param = if error.is_about_model { "\"model\"" } else { "null" };
    let mut body = String::with_capacity(320);
    body.push_str("{\"error\":{\"message\":");
    push_json_string(&mut body, error.message);
    for part in [",\"type\":\"", kind, "\",\"param\":", param, ",\"code\":\"", code, "\""] {
        body.push_str(part);
    }
    if let Some(budget) = &error.budget {
        body.push_str(",\"budget\":{\"name\":");
        push_json_string(&mut body, budget.name);
        body.push_str(",\"resets_at\":");
        match budget.resets_at {
            Some(resets_at) => push_json_string(&mut body, &resets_at.to_rfc3339()),
            None => body.push_str("null"),
        }
        body.push('}');
    }
    body.push_str("}}");
    body
}

/// The event that breaks a stream off, with a message that is a JSON string already.
///
/// Source: OpenAI API reference, errors; its SDKs raise every event with an `error`.
pub(super) fn stream_error(message: &str) -> String {
    let error = format!(
        "{{\"message\":{message},\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}}"
    );
    format!("data: {{\"error\":{error}}}\n\ndata: [DONE]\n\n")
}

/// The event that breaks a stream off, with a message that is a JSON string already.
///
/// Source: OpenAI API reference, streaming events of Responses. The number of the event before is not known
/// here; numbers must grow, and this one is larger than all and fits wherever clients keep it.
pub(super) fn response_stream_error(message: &str) -> String {
    format!(
        "event: error\ndata: {{\"type\":\"error\",\"code\":\"insufficient_quota\",\"message\":{message},\
         \"param\":null,\"sequence_number\":{}}}\n\n",
        i32::MAX
    )
}
