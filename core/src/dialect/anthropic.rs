//! Where Anthropic's answers say what was used.
//!
//! Input excludes the caches, which are counted apart. A stream says the input in `message_start` and
//! the running output in every `message_delta`, which may also correct the input: the last number wins.
//! The `output_tokens` of `message_start` is a placeholder and is not read.
//!
//! With some beta features `usage.iterations` lists the steps of an answer, of which a compaction or an
//! advisor's step is not in the totals; then the steps are what is charged, each at its own model's price.
//!
//! Source: Anthropic API reference, Messages and streaming Messages; Amazon Bedrock's user guide for the
//! `amazon-bedrock-invocationMetrics` that it adds to the last event of any model.

use super::field::{CONTENT, count, no_content};
use super::{Count, Field};
use crate::json::Shape;

const fn step(name: &'static str, count: Count) -> Shape<Field> {
    Shape::value(name, Field::StepCount(count))
}

static TEXTS: &[Shape<Field>] = &[
    Shape::value("text", Field::Delta),
    Shape::value("thinking", Field::Delta),
    Shape::value("partial_json", Field::Delta),
    no_content("type"),
    no_content("id"),
    no_content("name"),
    no_content("tool_use_id"),
    no_content("signature"),
    no_content("citation"),
    no_content("citations"),
    // The results of the provider's own tools.
    no_content("content"),
    Shape::value("stop_reason", Field::Finish),
    no_content("stop_sequence"),
    no_content("container"),
];

const CACHE_CREATION: Shape<Field> =
    Shape::inside("cache_creation", &[count("ephemeral_1h_input_tokens", Count::CacheWriteLong)]);

const SERVER_TOOLS: Shape<Field> =
    Shape::inside("server_tool_use", &[count("web_search_requests", Count::WebSearches)]);

const ITERATIONS: Shape<Field> = Shape::both(
    "iterations",
    Field::Steps,
    &[Shape::both(
        "[]",
        Field::Step,
        &[
            Shape::value("type", Field::StepKind),
            Shape::value("model", Field::StepModel),
            step("input_tokens", Count::InputFresh),
            step("cache_read_input_tokens", Count::CacheRead),
            step("cache_creation_input_tokens", Count::CacheWrite),
            Shape::inside("cache_creation", &[step("ephemeral_1h_input_tokens", Count::CacheWriteLong)]),
            step("output_tokens", Count::Output),
        ],
    )],
);

const INVOCATION_METRICS: Shape<Field> = Shape::inside(
    "amazon-bedrock-invocationMetrics",
    &[
        count("inputTokenCount", Count::InputFresh),
        count("outputTokenCount", Count::Output),
        count("cacheReadInputTokenCount", Count::CacheRead),
        count("cacheWriteInputTokenCount", Count::CacheWrite),
    ],
);

/// Answers of `/v1/messages` and its stream events.
pub static MESSAGE: Shape<Field> = Shape::document(&[
    Shape::value("type", Field::EventKind),
    Shape::value("model", Field::Model),
    Shape::value("error", Field::Error),
    Shape::inside("delta", TEXTS).with_rest(&CONTENT),
    Shape::inside("content", &[Shape::inside("[]", TEXTS).with_rest(&CONTENT)]),
    Shape::both(
        "usage",
        Field::Usage,
        &[
            count("input_tokens", Count::InputFresh),
            count("cache_read_input_tokens", Count::CacheRead),
            count("cache_creation_input_tokens", Count::CacheWrite),
            CACHE_CREATION,
            count("output_tokens", Count::Output),
            Shape::inside("output_tokens_details", &[count("thinking_tokens", Count::Reasoning)]),
            SERVER_TOOLS,
            Shape::value("service_tier", Field::ServiceTier),
            Shape::value("speed", Field::Speed),
            Shape::value("inference_geo", Field::Geo),
            // OpenRouter says it here too.
            Shape::value("cost", Field::Cost),
            ITERATIONS,
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
                    count("input_tokens", Count::InputFresh),
                    count("cache_read_input_tokens", Count::CacheRead),
                    count("cache_creation_input_tokens", Count::CacheWrite),
                    CACHE_CREATION,
                    SERVER_TOOLS,
                    Shape::value("service_tier", Field::ServiceTier),
                    Shape::value("speed", Field::Speed),
                    Shape::value("inference_geo", Field::Geo),
                ],
            ),
        ],
    ),
    INVOCATION_METRICS,
    // What other models of InvokeModel write, for streams that break off before the metrics: Nova, Llama, Titan.
    Shape::inside("contentBlockDelta", &[Shape::inside("delta", TEXTS)]),
    Shape::value("generation", Field::Delta),
    Shape::value("outputText", Field::Delta),
]);
