//! Decides what is said about a path at which nothing is: the one that was meant, or which API is not served here.
//!
//! Nearly everybody who asks for such a path has set up a base URL with one version too many or too few. Clients show a 404
//! as if there were no such model, so the message must name the path.
//!
//! Only paths that are served are ever named, so that nobody is sent from one 404 to the next.

use super::known::Resource;
use crate::config::Config;
use crate::dialect::Dialect;

/// Why nothing is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownPath {
    /// Nobody knows why.
    Unknown,
    /// This path was meant.
    Meant(String),
    /// It belongs to this API, which is not served.
    Unsupported(&'static str),
}

/// What a base URL may end with, wanted or not.
const ROOTS: [&str; 6] = ["v1", "v1beta", "v1beta1", "v2", "openai", "api"];
/// What stands before the rest of a path that is served, in the order in which it is tried.
const BEGINNINGS: [&str; 5] = ["/v1", "/v1beta", "/v2", "/api", ""];
/// A path that is longer than this is not worth being told again.
const PATH_BYTES: usize = 256;

/// APIs that are known and not served: what their paths begin with, whose they are, and what people call them.
pub const UNSUPPORTED: [(&str, Dialect, &str); 11] = [
    ("/v1/interactions", Dialect::Gemini, "Gemini's Interactions API"),
    ("/v1beta/interactions", Dialect::Gemini, "Gemini's Interactions API"),
    ("/v1/chat", Dialect::Cohere, "version 1 of Cohere's API: use /v2/chat"),
    ("/v1/generate", Dialect::Cohere, "version 1 of Cohere's API: use /v2/chat"),
    ("/v1/messages/batches", Dialect::Anthropic, "Anthropic's Message Batches API"),
    ("/v1/files", Dialect::OpenAi, "the Files API"),
    ("/v1/batches", Dialect::OpenAi, "the Batch API"),
    ("/v1/realtime", Dialect::OpenAi, "the Realtime API"),
    ("/v1/assistants", Dialect::OpenAi, "the Assistants API"),
    ("/v1/threads", Dialect::OpenAi, "the Assistants API"),
    ("/v1/fine_tuning", Dialect::OpenAi, "the Fine-tuning API"),
];

/// Why nothing is at `path`.
pub(super) fn why(config: &Config, path: &[u8]) -> UnknownPath {
    let unsupported = unsupported(path);
    // `/v1/chat` is Cohere's, and `/v1/chat/completions/` is not.
    let is_whole = unsupported.is_some_and(|(start, ..)| start.as_bytes() == path);
    let meant = if is_whole { None } else { meant(config, path) };
    match (meant, unsupported) {
        (Some(meant), _) => UnknownPath::Meant(meant),
        (None, Some((.., name))) => UnknownPath::Unsupported(name),
        (None, None) => UnknownPath::Unknown,
    }
}

/// The row of an API that is known and not served, if `path` is one of its paths.
pub(super) fn unsupported(path: &[u8]) -> Option<&'static (&'static str, Dialect, &'static str)> {
    UNSUPPORTED.iter().find(|(start, ..)| {
        path.strip_prefix(start.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    })
}

