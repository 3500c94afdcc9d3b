//! Decides what is at a path: an endpoint that a provider serves, a page of the gateway's own, or nothing.
//!
//! Only what is listed here, in `dialect/path.rs` or in the configuration is let through. A provider's other
//! paths (files, fine-tuning, administration) would be reached with the gateway's credential and without
//! any metering.

use crate::config::Config;
use crate::denial::Denial;
use crate::dialect::{Api, Dialect, Endpoint, Served};
use crate::head::RequestHead;
use crate::text::percent_decode;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A provider serves it.
    Endpoint(Served),
    /// `/v1/models`: the models that this key may use.
    Models,
    /// `/v1/models/{id}`: that model, if this key may use it.
    Model(String),
    /// `/farebox/usage`: what this key's budgets stand at.
    Usage,
    /// `/farebox/health`: whether the filter runs. Needs no key.
    Health,
}

impl Place {
    /// What is at the path of `head`, if it may be asked for with its method.
    ///
    /// # Errors
    /// [`Denial::UnknownEndpoint`] or [`Denial::Method`].
    pub fn find(config: &Config, head: &RequestHead) -> Result<Self, Denial> {
        let place = Self::at(config, head.path()).ok_or(Denial::UnknownEndpoint)?;
        let (allowed, method) = (place.methods(), head.first(":method").unwrap_or_default());
        if allowed.split(", ").any(|allowed| allowed.as_bytes() == method) {
            Ok(place)
        } else {
            Err(Denial::Method(allowed))
        }
    }

    /// What is at `path`, which has no query.
    #[must_use]
    pub fn at(config: &Config, path: &[u8]) -> Option<Self> {
        Some(match path {
            b"/v1/models" => Self::Models,
            b"/farebox/usage" => Self::Usage,
            b"/farebox/health" => Self::Health,
            path => match served(config, path) {
                Some(served) => Self::Endpoint(served),
                None => Self::Model(model(path)?),
            },
        })
    }

    /// The methods with which it may be asked for.
    #[must_use]
    pub fn methods(&self) -> &'static str {
        match self {
            Self::Endpoint(_) => "POST",
            Self::Models | Self::Model(_) | Self::Usage | Self::Health => "GET, HEAD",
        }
    }
}

/// Whose paths begin so, served or not. Everything else is taken for OpenAI's.
const BEGINNINGS: [(&[u8], Dialect); 8] = [
    (b"/v1/messages", Dialect::Anthropic),
    (b"/v1beta/", Dialect::Gemini),
    (b"/v1beta1/", Dialect::Gemini),
    (b"/v1/projects/", Dialect::Gemini),
    (b"/v1/publishers/", Dialect::Gemini),
    (b"/model/", Dialect::Bedrock),
    (b"/v2/", Dialect::Cohere),
    (b"/api/", Dialect::Ollama),
];

/// The dialect in which whoever asks for `path` expects to be refused.
#[must_use]
pub fn dialect_of(path: &[u8]) -> Dialect {
    match core::str::from_utf8(path).ok().and_then(Served::at) {
        Some(served) => served.endpoint.dialect(),
        None => BEGINNINGS
            .iter()
            .find(|(start, _)| path.starts_with(start))
            .map_or(Dialect::OpenAi, |(_, dialect)| *dialect),
    }
}

/// The model that a path asks about: its name may be percent-encoded, slashes too.
fn model(path: &[u8]) -> Option<String> {
    let name = path.strip_prefix(b"/v1/models/").filter(|name| !name.is_empty())?;
    String::from_utf8(percent_decode(name)).ok()
}

/// The endpoint at `path`, which has no query; built-in or of the configuration.
#[must_use]
pub fn served(config: &Config, path: &[u8]) -> Option<Served> {
    let path = core::str::from_utf8(path).ok()?;
    let configured = || config.endpoints.iter().any(|pattern| pattern.matches(path));
    Served::at(path).or_else(|| {
        configured().then_some(Served { api: Api::OpenAi, endpoint: Endpoint::Configured, model_at: None })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;

    fn find(method: &str, path: &str) -> Result<Place, Denial> {
        let config = testing::config(|json| json["endpoints"] = serde_json::json!(["/v1/tokenize"]));
        Place::find(&config, &RequestHead::from([(":method", method), (":path", path)]))
    }

    fn served(endpoint: Endpoint) -> Result<Place, Denial> {
        Ok(Place::Endpoint(Served { api: Api::OpenAi, endpoint, model_at: None }))
    }

    #[test]
    fn only_listed_and_configured_paths_are_served() {
        assert_eq!(find("POST", "/v1/chat/completions?x=1"), served(Endpoint::ChatCompletions));
        assert_eq!(find("POST", "/v1/tokenize"), served(Endpoint::Configured));
        assert_eq!(find("HEAD", "/farebox/usage"), Ok(Place::Usage));
        assert_eq!(find("GET", "/v1/models/vendor%2Fm"), Ok(Place::Model("vendor/m".into())));
        for path in
            ["/", "/v1/models/", "/v1/files", "/v1/chat/completions/", "/V1/models", "/v1/tokenize/x", "*"]
        {
            assert_eq!(find("POST", path), Err(Denial::UnknownEndpoint), "{path}");
        }
    }

    #[test]
    fn who_asks_for_what_is_not_served_is_told_so_in_the_form_of_the_api_it_speaks() {
        for (path, dialect) in [
            ("/v1/projects/p/locations/l/publishers/google/models/e:predictLongRunning", Dialect::Gemini),
            ("/v1beta1/publishers/google/models/e:rawPredict", Dialect::Gemini),
            ("/v1beta/models", Dialect::Gemini),
            ("/v1/messages/batches", Dialect::Anthropic),
            ("/model/m/async-invoke", Dialect::Bedrock),
            ("/v2/classify", Dialect::Cohere),
            ("/api/pull", Dialect::Ollama),
            ("/v1/models/ft:gpt:own", Dialect::OpenAi),
            ("/openai/files", Dialect::OpenAi),
            ("/v1/files", Dialect::OpenAi),
            ("/", Dialect::OpenAi),
        ] {
            assert_eq!(dialect_of(path.as_bytes()), dialect, "{path}");
        }
    }

    #[test]
    fn a_wrong_method_is_answered_with_the_right_ones() {
        assert_eq!(find("GET", "/v1/chat/completions"), Err(Denial::Method("POST")));
        assert_eq!(find("GET", "/v1beta/models/m:generateContent"), Err(Denial::Method("POST")));
        assert_eq!(find("DELETE", "/v1/models/ft:m"), Err(Denial::Method("GET, HEAD")));
        assert_eq!(find("DELETE", "/v1/models"), Err(Denial::Method("GET, HEAD")));
    }
}
