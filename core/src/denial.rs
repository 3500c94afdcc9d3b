//! Decides what a caller is told when its request is not sent: status, headers and a body in its dialect.
//!
//! Client SDKs act on these before any person reads them. Official ones retry 429 and 5xx, and some sleep for as long as
//! `retry-after` says, an hour if need be; `x-should-retry: false` makes all of them give up at once. So a refusal that
//! will be the same a minute later says so, and one that will not says when.
//!
//! This list is closed: nothing else is said to a client, and nothing here tells amounts, limits, secrets or other names.

use std::borrow::Cow;
use std::rc::Rc;

use crate::ask::AskError;
use crate::config::{Account, Config, Dimension};
use crate::dialect::Dialect;
use crate::identity::IdentityError;
use crate::ledger::StoreError;
use crate::pending::Crowd;
use crate::place::Lost;
use crate::route::RouteError;
use crate::text::push_json_string;
use crate::window::Millis;

/// Resets nearer than this are worth waiting for, in milliseconds: SDKs then wait and succeed.
const WORTH_WAITING_MS: u64 = 60_000;

/// Why a request is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The caller is not let in.
    Identity(IdentityError),
    /// The path is not served, and why.
    UnknownEndpoint(Lost),
    /// A WebSocket is asked for.
    Upgrade,
    /// The path is served with another method.
    Method(&'static str),
    /// The body cannot be understood.
    Body(AskError),
    /// The body is larger than this many bytes.
    TooLarge(usize),
    /// The body did not come in time.
    TooSlow,
    /// Too many bytes of bodies that are not complete are kept already.
    Crowded(Crowd),
    /// The key has had too many tokens counted; milliseconds until it may again.
    Counts(u64),
    /// The request has nowhere to go.
    Route(RouteError),
    /// The model has no price and the configuration wants one.
    Unpriced(String),
    /// A budget has no room.
    Budget {
        /// The budget as it holds for the caller.
        account: Rc<Account>,
        /// What is missing.
        lack: Lack,
        /// When its counter starts again, if ever.
        resets_at: Option<Millis>,
        /// The status to say it with.
        status: u16,
    },
    /// A budget is counted by something that the request does not say.
    Unnamed(Dimension),
    /// A page is asked for in a way that it does not have.
    Query(String),
    /// A page is asked for about a team or a key that is not there.
    UnknownSubject(String),
    /// A page is asked for that only admin keys get.
    AdminOnly,
    /// The provider did not accept the gateway's own credential.
    ProviderRefused,
    /// The provider has told an error as if it were an answer: with the status that it should have had, and its words.
    ProviderError(u16, Option<String>),
    /// No provider has answered: what Envoy says about it.
    Unanswered(u16),
    /// The provider sends the caller elsewhere.
    ProviderRedirected,
    /// No limit can be kept, because the counters cannot be used.
    Store(StoreError),
    /// The Envoy around this filter does not do what it needs.
    HostUnsupported,
}

/// What a request misses in a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Room, until the budget starts again.
    Room,
    /// Room, until another request ends.
    Turn,
    /// Room, for ever: it is larger than the budget.
    Size,
    /// A slot for its subject.
    Slot,
}

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, `content-type` among them.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Body.
    pub body: String,
}

