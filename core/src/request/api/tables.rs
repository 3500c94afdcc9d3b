//! What passes whatever the API, and what never does. What one API has besides is in its file in `dialect/`.

use crate::dialect::headers::{Headers, headers};

/// Request headers that go on whatever the API.
pub(crate) static EVERY_REQUEST: Headers = headers!(
    [
        "accept" as b"accept", "accept-encoding" as b"accept-encoding", "accept-language" as b"accept-language",
        "content-length" as b"content-length", "content-type" as b"content-type",
        "idempotency-key" as b"idempotency-key", "traceparent" as b"traceparent", "tracestate" as b"tracestate",
        "transfer-encoding" as b"transfer-encoding", "user-agent" as b"user-agent",
        "x-client-request-id" as b"x-client-request-id", "x-forwarded-proto" as b"x-forwarded-proto",
        "x-request-id" as b"x-request-id",
    ],
    ["x-stainless-*" as b"x-stainless-"],
);

/// Response headers that come back whatever the API.
pub(super) static EVERY_RESPONSE: Headers = headers!(
    [
        "access-control-expose-headers" as b"access-control-expose-headers", "age" as b"age",
        "cache-control" as b"cache-control", "content-disposition" as b"content-disposition",
        "content-encoding" as b"content-encoding", "content-language" as b"content-language",
        "content-length" as b"content-length", "content-type" as b"content-type", "date" as b"date",
        "etag" as b"etag", "expires" as b"expires", "last-modified" as b"last-modified",
        "request-id" as b"request-id", "retry-after" as b"retry-after", "retry-after-ms" as b"retry-after-ms",
        "server" as b"server", "server-timing" as b"server-timing",
        "strict-transport-security" as b"strict-transport-security", "transfer-encoding" as b"transfer-encoding",
        "vary" as b"vary", "via" as b"via", "x-content-type-options" as b"x-content-type-options",
        "x-request-id" as b"x-request-id", "x-should-retry" as b"x-should-retry",
        "x-envoy-upstream-service-time" as b"x-envoy-upstream-service-time",
    ],
    ["ratelimit-*" as b"ratelimit-", "x-ratelimit-*" as b"x-ratelimit-"],
);

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
