//! Decides what is asked for in each API, and where.

use super::world::{CHEAP_SENT, DEAR_SENT, LOCATION, PROJECT};
use serde_json::json;

/// What is asked for, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What it is called here.
    pub name: &'static str,
    /// The provider that serves it.
    pub home: &'static str,
    /// Its path; `{m}` is the model, `{p}` and `{l}` Vertex's project and location.
    pub path: &'static str,
    /// How its answer is written.
    pub answer: Shape,
    /// Whether its body is a form.
    pub form: bool,
    /// Whether an answer has output tokens.
    pub generates: bool,
    /// Whether it is free.
    pub free: bool,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// OpenAI's chat and completions.
    Chat,
    /// OpenAI's embeddings and rerank.
    Vectors,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's images and transcriptions.
    Media,
    /// Anthropic's Messages.
    Messages,
    /// Gemini's.
    Gemini,
    /// Gemini's embeddings on Vertex, Gemini's counts, and whatever has no usage.
    Free,
    /// Bedrock's Converse.
    Converse,
    /// Cohere's.
    Cohere,
    /// Ollama's.
    Ollama,
}

const fn at(name: &'static str, home: &'static str, path: &'static str, answer: Shape) -> Endpoint {
    Endpoint { name, home, path, answer, form: false, generates: true, free: false }
}

const fn quiet(endpoint: Endpoint) -> Endpoint {
    Endpoint { generates: false, ..endpoint }
}

const fn free(endpoint: Endpoint) -> Endpoint {
    Endpoint { free: true, generates: false, ..endpoint }
}

const fn form(endpoint: Endpoint) -> Endpoint {
    Endpoint { form: true, ..endpoint }
}

/// Every endpoint that is asked.
pub const ENDPOINTS: [Endpoint; 28] = [
    at("chat", "openai", "/v1/chat/completions", Shape::Chat),
    at("completions", "openai", "/v1/completions", Shape::Chat),
    quiet(at("embeddings", "openai", "/v1/embeddings", Shape::Vectors)),
    at("responses", "openai", "/v1/responses", Shape::Responses),
    at("images", "openai", "/v1/images/generations", Shape::Media),
    form(at("image edits", "openai", "/v1/images/edits", Shape::Media)),
    form(at("transcriptions", "openai", "/v1/audio/transcriptions", Shape::Media)),
    form(at("translations", "openai", "/v1/audio/translations", Shape::Media)),
    free(at("moderations", "openai", "/v1/moderations", Shape::Free)),
    quiet(at("rerank", "openai", "/v1/rerank", Shape::Vectors)),
    at("deployment", "azure", "/openai/deployments/{m}/chat/completions", Shape::Chat),
    at("azure chat", "azure", "/openai/v1/chat/completions", Shape::Chat),
    at("azure responses", "azure", "/openai/v1/responses", Shape::Responses),
    at("messages", "anthropic", "/v1/messages", Shape::Messages),
    free(at("count", "anthropic", "/v1/messages/count_tokens", Shape::Free)),
    at("gemini", "gemini", "/v1beta/models/{m}:generateContent", Shape::Gemini),
    at("gemini stream", "gemini", "/v1beta/models/{m}:streamGenerateContent", Shape::Gemini),
    free(at("gemini count", "gemini", "/v1beta/models/{m}:countTokens", Shape::Free)),
    at(
        "vertex",
        "vertex",
        "/v1/projects/{p}/locations/{l}/publishers/google/models/{m}:generateContent",
        Shape::Gemini,
    ),
    at(
        "raw predict",
        "vertex",
        "/v1/projects/{p}/locations/{l}/publishers/anthropic/models/{m}:rawPredict",
        Shape::Messages,
    ),
    at("converse", "bedrock", "/model/{m}/converse", Shape::Converse),
    at("converse stream", "bedrock", "/model/{m}/converse-stream", Shape::Converse),
    at("invoke", "bedrock", "/model/{m}/invoke", Shape::Messages),
    at("cohere chat", "cohere", "/v2/chat", Shape::Cohere),
    quiet(at("cohere embed", "cohere", "/v2/embed", Shape::Cohere)),
    at("ollama chat", "ollama", "/api/chat", Shape::Ollama),
    at("ollama generate", "ollama", "/api/generate", Shape::Ollama),
    quiet(at("ollama embed", "ollama", "/api/embed", Shape::Ollama)),
];

impl Endpoint {
    /// Its path for this model.
    #[must_use]
    pub fn path_for(&self, model: &str) -> String {
        self.path.replace("{m}", model).replace("{p}", PROJECT).replace("{l}", LOCATION)
    }

    /// The members of a good body, each a name and a value in JSON. `model` is left out where the path has it.
    #[must_use]
    pub fn members(&self, model: &str, text: &str) -> Vec<(String, String)> {
        let content = json!([{"role": "user", "content": text}]);
        let parts = json!([{"role": "user", "parts": [{"text": text}]}]);
        let mut members = match self.name {
            "chat" | "azure chat" | "deployment" | "cohere chat" | "ollama chat" => {
                vec![("messages", content)]
            }
            "messages" | "raw predict" | "invoke" => vec![("messages", content), ("max_tokens", json!(100))],
            "count" => vec![("messages", content)],
            "completions" | "ollama generate" | "images" => vec![("prompt", json!(text))],
            "gemini" | "gemini stream" | "gemini count" | "vertex" => vec![("contents", parts)],
            "converse" | "converse stream" => {
                vec![("messages", json!([{"role": "user", "content": [{"text": text}]}]))]
            }
            "rerank" => vec![("query", json!(text)), ("documents", json!(["a", "b"]))],
            "cohere embed" => vec![("texts", json!([text])), ("input_type", json!("classification"))],
            _ => vec![("input", json!(text))],
        };
        match self.name {
            "raw predict" => members.push(("anthropic_version", json!("vertex-2023-10-16"))),
            "invoke" => members.push(("anthropic_version", json!("bedrock-2023-05-31"))),
            name if name.starts_with("ollama") => members.push(("stream", json!(false))),
            _ => {}
        }
        if !self.path.contains("{m}") {
            members.insert(0, ("model", json!(model)));
        }
        members.into_iter().map(|(name, value)| (json!(name).to_string(), value.to_string())).collect()
    }

    /// Whether the path is one that this endpoint has at its provider, for a model that is configured.
    #[must_use]
    pub fn is_sent_as(&self, path: &str) -> bool {
        [CHEAP_SENT, DEAR_SENT].iter().any(|model| self.path_for(model) == path)
    }
}

/// The endpoint that a provider was asked for, by its path.
#[must_use]
pub fn asked_for(home: &str, path: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().find(|endpoint| endpoint.home == home && endpoint.is_sent_as(path))
}
