//! Ollama's own API.
//!
//! In this order: its paths, what of a head passes, the members of a request that matter, where an answer says what was
//! used, its errors, and the event that breaks a stream off.
//!
//! A stream is one JSON object a line, the last of which has the numbers. `prompt_eval_count` is left out
//! when the prompt was cached: missing is unknown there, not zero.
//!
//! Source: Ollama API documentation, Chat, Generate and Embed.

use super::Endpoint;
use super::field::{CONTENT, Count, Field, no_content};
use super::headers::{HeadTable, headers};
use super::member::{EXTRA_BODY, EXTRA_PARAMS, Member, OVERRIDES, TOOLS, harmless, value};
use crate::base::text::json_string;
use crate::json::Shape;

pub(super) const PATHS: &[(&str, Endpoint)] = &[
    ("/api/chat", Endpoint::OllamaChat),
    ("/api/generate", Endpoint::OllamaGenerate),
    ("/api/embed", Endpoint::OllamaEmbed),
];

/// What of a request's head goes on, and what of an answer's comes back.
pub(super) static HEAD: HeadTable =
    HeadTable { query: &[], request_headers: headers!([], []), response_headers: headers!([], []) };

/// The members of a request that matter.
pub(super) static REQUEST: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::Model),
        EXTRA_BODY,
        EXTRA_PARAMS,
        OVERRIDES,
        value("stream", Member::Stream),
        Shape::both("options", Member::Options, &[value("num_predict", Member::NumPredict)]),
        // What changes neither.
        harmless("messages"),
        harmless("prompt"),
        harmless("system"),
        harmless("format"),
        harmless("keep_alive"),
        TOOLS,
        harmless("think"),
        harmless("images"),
        harmless("template"),
        harmless("raw"),
        harmless("input"),
        harmless("truncate"),
    ],
);

/// Answers and lines of `/api/chat`, `/api/generate` and `/api/embed`.
pub(super) static ANSWER: Shape<Field> = Shape::document(&[
    Shape::value("model", Field::Model),
    Shape::value("error", Field::Error),
    Shape::value("done", Field::Last),
    Shape::value("response", Field::Delta),
    Shape::value("thinking", Field::Delta),
    Shape::inside(
        "message",
        &[
            Shape::value("content", Field::Delta),
            Shape::value("thinking", Field::Delta),
            Shape::both("tool_calls", Field::Delta, &[]).with_rest(&CONTENT),
            no_content("role"),
            no_content("tool_name"),
        ],
    )
    .with_rest(&CONTENT),
    Shape::value("prompt_eval_count", Field::Count(Count::InputWithCache)),
    Shape::value("eval_count", Field::Count(Count::Output)),
]);

/// The body of an error.
pub(super) fn error_body(message: &str) -> String {
    format!("{{\"error\":{}}}", json_string(message))
}

/// The line that breaks a stream off, with a message that is a JSON string already.
pub(super) fn stream_error(message: &str) -> String {
    format!("{{\"error\":{message}}}\n")
}
