//! Where OpenAI's answers, and those of everybody compatible with them, say what was used.
//!
//! Input includes what was read from and written to a cache; output includes reasoning. A usage chunk
//! of a stream has `choices: []`; some providers put usage into the last chunk with choices instead.
//!
//! Sources: OpenAI API reference, Chat Completions, Completions, Embeddings and Responses.

use super::Field;
use crate::json::Shape;

const PROMPT_DETAILS: &[Shape<Field>] = &[
    Shape::value("cached_tokens", Field::CacheRead),
    Shape::value("cache_write_tokens", Field::CacheWrite),
    Shape::value("audio_tokens", Field::InputAudio),
];

const COMPLETION_DETAILS: &[Shape<Field>] =
    &[Shape::value("reasoning_tokens", Field::Reasoning), Shape::value("audio_tokens", Field::OutputAudio)];

const TEXTS: &[Shape<Field>] = &[
    Shape::value("content", Field::Delta),
    Shape::value("reasoning_content", Field::Delta),
    Shape::value("refusal", Field::Delta),
    Shape::value("tool_calls", Field::Delta),
];

/// Answers and stream chunks of `/v1/chat/completions`, `/v1/completions` and `/v1/embeddings`.
pub static COMPLETION: Shape<Field> = Shape::document(&[
    Shape::value("model", Field::Model),
    Shape::value("error", Field::Error),
    Shape::both(
        "choices",
        Field::Choices,
        &[Shape::inside(
            "[]",
            &[
                Shape::inside("delta", TEXTS),
                Shape::inside("message", TEXTS),
                Shape::value("text", Field::Delta),
            ],
        )],
    ),
    Shape::both(
        "usage",
        Field::Usage,
        &[
            Shape::value("prompt_tokens", Field::InputWithCache),
            Shape::value("completion_tokens", Field::Output),
            Shape::inside("prompt_tokens_details", PROMPT_DETAILS),
            Shape::inside("completion_tokens_details", COMPLETION_DETAILS),
        ],
    ),
]);

const RESPONSE_USAGE: &[Shape<Field>] = &[
    Shape::value("input_tokens", Field::InputWithCache),
    Shape::value("output_tokens", Field::Output),
    Shape::inside("input_tokens_details", PROMPT_DETAILS),
    Shape::inside("output_tokens_details", COMPLETION_DETAILS),
];

/// Answers of `/v1/responses`, and its stream events, which carry the answer under `response`.
pub static RESPONSE: Shape<Field> = Shape::document(&[
    Shape::value("model", Field::Model),
    Shape::value("error", Field::Error),
    Shape::value("delta", Field::Delta),
    Shape::both("usage", Field::Usage, RESPONSE_USAGE),
    Shape::inside(
        "response",
        &[
            Shape::value("model", Field::Model),
            Shape::value("error", Field::Error),
            Shape::both("usage", Field::Usage, RESPONSE_USAGE),
        ],
    ),
]);
