//! Decides how often a request is tried, and for how long a key that failed is left alone.
//!
//! Does not try anything: Envoy does.

use super::cursor::Cursor;
use crate::config::Failover;

/// The settings, or their defaults.
pub(super) fn read(at: Option<&Cursor<'_>>) -> Failover {
    let fields =
        at.and_then(|at| at.fields(&["attempts", "first_token_seconds", "silence_seconds", "pause_seconds"]));
    let get = |key| fields.as_ref()?.get(key);
    let attempts = get("attempts").and_then(|at| at.count(1..=5));
    let first_token = get("first_token_seconds").and_then(|at| at.count(1..=600));
    let silence = get("silence_seconds").and_then(|at| at.count(10..=7_200));
    let pauses = get("pause_seconds").and_then(|at| at.fields(&["unauthorized", "rate_limited"]));
    let pause = |key| pauses.as_ref()?.get(key)?.count(1..=86_400);
    Failover {
        attempts: attempts.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(3),
        first_token_ms: first_token.map(|seconds| seconds * 1_000),
        silence_ms: silence.unwrap_or(660) * 1_000,
        unauthorized_ms: pause("unauthorized").unwrap_or(300) * 1_000,
        rate_limited_ms: pause("rate_limited").unwrap_or(10) * 1_000,
    }
}
