//! Which members of a request matter in Gemini's dialect, and of `:predict` on Vertex.

use crate::dialect::member::{EXTRA_BODY, EXTRA_PARAMS, Member, OVERRIDES, TOOLS, harmless, kept, value};
use crate::json::Shape;

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

/// Of a request for an answer, embeddings or a count.
pub(in crate::dialect) static REQUEST: Shape<Member> = Shape::both(
    "",
    Member::Document,
    &[
        value("model", Member::ModelAgain),
        EXTRA_BODY,
        EXTRA_PARAMS,
        OVERRIDES,
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
);

/// Embeddings of Vertex. The same path makes images and other things, of which nothing counts what they cost: what is
/// not known here makes such a request of it.
pub(in crate::dialect) static PREDICT: Shape<Member> = Shape::both(
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
