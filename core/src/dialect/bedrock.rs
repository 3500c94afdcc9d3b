//! Where Bedrock's Converse says what was used.
//!
//! Input excludes the caches. In a stream the numbers are in the `metadata` event, which comes last.
//! `trace.guardrail` has objects named `usage` as well, which is why the whole path is looked for.
//! InvokeModel says it in headers, whatever the model, and in the model's own form in the body.
//!
//! Source: Amazon Bedrock API reference, Converse, ConverseStream and InvokeModel.

use super::field::{CONTENT, count, no_content};
use super::{Count, Field};
use crate::json::Shape;

/// Of a stream's events, and of a plain answer's blocks.
static TEXTS: &[Shape<Field>] = &[
    Shape::value("text", Field::Delta),
    Shape::inside(
        "toolUse",
        &[
            Shape::both("input", Field::Delta, &[]).with_rest(&CONTENT),
            no_content("toolUseId"),
            no_content("name"),
            no_content("type"),
        ],
    )
    .with_rest(&CONTENT),
    Shape::inside(
        "image",
        &[no_content("format"), Shape::inside("source", &[Shape::value("bytes", Field::Media)])],
    ),
    Shape::inside("citation", &[]),
    Shape::inside(
        "citationsContent",
        &[Shape::inside("content", &[Shape::inside("[]", &[Shape::value("text", Field::Delta)])])],
    ),
    Shape::inside(
        "reasoningContent",
        &[
            Shape::value("text", Field::Delta),
            Shape::inside("reasoningText", &[Shape::value("text", Field::Delta), no_content("signature")]),
            no_content("signature"),
            no_content("redactedContent"),
        ],
    )
    .with_rest(&CONTENT),
];

/// Answers of `converse` and payloads of `converse-stream`'s events.
pub static CONVERSED: Shape<Field> = Shape::document(&[
    Shape::inside("delta", TEXTS).with_rest(&CONTENT),
    Shape::value("stopReason", Field::Finish),
    Shape::inside(
        "output",
        &[Shape::inside(
            "message",
            &[Shape::inside("content", &[Shape::inside("[]", TEXTS).with_rest(&CONTENT)])],
        )],
    ),
    Shape::both(
        "usage",
        Field::Usage,
        &[
            count("inputTokens", Count::InputFresh),
            count("outputTokens", Count::Output),
            count("totalTokens", Count::Total),
            // The same number may come under both names.
            count("cacheReadInputTokens", Count::CacheRead),
            count("cacheReadInputTokenCount", Count::CacheRead),
            count("cacheWriteInputTokens", Count::CacheWrite),
            count("cacheWriteInputTokenCount", Count::CacheWrite),
            Shape::inside(
                "cacheDetails",
                &[Shape::both(
                    "[]",
                    Field::Lifetime,
                    &[Shape::value("ttl", Field::Kind), Shape::value("inputTokens", Field::KindCount)],
                )],
            ),
        ],
    ),
    Shape::inside("serviceTier", &[Shape::value("type", Field::ServiceTier)]),
    Shape::inside("performanceConfig", &[Shape::value("latency", Field::Speed)]),
]);

/// Headers of an answer of InvokeModel that say what was used.
pub const HEADER_PREFIX: &[u8] = b"x-amzn-bedrock-";
/// And their names.
pub const HEADERS: [(&str, Count); 4] = [
    ("x-amzn-bedrock-input-token-count", Count::InputFresh),
    ("x-amzn-bedrock-output-token-count", Count::Output),
    ("x-amzn-bedrock-cache-read-input-token-count", Count::CacheRead),
    ("x-amzn-bedrock-cache-write-input-token-count", Count::CacheWrite),
];
