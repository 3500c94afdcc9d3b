//! What a member of a request says, in any dialect: the vocabulary of the tables, and what several of them have.
//!
//! A server may read more than its documentation says: those that speak OpenAI's dialect read each other's limits, and
//! protobuf's JSON has two spellings of every name. What a table has not is passed on, unless it is a name of the table in
//! another spelling: see `request/llm_request/members.rs`.

use crate::json::Shape;

/// Declares the members: each with what it is called, after the object that it stands in.
macro_rules! members {
    ($($member:ident $name:literal,)*) => {
        /// A member of the body that matters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Member {
            $($member,)*
        }

        impl Member {
            /// What it is called, after the object that it stands in.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $name,)*
                }
            }
        }
    };
}

members! {
    Document "",
    Model "model",
    ModelAgain "model",
    OtherModels "models",
    OtherModel "models",
    Stream "stream",
    StreamOptions "stream_options",
    IncludeUsage "stream_options.include_usage",
    MaxTokens "max_tokens",
    MaxCompletionTokens "max_completion_tokens",
    MaxOutputTokens "max_output_tokens",
    NPredict "n_predict",
    MaxNewTokens "max_new_tokens",
    MaxGenLen "max_gen_len",
    MaxTokensToSample "max_tokens_to_sample",
    MaxTokenCount "textGenerationConfig.maxTokenCount",
    N "n",
    BestOf "best_of",
    Completions "n_cmpl",
    Prompt "prompt",
    PromptPart "prompt",
    PromptId "prompt.id",
    Background "background",
    Deferred "deferred",
    User "user",
    SafetyIdentifier "safety_identifier",
    UserId "metadata.user_id",
    GenerationConfig "generationConfig",
    MaxOutput "generationConfig.maxOutputTokens",
    MaxOutputOtherwise "generationConfig.maxOutputTokens",
    InferenceConfig "inferenceConfig",
    MaxInference "inferenceConfig.maxTokens",
    Options "options",
    NumPredict "options.num_predict",
    Candidates "generationConfig.candidateCount",
    ServiceTier "service_tier",
    Speed "speed",
    InferenceGeo "inference_geo",
    StoredState "previous_response_id",
    StoredStates "vector_store_ids",
    Container "tools[].container",
    Item "input[]",
    ItemId "input[].id",
    ItemType "input[].type",
    ItemContent "input[].content",
    Harmless "",
    WebSearchOptions "web_search_options",
    TierObject "serviceTier",
    PerformanceConfig "performanceConfig",
    TextGenerationConfig "textGenerationConfig",
    AdditionalFields "additionalModelRequestFields",
    EmbeddedTexts "instances",
    EmbeddedText "instances[].content",
    EmbeddingParameters "parameters",
    SearchContextSize "web_search_options.search_context_size",
    ThinkingBudget "thinking.budget_tokens",
}

impl Member {
    /// Whether it may come more than once, in different places.
    pub(crate) fn repeats(self) -> bool {
        matches!(
            self,
            Self::ModelAgain
                | Self::OtherModels
                | Self::OtherModel
                | Self::PromptPart
                | Self::StoredState
                | Self::StoredStates
                | Self::Container
                | Self::Item
                | Self::ItemId
                | Self::ItemType
                | Self::ItemContent
                | Self::Harmless
                | Self::EmbeddedText
        )
    }
}

/// The objects that say how an answer is to be made.
pub(crate) const SETTINGS: [&str; 7] = [
    "",
    "extra_body",
    "generationConfig",
    "generation_config",
    "inferenceConfig",
    "textGenerationConfig",
    "additionalModelRequestFields",
];

pub(super) const fn value(name: &'static str, member: Member) -> Shape<Member> {
    Shape::value(name, member)
}

const LISTED: &[Shape<Member>] =
    &[Shape::both("[]", Member::OtherModel, &[Shape::value("model", Member::OtherModel)])];

/// Models named in a list: by their names, or by objects that have them.
pub(super) const fn models(name: &'static str) -> Shape<Member> {
    Shape::both(name, Member::OtherModels, LISTED)
}

/// Tools, of which some name a model that answers for them.
pub(super) const TOOLS: Shape<Member> = Shape::inside(
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
pub(super) const fn thinking(name: &'static str) -> Shape<Member> {
    Shape::both(name, Member::Harmless, THINKING)
}
const THINKING: &[Shape<Member>] = &[value("budget_tokens", Member::ThinkingBudget)];

/// A member that raises nothing, of which only the name is known.
pub(super) const fn harmless(name: &'static str) -> Shape<Member> {
    Shape::value(name, Member::Harmless)
}

/// What the provider keeps of somebody: an answer, a conversation, a file, a container.
pub(super) const fn kept(name: &'static str) -> Shape<Member> {
    Shape::value(name, Member::StoredState)
}

const NAMES_A_MODEL: &[Shape<Member>] = &[value("model", Member::OtherModel)];
/// Objects that some servers put over the request that they stand in.
pub(super) const EXTRA_BODY: Shape<Member> = Shape::inside("extra_body", NAMES_A_MODEL);
pub(super) const EXTRA_PARAMS: Shape<Member> = Shape::inside("extra_params", NAMES_A_MODEL);
pub(super) const OVERRIDES: Shape<Member> = Shape::inside("overrides", NAMES_A_MODEL);

pub(super) const METADATA: Shape<Member> = Shape::inside("metadata", &[value("user_id", Member::UserId)]);
