//! Decides which endpoint of which API a path is, and which model it names.
//!
//! OpenAI, Anthropic, Cohere and Ollama name the model in the body; Gemini, Vertex, Bedrock and Azure's
//! deployments name it in the path, where it may be percent-encoded. Whatever is not listed here is no
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

const OPENAI: &[(&str, Endpoint)] = &[
    ("/chat/completions", Endpoint::ChatCompletions),
    ("/completions", Endpoint::Completions),
    // Mistral's, with what comes behind the gap.
    ("/fim/completions", Endpoint::Completions),
    ("/embeddings", Endpoint::Embeddings),
    ("/responses", Endpoint::Responses),
    ("/responses/compact", Endpoint::CompactResponse),
    ("/responses/input_tokens", Endpoint::CountInput),
    ("/images/generations", Endpoint::Images),
    ("/images/edits", Endpoint::ImageEdits),
    ("/audio/transcriptions", Endpoint::Transcriptions),
    ("/audio/translations", Endpoint::Transcriptions),
    ("/audio/speech", Endpoint::Speech),
    ("/moderations", Endpoint::Moderations),
    ("/rerank", Endpoint::Rerank),
];

/// What Azure's dated API has without a deployment in the path: the model is in the body.
const AZURE: &[(&str, Endpoint)] = &[
    ("/responses", Endpoint::Responses),
    ("/responses/compact", Endpoint::CompactResponse),
    ("/responses/input_tokens", Endpoint::CountInput),
];

const ANTHROPIC: &[(&str, Endpoint)] =
    &[("/v1/messages", Endpoint::Messages), ("/v1/messages/count_tokens", Endpoint::CountTokens)];

const COHERE: &[(&str, Endpoint)] = &[
    ("/v2/chat", Endpoint::CohereChat),
    ("/v2/embed", Endpoint::CohereEmbed),
    // What is asked and answered is alike; the version before differs in its defaults.
    ("/v1/embed", Endpoint::CohereEmbed),
    ("/v2/rerank", Endpoint::CohereRerank),
];

const OLLAMA: &[(&str, Endpoint)] = &[
    ("/api/chat", Endpoint::OllamaChat),
    ("/api/generate", Endpoint::OllamaGenerate),
    ("/api/embed", Endpoint::OllamaEmbed),
];

const GEMINI_VERBS: &[(&str, Endpoint)] = &[
    ("generateContent", Endpoint::GenerateContent),
    ("streamGenerateContent", Endpoint::StreamGenerateContent),
    ("embedContent", Endpoint::EmbedContent),
    ("batchEmbedContents", Endpoint::EmbedContent),
    ("countTokens", Endpoint::CountContent),
];

/// What Google's own models can be asked besides on Vertex.
const VERTEX_GOOGLE_VERBS: &[(&str, Endpoint)] = &[("predict", Endpoint::Predict)];

const VERTEX_ANTHROPIC_VERBS: &[(&str, Endpoint)] =
    &[("rawPredict", Endpoint::RawPredict), ("streamRawPredict", Endpoint::StreamRawPredict)];

const BEDROCK_VERBS: &[(&str, Endpoint)] = &[
    ("converse", Endpoint::Converse),
    ("converse-stream", Endpoint::ConverseStream),
    ("invoke", Endpoint::InvokeModel),
    ("invoke-with-response-stream", Endpoint::InvokeModelStream),
];

impl Served {
    /// What is at `path`, which has no query. `None`: nothing that is listed.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        let whole = |api, endpoint| Self { api, endpoint, model_at: None };
        if let Some(rest) = path.strip_prefix("/openai") {
            return azure(path, rest);
        }
        if let Some(endpoint) = path.strip_prefix("/v1").and_then(|rest| find(OPENAI, rest)) {
            return Some(whole(Api::OpenAi, endpoint));
        }
        let by_body = [(Api::Anthropic, ANTHROPIC), (Api::Cohere, COHERE), (Api::Ollama, OLLAMA)];
        by_body
            .into_iter()
            .find_map(|(api, list)| find(list, path).map(|endpoint| whole(api, endpoint)))
            .or_else(|| gemini(path))
            .or_else(|| vertex(path))
            .or_else(|| bedrock(path))
    }
}

fn find(list: &[(&str, Endpoint)], text: &str) -> Option<Endpoint> {
    list.iter().find(|(known, _)| *known == text).map(|(_, endpoint)| *endpoint)
}

/// `model`, which is a part of `path`, as a range of it.
fn named(path: &str, before: usize, model: &str, api: Api, endpoint: Endpoint) -> Option<Served> {
    let model_at = before..before + model.len();
    (!model.is_empty() && path.get(model_at.clone()) == Some(model)).then_some(Served {
        api,
        endpoint,
        model_at: Some(model_at),
    })
}

/// `/openai/v1/chat/completions`, `/openai/responses` or `/openai/deployments/<name>/chat/completions`.
fn azure(path: &str, rest: &str) -> Option<Served> {
    let newer = || rest.strip_prefix("/v1").and_then(|rest| find(OPENAI, rest));
    if let Some(endpoint) = find(AZURE, rest).or_else(newer) {
        return Some(Served { api: Api::Azure, endpoint, model_at: None });
    }
    let deployment = rest.strip_prefix("/deployments/")?;
    let (model, verb) = deployment.split_at(deployment.find('/')?);
    named(path, path.len() - deployment.len(), model, Api::Azure, find(OPENAI, verb)?)
}

/// `/v1beta/models/<model>:<verb>`, also under `/v1`.
fn gemini(path: &str) -> Option<Served> {
    let rest = path.strip_prefix("/v1beta/models/").or_else(|| path.strip_prefix("/v1/models/"))?;
    let (model, verb) = rest.split_once(':')?;
    (!model.contains('/')).then_some(())?;
    named(path, path.len() - rest.len(), model, Api::Gemini, find(GEMINI_VERBS, verb)?)
}

/// `/v1/projects/<p>/locations/<l>/publishers/<publisher>/models/<model>:<verb>`, also under `/v1beta1`. Clients that
/// have a key of Google's in place of a project leave out what comes before the publisher.
fn vertex(path: &str) -> Option<Served> {
    let rest = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("/v1beta1/"))?;
    let rest = match rest.strip_prefix("projects/") {
        Some(placed) => {
            let mut parts = placed.splitn(4, '/');
            let (_project, locations, _location) = (parts.next()?, parts.next()?, parts.next()?);
            parts.next().filter(|_| locations == "locations")?
        }
        None => rest,
    };
    let (publisher, last) = rest.strip_prefix("publishers/")?.split_once('/')?;
    let last = last.strip_prefix("models/")?;
    let (model, verb) = last.split_once(':')?;
    (!model.contains('/')).then_some(())?;
    let endpoint = match publisher {
        "anthropic" => find(VERTEX_ANTHROPIC_VERBS, verb),
        "google" => find(GEMINI_VERBS, verb).or_else(|| find(VERTEX_GOOGLE_VERBS, verb)),
        _ => find(GEMINI_VERBS, verb),
    };
    named(path, path.len() - last.len(), model, Api::Vertex, endpoint?)
}

/// `/model/<model>/<verb>`; the model's slashes and colons are percent-encoded.
fn bedrock(path: &str) -> Option<Served> {
    let rest = path.strip_prefix("/model/")?;
    let (model, verb) = rest.split_once('/')?;
    named(path, path.len() - rest.len(), model, Api::Bedrock, find(BEDROCK_VERBS, verb)?)
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
