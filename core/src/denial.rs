//! Decides why a request is not sent. `reply.rs` makes the answer of it: status, headers and a body in the caller's dialect.
//!
//! This list is closed: nothing else is ever said to a client, and nothing here tells amounts, limits,
//! secrets or another caller's name.

use std::rc::Rc;

use crate::base::window::Millis;
use crate::budget::ledger::{Figures, StoreError};
use crate::budget::pending::Crowd;
use crate::config::{Account, Config, Dimension};
use crate::request::identity::IdentityError;
use crate::request::llm_request::LlmRequestError;
use crate::request::resource::{ResourceError, UnknownPath};
use crate::request::route::RouteError;

pub use self::manner::Client;
pub use self::reply::Reply;

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
            Self::Identity(
                IdentityError::Several(..)
                | IdentityError::Repeated(_)
                | IdentityError::BesideProof
                | IdentityError::SeveralProofs,
            )
            | Self::Body(_) => 400,
            Self::Identity(IdentityError::Unmapped(_)) => 403,
            Self::Identity(IdentityError::TeamOff) => 403,
            Self::Identity(IdentityError::NotReady) => 503,
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
}

impl From<ResourceError> for Denial {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::Unknown(why) => Self::UnknownEndpoint(why),
            ResourceError::Method(allowed) => Self::Method(allowed),
            ResourceError::Upgrade => Self::Upgrade,
        }
    }
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
mod reply;
#[cfg(test)]
mod tests;
