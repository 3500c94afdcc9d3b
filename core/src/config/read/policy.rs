//! Decides the settings that are not about one caller, provider or model, and their defaults.

use super::cursor::Cursor;
use super::syntax::ENDPOINT;
use crate::budget::pending::PendingBounds;
use crate::config::{OnDisconnect, Pattern, Unpriced};

/// Largest count that every JSON tool keeps exactly: 2^53 - 1.
pub(super) const MAX_COUNT: u64 = 9_007_199_254_740_991;

const LIMITS: [&str; 6] = [
    "request_body_bytes",
    "request_body_seconds",
    "pending_body_bytes",
    "pending_body_bytes_per_key",
    "count_requests_per_minute",
    "plausible_tokens",
];

/// Room for four bodies of the largest size for a key, and for two such keys.
const PENDING: PendingBounds = PendingBounds { total: 268_435_456, per_key: 134_217_728 };

/// Bounds on a request body, on counts of tokens, and on what is believed of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// Largest body.
    pub bytes: usize,
    /// How long it may take to arrive.
    pub ms: u64,
    /// How much of such that are not complete is kept.
    pub pending: PendingBounds,
    /// How often a key may have tokens counted in a minute.
    pub count_requests_per_minute: u64,
    /// Most tokens that a report can have.
    pub plausible_tokens: u64,
}

pub(super) fn unpriced(at: Option<&Cursor<'_>>) -> Unpriced {
    let words = [("deny", Unpriced::Deny), ("allow", Unpriced::Allow)];
    at.and_then(|at| at.word(&words)).unwrap_or(Unpriced::Deny)
}

pub(super) fn on_disconnect(at: Option<&Cursor<'_>>) -> OnDisconnect {
    at.and_then(|at| at.word(&OnDisconnect::NAMES)).unwrap_or(OnDisconnect::BillSeen)
}

pub(super) fn budget_status(at: Option<&Cursor<'_>>) -> Option<u16> {
    let status = at.and_then(|at| at.fields(&["budget_status"])?.get("budget_status"))?;
    match status.count(100..=599)? {
        429 => Some(429),
        402 => Some(402),
        _ => {
            status.fail("must be 429 or 402");
            None
        }
    }
}

pub(super) fn endpoints(at: &Cursor<'_>) -> Vec<Pattern> {
    let items = at.items().unwrap_or_default();
    items.iter().filter_map(|item| item.text_as(ENDPOINT).map(Pattern::new)).collect()
}

pub(super) fn body_limits(at: Option<&Cursor<'_>>) -> BodyLimits {
    let fields = at.and_then(|at| at.fields(&LIMITS));
    let get = |key| fields.as_ref()?.get(key);
    let bytes = get("request_body_bytes").and_then(|at| at.count(1_024..=1_073_741_824));
    let seconds = get("request_body_seconds").and_then(|at| at.count(1..=3_600));
    let plausible = get("plausible_tokens").and_then(|at| at.count(1_000..=1_000_000_000_000));
    let counts = get("count_requests_per_minute").and_then(|at| at.count(0..=1_000_000));
    let bytes = bytes.unwrap_or(33_554_432);
    let pending = |key, least: u64, what| {
        let at = get(key)?;
        let count = at.count(1_024..=1_099_511_627_776)?;
        if count < least {
            at.fail(format!("must be at least {what} ({least}), or such a body would never be let in"));
        }
        Some(count)
    };
    let per_key = pending("pending_body_bytes_per_key", bytes, "limits.request_body_bytes");
    let per_key_or = per_key.unwrap_or(0).max(bytes);
    let total = pending("pending_body_bytes", per_key_or, "a body or a key's part");
    // Unless it is said, a key may have half of all, and any body fits.
    let total = total.unwrap_or(PENDING.total.max(per_key_or));
    let pending =
        PendingBounds { total, per_key: per_key.unwrap_or(PENDING.per_key.min(total / 2).max(bytes)) };
    BodyLimits {
        count_requests_per_minute: counts.unwrap_or(600),
        plausible_tokens: plausible.unwrap_or(10_000_000),
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        pending,
        ms: seconds.unwrap_or(30) * 1_000,
    }
}
