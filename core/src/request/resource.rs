//! Decides whether what is at a path may be asked for so, and in which dialect the caller is answered.
//!
//! What there is stands in `resource/known.rs`; what is said of the rest, in `resource/unknown_path.rs`.

mod known;
mod speaker;
mod unknown_path;

use crate::base::headers::RequestHead;
use crate::config::Config;
use crate::dialect::{Dialect, Served};

pub use known::{Resource, served};
pub use speaker::speaker;
pub use unknown_path::{UNSUPPORTED, UnknownPath};

/// Why a resource is not given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceError {
    /// The path is not served, and why.
    Unknown(UnknownPath),
    /// The path is served with these methods, and not with this one.
    Method(&'static str),
    /// A WebSocket is asked for.
    Upgrade,
}

impl Resource {
    /// What is at the path of `head`, if it may be asked for with its method.
    ///
    /// # Errors
    /// [`ResourceError`].
    pub fn find(config: &Config, head: &RequestHead) -> Result<Self, ResourceError> {
        // Behind an upgrade nothing could be metered, whatever is at the path.
        if is_upgrade(head) {
            return Err(ResourceError::Upgrade);
        }
        let resource = Self::at(config, head.path())
            .ok_or_else(|| ResourceError::Unknown(unknown_path::why(config, head.path())))?;
        let (allowed, method) = (resource.methods(), head.first(":method").unwrap_or_default());
        if allowed.split(", ").any(|allowed| allowed.as_bytes() == method) {
            Ok(resource)
        } else {
            Err(ResourceError::Method(allowed))
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

/// The dialect in which whoever sent `head` expects to be answered: that of its path if that tells, else its client's.
#[must_use]
pub fn dialect_of(config: &Config, head: &RequestHead) -> Dialect {
    let of = |path: &[u8]| Some(Served::at(core::str::from_utf8(path).ok()?)?.endpoint.dialect());
    let path = head.path();
    if let Some(dialect) = of(path) {
        return dialect;
    }
    let speaker = speaker(head);
    let unsupported = || unknown_path::unsupported(path).map(|(_, dialect, _)| *dialect);
    let meant = || {
        let is_lost = Resource::at(config, path).is_none();
        is_lost.then(|| unknown_path::meant(config, path)).flatten().and_then(|meant| of(meant.as_bytes()))
    };
    let begins = || BEGINNINGS.iter().find(|(start, _)| path.starts_with(start)).map(|(_, dialect)| *dialect);
    meant().or_else(begins).or(speaker).or_else(unsupported).unwrap_or(Dialect::OpenAi)
}

/// Whether a request asks for a WebSocket in place of an answer.
fn is_upgrade(head: &RequestHead) -> bool {
    head.first("upgrade").is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;
    use crate::dialect::{Api, Endpoint};

    fn find(method: &str, path: &str) -> Result<Resource, ResourceError> {
        let config = testing::config(|json| json["endpoints"] = serde_json::json!(["/v1/tokenize"]));
        Resource::find(&config, &RequestHead::from([(":method", method), (":path", path)]))
    }

    fn served(endpoint: Endpoint) -> Result<Resource, ResourceError> {
        Ok(Resource::Endpoint(Served { api: Api::OpenAi, endpoint, model_at: None }))
    }

    #[test]
    fn only_listed_and_configured_paths_are_served() {
        assert_eq!(find("POST", "/v1/chat/completions?x=1"), served(Endpoint::ChatCompletions));
        assert_eq!(find("POST", "/v1/tokenize"), served(Endpoint::Configured));
        assert_eq!(find("HEAD", "/farebox/usage"), Ok(Resource::Usage));
        assert_eq!(find("GET", "/v1/models/vendor%2Fm"), Ok(Resource::Model("vendor/m".into())));
        assert_eq!(find("GET", "/v1beta/models/m"), Ok(Resource::Model("m".into())));
        for path in ["/v1/models", "/v1beta/models", "/openai/v1/models", "/api/tags"] {
            assert_eq!(find("GET", path), Ok(Resource::Models), "{path}");
        }
        assert_eq!(find("POST", "/api/show"), Ok(Resource::Show));
        for (path, why) in [
            ("/", UnknownPath::Unknown),
            ("/v1/models/", UnknownPath::Meant("/v1/models".into())),
            ("/v1/files", UnknownPath::Unsupported("the Files API")),
            ("/v1/chat/completions/", UnknownPath::Meant("/v1/chat/completions".into())),
            ("/V1/models", UnknownPath::Meant("/v1/models".into())),
            ("/v1/tokenize/x", UnknownPath::Unknown),
            ("*", UnknownPath::Unknown),
        ] {
            assert_eq!(find("POST", path), Err(ResourceError::Unknown(why)), "{path}");
        }
    }

    #[test]
    fn a_websocket_is_refused_at_every_path() {
        let config = testing::config(|_| {});
        for path in ["/v1/responses", "/v1/models", "/v1/realtime", "/"] {
            let head = RequestHead::from([
                (":method", "GET"),
                (":path", path),
                ("connection", "Upgrade"),
                ("upgrade", "WebSocket"),
            ]);
            assert_eq!(Resource::find(&config, &head), Err(ResourceError::Upgrade), "{path}");
        }
        // What clients of HTTP/2 send in clear text asks for nothing of this kind.
        let head = RequestHead::from([(":method", "GET"), (":path", "/v1/models"), ("upgrade", "h2c")]);
        assert_eq!(Resource::find(&config, &head), Ok(Resource::Models));
    }

    #[test]
    fn who_asks_for_what_is_not_served_is_told_so_in_the_form_of_the_api_it_speaks() {
        let config = testing::config(|_| {});
        for (path, dialect) in [
            ("/v1/projects/p/locations/l/publishers/google/models/e:predictLongRunning", Dialect::Gemini),
            ("/v1beta1/publishers/google/models/e:rawPredict", Dialect::Gemini),
            ("/v1beta/models", Dialect::Gemini),
            ("/v1beta/cachedContents", Dialect::Gemini),
            ("/v1/interactions", Dialect::Gemini),
            ("/v1/v1beta/models/m:generateContent", Dialect::Gemini),
            ("/v1beta/openai/chat/completions", Dialect::OpenAi),
            ("/v1/messages/batches", Dialect::Anthropic),
            ("/v1/v1/messages", Dialect::Anthropic),
            ("/messages", Dialect::Anthropic),
            ("/model/m/async-invoke", Dialect::Bedrock),
            ("/v2/classify", Dialect::Cohere),
            ("/v1/chat", Dialect::Cohere),
            ("/api/pull", Dialect::Ollama),
            ("/v1/models/ft:gpt:own", Dialect::OpenAi),
            ("/openai/files", Dialect::OpenAi),
            ("/v1/files", Dialect::OpenAi),
            ("/", Dialect::OpenAi),
        ] {
            assert_eq!(dialect_of(&config, &RequestHead::from([(":path", path)])), dialect, "{path}");
        }
    }

    #[test]
    fn where_the_path_does_not_tell_the_clients_headers_do() {
        let config = testing::config(|_| {});
        let anthropic = ("anthropic-version", "2026-10-21");
        for (path, header, dialect) in [
            ("/v1/models", anthropic, Dialect::Anthropic),
            ("/v1/files", anthropic, Dialect::Anthropic),
            ("/nowhere", ("x-goog-api-key", "k"), Dialect::Gemini),
            ("/v1/models", ("user-agent", "cohere/7.3.1"), Dialect::Cohere),
            ("/v1/models", ("user-agent", "OpenAI/Python"), Dialect::OpenAi),
            // The path tells.
            ("/v1/chat/completions", anthropic, Dialect::OpenAi),
            ("/v1beta/models", anthropic, Dialect::Gemini),
        ] {
            let head = RequestHead::from([(":path", path), header]);
            assert_eq!(dialect_of(&config, &head), dialect, "{path} {header:?}");
        }
    }

    #[test]
    fn a_wrong_method_is_answered_with_the_right_ones() {
        assert_eq!(find("GET", "/v1/chat/completions"), Err(ResourceError::Method("POST")));
        assert_eq!(find("GET", "/v1beta/models/m:generateContent"), Err(ResourceError::Method("POST")));
        assert_eq!(find("DELETE", "/v1/models/ft:m"), Err(ResourceError::Method("GET, HEAD")));
        assert_eq!(find("DELETE", "/v1/models"), Err(ResourceError::Method("GET, HEAD")));
    }
}
