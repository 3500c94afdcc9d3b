//! Decides by which word a refusal is known: in a header, in the record and in metrics.

use super::{BudgetReason, Denial};
use crate::budget::pending::Crowd;
use crate::request::identity::IdentityError;
use crate::request::route::RouteError;

impl Denial {
    /// Every reason, for metrics.
    pub const REASONS: [&'static str; 40] = [
        "missing_key",
        "duplicate_credentials",
        "invalid_key",
        "key_disabled",
        "key_expired",
        "untrusted_identity",
        "no_team",
        "key_revoked",
        "team_disabled",
        "registry_unavailable",
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
        "budget_held",
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
            Self::Identity(
                IdentityError::Several(..)
                | IdentityError::Repeated(_)
                | IdentityError::BesideProof
                | IdentityError::SeveralProofs,
            ) => "duplicate_credentials",
            Self::Identity(IdentityError::Invalid) => "invalid_key",
            Self::Identity(IdentityError::Disabled) => "key_disabled",
            Self::Identity(IdentityError::Expired) => "key_expired",
            Self::Identity(IdentityError::Untrusted) => "untrusted_identity",
            Self::Identity(IdentityError::Unmapped(_)) => "no_team",
            Self::Identity(IdentityError::Revoked) => "key_revoked",
            Self::Identity(IdentityError::TeamOff) => "team_disabled",
            Self::Identity(IdentityError::NotReady) => "registry_unavailable",
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
            Self::Budget { reason: BudgetReason::Spent, .. } => "budget",
            Self::Budget { reason: BudgetReason::Concurrency, .. } => "budget_concurrency",
            Self::Budget { reason: BudgetReason::Held, .. } => "budget_held",
            Self::Budget { reason: BudgetReason::Size, .. } => "budget_size",
            Self::Budget { reason: BudgetReason::Slots, .. } => "budget_slots",
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
}
