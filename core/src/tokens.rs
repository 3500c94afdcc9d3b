//! Decides how tokens are counted: in buckets that do not overlap.
//!
//! Providers disagree on whether "input" includes what was read from a cache and whether "output"
//! includes reasoning. Buckets that never overlap make a price a plain sum of products, and the
//! totals that people and OpenTelemetry expect (inclusive ones) a plain sum.
//!
//! Does not read any provider's usage object: the tables in `dialect/` do.

/// Tokens of one request, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Text input that came from no cache and went into none.
    pub input: u64,
    /// Input read from a prompt cache.
    pub cache_read: u64,
    /// Input written to a prompt cache with the provider's short lifetime (5 minutes at Anthropic).
    pub cache_write: u64,
    /// Input written to a prompt cache with a long lifetime (1 hour at Anthropic).
    pub cache_write_long: u64,
    /// Audio input.
    pub input_audio: u64,
    /// Text output that is not reasoning.
    pub output: u64,
    /// Reasoning ("thinking") output.
    pub reasoning: u64,
    /// Audio output.
    pub output_audio: u64,
}

impl Tokens {
    /// All input, caches included: `gen_ai.usage.input_tokens`.
    #[must_use]
    pub fn total_input(&self) -> u64 {
        [self.input, self.cache_read, self.cache_write, self.cache_write_long, self.input_audio]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// All output, reasoning included: `gen_ai.usage.output_tokens`.
    #[must_use]
    pub fn total_output(&self) -> u64 {
        [self.output, self.reasoning, self.output_audio].into_iter().fold(0, u64::saturating_add)
    }

    /// Everything: what a token budget counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total_input().saturating_add(self.total_output())
    }
}
