//! Which members of a body matter, one table a dialect: those that name a model, multiply or limit what is made, change
//! what it costs, or say who asks.
//!
//! A server may read more than its documentation says: those that speak OpenAI's dialect read each other's limits, and
//! protobuf's JSON has two spellings of every name. What a table has not is passed on, unless it is a name of the table in
//! another spelling; see `members.rs`.

use super::input::INPUT;
use super::members::Member;
use crate::dialect::{Dialect, Endpoint};
use crate::json::{ANY_NAME, Shape};

pub(super) const fn value(name: &'static str, member: Member) -> Shape<Member> {
    Shape::value(name, member)
}

const LISTED: &[Shape<Member>] =
    &[Shape::both("[]", Member::OtherModel, &[Shape::value("model", Member::OtherModel)])];

/// Models named in a list: by their names, or by objects that have them.
const fn models(name: &'static str) -> Shape<Member> {
    Shape::both(name, Member::OtherModels, LISTED)
}

/// Tools, of which some name a model that answers for them.
const TOOLS: Shape<Member> = Shape::inside(
    "tools",
    &[Shape::inside(
        "[]",
        &[
            value("model", Member::OtherModel),
            Shape::both("vector_store_ids", Member::StoredStates, &[]),
            Shape::both(
                "container",
                Member::Container,
                &[Shape::both("file_ids", Member::StoredStates, &[])],
            ),
        ],
    )],
);

/// A member that raises nothing, of which only the name is known.
const fn harmless(name: &'static str) -> Shape<Member> {
    Shape::value(name, Member::Harmless)
}

/// What the provider keeps of somebody: an answer, a conversation, a file, a container.
pub(super) const fn kept(name: &'static str) -> Shape<Member> {
    Shape::value(name, Member::StoredState)
}

/// Members that no table has: such objects may say what is put on the request before it is read.
static UNKNOWN: Shape<Member> = Shape::inside(
    ANY_NAME,
    &[value("model", Member::OtherModel), Shape::inside("[]", &[value("model", Member::OtherModel)])],
);

const METADATA: Shape<Member> = Shape::inside("metadata", &[value("user_id", Member::UserId)]);

/// The members of OpenAI's dialect, with what `input` is.
const fn openai(members: &'static [Shape<Member>]) -> Shape<Member> {
    Shape::both("", Member::Document, members).with_rest(&UNKNOWN)
}

/// The members of OpenAI's dialect, and more.
macro_rules! openai {
    ($($more:expr),*) => {
        &[
            $($more,)*
        value("model", Member::Model),
        models("models"),
        models("fallbacks"),
        models("fallback_models"),
        value("fallback_model", Member::OtherModel),
        value("draft_model", Member::OtherModel),
        // Groq's compound models, and what OpenRouter has: its router of models, and settings kept there.
        Shape::inside("compound_custom", &[models("models")]),
        Shape::inside("plugins", &[Shape::inside("[]", &[value("model", Member::OtherModel)])]),
        value("preset", Member::OtherModel),
        TOOLS,
        kept("previous_response_id"),
        // Pictures that are edited.
        Shape::inside("images", &[Shape::inside("[]", &[kept("file_id")])]),
        Shape::inside("mask", &[kept("file_id")]),
        Shape::both("conversation", Member::Container, &[kept("id")]),
        harmless("messages"),
        value("stream", Member::Stream),
        Shape::both("stream_options", Member::StreamOptions, &[value("include_usage", Member::IncludeUsage)]),
        value("max_tokens", Member::MaxTokens),
        value("max_completion_tokens", Member::MaxCompletionTokens),
        value("max_output_tokens", Member::MaxOutputTokens),
        value("n_predict", Member::NPredict),
        value("max_new_tokens", Member::MaxNewTokens),
        value("n", Member::N),
        value("best_of", Member::BestOf),
        // llama.cpp's own name for it.
        value("n_cmpl", Member::Completions),
        Shape::inside("extra_body", &[value("model", Member::OtherModel)]),
        Shape::both(
            "prompt",
            Member::Prompt,
            &[value("[]", Member::PromptPart), value("id", Member::PromptId)],
        ),
        // vLLM's.
        Shape::inside("prompt_embeds", &[value("[]", Member::PromptPart)]),
        value("background", Member::Background),
        // xAI's.
        value("deferred", Member::Deferred),
        value("user", Member::User),
        value("safety_identifier", Member::SafetyIdentifier),
        METADATA,
        value("service_tier", Member::ServiceTier),
        value("speed", Member::Speed),
        Shape::both(
            "web_search_options",
            Member::WebSearchOptions,
            &[value("search_context_size", Member::SearchContextSize)],
        ),
        // What changes neither.
        harmless("instructions"),
        harmless("temperature"),
        harmless("top_p"),
        harmless("top_k"),
        harmless("tool_choice"),
        harmless("parallel_tool_calls"),
        harmless("response_format"),
        harmless("stop"),
        harmless("seed"),
        harmless("presence_penalty"),
        harmless("frequency_penalty"),
        harmless("logprobs"),
        harmless("top_logprobs"),
        harmless("logit_bias"),
        harmless("reasoning_effort"),
        harmless("reasoning"),
        harmless("verbosity"),
        harmless("text"),
        harmless("store"),
        harmless("include"),
        harmless("truncation"),
        harmless("prediction"),
        harmless("modalities"),
        harmless("audio"),
        harmless("prompt_cache_key"),
        harmless("encoding_format"),
        harmless("dimensions"),
        harmless("suffix"),
        harmless("echo"),
        harmless("max_tool_calls"),
    ]
    };
}

