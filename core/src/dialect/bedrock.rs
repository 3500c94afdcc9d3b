//! Amazon Bedrock's Converse and InvokeModel.
//!
//! In this order: its paths, what of a head passes, the members of a request that matter, where an answer says what was
//! used, its errors, and the event that breaks a stream off.
//!
//! Input excludes the caches. In a stream the numbers are in the `metadata` event, which comes last.
//! `trace.guardrail` has objects named `usage` as well, which is why the whole path is looked for.
//! InvokeModel says it in headers, whatever the model, and in the model's own form in the body.
//!
//! Source: Amazon Bedrock API reference, Converse, ConverseStream and InvokeModel.

use super::error::{ErrorFacts, message_body};
use super::field::{CONTENT, Count, Field, count, no_content};
use super::framing::event_stream;
use super::headers::{HeadTable, headers};
use super::member::{
    EXTRA_BODY, EXTRA_PARAMS, METADATA, Member, OVERRIDES, TOOLS, harmless, thinking, value,
};
use super::path::{Served, find, named};
use super::{Api, Endpoint};
use crate::json::Shape;

const VERBS: &[(&str, Endpoint)] = &[
    ("converse", Endpoint::Converse),
    ("converse-stream", Endpoint::ConverseStream),
    ("invoke", Endpoint::InvokeModel),
    ("invoke-with-response-stream", Endpoint::InvokeModelStream),
];

/// `/model/<model>/<verb>`; the model's slashes and colons are percent-encoded.
pub(super) fn at(path: &str) -> Option<Served> {
    let rest = path.strip_prefix("/model/")?;
    let (model, verb) = rest.split_once('/')?;
    named(path, path.len() - rest.len(), model, Api::Bedrock, find(VERBS, verb)?)
}

/// What of a request's head goes on, and what of an answer's comes back.
pub(super) static HEAD: HeadTable = HeadTable {
    query: &[],
    request_headers: headers!(
        [
            "amz-sdk-invocation-id" as b"amz-sdk-invocation-id", "amz-sdk-request" as b"amz-sdk-request",
            "x-amz-user-agent" as b"x-amz-user-agent", "x-amzn-bedrock-accept" as b"x-amzn-bedrock-accept",
            "x-amzn-bedrock-guardrailidentifier" as b"x-amzn-bedrock-guardrailidentifier",
            "x-amzn-bedrock-guardrailversion" as b"x-amzn-bedrock-guardrailversion",
            "x-amzn-bedrock-trace" as b"x-amzn-bedrock-trace",
        ],
        [],
    ),
    response_headers: headers!(
        ["x-amzn-errortype" as b"x-amzn-errortype", "x-amzn-requestid" as b"x-amzn-requestid"],
        ["x-amzn-bedrock-*" as b"x-amzn-bedrock-"],
    ),
};

/// The members of a request to Converse that matter.
pub(super) static REQUEST: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::ModelAgain),
        EXTRA_BODY,
        EXTRA_PARAMS,
        OVERRIDES,
        TOOLS,
        Shape::both("inferenceConfig", Member::InferenceConfig, &[value("maxTokens", Member::MaxInference)]),
        Shape::both(
            "additionalModelRequestFields",
            Member::AdditionalFields,
            &[
                value("num_generations", Member::N),
                value("max_tokens", Member::MaxTokens),
                value("max_gen_len", Member::MaxGenLen),
                value("max_new_tokens", Member::MaxNewTokens),
                Shape::inside("inferenceConfig", &[value("maxTokens", Member::MaxNewTokens)]),
                thinking("thinking"),
                thinking("reasoning_config"),
            ],
        ),
        Shape::both("serviceTier", Member::TierObject, &[value("type", Member::ServiceTier)]),
        Shape::both("performanceConfig", Member::PerformanceConfig, &[value("latency", Member::Speed)]),
        // What changes neither.
        harmless("messages"),
        harmless("system"),
        harmless("toolConfig"),
        harmless("guardrailConfig"),
        harmless("additionalModelResponseFieldPaths"),
        harmless("promptVariables"),
        harmless("requestMetadata"),
    ],
);

/// Of the models that InvokeModel has: Claude, Nova, Llama, Titan, Mistral, Cohere, AI21.
pub(super) static INVOKED: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::ModelAgain),
        EXTRA_BODY,
        EXTRA_PARAMS,
        OVERRIDES,
        TOOLS,
        value("max_tokens", Member::MaxTokens),
        value("maxTokens", Member::MaxTokens),
        value("max_completion_tokens", Member::MaxCompletionTokens),
        value("max_gen_len", Member::MaxGenLen),
        value("max_tokens_to_sample", Member::MaxTokensToSample),
        Shape::both(
            "inferenceConfig",
            Member::InferenceConfig,
            &[value("maxTokens", Member::MaxInference), value("max_new_tokens", Member::MaxNewTokens)],
        ),
        Shape::both(
            "textGenerationConfig",
            Member::TextGenerationConfig,
            &[value("maxTokenCount", Member::MaxTokenCount)],
        ),
        // Images.
        Shape::inside("imageGenerationConfig", &[value("numberOfImages", Member::N)]),
        value("num_generations", Member::N),
        value("numResults", Member::N),
        value("n", Member::N),
        METADATA,
        value("speed", Member::Speed),
        value("inference_geo", Member::InferenceGeo),
        // What changes neither.
        harmless("messages"),
        harmless("system"),
        harmless("temperature"),
        harmless("top_p"),
        harmless("top_k"),
        harmless("anthropic_version"),
        harmless("tool_choice"),
        thinking("thinking"),
        harmless("stop_sequences"),
        harmless("prompt"),
        harmless("inputText"),
        harmless("schemaVersion"),
        harmless("toolConfig"),
    ],
);

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
pub(super) static CONVERSED: Shape<Field> = Shape::document(&[
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

/// The body of an error, and what it is called in a header.
pub(super) fn error_body(error: &ErrorFacts<'_>) -> (String, &'static str) {
    (message_body(error.message), error_kind(error))
}

/// What an error is called in its header. Source: Amazon Bedrock API reference, common errors.
fn error_kind(error: &ErrorFacts<'_>) -> &'static str {
    match error.status {
        // AWS' SDKs try what throttles again, whatever its status.
        _ if error.is_final && error.budget.is_some() => "ServiceQuotaExceededException",
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        402 | 429 => "ThrottlingException",
        500.. => "ServiceUnavailableException",
        _ => "ValidationException",
    }
}

/// The event that breaks a stream off, with a message that is a JSON string already.
///
/// Source: Amazon Bedrock API reference, the exceptions of ConverseStream and InvokeModelWithResponseStream.
pub(super) fn stream_error(message: &str) -> Vec<u8> {
    let headers = [
        (":exception-type", "throttlingException"),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    event_stream::message(&headers, format!("{{\"message\":{message}}}").as_bytes())
}
