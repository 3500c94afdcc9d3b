//! Where OpenAI's answers, and those of everybody compatible with them, say what was used.
//!
//! Input includes what was read from and written to a cache; output includes reasoning, but not at xAI and
//! not at Gemini's compatible endpoint, where only the total tells. A usage chunk of a stream has
//! `choices: []`; some providers put usage into the last chunk with choices instead, some into every chunk.
//!
//! Read besides OpenAI's own members: Groq `x_groq.usage`; Mistral `num_cached_tokens`, `service_tier`; DeepSeek
//! `prompt_cache_hit_tokens`; Together, Hugging Face `cached_tokens`; SGLang `reasoning_tokens`; Perplexity
//! `num_search_queries`, `cost`; OpenRouter `cost`, `server_tool_use`; xAI `cost_in_usd_ticks`, `server_side_tool_usage_details`; llama.cpp `timings`; Voyage
//! `total_tokens` alone; MiniMax `base_resp`.
//!
//! Sources: OpenAI API reference and the documentation of the providers named.

use crate::dialect::field::{CONTENT, Count, Field, count, no_content};
use crate::json::Shape;

const INPUT_DETAILS: &[Shape<Field>] = &[
    count("cached_tokens", Count::CacheRead),
    count("cache_write_tokens", Count::CacheWrite),
    Shape::inside("cache_write_tokens_details", &[count("ttl_12h_tokens", Count::CacheWriteLong)]),
    count("audio_tokens", Count::InputAudio),
    count("image_tokens", Count::InputImage),
];

const OUTPUT_DETAILS: &[Shape<Field>] = &[
    count("reasoning_tokens", Count::Reasoning),
    count("audio_tokens", Count::OutputAudio),
    count("image_tokens", Count::OutputImage),
];

static FUNCTION: &[Shape<Field>] = &[Shape::value("arguments", Field::Delta), no_content("name")];

static TEXTS: &[Shape<Field>] = &[
    Shape::both("content", Field::Delta, &[]).with_rest(&CONTENT),
    Shape::value("reasoning_content", Field::Delta),
    Shape::value("reasoning", Field::Delta),
    Shape::value("refusal", Field::Delta),
    Shape::inside(
        "tool_calls",
        &[Shape::inside(
            "[]",
            &[
                no_content("id"),
                no_content("type"),
                Shape::inside("function", FUNCTION).with_rest(&CONTENT),
                Shape::inside("custom", &[no_content("name")]).with_rest(&CONTENT),
            ],
        )
        .with_rest(&CONTENT)],
    ),
    Shape::inside("function_call", FUNCTION).with_rest(&CONTENT),
    Shape::inside(
        "audio",
        &[no_content("id"), Shape::value("data", Field::Media), Shape::value("transcript", Field::Delta)],
    ),
    no_content("role"),
    no_content("name"),
    no_content("tool_call_id"),
    no_content("reasoning_signature"),
    no_content("annotations"),
    // Where a model's own words could stand, nothing is believed.
    no_content("usage"),
];

/// Tools that xAI's servers ran.
const SERVER_SIDE_TOOLS: Shape<Field> = Shape::inside(
    "server_side_tool_usage_details",
    &[
        count("web_search_calls", Count::WebSearches),
        count("x_search_calls", Count::SocialSearches),
        count("file_search_calls", Count::FileSearches),
    ],
);

const COMPLETION_USAGE: &[Shape<Field>] = &[
    count("prompt_tokens", Count::InputWithCache),
    count("completion_tokens", Count::Output),
    count("total_tokens", Count::Total),
    Shape::inside("prompt_tokens_details", INPUT_DETAILS),
    Shape::inside("completion_tokens_details", OUTPUT_DETAILS),
    count("num_cached_tokens", Count::CacheRead),
    count("prompt_cache_hit_tokens", Count::CacheRead),
    count("cached_tokens", Count::CacheRead),
    count("reasoning_tokens", Count::Reasoning),
    // Mistral says it here.
    Shape::value("service_tier", Field::ServiceTier),
    count("num_search_queries", Count::WebSearches),
    Shape::inside("server_tool_use_details", &[count("web_search_requests", Count::WebSearches)]),
    Shape::inside("server_tool_use", &[count("web_search_requests", Count::WebSearches)]),
    SERVER_SIDE_TOOLS,
    Shape::both("cost", Field::Cost, &[Shape::value("total_cost", Field::Cost)]),
    Shape::value("cost_in_usd_ticks", Field::CostTicks),
];

