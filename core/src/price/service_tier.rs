//! Decides which service tier an answer is charged at.
//!
//! What the provider says it gave decides; what the caller asked for counts only where the provider says
//! nothing, and only if it is dearer: a discount that nobody confirms is none. Every provider has its own words for the
//! same tiers. A word that nobody knows is the dearest tier that the model has, never silently the standard one.
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
        let word = word.to_ascii_lowercase();
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

    /// The tier of an answer that says `served`, to a request that said `asked`.
    #[must_use]
    pub fn of_answer(served: Option<&str>, asked: Option<&str>) -> Self {
        let asked = || asked.and_then(Self::parse).filter(|tier| !tier.is_cheaper());
        served.and_then(Self::parse).or_else(asked).unwrap_or_default()
    }

    /// Whether it is a discount.
    #[must_use]
    pub fn is_cheaper(self) -> bool {
        matches!(self, Self::Flex | Self::Batch)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(tier, _)| *tier == self).map_or("standard", |(_, name)| name)
    }
}
