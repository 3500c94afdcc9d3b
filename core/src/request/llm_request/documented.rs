//! Decides how `docs/apis.md` shows which members of a body matter: one row a kind of body.

use crate::dialect::Endpoint;
use crate::dialect::member::Member;

/// What members do that matter, in the order of the columns.
const COLUMNS: [&str; 8] =
    ["model", "other models", "multiplies", "limits output", "tier", "state", "later", "end user"];

/// The column of a member; `None`: it matters in another way, or is only known not to.
fn column(member: Member) -> Option<usize> {
    let name = match member {
        Member::Model | Member::ModelAgain => "model",
        Member::OtherModels | Member::OtherModel => "other models",
        Member::N | Member::BestOf | Member::Completions | Member::Candidates | Member::PromptPart => {
            "multiplies"
        }
        Member::MaxTokens
        | Member::MaxCompletionTokens
        | Member::MaxOutputTokens
        | Member::NPredict
        | Member::MaxNewTokens
        | Member::MaxGenLen
        | Member::MaxTokensToSample
        | Member::MaxTokenCount
        | Member::MaxOutput
        | Member::MaxOutputOtherwise
        | Member::MaxInference
        | Member::NumPredict => "limits output",
        Member::ServiceTier | Member::Speed | Member::InferenceGeo | Member::SearchContextSize => "tier",
        Member::StoredState
        | Member::StoredStates
        | Member::Container
        | Member::ItemId
        | Member::PromptId => "state",
        Member::Background | Member::Deferred => "later",
        Member::User | Member::SafetyIdentifier | Member::UserId => "end user",
        Member::Document
        | Member::Stream
        | Member::StreamOptions
        | Member::IncludeUsage
        | Member::Prompt
        | Member::GenerationConfig
        | Member::InferenceConfig
        | Member::Options
        | Member::Harmless
        | Member::Item
        | Member::ItemType
        | Member::ItemContent
        | Member::WebSearchOptions
        | Member::TierObject
        | Member::PerformanceConfig
        | Member::TextGenerationConfig
        | Member::AdditionalFields
        | Member::EmbeddedTexts
        | Member::EmbeddedText
        | Member::EmbeddingParameters
        | Member::ThinkingBudget => return None,
    };
    COLUMNS.iter().position(|column| *column == name)
}

/// The head of the table.
#[must_use]
pub fn documented_head() -> String {
    format!("| Body of | {} |\n|---|{}\n", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()))
}

/// The row of requests to `endpoint`, which the page calls `name`.
#[must_use]
pub fn documented_body(name: &str, endpoint: Endpoint) -> String {
    let mut cells: [Vec<String>; COLUMNS.len()] = Default::default();
    for (place, member) in endpoint.request().places() {
        if let Some(cell) = column(member).and_then(|column| cells.get_mut(column)) {
            cell.push(format!("`{place}`"));
        }
    }
    format!("| {name} | {} |\n", cells.map(|cell| cell.join(", ")).join(" | "))
}
