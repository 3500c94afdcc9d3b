//! The tables. A name that ends with `*` stands for all that begin so; names are in lower case.
//!
//! Sources: the API references of the providers, and what their official SDKs and common agents send.

use crate::dialect::Api;

/// Names of headers.
#[derive(Debug)]
pub struct Headers {
    /// All of them; a `*` ends a beginning.
    pub names: &'static [&'static str],
    /// Whether a name is one of those that are whole.
    is_whole: fn(&[u8]) -> bool,
    /// The beginnings, without their `*`.
    starts: &'static [&'static [u8]],
}

impl Headers {
    /// Whether `name`, in lower case, is one of them.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        (self.is_whole)(name) || self.starts.iter().any(|start| name.starts_with(start))
    }
}

/// Headers by their names and beginnings. A name is found by its letters, one after the other: every request has some forty
/// headers that are looked for here.
macro_rules! headers {
    ([$($name:literal as $bytes:literal),* $(,)?], [$($start:literal as $begins:literal),* $(,)?]) => {
        Headers {
            names: &[$($name,)* $($start,)*],
            is_whole: |name| match name {
                $($bytes => true,)*
                _ => false,
            },
            starts: &[$($begins,)*],
        }
    };
}

/// What of a request's head goes on to a provider of an API, and what of its answer's head comes back, besides what does
/// for every API.
#[derive(Debug)]
pub struct Table {
    /// Query parameters, each with the values that it may have; none: any.
    pub query: &'static [(&'static str, &'static [&'static str])],
    /// Request headers.
    pub request_headers: Headers,
    /// Response headers.
    pub response_headers: Headers,
}

/// Request headers that go on whatever the API.
pub(crate) static EVERY_REQUEST: Headers = headers!(["accept" as b"accept", "accept-encoding" as b"accept-encoding", "accept-language" as b"accept-language", "content-length" as b"content-length", "content-type" as b"content-type", "idempotency-key" as b"idempotency-key", "traceparent" as b"traceparent", "tracestate" as b"tracestate", "transfer-encoding" as b"transfer-encoding", "user-agent" as b"user-agent", "x-client-request-id" as b"x-client-request-id", "x-forwarded-proto" as b"x-forwarded-proto", "x-request-id" as b"x-request-id"], ["x-stainless-*" as b"x-stainless-"]);

/// Response headers that come back whatever the API.
pub(super) static EVERY_RESPONSE: Headers = headers!(["access-control-expose-headers" as b"access-control-expose-headers", "age" as b"age", "cache-control" as b"cache-control", "content-disposition" as b"content-disposition", "content-encoding" as b"content-encoding", "content-language" as b"content-language", "content-length" as b"content-length", "content-type" as b"content-type", "date" as b"date", "etag" as b"etag", "expires" as b"expires", "last-modified" as b"last-modified", "request-id" as b"request-id", "retry-after" as b"retry-after", "retry-after-ms" as b"retry-after-ms", "server" as b"server", "server-timing" as b"server-timing", "strict-transport-security" as b"strict-transport-security", "transfer-encoding" as b"transfer-encoding", "vary" as b"vary", "via" as b"via", "x-content-type-options" as b"x-content-type-options", "x-request-id" as b"x-request-id", "x-should-retry" as b"x-should-retry", "x-envoy-upstream-service-time" as b"x-envoy-upstream-service-time"], ["ratelimit-*" as b"ratelimit-", "x-ratelimit-*" as b"x-ratelimit-"]);

/// Names that no configuration can let pass to a provider: they belong to the connection, to Envoy or to the gateway, or
/// say in whose name a request is made.
pub const NEVER_PASSED: &[&str] = &[
    ":*",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "keep-alive",
    "proxy-*",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-envoy-*",
    "x-farebox-*",
    "x-http-method*",
    "x-method-override",
];

static OPENAI: Table = Table {
    query: &[],
    request_headers: headers!(["conversation_id" as b"conversation_id", "http-referer" as b"http-referer", "openai-beta" as b"openai-beta", "originator" as b"originator", "session-id" as b"session-id", "session_id" as b"session_id", "thread-id" as b"thread-id", "version" as b"version", "x-openai-subagent" as b"x-openai-subagent", "x-session-affinity" as b"x-session-affinity", "x-title" as b"x-title"], ["x-codex-*" as b"x-codex-"]),
    response_headers: headers!(["cf-ray" as b"cf-ray", "openai-model" as b"openai-model", "openai-processing-ms" as b"openai-processing-ms", "openai-version" as b"openai-version"], ["groq-*" as b"groq-", "mistral-*" as b"mistral-", "x-groq-*" as b"x-groq-"]),
};

