//! Decides whose table or form is used: the only file that knows all dialects.

use super::error::ErrorFacts;
use super::framing::Framing;
use super::headers::HeadTable;
use super::member::Member;
use super::path::find;
use super::{Api, Dialect, Endpoint, Field, Served, anthropic, bedrock, cohere, gemini, ollama, openai};
use crate::base::text::json_string;
use crate::json::Shape;

impl Served {
    /// What is at `path`, which has no query. `None`: nothing that is listed.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        let whole = |api, endpoint| Self { api, endpoint, model_at: None };
        if let Some(rest) = path.strip_prefix("/openai") {
            return openai::azure::at(path, rest);
        }
        if let Some(endpoint) = path.strip_prefix("/v1").and_then(|rest| find(openai::PATHS, rest)) {
            return Some(whole(Api::OpenAi, endpoint));
        }
        let by_body =
            [(Api::Anthropic, anthropic::PATHS), (Api::Cohere, cohere::PATHS), (Api::Ollama, ollama::PATHS)];
        by_body
            .into_iter()
            .find_map(|(api, list)| find(list, path).map(|endpoint| whole(api, endpoint)))
            .or_else(|| gemini::at(path))
            .or_else(|| gemini::vertex::at(path))
            .or_else(|| bedrock::at(path))
    }
}

impl Api {
    /// What of the head of a request to this API goes on, and what of an answer's comes back.
    #[must_use]
    pub fn head(self) -> &'static HeadTable {
        match self {
            Self::OpenAi => &openai::HEAD,
            Self::Azure => &openai::azure::HEAD,
            Self::Anthropic => &anthropic::HEAD,
            Self::Gemini => &gemini::HEAD,
            Self::Vertex => &gemini::vertex::HEAD,
            Self::Bedrock => &bedrock::HEAD,
            Self::Cohere => &cohere::HEAD,
            Self::Ollama => &ollama::HEAD,
        }
    }
}

impl Endpoint {
    /// Which members of a request matter.
    #[must_use]
    pub(crate) fn request(self) -> &'static Shape<Member> {
        match self.dialect() {
            Dialect::OpenAi if matches!(self, Self::Responses | Self::CompactResponse | Self::CountInput) => {
                &openai::request::RESPONSES
            }
            Dialect::OpenAi => &openai::request::REQUEST,
            Dialect::Anthropic => &anthropic::REQUEST,
            Dialect::Gemini if self == Self::Predict => &gemini::request::PREDICT,
            Dialect::Gemini => &gemini::request::REQUEST,
            Dialect::Bedrock if matches!(self, Self::InvokeModel | Self::InvokeModelStream) => {
                &bedrock::INVOKED
            }
            Dialect::Bedrock => &bedrock::REQUEST,
            Dialect::Cohere => &cohere::REQUEST,
            Dialect::Ollama => &ollama::REQUEST,
        }
    }

    /// Where things stand in an answer.
    #[must_use]
    pub fn answer(self) -> &'static Shape<Field> {
        match self {
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Moderations
            | Self::Configured => &openai::answer::COMPLETION,
            Self::Responses | Self::CompactResponse | Self::CountInput => &openai::answer::RESPONSE,
            Self::Images | Self::ImageEdits | Self::Transcriptions | Self::Speech => &openai::answer::MEDIA,
            Self::Rerank => &openai::answer::RERANK,
            Self::Messages
            | Self::CountTokens
            | Self::RawPredict
            | Self::StreamRawPredict
            | Self::InvokeModel
            | Self::InvokeModelStream => &anthropic::MESSAGE,
            Self::GenerateContent | Self::StreamGenerateContent | Self::EmbedContent | Self::CountContent => {
                &gemini::answer::GENERATED
            }
            Self::Predict => &gemini::answer::PREDICTED,
            Self::Converse | Self::ConverseStream => &bedrock::CONVERSED,
            Self::CohereChat | Self::CohereEmbed | Self::CohereRerank => &cohere::ANSWER,
            Self::OllamaChat | Self::OllamaGenerate | Self::OllamaEmbed => &ollama::ANSWER,
        }
    }

    /// The event that breaks off a stream of its answers, after which nothing may follow. `None` if an answer in this
    /// `framing` cannot be ended early so that it can still be parsed.
    #[must_use]
    pub fn stream_error(self, framing: Framing, message: &str, request_id: &str) -> Option<Vec<u8>> {
        let message = json_string(message);
        let text = match (framing, self.dialect()) {
            (Framing::Events, Dialect::OpenAi) if self == Self::Responses => {
                openai::response_stream_error(&message)
            }
            (Framing::Events, Dialect::OpenAi) => openai::stream_error(&message),
            (Framing::Events, Dialect::Anthropic) => {
                anthropic::stream_error(&message, &json_string(request_id))
            }
            (Framing::Events, Dialect::Gemini) => gemini::stream_error(&message),
            (Framing::Events, Dialect::Cohere) => cohere::stream_error(&message),
            (Framing::Lines, Dialect::Ollama) => ollama::stream_error(&message),
            (Framing::Messages | Framing::Chunks, Dialect::Bedrock) => {
                return Some(bedrock::stream_error(&message));
            }
            _ => return None,
        };
        Some(text.into_bytes())
    }
}

