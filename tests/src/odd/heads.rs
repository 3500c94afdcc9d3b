//! Decides how the head of a request is made odd: its headers, its query, its path.

use super::endpoints::Endpoint;
use super::world::{BLUE, CHEAP, DEAR, DEAR_SENT, LOCATION, PROJECT, RED};
use super::{chance, pick, word};
use farebox_readers::dice::Dice;

/// What marks a value that no provider may see.
pub const LEAK: &str = "odd-leak";

/// Headers that no provider may see, from whomever.
const NEVER: [&str; 48] = [
    "openai-organization",
    "OpenAI-Project",
    "x-goog-user-project",
    "X-Goog-FieldMask",
    "x-goog-authenticated-user-email",
    "x-goog-iam-authority-selector",
    "cookie",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-client-cert",
    "x-forwarded-for-original",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "proxy-authorization",
    "proxy-connection",
    "x-litellm-api-key",
    "x-litellm-tags",
    "x-portkey-api-key",
    "helicone-auth",
    "x-farebox-cluster",
    "x-farebox-anything",
    "X-FAREBOX-TEAM",
    "x-envoy-original-path",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-internal",
    "x-model",
    "x-amz-security-token",
    "x-amzn-bedrock-guardrailidentifier-x",
    "x-ms-authorization",
    "ocp-apim-subscription-key",
    "x-auth-token",
    "x-access-token",
    "x-user-id",
    "x-team",
    "via",
    "x-odd-thing",
    "authorization-2",
    "x-api-key-2",
    "api_key",
    "x_api_key",
    "set-cookie",
    "location",
    "destination",
];

/// Names of queries that no provider may see.
const QUERIES: [&str; 26] = [
    "fields",
    "$fields",
    "%24fields",
    "f%69elds",
    "callback",
    "access_token",
    "oauth_token",
    "api_key",
    "api-key",
    "quotaUser",
    "userProject",
    "$userProject",
    "$.xgafv",
    "uploadType",
    "upload_protocol",
    "model",
    "deployment-id",
    "organization",
    "project",
    "stream",
    "max_tokens",
    "$alt",
    "%61lt",
    "ALT",
    "",
    "x-odd",
];

/// Adds odd headers. Says what it did.
pub fn odd_headers(dice: &mut Dice, headers: &mut Vec<(String, String)>) -> &'static str {
    match dice.below(8) {
        0..=3 => {
            for _ in 0..=dice.below(3) {
                let name = *pick(dice, &NEVER);
                let value = match dice.below(4) {
                    0 => format!("{LEAK} {BLUE}"),
                    1 => format!("https://{LEAK}.example.net/v1/files"),
                    _ => format!("{LEAK}={DEAR_SENT}"),
                };
                headers.push((name.to_owned(), value));
            }
            "headers that stay here"
        }
        4 => {
            let name = *pick(dice, &["x-api-key", "api-key", "x-goog-api-key", "Authorization", "X-Api-Key"]);
            let value = *pick(dice, &[RED, BLUE, "sk-odd-leak", "Bearer odd-leak", "Basic b2RkLWxlYWs=", ""]);
            headers.push((name.to_owned(), value.to_owned()));
            "two credentials"
        }
        5 => {
            let name = *pick(dice, &["x-farebox-agent", "x-litellm-agent-id", "baggage", "X-Farebox-Agent"]);
            let value = if name == "baggage" { "gen_ai.agent.name=vip-1" } else { "vip-1" };
            headers.push((name.to_owned(), value.to_owned()));
            "the claim to be an agent"
        }
        6 => {
            let all = ["x-odd-hop", "authorization", "content-length", "close", "keep-alive", "x-api-key"];
            headers.push(("connection".to_owned(), (*pick(dice, &all)).to_owned()));
            headers.push(("x-odd-hop".to_owned(), LEAK.to_owned()));
            "a connection header"
        }
        _ => {
            let pairs = [
                ("content-encoding", "gzip"),
                ("content-encoding", "identity"),
                ("accept", "application/x-protobuf"),
                ("accept-encoding", "gzip, br, zstd"),
                ("accept-encoding", "identity;q=0, gzip"),
                ("te", "trailers"),
                ("expect", "100-continue"),
                ("range", "bytes=0-1"),
                ("if-none-match", "*"),
                ("x-envoy-max-retries", "5"),
                ("x-envoy-retry-on", "5xx,retriable-4xx"),
                ("x-envoy-upstream-rq-timeout-ms", "1"),
                ("x-envoy-hedge-on-per-try-timeout", "true"),
                ("prefer", "respond-async"),
                ("max-forwards", "0"),
            ];
            let (name, value) = *pick(dice, &pairs);
            headers.push((name.to_owned(), value.to_owned()));
            "a header that changes the answer"
        }
    }
}

