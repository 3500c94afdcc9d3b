//! Decides what a caller is told when its request is not sent: status, headers and a body in its dialect.
//!
//! This list is closed: nothing else is ever said to a client, and nothing here tells amounts, limits,
//! secrets or another caller's name.

use std::borrow::Cow;
use std::rc::Rc;

use crate::base::text::push_json_string;
use crate::base::window::Millis;
use crate::budget::ledger::{Figures, StoreError};
use crate::budget::pending::Crowd;
use crate::config::{Account, Config, Dimension};
use crate::dialect::Dialect;
use crate::request::identity::IdentityError;
use crate::request::llm_request::LlmRequestError;
use crate::request::resource::UnknownPath;
use crate::request::route::RouteError;

pub use self::manner::Client;
use self::manner::Manner;

/// How long a client of Google's should wait.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Why a request is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The caller is not let in.
    Identity(IdentityError),
    /// The path is not served, and why.
    UnknownEndpoint(UnknownPath),
    /// A WebSocket is asked for.
    Upgrade,
    /// The path is served with another method.
    Method(&'static str),
    /// The body cannot be understood.
    Body(LlmRequestError),
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
        /// What it has not enough of.
        reason: BudgetReason,
        /// When its counter starts again, if ever.
        resets_at: Option<Millis>,
        /// The status that the operator wants it to be said with.
        forced_status: Option<u16>,
        /// What there is not enough of, in numbers.
        figures: Option<Figures>,
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

/// Why a budget refuses, by the words that records have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetReason {
    /// What is left of it until it starts again is too little.
    Spent,
    /// As many requests run as may, until another one ends.
    Concurrency,
    /// Requests that run hold what is left, until one of them ends and turns out to have used less.
    Held,
    /// The request is larger than the whole budget.
    Size,
    /// It has no slot for another subject.
    Slots,
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
    pub fn budget(
        config: &Config,
        account: Rc<Account>,
        reason: BudgetReason,
        figures: Option<Figures>,
        now: Millis,
    ) -> Self {
        let resets_at = account.budget.window.resets_at(now);
        Self::Budget { account, reason, resets_at, forced_status: config.budget_status, figures }
    }

    /// HTTP status of what is no matter of a budget.
    fn plain_status(&self) -> u16 {
        match self {
            Self::Identity(IdentityError::Several(..) | IdentityError::Repeated(_)) | Self::Body(_) => 400,
            Self::Identity(_) => 401,
            // Claude Code says of every 404 that there is no such model, and shows no message.
            Self::UnknownEndpoint(UnknownPath::Meant(path)) if path.starts_with("/v1/messages") => 400,
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
            Self::Budget { .. } => 429,
        }
    }

    /// The name of the budget that refused, if one did.
    #[must_use]
    pub fn budget_name(&self) -> Option<&str> {
        if let Self::Budget { account, .. } = self { Some(&account.budget.name) } else { None }
    }

    /// What a budget that refused has not enough of, in numbers.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        if let Self::Budget { figures, .. } = self { *figures } else { None }
    }

    /// The reply to a `client` that speaks `dialect`, at `now`, to the request that Envoy calls `request_id`.
    #[must_use]
    pub fn reply(&self, dialect: Dialect, client: Client, request_id: &str, now: Millis) -> Reply {
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
        let manner = self.manner(dialect, client, now);
        if let Some(wait_ms) = manner.wait_ms {
            headers.push(("retry-after", seconds(wait_ms).to_string().into()));
        }
        if manner.is_final {
            headers.push(("x-should-retry", "false".into()));
        }
        let body = match dialect {
            Dialect::OpenAi => self.openai_body(&manner),
            Dialect::Anthropic => self.anthropic_body(manner.status, request_id),
            Dialect::Gemini => self.gemini_body(&manner),
            Dialect::Bedrock => {
                headers.push(("x-amzn-errortype", self.bedrock_kind(&manner).into()));
                format!("{{\"message\":{}}}", quoted(&self.message()))
            }
            Dialect::Cohere => format!("{{\"message\":{}}}", quoted(&self.message())),
            Dialect::Ollama => format!("{{\"error\":{}}}", quoted(&self.message())),
        };
        Reply { status: manner.status, headers, body }
    }

    fn openai_body(&self, manner: &Manner) -> String {
        // Clients take `insufficient_quota` for final.
        let paced = manner.status == 429 && manner.wait_ms.is_some();
        let kind = match manner.status {
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

    fn anthropic_body(&self, status: u16, request_id: &str) -> String {
        let kind = match status {
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
    fn gemini_body(&self, manner: &Manner) -> String {
        let status = manner.status;
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
        let details = manner.lasts_ms.map(|ms| {
            let delay = seconds(ms);
            format!(",\"details\":[{{\"@type\":\"{RETRY_INFO}\",\"retryDelay\":\"{delay}s\"}}]")
        });
        let details = details.unwrap_or_default();
        format!("{{\"error\":{{\"code\":{status},\"message\":{message},\"status\":\"{kind}\"{details}}}}}")
    }

    /// Source: Amazon Bedrock API reference, common errors.
    fn bedrock_kind(&self, manner: &Manner) -> &'static str {
        match manner.status {
            // AWS' SDKs try what throttles again, whatever its status.
            _ if manner.is_final && self.budget_name().is_some() => "ServiceQuotaExceededException",
            401 => "UnrecognizedClientException",
            403 => "AccessDeniedException",
            404 => "ResourceNotFoundException",
            402 | 429 => "ThrottlingException",
            500.. => "ServiceUnavailableException",
            _ => "ValidationException",
        }
    }
}

/// So many whole seconds, and one at least.
fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000).max(1)
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

impl From<LlmRequestError> for Denial {
    fn from(error: LlmRequestError) -> Self {
        Self::Body(error)
    }
}

impl From<RouteError> for Denial {
    fn from(error: RouteError) -> Self {
        Self::Route(error)
    }
}

mod manner;
mod message;
mod reason;
#[cfg(test)]
mod tests;
