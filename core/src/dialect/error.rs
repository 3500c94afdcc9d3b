//! What an error says, in whatever dialect it is told.

use crate::base::text::json_string;
use crate::base::window::Millis;

/// What an error says. The dialects have forms for it.
#[derive(Clone, Copy, Debug)]
pub struct ErrorFacts<'a> {
    /// HTTP status.
    pub status: u16,
    /// One or two sentences for people.
    pub message: &'a str,
    /// The reason as one word.
    pub reason: &'a str,
    /// The budget that refuses, if one does.
    pub budget: Option<BudgetFacts<'a>>,
    /// How long to wait before another try, in milliseconds, if that may help soon.
    pub wait_ms: Option<u64>,
    /// Whether clients must not try again.
    pub is_final: bool,
    /// How long it will be so, in milliseconds, for those that are told in any case.
    pub lasts_ms: Option<u64>,
    /// Whether the model that is asked for is at fault.
    pub is_about_model: bool,
    /// What Envoy calls the request.
    pub request_id: &'a str,
}

/// The budget that refuses.
#[derive(Clone, Copy, Debug)]
pub struct BudgetFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// When its counter starts again, if ever.
    pub resets_at: Option<Millis>,
}

/// An object with a message and nothing else: how Bedrock and Cohere tell errors.
pub(super) fn message_body(message: &str) -> String {
    format!("{{\"message\":{}}}", json_string(message))
}

/// So many whole seconds, and one at least.
#[must_use]
pub fn whole_seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000).max(1)
}