/// A path that is served, of which `path` is a misspelling: with versions too many or too few, or slashes.
pub(super) fn meant(config: &Config, path: &[u8]) -> Option<String> {
    let path = core::str::from_utf8(path).ok().filter(|path| path.len() <= PATH_BYTES)?;
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_root = |segment: &&str| ROOTS.iter().any(|root| root.eq_ignore_ascii_case(segment));
    let roots = segments.iter().take_while(|segment| is_root(segment)).count();
    let (before, rest) = segments.split_at_checked(roots).filter(|(_, rest)| !rest.is_empty())?;
    let before: Vec<String> = before.iter().map(|root| root.to_ascii_lowercase()).collect();
    let rest = format!("/{}", rest.join("/"));
    // Azure's paths may have a version behind their beginning; elsewhere the last one counts.
    let azure = before.first().is_some_and(|root| root == "openai");
    let azure = azure.then_some(["/openai/v1", "/openai"]).into_iter().flatten().map(str::to_owned);
    let last = before.last().map(|root| format!("/{root}"));
    let beginnings = azure.chain(last).chain(BEGINNINGS.map(str::to_owned));
    beginnings
        .map(|beginning| beginning + &rest)
        .find(|candidate| candidate != path && Resource::at(config, candidate.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;

    #[test]
    fn a_base_url_with_a_version_too_many_or_too_few_is_told_the_path_that_was_meant() {
        let config = testing::config(|_| {});
        for (path, expected) in [
            ("/v1/v1/chat/completions", "/v1/chat/completions"),
            ("/chat/completions", "/v1/chat/completions"),
            ("/v1/chat/completions/", "/v1/chat/completions"),
            ("//v1/chat/completions", "/v1/chat/completions"),
            ("/V1/chat/completions", "/v1/chat/completions"),
            ("/v1beta/openai/chat/completions", "/v1/chat/completions"),
            ("/api/v1/chat/completions", "/v1/chat/completions"),
            ("/openai/v1/v1/chat/completions", "/openai/v1/chat/completions"),
            ("/v1/openai/v1/responses", "/v1/responses"),
            ("/responses", "/v1/responses"),
            ("/v1/v1/messages", "/v1/messages"),
            ("/messages", "/v1/messages"),
            ("/messages/count_tokens", "/v1/messages/count_tokens"),
            ("/v1beta/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
            ("/v1/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
            ("/models/m:generateContent", "/v1/models/m:generateContent"),
            ("/v1/v2/chat", "/v2/chat"),
            ("/v1/api/chat", "/api/chat"),
            ("/v1/api/tags", "/api/tags"),
            ("/models", "/v1/models"),
            ("/v1/v1/models", "/v1/models"),
            ("/v1/model/m/converse", "/model/m/converse"),
        ] {
            assert_eq!(Resource::at(&config, path.as_bytes()), None, "{path}");
            assert_eq!(meant(&config, path.as_bytes()).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_is_not_answered_with_a_guess() {
        let config = testing::config(|_| {});
        let long = format!("/v1/v1/models/{}", "m".repeat(300));
        for path in ["/", "/v1", "/v1/v1", "", "*", "/v1/files", "/v1/tokenize", "/admin", &long] {
            assert_eq!(meant(&config, path.as_bytes()), None, "{path}");
        }
        assert_eq!(meant(&config, b"/v1/v1/models/\xff"), None);
    }

    #[test]
    fn an_api_that_is_not_served_is_named_unless_another_path_was_meant() {
        let config = testing::config(|_| {});
        let why = |path: &str| why(&config, path.as_bytes());
        assert!(matches!(why("/v1/chat"), UnknownPath::Unsupported(name) if name.contains("/v2/chat")));
        assert_eq!(why("/v1/chat/completions/"), UnknownPath::Meant("/v1/chat/completions".into()));
        assert_eq!(why("/v1/interactions/i-1"), UnknownPath::Unsupported("Gemini's Interactions API"));
        assert_eq!(why("/nowhere"), UnknownPath::Unknown);
    }

    #[test]
    fn an_api_that_is_not_served_is_known_by_its_paths_and_no_others() {
        let name = |path: &str| unsupported(path.as_bytes()).map(|(_, dialect, _)| *dialect);
        assert_eq!(name("/v1/interactions"), Some(Dialect::Gemini));
        assert_eq!(name("/v1/chat"), Some(Dialect::Cohere));
        assert_eq!(name("/v1/files/file-1/content"), Some(Dialect::OpenAi));
        assert_eq!(name("/v1/chatter"), None);
        assert_eq!(name("/v2/chat"), None);
    }
}
