//! Where Gemini's answers, and those of Google models on Vertex, say what was used.
//!
//! The prompt includes what was read from a cache; the answer excludes thoughts, which are charged as
//! output, and the results of tools come on top of the prompt. A stream says running totals in every
//! chunk. A member that is absent means zero. Modalities are listed apart, and their sum may be below the
//! total: the rest is text.
//!
//! Searches are counted by what was searched for: a stream says the same again, and one query is charged once.
//!
//! Without `alt=sse` a stream is one JSON array, which is why everything is looked for in elements too.
//!
//! Embeddings of Vertex (`:predict`) count each text by itself, in protobuf's own spelling: the sum is what was used.
//!
//! Source: Gemini API reference, `UsageMetadata`; Vertex AI reference, `GenerateContentResponse`.

use crate::dialect::field::{CONTENT, Count, Field, Side, count, no_content};
use crate::json::Shape;

const MODALITY: &[Shape<Field>] =
    &[Shape::value("modality", Field::Kind), Shape::value("tokenCount", Field::KindCount)];

const INPUT_MODALITIES: &[Shape<Field>] = &[Shape::both("[]", Field::Modality(Side::Input), MODALITY)];

const USAGE: &[Shape<Field>] = &[
    count("promptTokenCount", Count::InputWithCache),
    count("cachedContentTokenCount", Count::CacheRead),
    count("toolUsePromptTokenCount", Count::InputBesides),
    count("candidatesTokenCount", Count::OutputVisible),
    count("thoughtsTokenCount", Count::ReasoningBesides),
    count("totalTokenCount", Count::Total),
    Shape::inside("promptTokensDetails", INPUT_MODALITIES),
    // Embeddings say it in the singular.
    Shape::inside("promptTokenDetails", INPUT_MODALITIES),
    Shape::inside("cacheTokensDetails", &[Shape::both("[]", Field::Modality(Side::Cache), MODALITY)]),
    Shape::inside("candidatesTokensDetails", &[Shape::both("[]", Field::Modality(Side::Output), MODALITY)]),
    Shape::value("trafficType", Field::ServiceTier),
    Shape::value("serviceTier", Field::ServiceTier),
];

static PART: &[Shape<Field>] = &[
    Shape::value("text", Field::Delta),
    Shape::both("functionCall", Field::Delta, &[no_content("id"), no_content("name")]).with_rest(&CONTENT),
    Shape::inside("inlineData", &[no_content("mimeType"), Shape::value("data", Field::Media)]),
    no_content("thoughtSignature"),
];

const QUERIES: &[Shape<Field>] = &[Shape::value("[]", Field::SearchQuery)];

static CANDIDATES: &[Shape<Field>] = &[Shape::inside(
    "[]",
    &[
        Shape::inside("content", &[Shape::inside("parts", &[Shape::inside("[]", PART).with_rest(&CONTENT)])]),
        Shape::inside(
            "groundingMetadata",
            &[Shape::inside("webSearchQueries", QUERIES), Shape::inside("imageSearchQueries", QUERIES)],
        ),
        Shape::value("finishReason", Field::Finish),
    ],
)];

/// What is said in place of an answer.
const PROMPT_FEEDBACK: Shape<Field> =
    Shape::inside("promptFeedback", &[Shape::value("blockReason", Field::Finish)]);

static ELEMENT: &[Shape<Field>] = &[
    Shape::value("modelVersion", Field::Model),
    Shape::value("error", Field::Error),
    Shape::inside("candidates", CANDIDATES),
    PROMPT_FEEDBACK,
    Shape::both("usageMetadata", Field::Usage, USAGE),
];

/// Answers of `generateContent` and of embeddings, elements of a streamed array and events of a stream.
pub(in crate::dialect) static GENERATED: Shape<Field> = Shape::document(&[
    Shape::value("modelVersion", Field::Model),
    Shape::value("error", Field::Error),
    Shape::inside("candidates", CANDIDATES),
    PROMPT_FEEDBACK,
    Shape::both("usageMetadata", Field::Usage, USAGE),
    Shape::inside("[]", ELEMENT),
]);

/// Answers of `predict` with embeddings.
pub(in crate::dialect) static PREDICTED: Shape<Field> = Shape::document(&[
    Shape::value("error", Field::Error),
    Shape::inside("predictions", &[Shape::inside("[]", EMBEDDED)]),
]);

const EMBEDDED: &[Shape<Field>] = &[Shape::inside(
    "embeddings",
    &[Shape::inside("statistics", &[Shape::value("token_count", Field::EachCount(Count::InputWithCache))])],
)];
