//! Which members of a request matter in OpenAI's dialect, and at the servers that speak it.

use crate::dialect::member::{
    EXTRA_BODY, EXTRA_PARAMS, METADATA, Member, OVERRIDES, TOOLS, harmless, kept, models, value,
};
use crate::json::Shape;

/// What an element has of its own.
const fn content(name: &'static str) -> Shape<Member> {
    Shape::value(name, Member::ItemContent)
}

/// The input, of which elements stand for what the provider keeps, or name files in it.
const INPUT: Shape<Member> = Shape::inside(
    "input",
    &[Shape::both(
        "[]",
        Member::Item,
        &[
            value("id", Member::ItemId),
            value("type", Member::ItemType),
            Shape::both("content", Member::ItemContent, &[Shape::inside("[]", &[kept("file_id")])]),
            content("output"),
            content("arguments"),
            content("summary"),
            content("encrypted_content"),
            content("action"),
            content("actions"),
            content("input"),
            content("result"),
            content("results"),
            content("queries"),
            content("code"),
            content("tools"),
            content("approve"),
            content("operation"),
        ],
    )],
);

/// The members of OpenAI's dialect, with what `input` is.
const fn openai(members: &'static [Shape<Member>]) -> Shape<Member> {
    Shape::both("", Member::Document, members)
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
        // Images that are edited.
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
        EXTRA_BODY,
        EXTRA_PARAMS,
        OVERRIDES,
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

/// Of every request but those below.
pub(in crate::dialect) static REQUEST: Shape<Member> = openai(openai!(harmless("input")));
/// Of a request for a response, of which the input may stand for what the provider keeps.
pub(in crate::dialect) static RESPONSES: Shape<Member> = openai(openai!(INPUT));
