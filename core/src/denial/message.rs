//! Decides what a person is told when a request is refused: one or two sentences that say what to do.
//!
//! Does not tell amounts, limits or another caller's name.

use super::{BudgetReason, Denial};
use crate::base::window::Millis;
use crate::budget::pending::Crowd;
use crate::config::{Account, Dimension};
use crate::request::identity::IdentityError;
use crate::request::resource::UnknownPath;
use crate::request::route::RouteError;

impl Denial {
    /// What is written into the body of a reply.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Identity(error) => identity_message(*error),
            Self::UnknownEndpoint(lost) => lost_message(lost),
            Self::Upgrade => {
                "This gateway serves no WebSockets. Send the request as an HTTP POST.".into()
            }
            Self::Method(allowed) => format!("This path is served with {allowed} only."),
            Self::Body(error) => error.to_string(),
            Self::TooLarge(limit) => {
                format!("The request body is larger than the {limit} bytes allowed here.")
            }
            Self::TooSlow => "The request body did not arrive in time.".into(),
            Self::Crowded(Crowd::Key) => {
                "This key is sending too many long requests at one time. Try again when one has arrived.".into()
            }
            Self::Crowded(Crowd::All) => {
                "The gateway is receiving too many long requests at one time. Try again shortly.".into()
            }
            Self::Counts(_) => "This key has had many tokens counted. Try again in the next minute.".into(),
            Self::Route(error) => route_message(error),
            Self::Unpriced(model) => {
                format!("Model '{model}' has no price here, and requests without a price are not served.")
            }
            Self::Budget { account, reason, resets_at, .. } => budget_message(account, *reason, *resets_at),
            Self::Unnamed(dimension) => unnamed_message(dimension),
            Self::Query(message) | Self::UnknownSubject(message) => message.clone(),
            Self::AdminOnly => "Only an admin key may ask for what others have spent.".into(),
            Self::ProviderRedirected => {
                "The provider answered with a redirect, which is not followed. This is for the gateway's operator to mend.".into()
            }
            Self::ProviderRefused => {
                "The provider refused the gateway's own account or key, not yours. This is for the gateway's operator to mend.".into()
            }
            Self::ProviderError(_, Some(words)) => words.clone(),
            Self::ProviderError(..) => "The provider answered with an error.".into(),
            Self::Unanswered(408 | 504) => "The provider did not answer in time.".into(),
            Self::Unanswered(_) => "The provider could not be reached.".into(),
            Self::Store(_) => "Budgets cannot be checked right now.".into(),
            Self::HostUnsupported => {
                "The gateway's proxy is not set up to hold requests until they are checked.".into()
            }
        }
    }
}

fn lost_message(lost: &UnknownPath) -> String {
    match lost {
        UnknownPath::Unknown => "This gateway does not serve this path. Check the base URL.".into(),
        UnknownPath::Meant(path) => {
            format!("This gateway does not serve this path. Did you mean {path}? Check the base URL.")
        }
        UnknownPath::Unsupported(name) => format!("This gateway does not support {name}."),
    }
}

fn budget_message(account: &Account, reason: BudgetReason, resets_at: Option<Millis>) -> String {
    let name = &account.budget.name;
    let reset = || match resets_at {
        Some(moment) => ["It resets at ", &moment.to_rfc3339(), "."].concat(),
        None => "It does not reset.".to_owned(),
    };
    match reason {
        BudgetReason::Spent => ["Budget '", name, "' has no room for this request. ", &reset()].concat(),
        BudgetReason::Concurrency => {
            format!("Budget '{name}' allows no more requests at one time. Try again when one has ended.")
        }
        BudgetReason::Held => {
            format!(
                "Budget '{name}' has room for this request, but others that are running hold it. Try again when one has ended."
            )
        }
        BudgetReason::Size if account.limits.allow_nothing() => {
            format!("Budget '{name}' allows this caller nothing.")
        }
        BudgetReason::Size => {
            format!(
                "This request alone is larger than budget '{name}' allows. Allow it less output, or make it smaller."
            )
        }
        BudgetReason::Slots => {
            format!(
                "Budget '{name}' cannot keep count of anybody else. Use a name that it knows. {}",
                reset()
            )
        }
    }
}

fn unnamed_message(dimension: &Dimension) -> String {
    let what = dimension.text();
    match dimension {
        Dimension::Label(name) => {
            format!("A budget is counted by label '{name}', which this key does not have.")
        }
        Dimension::Header(name) => {
            format!("Requests must have the header '{name}' here: a budget is counted by it.")
        }
        _ => {
            format!("Requests must name their {what} here, in 'x-farebox-{what}': a budget is counted by it.")
        }
    }
}

fn identity_message(error: IdentityError) -> String {
    let message = match error {
        IdentityError::Missing => {
            "No API key was given. Send it as 'Authorization: Bearer <key>' or in 'x-api-key'."
        }
        IdentityError::Several(one, other) => {
            return format!(
                "More than one credential was given, in '{one}' and '{other}'. Send the key of this gateway alone."
            );
        }
        IdentityError::Repeated(header) => {
            return format!(
                "More than one credential was given: '{header}' is there more than once. Send it once."
            );
        }
        IdentityError::Invalid => "The API key is not valid here.",
        IdentityError::Disabled => "The API key is switched off.",
        IdentityError::Expired => "The API key has expired.",
        IdentityError::BesideProof => {
            "A key of this gateway was given beside a token or certificate that says who calls. Send one of them."
        }
        IdentityError::SeveralProofs => "More than one token says who calls. Send one.",
        IdentityError::Untrusted => {
            "The token or certificate is good, but not of anybody whom this gateway trusts to say who calls, or not meant for it."
        }
        IdentityError::Unmapped(what) => {
            return format!(
                "Your token or certificate has no {what} that this gateway knows. This is for its operator to mend."
            );
        }
        IdentityError::Revoked => "The API key was revoked.",
        IdentityError::TeamOff => "The team of this caller is switched off.",
        IdentityError::NotReady => "The gateway does not know its keys yet. Try again shortly.",
    };
    message.to_owned()
}

fn route_message(error: &RouteError) -> String {
    let listed = |allowed: &[String]| match allowed {
        [] => "This key may use no model.".to_owned(),
        names => format!("This key may use: {}.", names.join(", ")),
    };
    match error {
        RouteError::NoModel => "The request names no model, and there is no default.".into(),
        RouteError::NotAllowed { model, allowed } => {
            format!("This key may not use model '{model}'. {}", listed(allowed))
        }
        RouteError::Unknown { model, allowed } => format!("There is no model '{model}'. {}", listed(allowed)),
        RouteError::NotServed { model } => {
            format!("Model '{model}' is not served on this path; its provider speaks another API.")
        }
        RouteError::Unavailable { model } => {
            format!("Model '{model}' cannot be used: its provider has no credential.")
        }
    }
}
