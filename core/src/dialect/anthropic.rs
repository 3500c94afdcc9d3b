//! Where Anthropic's answers say what was used.
//!
//! Input excludes the caches, which are counted apart. A stream says the input in `message_start` and
//! the running output in every `message_delta`, which may also correct the input: the last number wins.
//! The `output_tokens` of `message_start` is a placeholder and is not read.
//!
//! Source: Anthropic API reference, Messages and streaming Messages.

use super::Field;
use crate::json::Shape;

const CACHE_CREATION: &[Shape<Field>] = &[Shape::value("ephemeral_1h_input_tokens", Field::CacheWriteLong)];

const TEXTS: &[Shape<Field>] = &[
    Shape::value("text", Field::Delta),
    Shape::value("thinking", Field::Delta),
    Shape::value("partial_json", Field::Delta),
];

/// Answers of `/v1/messages` and its stream events.
pub static MESSAGE: Shape<Field> = Shape::document(&[
    Shape::value("model", Field::Model),
    Shape::value("error", Field::Error),
    Shape::inside("delta", TEXTS),
    Shape::inside("content", &[Shape::inside("[]", TEXTS)]),
    Shape::both(
        "usage",
        Field::Usage,
        &[
            Shape::value("input_tokens", Field::InputFresh),
            Shape::value("cache_read_input_tokens", Field::CacheRead),
            Shape::value("cache_creation_input_tokens", Field::CacheWrite),
            Shape::inside("cache_creation", CACHE_CREATION),
            Shape::value("output_tokens", Field::Output),
            Shape::inside("output_tokens_details", &[Shape::value("thinking_tokens", Field::Reasoning)]),
        ],
    ),
    Shape::inside(
        "message",
        &[
            Shape::value("model", Field::Model),
            Shape::both(
                "usage",
                Field::Usage,
                &[
                    Shape::value("input_tokens", Field::InputFresh),
                    Shape::value("cache_read_input_tokens", Field::CacheRead),
                    Shape::value("cache_creation_input_tokens", Field::CacheWrite),
                    Shape::inside("cache_creation", CACHE_CREATION),
                ],
            ),
        ],
    ),
]);