static OPENAI: Shape<Member> = openai(openai!(harmless("input")));
static RESPONSES: Shape<Member> = openai(openai!(INPUT));

static ANTHROPIC: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::Model),
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
        harmless("thinking"),
        harmless("stop_sequences"),
        harmless("output_config"),
        harmless("context_management"),
        harmless("mcp_servers"),
    ],
)
.with_rest(&UNKNOWN);

/// `limit`: what the limit is as Google's documentation spells it. Only protobuf reads the other spelling.
const fn generation_config(limit: Member) -> [Shape<Member>; 6] {
    [
        value("maxOutputTokens", limit),
        value("max_output_tokens", Member::MaxOutputOtherwise),
        value("candidateCount", Member::Candidates),
        value("candidate_count", Member::Candidates),
        // Google's router of models.
        value("routingConfig", Member::OtherModels),
        value("routing_config", Member::OtherModels),
    ]
}
const GENERATION_CONFIG: &[Shape<Member>] = &generation_config(Member::MaxOutput);
const GENERATION_CONFIG_OTHERWISE: &[Shape<Member>] = &generation_config(Member::MaxOutputOtherwise);

/// Requests inside of a request, which name its model again.
const INSIDE: &[Shape<Member>] = &[value("model", Member::ModelAgain)];

static GEMINI: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::ModelAgain),
        kept("cachedContent"),
        kept("cached_content"),
        Shape::inside("requests", &[Shape::inside("[]", INSIDE)]),
        Shape::inside("generateContentRequest", INSIDE),
        Shape::inside("generate_content_request", INSIDE),
        Shape::both("generationConfig", Member::GenerationConfig, GENERATION_CONFIG),
        Shape::both("generation_config", Member::GenerationConfig, GENERATION_CONFIG_OTHERWISE),
        value("serviceTier", Member::ServiceTier),
        value("service_tier", Member::ServiceTier),
        // What changes neither.
        harmless("contents"),
        harmless("content"),
        harmless("systemInstruction"),
        TOOLS,
        harmless("toolConfig"),
        harmless("safetySettings"),
        harmless("labels"),
        harmless("taskType"),
        harmless("title"),
        harmless("outputDimensionality"),
    ],
)
.with_rest(&UNKNOWN);

/// Embeddings of Vertex. The same path makes pictures and other things, of which nothing counts what they cost: what is
/// not known here makes such a request of it.
static PREDICT: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::ModelAgain),
        Shape::both(
            "instances",
            Member::EmbeddedTexts,
            &[Shape::inside(
                "[]",
                &[
                    value("content", Member::EmbeddedText),
                    harmless("title"),
                    harmless("task_type"),
                    harmless("taskType"),
                    harmless("mimeType"),
                ],
            )],
        ),
        Shape::both(
            "parameters",
            Member::EmbeddingParameters,
            &[harmless("autoTruncate"), harmless("outputDimensionality")],
        ),
        harmless("labels"),
    ],
);

static BEDROCK: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::ModelAgain),
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
)
.with_rest(&UNKNOWN);

/// Of the models that InvokeModel has: Claude, Nova, Llama, Titan, Mistral, Cohere, AI21.
static INVOKED: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::ModelAgain),
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
        harmless("thinking"),
        harmless("stop_sequences"),
        harmless("prompt"),
        harmless("inputText"),
        harmless("schemaVersion"),
        harmless("toolConfig"),
    ],
)
.with_rest(&UNKNOWN);

static COHERE: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::Model),
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
)
.with_rest(&UNKNOWN);

static OLLAMA: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::Model),
        value("stream", Member::Stream),
        Shape::both("options", Member::Options, &[value("num_predict", Member::NumPredict)]),
        // What changes neither.
        harmless("messages"),
        harmless("prompt"),
        harmless("system"),
        harmless("format"),
        harmless("keep_alive"),
        TOOLS,
        harmless("think"),
        harmless("images"),
        harmless("template"),
        harmless("raw"),
        harmless("input"),
        harmless("truncate"),
    ],
)
.with_rest(&UNKNOWN);

/// The members of a request to `endpoint` that matter.
pub(super) fn of(endpoint: Endpoint) -> &'static Shape<Member> {
    match endpoint.dialect() {
        Dialect::OpenAi
            if matches!(endpoint, Endpoint::Responses | Endpoint::CompactResponse | Endpoint::CountInput) =>
        {
            &RESPONSES
        }
        Dialect::OpenAi => &OPENAI,
        Dialect::Anthropic => &ANTHROPIC,
        Dialect::Gemini if endpoint == Endpoint::Predict => &PREDICT,
        Dialect::Gemini => &GEMINI,
        Dialect::Bedrock if matches!(endpoint, Endpoint::InvokeModel | Endpoint::InvokeModelStream) => {
            &INVOKED
        }
        Dialect::Bedrock => &BEDROCK,
        Dialect::Cohere => &COHERE,
        Dialect::Ollama => &OLLAMA,
    }
}
