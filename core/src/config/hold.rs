//! Decides how much is held for a request before it is sent, and what is expected of models that have not answered yet.
//!
//! What answers are like is learned from the answers; this is where that begins.

use core::cmp::Reverse;

use super::Pattern;
use super::cursor::Cursor;
use super::policy::MAX_COUNT;
use crate::base::money::PicoUsd;

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

/// How much is held for a request before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldPolicy {
    /// Output tokens expected of a model whose answers are not known yet, as far as the request allows so many.
    pub output_tokens: u64,
    /// The same for some models: exact names first, then the longest pattern.
    pub output_tokens_by_model: Vec<(Pattern, u64)>,
    /// Output tokens that a `strict` budget allows a request that sets no limit of its own.
    pub strict_output_tokens: u64,
    /// Fewest output tokens that a `strict` budget cuts a request's limit down to; below that it is refused.
    pub least_output_tokens: u64,
    /// Most money held for one request; `None` for no ceiling.
    pub ceiling: Option<PicoUsd>,
    /// Length of an epoch: a hold that was never settled is dropped after one to two of these.
    pub epoch_ms: u64,
}

impl HoldPolicy {
    /// Output tokens that are expected of `model` before its answers are known.
    #[must_use]
    pub fn expected(&self, model: &str) -> u64 {
        let own = self.output_tokens_by_model.iter().find(|(pattern, _)| pattern.matches(model));
        own.map_or(self.output_tokens, |(_, tokens)| *tokens)
    }
}

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
