//! Decides whose client it is that asks, by the headers that only its SDKs send.
//!
//! `/v1/models` is a path of five APIs, and a path that nothing is at is nobody's. A client that gets an answer in
//! another form than its own shows an empty list, or an error without a message.
//!
//! Nothing but the form of an answer hangs on it: anybody can send these.

use crate::base::headers::RequestHead;
use crate::dialect::{Api, Dialect};
use crate::request::api;

/// Headers that only one API's clients send.
const OWN_HEADERS: [(&str, Dialect); 7] = [
    ("anthropic-version", Dialect::Anthropic),
    ("anthropic-beta", Dialect::Anthropic),
    ("x-goog-api-key", Dialect::Gemini),
    ("x-goog-api-client", Dialect::Gemini),
    ("x-amz-target", Dialect::Bedrock),
    ("x-amz-user-agent", Dialect::Bedrock),
    ("amz-sdk-invocation-id", Dialect::Bedrock),
];

/// How clients call themselves in `user-agent`, or in the header of a generator of SDKs.
const AGENTS: [(&[u8], Dialect); 9] = [
    (b"claude", Dialect::Anthropic),
    (b"anthropic", Dialect::Anthropic),
    (b"google-genai", Dialect::Gemini),
    (b"geminicli", Dialect::Gemini),
    (b"cohere", Dialect::Cohere),
    (b"github.com/cohere-ai/", Dialect::Cohere),
    (b"ollama", Dialect::Ollama),
    (b"boto3", Dialect::Bedrock),
    (b"aws-sdk-", Dialect::Bedrock),
];

/// Whose client sent `head`, if its headers or its query tell.
#[must_use]
pub fn speaker(head: &RequestHead) -> Option<Dialect> {
    let own = OWN_HEADERS.iter().find(|(name, _)| head.first(name).is_some());
    let named = || {
        ["user-agent", "x-fern-sdk-name"].iter().filter_map(|name| head.first(name)).find_map(|agent| {
            let begins = |start: &[u8]| {
                agent.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
            };
            AGENTS.iter().find(|(start, _)| begins(start)).map(|(_, dialect)| *dialect)
        })
    };
    let has_key = || !matches!(api::credential(Api::Gemini, head.query()), Some(None));
    own.map(|(_, dialect)| *dialect).or_else(named).or_else(|| has_key().then_some(Dialect::Gemini))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_the_headers_that_only_its_sdks_send() {
        for (name, value, dialect) in [
            ("anthropic-version", "2026-10-21", Some(Dialect::Anthropic)),
            ("user-agent", "claude-cli/2.1.332 (external, cli)", Some(Dialect::Anthropic)),
            ("user-agent", "Anthropic/Python 2.14.0", Some(Dialect::Anthropic)),
            ("x-goog-api-key", "k", Some(Dialect::Gemini)),
            ("x-goog-api-client", "google-genai-sdk/3.6.1", Some(Dialect::Gemini)),
            ("user-agent", "google-genai-sdk/3.6.1 gl-python/3.11", Some(Dialect::Gemini)),
            (":path", "/v1/models?pageSize=5&key=fb_a_b", Some(Dialect::Gemini)),
            ("user-agent", "cohere/7.3.1", Some(Dialect::Cohere)),
            ("x-fern-sdk-name", "cohere-ai", Some(Dialect::Cohere)),
            ("user-agent", "ollama-python/0.6.3 (x86_64 linux)", Some(Dialect::Ollama)),
            ("user-agent", "Boto3/1.40 md/Botocore", Some(Dialect::Bedrock)),
            ("user-agent", "OpenAI/Python 3.57.0", None),
            ("user-agent", "mistral-client-python/3.7.0", None),
            (":path", "/v1/models?monkey=1", None),
            ("user-agent", "", None),
        ] {
            assert_eq!(speaker(&RequestHead::from([(name, value)])), dialect, "{name}: {value}");
        }
    }
}
