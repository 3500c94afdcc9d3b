//! Decides what is particular to a dialect: one home each for its paths, the headers that pass, the members of a request
//! that matter, where an answer says what was used, its errors, and the event that breaks a stream off.
//!
//! An endpoint belongs to an API, which a provider must offer, and is spoken in a dialect, in which its callers expect
//! errors. Dialects are tables: one scanner reads requests, plain answers and every event of a stream by them.
//!
//! | dialect | answers | stream | home |
//! |---|---|---|---|
//! | OpenAI | chat, completions, embeddings, Responses, images, audio, moderations, rerank; Azure's paths too | SSE | `openai/` |
//! | Anthropic | Messages; on Vertex and in Bedrock's InvokeModel too | SSE | `anthropic.rs` |
//! | Gemini | `generateContent`, embeddings; on Vertex too | SSE or one JSON array | `gemini/` |
//! | Bedrock | Converse, InvokeModel | AWS event stream | `bedrock.rs` |
//! | Cohere | chat, embed, rerank | SSE | `cohere.rs` |
//! | Ollama | chat, generate, embed | NDJSON | `ollama.rs` |
//!
//! What all share: `endpoint.rs` (what can be asked, one table over all), `field.rs` and `member.rs` (the vocabularies of
//! answers and requests), `select.rs` (whose table is used), `framing/` (how a stream is parted), `usage.rs` (what the
//! numbers mean).
//!
//! Does not read bodies: see `request/llm_request.rs` for requests and `response/meter.rs` for answers.

mod anthropic;
pub mod bedrock;
mod cohere;
mod endpoint;
mod error;
pub mod event_kind;
mod field;
pub mod framing;
pub mod gemini;
pub mod headers;
pub(crate) mod member;
mod ollama;
mod openai;
mod path;
mod select;
mod usage;

pub use endpoint::{BodyForm, Endpoint, Streams};
pub use error::{BudgetFacts, ErrorFacts, whole_seconds};
pub use field::{Count, Field, Side};
pub use path::Served;
pub use usage::Reported;

/// Whose form of errors and usage is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI and everybody compatible with it.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// AWS Bedrock.
    Bedrock,
    /// Cohere's version 2.
    Cohere,
    /// Ollama's own.
    Ollama,
}

/// Whose paths a provider serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `/v1/chat/completions` and its siblings.
    OpenAi,
    /// `/openai/deployments/…` and `/openai/v1/…`.
    Azure,
    /// `/v1/messages`.
    Anthropic,
    /// `/v1beta/models/…`.
    Gemini,
    /// `/v1/projects/…/publishers/…/models/…`.
    Vertex,
    /// `/model/…/converse` and `/model/…/invoke`.
    Bedrock,
    /// `/v2/chat` and its siblings.
    Cohere,
    /// `/api/chat` and its siblings.
    Ollama,
}

impl Api {
    /// Every API with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("openai", Self::OpenAi),
        ("azure", Self::Azure),
        ("anthropic", Self::Anthropic),
        ("gemini", Self::Gemini),
        ("vertex", Self::Vertex),
        ("bedrock", Self::Bedrock),
        ("cohere", Self::Cohere),
        ("ollama", Self::Ollama),
    ];

    /// What its paths begin with: a provider's `base_path` stands in its place.
    #[must_use]
    pub fn root(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic => "/v1",
            Self::Azure => "/openai",
            Self::Gemini => "/v1beta",
            Self::Cohere => "/v2",
            Self::Vertex | Self::Bedrock | Self::Ollama => "",
        }
    }

    /// The header that carries a credential, and what comes before it there.
    #[must_use]
    pub fn credential(self) -> (&'static str, &'static str) {
        match self {
            Self::Azure => ("api-key", ""),
            Self::Anthropic => ("x-api-key", ""),
            Self::Gemini => ("x-goog-api-key", ""),
            Self::OpenAi | Self::Vertex | Self::Bedrock | Self::Cohere | Self::Ollama => {
                ("authorization", "Bearer ")
            }
        }
    }
}
