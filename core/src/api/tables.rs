//! The tables. A name that ends with `*` stands for all that begin so; names are in lower case.
//!
//! Sources: the API references of the providers, and what their official SDKs and common agents send.

use crate::dialect::Api;

/// What of a request's head goes on to a provider of an API, and what of its answer's head comes back, besides what does
/// for every API.
#[derive(Debug)]
pub struct Table {
    /// Query parameters, each with the values that it may have; none: any.
    pub query: &'static [(&'static str, &'static [&'static str])],
    /// Request headers.
    pub request_headers: &'static [&'static str],
    /// Response headers.
    pub response_headers: &'static [&'static str],
}

/// Request headers that go on whatever the API.
pub(super) const EVERY_REQUEST: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "content-length",
    "content-type",
    "idempotency-key",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "x-client-request-id",
    "x-forwarded-proto",
    "x-request-id",
    "x-stainless-*",
];

/// Response headers that come back whatever the API.
pub(super) const EVERY_RESPONSE: &[&str] = &[
    "access-control-expose-headers",
    "age",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "ratelimit-*",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "server",
    "server-timing",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "via",
    "x-content-type-options",
    "x-ratelimit-*",
    "x-request-id",
    "x-should-retry",
    "x-envoy-upstream-service-time",
];

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

const OPENAI: Table = Table {
    query: &[],
    request_headers: &[
        "conversation_id",
        "http-referer",
        "openai-beta",
        "originator",
        "session-id",
        "session_id",
        "thread-id",
        "version",
        "x-codex-*",
        "x-openai-subagent",
        "x-session-affinity",
        "x-title",
    ],
    response_headers: &[
        "cf-ray",
        "groq-*",
        "mistral-*",
        "openai-model",
        "openai-processing-ms",
        "openai-version",
        "x-groq-*",
    ],
};

const AZURE: Table = Table {
    query: &[("api-version", &[])],
    request_headers: &["openai-beta", "x-ms-client-request-id", "x-ms-useragent"],
    response_headers: &[
        "apim-request-id",
        "azureml-model-session",
        "openai-model",
        "openai-processing-ms",
        "openai-version",
        "x-ms-client-request-id",
        "x-ms-deployment-name",
        "x-ms-is-spilled-over",
        "x-ms-rai-invoked",
        "x-ms-region",
    ],
};

const ANTHROPIC: Table = Table {
    query: &[("beta", &["true", "false"])],
    request_headers: &[
        "anthropic-beta",
        "anthropic-dangerous-direct-browser-access",
        "anthropic-version",
        "http-referer",
        "x-app",
        "x-claude-code-*",
        "x-title",
    ],
    response_headers: &[
        "anthropic-beta",
        "anthropic-processing-ms",
        "anthropic-ratelimit-*",
        "anthropic-version",
        "cf-ray",
    ],
};

const GEMINI: Table = Table {
    query: &[("alt", &["sse", "json"])],
    request_headers: &["x-goog-api-client", "x-server-timeout"],
    response_headers: &["server-timing", "x-gemini-service-tier"],
};

const VERTEX: Table = Table {
    query: &[("alt", &["sse", "json"])],
    request_headers: &["anthropic-beta", "anthropic-version", "x-goog-api-client", "x-server-timeout"],
    response_headers: &["anthropic-*", "x-gemini-service-tier", "x-vertex-ai-*"],
};

const BEDROCK: Table = Table {
    query: &[],
    request_headers: &[
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "x-amz-user-agent",
        "x-amzn-bedrock-accept",
        "x-amzn-bedrock-guardrailidentifier",
        "x-amzn-bedrock-guardrailversion",
        "x-amzn-bedrock-trace",
    ],
    response_headers: &["x-amzn-bedrock-*", "x-amzn-errortype", "x-amzn-requestid"],
};

const COHERE: Table = Table {
    query: &[],
    request_headers: &["x-client-name", "x-fern-*"],
    response_headers: &[
        "num_chars",
        "num_tokens",
        "x-api-warning",
        "x-debug-trace-id",
        "x-endpoint-monthly-call-limit",
    ],
};

const OLLAMA: Table = Table { query: &[], request_headers: &[], response_headers: &[] };

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
