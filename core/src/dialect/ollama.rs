//! Where Ollama's own endpoints say what was used.
//!
//! A stream is one JSON object a line, the last of which has the numbers. `prompt_eval_count` is left out
//! when the prompt was cached: missing is unknown there, not zero.
//!
//! Source: Ollama API documentation, Chat, Generate and Embed.

use super::field::{CONTENT, no_content};
use super::{Count, Field};
use crate::json::Shape;

/// Answers and lines of `/api/chat`, `/api/generate` and `/api/embed`.
pub static ANSWER: Shape<Field> = Shape::document(&[
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
