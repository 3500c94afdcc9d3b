//! Where Cohere's answers say what was used.
//!
//! Two counts stand side by side: `billed_units` and `tokens`, which also counts what Cohere puts into
//! the prompt. What is billed is what counts. A stream says it in its last event, under `delta`.
//!
//! Source: Cohere API reference, version 2: Chat, Embed and Rerank; version 1: Embed.

use super::field::{CONTENT, count, no_content};
use super::{Count, Field};
use crate::json::Shape;

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
pub static ANSWER: Shape<Field> = Shape::document(&[
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