impl Dialect {
    /// The body of an error, and the name that a header has for it, where there is such a header.
    #[must_use]
    pub fn error_body(self, error: &ErrorFacts<'_>) -> (String, Option<&'static str>) {
        let body = match self {
            Self::OpenAi => openai::error_body(error),
            Self::Anthropic => anthropic::error_body(error),
            Self::Gemini => gemini::error_body(error),
            Self::Bedrock => {
                let (body, kind) = bedrock::error_body(error);
                return (body, Some(kind));
            }
            Self::Cohere => cohere::error_body(error.message),
            Self::Ollama => ollama::error_body(error.message),
        };
        (body, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Option<(Api, Endpoint, Option<&str>)> {
        let served = Served::at(path)?;
        Some((served.api, served.endpoint, served.model_at.map(|at| &path[at])))
    }

    #[test]
    fn every_api_is_known_by_its_paths() {
        for (path, api, endpoint, model) in [
            ("/v1/chat/completions", Api::OpenAi, Endpoint::ChatCompletions, None),
            ("/v1/fim/completions", Api::OpenAi, Endpoint::Completions, None),
            ("/v1/audio/transcriptions", Api::OpenAi, Endpoint::Transcriptions, None),
            ("/v1/responses/compact", Api::OpenAi, Endpoint::CompactResponse, None),
            ("/v1/responses/input_tokens", Api::OpenAi, Endpoint::CountInput, None),
            ("/openai/v1/responses", Api::Azure, Endpoint::Responses, None),
            ("/openai/responses", Api::Azure, Endpoint::Responses, None),
            ("/openai/responses/compact", Api::Azure, Endpoint::CompactResponse, None),
            (
                "/openai/deployments/my-gpt/chat/completions",
                Api::Azure,
                Endpoint::ChatCompletions,
                Some("my-gpt"),
            ),
            ("/v1/messages", Api::Anthropic, Endpoint::Messages, None),
            ("/v1/messages/count_tokens", Api::Anthropic, Endpoint::CountTokens, None),
            (
                "/v1beta/models/gemini-3:streamGenerateContent",
                Api::Gemini,
                Endpoint::StreamGenerateContent,
                Some("gemini-3"),
            ),
            ("/v1/models/gemini-3:countTokens", Api::Gemini, Endpoint::CountContent, Some("gemini-3")),
            (
                "/v1/projects/p/locations/eu/publishers/google/models/gemini-3:generateContent",
                Api::Vertex,
                Endpoint::GenerateContent,
                Some("gemini-3"),
            ),
            (
                "/v1/projects/p/locations/eu/publishers/google/models/text-embedding-5:predict",
                Api::Vertex,
                Endpoint::Predict,
                Some("text-embedding-5"),
            ),
            (
                "/v1/publishers/google/models/text-embedding-5:predict",
                Api::Vertex,
                Endpoint::Predict,
                Some("text-embedding-5"),
            ),
            (
                "/v1beta1/projects/p/locations/eu/publishers/anthropic/models/claude-5@2026:streamRawPredict",
                Api::Vertex,
                Endpoint::StreamRawPredict,
                Some("claude-5@2026"),
            ),
            (
                "/model/eu.anthropic.claude-v1%3A0/converse-stream",
                Api::Bedrock,
                Endpoint::ConverseStream,
                Some("eu.anthropic.claude-v1%3A0"),
            ),
            ("/model/m/invoke", Api::Bedrock, Endpoint::InvokeModel, Some("m")),
            ("/v2/chat", Api::Cohere, Endpoint::CohereChat, None),
            ("/api/generate", Api::Ollama, Endpoint::OllamaGenerate, None),
        ] {
            assert_eq!(at(path), Some((api, endpoint, model)), "{path}");
        }
    }

    #[test]
    fn nothing_else_is_an_endpoint() {
        for path in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v1/files",
            "/v1/chat/completions/x",
            "/v1beta/models/:generateContent",
            "/v1beta/models/a/b:generateContent",
            "/v1beta/models/m:delete",
            "/v1/models/m",
            "/openai/deployments//completions",
            "/openai/deployments/m",
            "/openai/files",
            "/openai/chat/completions",
            "/v1/responses/resp_1",
            "/v1/responses/resp_1/cancel",
            "/model//invoke",
            "/model/m/invoke/x",
            "/model/m/async-invoke",
            "/v1/projects/p/locations/l/publishers/google/models/m:rawPredict",
            "/v1/projects/p/locations/l/publishers/google/models/m:predictLongRunning",
            "/v1/projects/p/locations/l/publishers/meta/models/m:predict",
            "/v1/projects/p/locations/l/publishers/anthropic/models/m:predict",
            "/v1beta/models/m:predict",
            "/v1/projects/p/locations/l/endpoints/1:predict",
            "/v1/projects/p/l/l/publishers/google/models/m:generateContent",
            "/api/pull",
            "/v2/chat/x",
        ] {
            assert_eq!(at(path), None, "{path}");
        }
    }
}