static AZURE: Table = Table {
    query: &[("api-version", &[])],
    request_headers: headers!(["openai-beta" as b"openai-beta", "x-ms-client-request-id" as b"x-ms-client-request-id", "x-ms-useragent" as b"x-ms-useragent"], []),
    response_headers: headers!(["apim-request-id" as b"apim-request-id", "azureml-model-session" as b"azureml-model-session", "openai-model" as b"openai-model", "openai-processing-ms" as b"openai-processing-ms", "openai-version" as b"openai-version", "x-ms-client-request-id" as b"x-ms-client-request-id", "x-ms-deployment-name" as b"x-ms-deployment-name", "x-ms-is-spilled-over" as b"x-ms-is-spilled-over", "x-ms-rai-invoked" as b"x-ms-rai-invoked", "x-ms-region" as b"x-ms-region"], []),
};

static ANTHROPIC: Table = Table {
    query: &[("beta", &["true", "false"])],
    request_headers: headers!(["anthropic-beta" as b"anthropic-beta", "anthropic-dangerous-direct-browser-access" as b"anthropic-dangerous-direct-browser-access", "anthropic-version" as b"anthropic-version", "http-referer" as b"http-referer", "x-app" as b"x-app", "x-title" as b"x-title"], ["x-claude-code-*" as b"x-claude-code-"]),
    response_headers: headers!(["anthropic-beta" as b"anthropic-beta", "anthropic-processing-ms" as b"anthropic-processing-ms", "anthropic-version" as b"anthropic-version", "cf-ray" as b"cf-ray"], ["anthropic-ratelimit-*" as b"anthropic-ratelimit-"]),
};

static GEMINI: Table = Table {
    query: &[("alt", &["sse", "json"])],
    request_headers: headers!(["x-goog-api-client" as b"x-goog-api-client", "x-server-timeout" as b"x-server-timeout"], []),
    response_headers: headers!(["server-timing" as b"server-timing", "x-gemini-service-tier" as b"x-gemini-service-tier"], []),
};

static VERTEX: Table = Table {
    query: &[("alt", &["sse", "json"])],
    request_headers: headers!(["anthropic-beta" as b"anthropic-beta", "anthropic-version" as b"anthropic-version", "x-goog-api-client" as b"x-goog-api-client", "x-server-timeout" as b"x-server-timeout"], []),
    response_headers: headers!(["x-gemini-service-tier" as b"x-gemini-service-tier"], ["anthropic-*" as b"anthropic-", "x-vertex-ai-*" as b"x-vertex-ai-"]),
};

static BEDROCK: Table = Table {
    query: &[],
    request_headers: headers!(["amz-sdk-invocation-id" as b"amz-sdk-invocation-id", "amz-sdk-request" as b"amz-sdk-request", "x-amz-user-agent" as b"x-amz-user-agent", "x-amzn-bedrock-accept" as b"x-amzn-bedrock-accept", "x-amzn-bedrock-guardrailidentifier" as b"x-amzn-bedrock-guardrailidentifier", "x-amzn-bedrock-guardrailversion" as b"x-amzn-bedrock-guardrailversion", "x-amzn-bedrock-trace" as b"x-amzn-bedrock-trace"], []),
    response_headers: headers!(["x-amzn-errortype" as b"x-amzn-errortype", "x-amzn-requestid" as b"x-amzn-requestid"], ["x-amzn-bedrock-*" as b"x-amzn-bedrock-"]),
};

static COHERE: Table = Table {
    query: &[],
    request_headers: headers!(["x-client-name" as b"x-client-name"], ["x-fern-*" as b"x-fern-"]),
    response_headers: headers!(["num_chars" as b"num_chars", "num_tokens" as b"num_tokens", "x-api-warning" as b"x-api-warning", "x-debug-trace-id" as b"x-debug-trace-id", "x-endpoint-monthly-call-limit" as b"x-endpoint-monthly-call-limit"], []),
};

static OLLAMA: Table =
    Table { query: &[], request_headers: headers!([], []), response_headers: headers!([], []) };

/// The table of an API.
pub(super) fn of(api: Api) -> &'static Table {
    match api {
        Api::OpenAi => &OPENAI,
        Api::Azure => &AZURE,
        Api::Anthropic => &ANTHROPIC,
        Api::Gemini => &GEMINI,
        Api::Vertex => &VERTEX,
        Api::Bedrock => &BEDROCK,
        Api::Cohere => &COHERE,
        Api::Ollama => &OLLAMA,
    }
}
