//! Decides how use is counted: in buckets that do not overlap.
//!
//! Providers disagree on whether "input" includes what was read from a cache and whether "output"
//! includes reasoning. Buckets that never overlap make a price a plain sum of products, and the
//! totals that people and OpenTelemetry expect (inclusive ones) a plain sum.
//!
//! Does not read any provider's usage object: the tables in `dialect/` do.

/// Bytes of text that make one token, roughly: what is assumed where nobody has counted.
pub const BYTES_PER_TOKEN: u64 = 4;

/// Tokens of one request, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Text input that came from no cache and went into none.
    pub input: u64,
    /// Text input read from a prompt cache.
    pub cache_read: u64,
    /// Input written to a prompt cache with the provider's short lifetime (5 minutes at Anthropic).
    pub cache_write: u64,
    /// Input written to a prompt cache with a long lifetime (1 hour at Anthropic).
    pub cache_write_long: u64,
    /// Audio input that came from no cache.
    pub input_audio: u64,
    /// Audio input read from a prompt cache.
    pub cache_read_audio: u64,
    /// Image input that came from no cache.
    pub input_image: u64,
    /// Image input read from a prompt cache.
    pub cache_read_image: u64,
    /// Text output that is not reasoning.
    pub output: u64,
    /// Reasoning ("thinking") output.
    pub reasoning: u64,
    /// Audio output.
    pub output_audio: u64,
    /// Image output.
    pub output_image: u64,
}

impl Tokens {
    /// All input, caches included: `gen_ai.usage.input_tokens`.
    #[must_use]
    pub fn total_input(&self) -> u64 {
        sum([
            self.input,
            self.input_audio,
            self.input_image,
            self.total_cache_read(),
            self.total_cache_write(),
        ])
    }

    /// All input read from a cache.
    #[must_use]
    pub fn total_cache_read(&self) -> u64 {
        sum([self.cache_read, self.cache_read_audio, self.cache_read_image])
    }

    /// All input written to a cache.
    #[must_use]
    pub fn total_cache_write(&self) -> u64 {
        sum([self.cache_write, self.cache_write_long])
    }

    /// All output, reasoning included: `gen_ai.usage.output_tokens`.
    #[must_use]
    pub fn total_output(&self) -> u64 {
        sum([self.output, self.reasoning, self.output_audio, self.output_image])
    }

    /// Both together, bucket by bucket; saturates.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let add = u64::saturating_add;
        Self {
            input: add(self.input, other.input),
            cache_read: add(self.cache_read, other.cache_read),
            cache_write: add(self.cache_write, other.cache_write),
            cache_write_long: add(self.cache_write_long, other.cache_write_long),
            input_audio: add(self.input_audio, other.input_audio),
            cache_read_audio: add(self.cache_read_audio, other.cache_read_audio),
            input_image: add(self.input_image, other.input_image),
            cache_read_image: add(self.cache_read_image, other.cache_read_image),
            output: add(self.output, other.output),
            reasoning: add(self.reasoning, other.reasoning),
            output_audio: add(self.output_audio, other.output_audio),
            output_image: add(self.output_image, other.output_image),
        }
    }

    /// Everything: what a token budget counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total_input().saturating_add(self.total_output())
    }
}

fn sum<const COUNT: usize>(counts: [u64; COUNT]) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// All that one request is charged for: its tokens, and what is counted by the piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens by bucket.
    pub tokens: Tokens,
    /// Searches of the web that the provider made for the model.
    pub web_searches: u64,
    /// Searches of stored files that the provider made for the model.
    pub file_searches: u64,
    /// Requests that a model worked on: 1, or 0 where nothing was done.
    pub requests: u64,
    /// Of those, the ones for which the provider searched the web.
    pub grounded_requests: u64,
}

impl Usage {
    /// One request that used `tokens` and nothing else.
    #[must_use]
    pub fn of(tokens: Tokens) -> Self {
        Self { tokens, requests: 1, ..Self::default() }
    }
}
