//! Decides how much is held for a request before it is sent, and what is expected of models that have not answered yet.

use crate::base::money::PicoUsd;
use crate::base::pattern::Pattern;

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