/// Answers and stream chunks of chat completions, completions and embeddings.
pub(in crate::dialect) static COMPLETION: Shape<Field> = Shape::document(&[
    Shape::value("model", Field::Model),
    Shape::value("service_tier", Field::ServiceTier),
    Shape::value("error", Field::Error),
    Shape::inside("base_resp", &[Shape::value("status_code", Field::ErrorNumber)]),
    Shape::both(
        "choices",
        Field::Choices,
        &[Shape::inside(
            "[]",
            &[
                Shape::inside("delta", TEXTS).with_rest(&CONTENT),
                Shape::inside("message", TEXTS).with_rest(&CONTENT),
                Shape::value("text", Field::Delta),
                Shape::value("finish_reason", Field::Finish),
                Shape::both("usage", Field::Usage, COMPLETION_USAGE),
            ],
        )],
    ),
    Shape::both("usage", Field::Usage, COMPLETION_USAGE),
    Shape::inside("data", &[Shape::both("usage", Field::Usage, COMPLETION_USAGE)]),
    Shape::inside("result", &[Shape::both("usage", Field::Usage, COMPLETION_USAGE)]),
    Shape::inside("response", &[Shape::both("usage", Field::Usage, COMPLETION_USAGE)]),
    Shape::inside("x_groq", &[Shape::both("usage", Field::Usage, COMPLETION_USAGE)]),
    Shape::inside(
        "timings",
        &[
            count("prompt_n", Count::TimedPrompt),
            count("cache_n", Count::TimedCache),
            count("predicted_n", Count::TimedOutput),
        ],
    ),
]);

const RESPONSE_USAGE: &[Shape<Field>] = &[
    count("input_tokens", Count::InputWithCache),
    count("output_tokens", Count::Output),
    count("total_tokens", Count::Total),
    Shape::inside("input_tokens_details", INPUT_DETAILS),
    // Transcriptions say it in the singular.
    Shape::inside("input_token_details", INPUT_DETAILS),
    Shape::inside("output_tokens_details", OUTPUT_DETAILS),
    Shape::inside("output_token_details", OUTPUT_DETAILS),
    count("seconds", Count::AudioSeconds),
    SERVER_SIDE_TOOLS,
    Shape::both("cost", Field::Cost, &[Shape::value("total_cost", Field::Cost)]),
    Shape::value("cost_in_usd_ticks", Field::CostTicks),
];

const OUTPUT_ITEMS: Shape<Field> = Shape::inside(
    "output",
    &[Shape::both(
        "[]",
        Field::ItemEnd,
        &[
            Shape::value("type", Field::Item),
            Shape::inside("action", &[Shape::value("type", Field::ItemAction)]),
            Shape::inside("content", &[Shape::inside("[]", &[Shape::value("text", Field::Delta)])]),
            Shape::value("arguments", Field::Delta),
            Shape::value("input", Field::Delta),
            Shape::value("code", Field::Delta),
        ],
    )],
);

/// Answers of `/v1/responses`, and its stream events, which carry the answer under `response`. The final
/// event repeats the whole output, so its texts are not read there: deltas would count twice.
pub(in crate::dialect) static RESPONSE: Shape<Field> = Shape::document(&[
    Shape::value("type", Field::EventKind),
    Shape::value("model", Field::Model),
    Shape::value("service_tier", Field::ServiceTier),
    Shape::value("error", Field::Error),
    Shape::value("delta", Field::Delta),
    Shape::both("usage", Field::Usage, RESPONSE_USAGE),
    OUTPUT_ITEMS,
    Shape::inside(
        "response",
        &[
            Shape::value("model", Field::Model),
            Shape::value("service_tier", Field::ServiceTier),
            Shape::value("error", Field::Error),
            Shape::both("usage", Field::Usage, RESPONSE_USAGE),
            Shape::inside(
                "output",
                &[Shape::both(
                    "[]",
                    Field::ItemEnd,
                    &[
                        Shape::value("type", Field::Item),
                        Shape::inside("action", &[Shape::value("type", Field::ItemAction)]),
                    ],
                )],
            ),
        ],
    ),
]);

/// Answers and stream events of images and audio.
pub(in crate::dialect) static MEDIA: Shape<Field> = Shape::document(&[
    Shape::value("type", Field::EventKind),
    Shape::value("model", Field::Model),
    Shape::value("error", Field::Error),
    Shape::value("delta", Field::Delta),
    Shape::value("text", Field::Delta),
    Shape::both("usage", Field::Usage, RESPONSE_USAGE),
]);

/// Answers of a rerank endpoint: Jina and Voyage say tokens, Cohere says search units.
pub(in crate::dialect) static RERANK: Shape<Field> = Shape::document(&[
    Shape::value("model", Field::Model),
    Shape::value("error", Field::Error),
    Shape::both("usage", Field::Usage, COMPLETION_USAGE),
    Shape::inside("meta", &[Shape::inside("billed_units", &[count("search_units", Count::SearchUnits)])]),
]);
