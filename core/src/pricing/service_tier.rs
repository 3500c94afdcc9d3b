//! Decides which service tier a provider's word names.
//!
//! Every provider has its own words for the same tiers. A word that nobody knows is the dearest tier that the model has,
//! never silently the standard one, unless the operator has priced the word.
//!
//! Does not know prices, nor which word counts: see [`super::Price::tier_of_answer`].

use std::borrow::Cow;

/// How fast, and so how dear, a request was served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceTier {
    /// As usual.
    #[default]
    Standard,
    /// Cheaper, when there is room.
    Flex,
    /// Dearer, before others.
    Priority,
    /// Cheaper, within a day.
    Batch,
    /// Dearer, on faster machines.
    Fast,
    /// One that the model's price has under the provider's own word: which of these.
    Named(u8),
    /// One that nobody knows.
    Unknown,
}

impl ServiceTier {
    /// Every tier with its name in the configuration and in the catalogue.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Standard, "standard"),
        (Self::Flex, "flex"),
        (Self::Priority, "priority"),
        (Self::Batch, "batch"),
        (Self::Fast, "fast"),
    ];

    /// Reads a provider's word, in a field of a request or an answer. `None` for one that names no tier (`auto`).
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        // Nearly always it is in lower case.
        let is_upper = |byte: u8| byte.is_ascii_uppercase();
        let word: Cow<'_, str> =
            if word.bytes().any(is_upper) { word.to_ascii_lowercase().into() } else { word.into() };
        // Protobuf's JSON writes them out.
        let word = ["service_tier_", "traffic_type_"]
            .iter()
            .find_map(|start| word.strip_prefix(start))
            .unwrap_or(&word);
        Some(match word {
            // OpenAI's and Anthropic's `service_tier`, Anthropic's `speed`, and Vertex's `trafficType`.
            "default"
            | "standard"
            | "standard_only"
            | "on_demand"
            | "provisioned_throughput"
            | "scale"
            | "reserved" => Self::Standard,
            "flex" | "on_demand_flex" => Self::Flex,
            "priority" | "on_demand_priority" => Self::Priority,
            "batch" => Self::Batch,
            // And the latency that Bedrock calls so.
            "fast" | "optimized" => Self::Fast,
            "" | "auto" | "unspecified" => return None,
            _ => Self::Unknown,
        })
    }

    /// Whether it is a discount.
    #[must_use]
    pub fn is_cheaper(self) -> bool {
        matches!(self, Self::Flex | Self::Batch)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(tier, _)| *tier == self).map_or("unknown", |(_, name)| name)
    }
}
