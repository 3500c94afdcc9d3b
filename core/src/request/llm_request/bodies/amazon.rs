//! Decides which members of a body matter at Bedrock: of Converse, and of the models that InvokeModel has.

use super::super::members::Member;
use super::{EXTRA_BODY, EXTRA_PARAMS, METADATA, OVERRIDES, TOOLS, harmless, thinking, value};
use crate::json::Shape;

pub(super) static BEDROCK: Shape<Member> = Shape::both(
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
        // Pictures.
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
