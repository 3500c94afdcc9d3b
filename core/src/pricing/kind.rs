//! Decides what can have a price of its own, and what it costs where it has none.
//!
//! A provider lists few prices; the rest follows: what is read from a cache costs what it would cost fresh,
//! audio costs what text costs; reasoning costs what other output costs. Only fees are nothing where nobody lists
//! them.
//!
//! Does not know any price: see `rates.rs`.

use crate::base::tokens::Usage;

/// What is counted and priced apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Fresh text input.
    Input,
    /// Text input read from a cache.
    CacheRead,
    /// Input written to a cache for a short time.
    CacheWrite,
    /// Input written to a cache for a long time.
    CacheWriteLong,
    /// Fresh audio input.
    InputAudio,
    /// Audio input read from a cache.
    CacheReadAudio,
    /// Fresh image input.
    InputImage,
    /// Image input read from a cache.
    CacheReadImage,
    /// Text output.
    Output,
    /// Reasoning output.
    Reasoning,
    /// Audio output.
    OutputAudio,
    /// Image output.
    OutputImage,
    /// A search of the web.
    WebSearch,
    /// A search of stored files.
    FileSearch,
    /// A request, whatever is in it.
    Request,
    /// A request for which the web was searched, however often.
    GroundedRequest,
}

/// How many kinds there are.
pub(super) const KINDS: usize = 16;

impl Kind {
    /// Every kind: its name in the configuration, and its short name in the catalogue.
    pub const ALL: [(Self, &'static str, &'static str); KINDS] = [
        (Self::Input, "input", "i"),
        (Self::CacheRead, "cache_read", "r"),
        (Self::CacheWrite, "cache_write", "w"),
        (Self::CacheWriteLong, "cache_write_long", "l"),
        (Self::InputAudio, "input_audio", "ia"),
        (Self::CacheReadAudio, "cache_read_audio", "ra"),
        (Self::InputImage, "input_image", "ii"),
        (Self::CacheReadImage, "cache_read_image", "ri"),
        (Self::Output, "output", "o"),
        (Self::Reasoning, "reasoning", "t"),
        (Self::OutputAudio, "output_audio", "oa"),
        (Self::OutputImage, "output_image", "oi"),
        (Self::WebSearch, "web_search", "s"),
        (Self::FileSearch, "file_search", "f"),
        (Self::Request, "request", "q"),
        (Self::GroundedRequest, "grounded_request", "g"),
    ];

    /// Whether it is counted by the piece and not by the token.
    #[must_use]
    pub fn is_fee(self) -> bool {
        matches!(self, Self::WebSearch | Self::FileSearch | Self::Request | Self::GroundedRequest)
    }

    /// Whether it is tokens that a model makes.
    #[must_use]
    pub fn is_output(self) -> bool {
        matches!(self, Self::Output | Self::Reasoning | Self::OutputAudio | Self::OutputImage)
    }

    /// Whether it is tokens that a model reads.
    #[must_use]
    pub fn is_input(self) -> bool {
        !self.is_output() && !self.is_fee()
    }

    /// The kinds whose price it has where it has none of its own: the first of them that is listed.
    pub(super) fn substitutes(self) -> &'static [Self] {
        match self {
            Self::Input | Self::Output => &[],
            Self::WebSearch | Self::FileSearch | Self::Request | Self::GroundedRequest => &[],
            Self::CacheRead | Self::CacheWrite | Self::InputAudio | Self::InputImage => &[Self::Input],
            Self::CacheWriteLong => &[Self::CacheWrite, Self::Input],
            Self::CacheReadAudio => &[Self::CacheRead, Self::InputAudio, Self::Input],
            Self::CacheReadImage => &[Self::CacheRead, Self::InputImage, Self::Input],
            Self::Reasoning | Self::OutputAudio | Self::OutputImage => &[Self::Output],
        }
    }

    /// Where `usage` counts this kind.
    #[must_use]
    pub fn place(self, usage: &mut Usage) -> &mut u64 {
        let Usage { tokens, web_searches, file_searches, requests, grounded_requests } = usage;
        match self {
            Self::Input => &mut tokens.input,
            Self::CacheRead => &mut tokens.cache_read,
            Self::CacheWrite => &mut tokens.cache_write,
            Self::CacheWriteLong => &mut tokens.cache_write_long,
            Self::InputAudio => &mut tokens.input_audio,
            Self::CacheReadAudio => &mut tokens.cache_read_audio,
            Self::InputImage => &mut tokens.input_image,
            Self::CacheReadImage => &mut tokens.cache_read_image,
            Self::Output => &mut tokens.output,
            Self::Reasoning => &mut tokens.reasoning,
            Self::OutputAudio => &mut tokens.output_audio,
            Self::OutputImage => &mut tokens.output_image,
            Self::WebSearch => web_searches,
            Self::FileSearch => file_searches,
            Self::Request => requests,
            Self::GroundedRequest => grounded_requests,
        }
    }

    /// How many of this kind there are in `usage`.
    #[must_use]
    pub fn count(self, mut usage: Usage) -> u64 {
        *self.place(&mut usage)
    }
}
