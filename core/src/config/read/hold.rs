//! Decides how much is held for a request before it is sent, and what is expected of models that have not answered yet.
//!
//! What answers are like is learned from the answers; this is where that begins.

use core::cmp::Reverse;

use super::cursor::Cursor;
use super::policy::MAX_COUNT;
use crate::base::money::PicoUsd;
use crate::config::HoldPolicy;
use crate::config::Pattern;

const HOLD: [&str; 6] = [
    "output_tokens",
    "output_tokens_by_model",
    "strict_output_tokens",
    "least_output_tokens",
    "ceiling_usd",
    "epoch_seconds",
];

/// Nearly all answers of chats and agents are shorter, and it is ten cents at $25 a million.
const OUTPUT_TOKENS: u64 = 4_096;

pub(super) fn read(at: Option<&Cursor<'_>>) -> HoldPolicy {
    let fields = at.and_then(|at| at.fields(&HOLD));
    let get = |key| fields.as_ref()?.get(key);
    let tokens = |key, least| get(key).and_then(|at| at.count(least..=MAX_COUNT));
    let epoch = get("epoch_seconds").and_then(|at| at.count(60..=86_400));
    HoldPolicy {
        output_tokens: tokens("output_tokens", 0).unwrap_or(OUTPUT_TOKENS),
        output_tokens_by_model: get("output_tokens_by_model").map(by_model).unwrap_or_default(),
        strict_output_tokens: tokens("strict_output_tokens", 1).unwrap_or(16_384),
        least_output_tokens: tokens("least_output_tokens", 1).unwrap_or(16),
        ceiling: get("ceiling_usd").and_then(|at| at.decimal(PicoUsd::parse)),
        epoch_ms: epoch.unwrap_or(3_600) * 1_000,
    }
}

fn by_model(at: Cursor<'_>) -> Vec<(Pattern, u64)> {
    let mut entries = at.entries().unwrap_or_default();
    entries.sort_by_key(|(model, _)| (Pattern::is_pattern(model), Reverse(model.len())));
    let read = |(model, at): (&str, Cursor<'_>)| Some((Pattern::new(model), at.count(0..=MAX_COUNT)?));
    entries.into_iter().filter_map(read).collect()
}
