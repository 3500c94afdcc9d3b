//! Decides which service tier an answer is charged at.
//!
//! What the provider says it gave decides; what the caller asked for counts only where the provider says
//! nothing. Every provider has its own words for the same tiers.
//!
//! Does not know prices.

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

    /// Reads a provider's word, in a field of a request or an answer. `None` for one that names no tier
    /// (`auto`) or is not known.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            // OpenAI's and Anthropic's `service_tier`, Anthropic's `speed`, and Vertex's `trafficType`.
            "default" | "standard" | "on_demand" | "provisioned_throughput" | "scale" => Self::Standard,
            "flex" | "on_demand_flex" => Self::Flex,
            "priority" | "on_demand_priority" => Self::Priority,
            "batch" => Self::Batch,
            "fast" => Self::Fast,
            _ => return None,
        })
    }

    /// The tier of an answer that says `served`, to a request that said `asked`.
    #[must_use]
    pub fn of_answer(served: Option<&str>, asked: Option<&str>) -> Self {
        served.and_then(Self::parse).or_else(|| asked.and_then(Self::parse)).unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(tier, _)| *tier == self).map_or("standard", |(_, name)| name)
    }
}
