//! What a path stands for, and how the lists of the dialects are searched for it.
//!
//! OpenAI, Anthropic, Cohere and Ollama name the model in the body; Gemini, Vertex, Bedrock and Azure's
//! deployments name it in the path, where it may be percent-encoded. Whatever no dialect lists is no
//! endpoint.

use core::ops::Range;

use super::{Api, Endpoint};

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Whose path it is.
    pub api: Api,
    /// What it does.
    pub endpoint: Endpoint,
    /// Where in the path the model's name stands, if it does.
    pub model_at: Option<Range<usize>>,
}

/// The endpoint of `text` in a list of a dialect.
pub(super) fn find(list: &[(&str, Endpoint)], text: &str) -> Option<Endpoint> {
    list.iter().find(|(known, _)| *known == text).map(|(_, endpoint)| *endpoint)
}

/// `model`, which is a part of `path`, as a range of it.
pub(super) fn named(path: &str, before: usize, model: &str, api: Api, endpoint: Endpoint) -> Option<Served> {
    let model_at = before..before + model.len();
    (!model.is_empty() && path.get(model_at.clone()) == Some(model)).then_some(Served {
        api,
        endpoint,
        model_at: Some(model_at),
    })
}