/// An odd query. Says what it did.
pub fn odd_query(dice: &mut Dice, endpoint: &Endpoint, key: &str) -> (String, &'static str) {
    match dice.below(6) {
        0 => {
            let name = *pick(dice, &["key", "Key", "%6bey", "api_key", "access_token", "x"]);
            (format!("{name}={key}"), "the caller's key in the query")
        }
        1 => {
            let name = *pick(dice, &["key", "k%65y", "$key"]);
            (format!("{name}={LEAK}"), "a stranger's key in the query")
        }
        2 => {
            let value = *pick(dice, &["proto", "media", "json", "sse", "SSE", "%73se", ""]);
            let name = *pick(dice, &["alt", "$alt", "%61lt", "alt;x"]);
            let alt = format!("{name}={value}");
            (if chance(dice, 40) { format!("{alt}&alt=sse") } else { alt }, "a form of the answer")
        }
        3 => {
            let good = if endpoint.home == "azure" { "api-version=2026-01-01" } else { "beta=true" };
            let separator = *pick(dice, &["&", ";", "&&", "&=&", "?"]);
            (format!("{good}{separator}{}={LEAK}", pick(dice, &QUERIES)), "a query with separators")
        }
        _ => (format!("{}={LEAK}", pick(dice, &QUERIES)), "a query that stays here"),
    }
}

/// An odd path. Says what it did.
pub fn odd_path(dice: &mut Dice, endpoint: &Endpoint, model: &str) -> (String, &'static str) {
    let path = endpoint.path_for(model);
    let named = endpoint.path.contains("{m}");
    match dice.below(if named { 12 } else { 7 }) {
        0 => (path.replacen('/', "//", 1), "a double slash"),
        1 => (path.replacen("/v1", "/v1/.", 1) + "/", "a dot or a slash at the end"),
        2 => (format!("{path}/../files"), "two dots"),
        3 => (format!("/x/..{path}"), "two dots in front"),
        4 => {
            let at = path.rfind('/').unwrap_or_default();
            (format!("{}%2f{}", &path[..at], &path[at + 1..]), "an encoded slash")
        }
        5 => {
            let all = [
                "/v1/files",
                "/v1/batches",
                "/v1/fine_tuning/jobs",
                "/v1/organization/costs",
                "/v1/models/../files",
                "/v1beta/files",
                "/v1beta/models/tiny:batchGenerateContent",
                "/api/pull",
                "/api/create",
                "/model/tiny/async-invoke",
                "/openai/deployments/tiny",
                "/openai/files",
                "/v1/models/tiny%2f..%2f..%2ffiles",
                "/v1/threads",
                "/props",
                "/slots",
            ];
            ((*pick(dice, &all)).to_owned(), "another path")
        }
        6 => {
            let all = ["#x", "%00", ";x=y", "%20", "\\..\\files", "%3fkey=odd-leak", "%2e%2e"];
            (format!("{path}{}", pick(dice, &all)), "something after the path")
        }
        7 if endpoint.home == "vertex" => {
            let (mut path, other) = (path, chance(dice, 50));
            if other {
                path = path.replace(PROJECT, "odd-leak-project");
            } else {
                path = path.replace(LOCATION, "odd-leak1");
            }
            (path, "another project or place")
        }
        7 | 8 => {
            let all = [
                "..",
                "%2e%2e",
                "tiny%2f..%2fhuge",
                "..%2f..%2fadmin",
                "b%2F..%2f..%2fadmin",
                "tiny%00",
                "tiny%252f..%252fx",
                ".",
                "%2e",
                "tiny%5c..%5chuge",
                "tiny%2f",
                "%2ftiny",
                "tiny;x",
                "tiny%3fkey=1",
                "tiny%23",
                "tiny%0d%0ax:y",
                "tiny%20",
                "tiny..",
                "%",
            ];
            (endpoint.path_for(word(dice, &all)), "a model that leads elsewhere")
        }
        9 => {
            let escape = |letter: char| format!("%{:02x}", u32::from(letter));
            let name: String = model
                .chars()
                .enumerate()
                .map(|(at, letter)| if at % 2 == 0 { escape(letter) } else { letter.into() })
                .collect();
            (endpoint.path_for(&name), "a model with escapes")
        }
        10 => {
            let all = [
                "openai/tiny-sent",
                "gemini%2Fhuge-sent",
                "models%2Ftiny",
                "TINY",
                "tiny@latest",
                "tiny-sent",
                "huge-sent",
                "projects%2Fx",
            ];
            (endpoint.path_for(word(dice, &all)), "another name for a model")
        }
        _ => (endpoint.path_for(if model == CHEAP { DEAR } else { CHEAP }), "the other model"),
    }
}
