//! Decides which endpoint a path is and what its answers look like.
//!
//! An endpoint is spoken in a dialect: who sends it expects errors in that form, and who answers it
//! reports usage in that form. Where usage stands is written as a table per endpoint (`openai.rs`,
//! `anthropic.rs`), read by the same scanner for plain answers and for every event of a stream.
//!
//! Does not read bodies: see `ask.rs` for requests and `meter.rs` for answers.

pub mod anthropic;
pub mod openai;
pub mod sse;
mod usage;

pub use usage::{Field, Reported};

use crate::json::Shape;

/// Whose form of errors and usage is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI and everybody compatible with it.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
}

/// What a request asks a model to do, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v1/chat/completions`
    ChatCompletions,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/responses`
    Responses,
    /// `/v1/messages`
    Messages,
    /// `/v1/messages/count_tokens`: counts a prompt, generates nothing, costs nothing.
    CountTokens,
    /// A path that only the configuration lets through.
    Configured,
}

impl Endpoint {
    /// The endpoints that need no configuration, by path.
    pub const BUILT_IN: [(&'static str, Self); 6] = [
        ("/v1/chat/completions", Self::ChatCompletions),
        ("/v1/completions", Self::Completions),
        ("/v1/embeddings", Self::Embeddings),
        ("/v1/responses", Self::Responses),
        ("/v1/messages", Self::Messages),
        ("/v1/messages/count_tokens", Self::CountTokens),
    ];

    /// The built-in endpoint at `path`.
    #[must_use]
    pub fn at(path: &[u8]) -> Option<Self> {
        Self::BUILT_IN.iter().find(|(known, _)| known.as_bytes() == path).map(|(_, endpoint)| *endpoint)
    }

    /// Whose dialect is spoken there.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            _ => Dialect::OpenAi,
        }
    }

    /// What the record calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Configured => "configured",
        }
    }

    /// Whether the provider charges for it.
    #[must_use]
    pub fn is_charged(self) -> bool {
        self != Self::CountTokens
    }

    /// Whether an answer has output tokens.
    #[must_use]
    pub fn generates(self) -> bool {
        !matches!(self, Self::Embeddings | Self::CountTokens)
    }

    /// Whether a stream reports usage only to those who ask with `stream_options.include_usage`.
    #[must_use]
    pub fn reports_usage_on_request(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }

    /// Where things stand in an answer.
    #[must_use]
    pub fn answer(self) -> &'static Shape<Field> {
        match self {
            Self::Responses => &openai::RESPONSE,
            Self::Messages | Self::CountTokens => &anthropic::MESSAGE,
            _ => &openai::COMPLETION,
        }
    }
}
