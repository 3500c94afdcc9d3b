//! Cohere's API, version 2.
//!
//! In this order: its paths, what of a head passes, the members of a request that matter, where an answer says what was
//! used, its errors, and the event that breaks a stream off.
//!
//! Two counts stand side by side: `billed_units` and `tokens`, which also counts what Cohere puts into
//! the prompt. What is billed is what counts. A stream says it in its last event, under `delta`.
//!
//! Source: Cohere API reference, version 2: Chat, Embed and Rerank; version 1: Embed.

use super::Endpoint;
use super::field::{CONTENT, Count, Field, count, no_content};
use super::headers::{HeadTable, headers};
use super::member::{EXTRA_BODY, EXTRA_PARAMS, Member, OVERRIDES, TOOLS, harmless, value};
use crate::json::Shape;

pub(super) const PATHS: &[(&str, Endpoint)] = &[
    ("/v2/chat", Endpoint::CohereChat),
    ("/v2/embed", Endpoint::CohereEmbed),
    // What is asked and answered is alike; the version before differs in its defaults.
    ("/v1/embed", Endpoint::CohereEmbed),
    ("/v2/rerank", Endpoint::CohereRerank),
];

/// What of a request's head goes on, and what of an answer's comes back.
pub(super) static HEAD: HeadTable = HeadTable {
    query: &[],
    request_headers: headers!(["x-client-name" as b"x-client-name"], ["x-fern-*" as b"x-fern-"]),
    response_headers: headers!(
        [
            "num_chars" as b"num_chars", "num_tokens" as b"num_tokens", "x-api-warning" as b"x-api-warning",
            "x-debug-trace-id" as b"x-debug-trace-id",
            "x-endpoint-monthly-call-limit" as b"x-endpoint-monthly-call-limit",
        ],
        [],
    ),
};

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
        value("max_tokens", Member::MaxTokens),
        value("num_generations", Member::N),
        // What changes neither.
        harmless("messages"),
        TOOLS,
        harmless("documents"),
        harmless("temperature"),
        harmless("p"),
        harmless("k"),
        harmless("seed"),
        harmless("stop_sequences"),
        harmless("texts"),
        harmless("input_type"),
        harmless("query"),
        harmless("embedding_types"),
    ],
);

const BILLED: Shape<Field> = Shape::inside(
    "billed_units",
    &[
        count("input_tokens", Count::InputWithCache),
        count("output_tokens", Count::Output),
        count("search_units", Count::SearchUnits),
        count("image_tokens", Count::InputImageBesides),
    ],
);

const USAGE: &[Shape<Field>] = &[BILLED, count("cached_tokens", Count::CacheRead)];

static TEXTS: &[Shape<Field>] =
    &[Shape::value("text", Field::Delta), Shape::value("thinking", Field::Delta), no_content("type")];
static CALL: &[Shape<Field>] = &[
    no_content("id"),
    no_content("type"),
    Shape::inside("function", &[Shape::value("arguments", Field::Delta), no_content("name")])
        .with_rest(&CONTENT),
];

/// Answers and stream events of `/v2/chat`, answers of `/v2/embed`, `/v1/embed` and `/v2/rerank`.
pub(super) static ANSWER: Shape<Field> = Shape::document(&[
    Shape::value("type", Field::EventKind),
    Shape::value("error", Field::Error),
    Shape::both("usage", Field::Usage, USAGE),
    Shape::both("meta", Field::Usage, USAGE),
    Shape::inside(
        "message",
        &[
            Shape::inside("content", &[Shape::inside("[]", TEXTS).with_rest(&CONTENT)]),
            Shape::inside("tool_calls", &[Shape::inside("[]", CALL).with_rest(&CONTENT)]),
            Shape::value("tool_plan", Field::Delta),
        ],
    ),
    Shape::inside(
        "delta",
        &[
            Shape::both("usage", Field::Usage, USAGE),
            Shape::value("error", Field::Error),
            Shape::inside(
                "message",
                &[
                    Shape::inside("content", TEXTS).with_rest(&CONTENT),
                    Shape::inside("tool_calls", CALL).with_rest(&CONTENT),
                    no_content("role"),
                    no_content("citations"),
                ],
            )
            .with_rest(&CONTENT),
        ],
    ),
]);

/// The body of an error.
pub(super) use super::error::message_body as error_body;

/// The event that breaks a stream off, with a message that is a JSON string already.
///
/// Source: Cohere API reference, chat with streaming.
pub(super) fn stream_error(message: &str) -> String {
    format!(
        "event: message-end\ndata: {{\"type\":\"message-end\",\"delta\":{{\"error\":{message},\
         \"finish_reason\":\"ERROR\"}}}}\n\ndata: [DONE]\n\n"
    )
}
