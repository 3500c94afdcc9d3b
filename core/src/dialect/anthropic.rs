//! Anthropic's Messages, as they are spoken by Anthropic itself, on Vertex and in Bedrock's InvokeModel.
//!
//! In this order: its paths, what of a head passes, the members of a request that matter, where an answer says what was
//! used, its errors, and the event that breaks a stream off.
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

use super::Endpoint;
use super::error::ErrorFacts;
use super::field::{CONTENT, Count, Field, count, no_content};
use super::headers::{HeadTable, headers};
use super::member::{
    EXTRA_BODY, EXTRA_PARAMS, METADATA, Member, OVERRIDES, TOOLS, harmless, kept, models, thinking, value,
};
use crate::base::text::push_json_string;
use crate::json::Shape;

pub(super) const PATHS: &[(&str, Endpoint)] =
    &[("/v1/messages", Endpoint::Messages), ("/v1/messages/count_tokens", Endpoint::CountTokens)];

/// What of a request's head goes on, and what of an answer's comes back.
pub(super) static HEAD: HeadTable = HeadTable {
    query: &[("beta", &["true", "false"])],
    request_headers: headers!(
        [
            "anthropic-beta" as b"anthropic-beta",
            "anthropic-dangerous-direct-browser-access" as b"anthropic-dangerous-direct-browser-access",
            "anthropic-version" as b"anthropic-version", "http-referer" as b"http-referer", "x-app" as b"x-app",
            "x-title" as b"x-title",
        ],
        ["x-claude-code-*" as b"x-claude-code-"],
    ),
    response_headers: headers!(
        [
            "anthropic-beta" as b"anthropic-beta", "anthropic-processing-ms" as b"anthropic-processing-ms",
            "anthropic-version" as b"anthropic-version", "cf-ray" as b"cf-ray",
        ],
        ["anthropic-ratelimit-*" as b"anthropic-ratelimit-"],
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
        models("fallbacks"),
        TOOLS,
        kept("container"),
        harmless("messages"),
        value("stream", Member::Stream),
        value("max_tokens", Member::MaxTokens),
        // What llama.cpp reads on this path too.
        value("n_predict", Member::NPredict),
        value("max_completion_tokens", Member::MaxCompletionTokens),
        value("n", Member::N),
        METADATA,
        value("service_tier", Member::ServiceTier),
        value("speed", Member::Speed),
        value("inference_geo", Member::InferenceGeo),
        // What changes neither.
        harmless("system"),
        harmless("temperature"),
        harmless("top_p"),
        harmless("top_k"),
        harmless("tool_choice"),
        thinking("thinking"),
        harmless("stop_sequences"),
        harmless("output_config"),
        harmless("context_management"),
        harmless("mcp_servers"),
    ],
);

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
pub(super) static MESSAGE: Shape<Field> = Shape::document(&[
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

/// The body of an error.
pub(super) fn error_body(error: &ErrorFacts<'_>) -> String {
    let kind = match error.status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let mut body = format!("{{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":");
    push_json_string(&mut body, error.message);
    body.push_str("},\"request_id\":");
    push_json_string(&mut body, error.request_id);
    body.push('}');
    body
}

/// The event that breaks a stream off, with a message and an id that are JSON strings already.
///
/// Source: Anthropic API reference, streaming Messages, error events.
pub(super) fn stream_error(message: &str, request_id: &str) -> String {
    format!(
        "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"rate_limit_error\",\
         \"message\":{message}}},\"request_id\":{request_id}}}\n\n"
    )
}
