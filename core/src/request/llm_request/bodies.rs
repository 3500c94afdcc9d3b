//! Which members of a body matter, one table a dialect: those that name a model, multiply or limit what is made, change
//! what it costs, or say who asks.
//!
//! A server may read more than its documentation says: those that speak OpenAI's dialect read each other's limits, and
//! protobuf's JSON has two spellings of every name. What a table has not is passed on, unless it is a name of the table in
//! another spelling; see `members.rs`.

mod amazon;
mod google;
mod openai;

use super::members::Member;
use crate::dialect::{Dialect, Endpoint};
use crate::json::Shape;

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

/// How much a model of Anthropic's may think, under either of its names.
const fn thinking(name: &'static str) -> Shape<Member> {
    Shape::both(name, Member::Harmless, THINKING)
}
const THINKING: &[Shape<Member>] = &[value("budget_tokens", Member::ThinkingBudget)];

/// A member that raises nothing, of which only the name is known.
const fn harmless(name: &'static str) -> Shape<Member> {
    Shape::value(name, Member::Harmless)
}

/// What the provider keeps of somebody: an answer, a conversation, a file, a container.
pub(super) const fn kept(name: &'static str) -> Shape<Member> {
    Shape::value(name, Member::StoredState)
}

const NAMES_A_MODEL: &[Shape<Member>] = &[value("model", Member::OtherModel)];
/// Objects that some servers put over the request that they stand in.
const EXTRA_BODY: Shape<Member> = Shape::inside("extra_body", NAMES_A_MODEL);
const EXTRA_PARAMS: Shape<Member> = Shape::inside("extra_params", NAMES_A_MODEL);
const OVERRIDES: Shape<Member> = Shape::inside("overrides", NAMES_A_MODEL);

const METADATA: Shape<Member> = Shape::inside("metadata", &[value("user_id", Member::UserId)]);

static ANTHROPIC: Shape<Member> = Shape::both(
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

static COHERE: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::Model),
        EXTRA_BODY,
        EXTRA_PARAMS,
        OVERRIDES,
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
);

static OLLAMA: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::Model),
        EXTRA_BODY,
        EXTRA_PARAMS,
        OVERRIDES,
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
);

/// The objects that say how an answer is to be made.
pub(super) const SETTINGS: [&str; 7] = [
    "",
    "extra_body",
    "generationConfig",
    "generation_config",
    "inferenceConfig",
    "textGenerationConfig",
    "additionalModelRequestFields",
];

/// The members of a request to `endpoint` that matter.
pub(super) fn of(endpoint: Endpoint) -> &'static Shape<Member> {
    match endpoint.dialect() {
        Dialect::OpenAi
            if matches!(endpoint, Endpoint::Responses | Endpoint::CompactResponse | Endpoint::CountInput) =>
        {
            &openai::RESPONSES
        }
        Dialect::OpenAi => &openai::OPENAI,
        Dialect::Anthropic => &ANTHROPIC,
        Dialect::Gemini if endpoint == Endpoint::Predict => &google::PREDICT,
        Dialect::Gemini => &google::GEMINI,
        Dialect::Bedrock if matches!(endpoint, Endpoint::InvokeModel | Endpoint::InvokeModelStream) => {
            &amazon::INVOKED
        }
        Dialect::Bedrock => &amazon::BEDROCK,
        Dialect::Cohere => &COHERE,
        Dialect::Ollama => &OLLAMA,
    }
}
