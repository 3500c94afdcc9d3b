//! Decides what a caller gets when its request is not sent: status, headers, and a body in its dialect.

use std::borrow::Cow;

use super::Denial;
use super::manner::Client;
use crate::base::window::Millis;
use crate::dialect::{BudgetFacts, Dialect, ErrorFacts, whole_seconds};

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
            headers.push(("retry-after", whole_seconds(wait_ms).to_string().into()));
        }
        if manner.is_final {
            headers.push(("x-should-retry", "false".into()));
        }
        let message = self.message();
        let (body, kind) = dialect.error_body(&ErrorFacts {
            status: manner.status,
            message: &message,
            reason: self.reason(),
            budget: self.budget_facts(),
            wait_ms: manner.wait_ms,
            is_final: manner.is_final,
            lasts_ms: manner.lasts_ms,
            is_about_model: matches!(self, Self::Route(_) | Self::Unpriced(_)),
            request_id,
        });
        if let Some(kind) = kind {
            headers.push(("x-amzn-errortype", kind.into()));
        }
        Reply { status: manner.status, headers, body }
    }

    fn budget_facts(&self) -> Option<BudgetFacts<'_>> {
        let Self::Budget { account, resets_at, .. } = self else { return None };
        Some(BudgetFacts { name: &account.budget.name, resets_at: *resets_at })
    }
}