impl Denial {
    /// A refusal by the budget of `account` at `now`.
    #[must_use]
    pub fn budget(config: &Config, account: Rc<Account>, lack: Lack, now: Millis) -> Self {
        let resets_at = account.budget.window.resets_at(now);
        Self::Budget { account, lack, resets_at, status: config.budget_status }
    }

    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Identity(IdentityError::Several(..) | IdentityError::Repeated(_)) | Self::Body(_) => 400,
            Self::Identity(_) => 401,
            // Claude Code says of every 404 that there is no such model, and shows no message.
            Self::UnknownEndpoint(Lost::Meant(path)) if path.starts_with("/v1/messages") => 400,
            Self::UnknownEndpoint(_) | Self::UnknownSubject(_) => 404,
            Self::Upgrade => 426,
            Self::Method(_) => 405,
            Self::TooLarge(_) => 413,
            Self::TooSlow => 408,
            Self::Crowded(Crowd::Key) | Self::Counts(_) => 429,
            Self::Crowded(Crowd::All) => 503,
            Self::Route(RouteError::NoModel | RouteError::NotServed { .. })
            | Self::Unnamed(_)
            | Self::Query(_) => 400,
            Self::Route(RouteError::NotAllowed { .. }) | Self::Unpriced(_) | Self::AdminOnly => 403,
            Self::Route(RouteError::Unknown { .. }) => 404,
            Self::Route(RouteError::Unavailable { .. }) | Self::Store(_) | Self::HostUnsupported => 503,
            Self::Unanswered(status) | Self::ProviderError(status, _) => *status,
            Self::ProviderRefused | Self::ProviderRedirected => 502,
            // Waiting helps, and 402 says that it does not.
            Self::Budget { lack: Lack::Turn, .. } => 429,
            Self::Budget { status, .. } => *status,
        }
    }

    /// Every reason, for metrics.
    pub const REASONS: [&'static str; 34] = [
        "missing_key",
        "duplicate_credentials",
        "invalid_key",
        "key_disabled",
        "key_expired",
        "unknown_endpoint",
        "upgrade_refused",
        "method_not_allowed",
        "invalid_body",
        "body_too_large",
        "body_timeout",
        "pending_bodies_of_key",
        "pending_bodies",
        "count_requests",
        "model_not_allowed",
        "model_not_found",
        "endpoint_not_served",
        "provider_unavailable",
        "missing_model",
        "unpriced_model",
        "budget",
        "budget_concurrency",
        "budget_size",
        "budget_slots",
        "unnamed_subject",
        "invalid_query",
        "unknown_subject",
        "admin_only",
        "provider_refused",
        "provider_error",
        "no_answer",
        "provider_redirected",
        "store_unavailable",
        "host_unsupported",
    ];

    /// The reason as one word: `x-farebox-denied`, the record and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Identity(IdentityError::Missing) => "missing_key",
            Self::Identity(IdentityError::Several(..) | IdentityError::Repeated(_)) => {
                "duplicate_credentials"
            }
            Self::Identity(IdentityError::Invalid) => "invalid_key",
            Self::Identity(IdentityError::Disabled) => "key_disabled",
            Self::Identity(IdentityError::Expired) => "key_expired",
            Self::UnknownEndpoint(_) => "unknown_endpoint",
            Self::Upgrade => "upgrade_refused",
            Self::Method(_) => "method_not_allowed",
            Self::Body(_) => "invalid_body",
            Self::TooLarge(_) => "body_too_large",
            Self::TooSlow => "body_timeout",
            Self::Crowded(Crowd::Key) => "pending_bodies_of_key",
            Self::Crowded(Crowd::All) => "pending_bodies",
            Self::Counts(_) => "count_requests",
            Self::Route(RouteError::NoModel) => "missing_model",
            Self::Route(RouteError::NotAllowed { .. }) => "model_not_allowed",
            Self::Route(RouteError::Unknown { .. }) => "model_not_found",
            Self::Route(RouteError::NotServed { .. }) => "endpoint_not_served",
            Self::Route(RouteError::Unavailable { .. }) => "provider_unavailable",
            Self::Unpriced(_) => "unpriced_model",
            Self::Budget { lack: Lack::Room, .. } => "budget",
            Self::Budget { lack: Lack::Turn, .. } => "budget_concurrency",
            Self::Budget { lack: Lack::Size, .. } => "budget_size",
            Self::Budget { lack: Lack::Slot, .. } => "budget_slots",
            Self::Unnamed(_) => "unnamed_subject",
            Self::Query(_) => "invalid_query",
            Self::UnknownSubject(_) => "unknown_subject",
            Self::AdminOnly => "admin_only",
            Self::ProviderRefused => "provider_refused",
            Self::ProviderError(..) => "provider_error",
            Self::Unanswered(_) => "no_answer",
            Self::ProviderRedirected => "provider_redirected",
            Self::Store(_) => "store_unavailable",
            Self::HostUnsupported => "host_unsupported",
        }
    }

    /// The name of the budget that refused, if one did.
    #[must_use]
    pub fn budget_name(&self) -> Option<&str> {
        if let Self::Budget { account, .. } = self { Some(&account.budget.name) } else { None }
    }

    /// The reply to a caller that speaks `dialect`, at `now`, to the request that Envoy calls `request_id`.
    #[must_use]
    pub fn reply(&self, dialect: Dialect, request_id: &str, now: Millis) -> Reply {
        let mut headers = Vec::with_capacity(8);
        headers.extend([
            ("content-type", "application/json".into()),
            ("x-request-id", request_id.to_owned().into()),
            ("request-id", request_id.to_owned().into()),
            ("x-farebox-denied", self.reason().into()),
        ]);
        if let Self::Method(allowed) = self {
            headers.push(("allow", (*allowed).into()));
        }
        if let Some(name) = self.budget_name() {
            headers.push(("x-farebox-budget", name.to_owned().into()));
        }
        let wait = self.wait(now);
        if let Some(wait) = wait {
            headers.push(("retry-after", wait.div_ceil(1_000).max(1).to_string().into()));
        }
        // A connection that failed cost nobody anything; who was waited for in vain may have worked.
        if !is_worth(wait) && !matches!(self, Self::Unanswered(503) | Self::ProviderError(429 | 500.., _)) {
            headers.push(("x-should-retry", "false".into()));
        }
        let body = match dialect {
            Dialect::OpenAi => self.openai_body(now),
            Dialect::Anthropic => self.anthropic_body(request_id),
            Dialect::Gemini => self.gemini_body(),
            Dialect::Bedrock => {
                headers.push(("x-amzn-errortype", self.bedrock_kind().into()));
                format!("{{\"message\":{}}}", quoted(&self.message()))
            }
            Dialect::Cohere => format!("{{\"message\":{}}}", quoted(&self.message())),
            Dialect::Ollama => format!("{{\"error\":{}}}", quoted(&self.message())),
        };
        Reply { status: self.status(), headers, body }
    }

    /// How long it is until another try may succeed, in milliseconds, if one may.
    fn wait(&self, now: Millis) -> Option<u64> {
        match self {
            Self::Budget { lack: Lack::Size, .. } => None,
            Self::Budget { lack: Lack::Turn, .. }
            | Self::Crowded(_)
            | Self::Store(_)
            | Self::HostUnsupported => Some(1_000),
            Self::Counts(ms) => Some(*ms),
            Self::Budget { resets_at, .. } => resets_at.map(|resets| resets.since(now)),
            _ => None,
        }
    }

    fn openai_body(&self, now: Millis) -> String {
        // Clients take `insufficient_quota` for final.
        let paced = self.status() == 429 && is_worth(self.wait(now));
        let kind = match self.status() {
            _ if paced => "requests",
            _ if self.budget_name().is_some() => "insufficient_quota",
            401 => "authentication_error",
            403 => "permission_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let code = match self.budget_name() {
            _ if paced => "rate_limit_exceeded",
            Some(_) => "insufficient_quota",
            None => self.reason(),
        };
        let param = if matches!(self, Self::Route(_) | Self::Unpriced(_)) { "\"model\"" } else { "null" };
        let mut body = String::with_capacity(320);
        body.push_str("{\"error\":{\"message\":");
        push_json_string(&mut body, &self.message());
        for part in [",\"type\":\"", kind, "\",\"param\":", param, ",\"code\":\"", code, "\""] {
            body.push_str(part);
        }
        if let Self::Budget { account, resets_at, .. } = self {
            body.push_str(",\"budget\":{\"name\":");
            push_json_string(&mut body, &account.budget.name);
            body.push_str(",\"resets_at\":");
            match resets_at {
                Some(resets_at) => push_json_string(&mut body, &resets_at.to_rfc3339()),
                None => body.push_str("null"),
            }
            body.push('}');
        }
        body.push_str("}}");
        body
    }

    fn anthropic_body(&self, request_id: &str) -> String {
        let kind = match self.status() {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        let mut body = format!("{{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":");
        push_json_string(&mut body, &self.message());
        body.push_str("},\"request_id\":");
        push_json_string(&mut body, request_id);
        body.push('}');
        body
    }

    /// Source: Google's API design guide, error model.
    fn gemini_body(&self) -> String {
        let status = self.status();
        let kind = match status {
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            402 | 429 => "RESOURCE_EXHAUSTED",
            504 => "DEADLINE_EXCEEDED",
            500.. => "UNAVAILABLE",
            _ => "INVALID_ARGUMENT",
        };
        let message = quoted(&self.message());
        format!("{{\"error\":{{\"code\":{status},\"message\":{message},\"status\":\"{kind}\"}}}}")
    }

    /// Source: Amazon Bedrock API reference, common errors.
    fn bedrock_kind(&self) -> &'static str {
        match self.status() {
            401 => "UnrecognizedClientException",
            403 => "AccessDeniedException",
            404 => "ResourceNotFoundException",
            402 | 429 => "ThrottlingException",
            500.. => "ServiceUnavailableException",
            _ => "ValidationException",
        }
    }
}

/// Whether SDKs should wait for so long and try again.
fn is_worth(wait: Option<u64>) -> bool {
    wait.is_some_and(|wait| wait <= WORTH_WAITING_MS)
}

fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    push_json_string(&mut quoted, text);
    quoted
}

impl From<IdentityError> for Denial {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

impl From<AskError> for Denial {
    fn from(error: AskError) -> Self {
        Self::Body(error)
    }
}

impl From<RouteError> for Denial {
    fn from(error: RouteError) -> Self {
        Self::Route(error)
    }
}

mod message;
#[cfg(test)]
mod tests;
