//! Decides what records and metrics call the places that the numbers of a charge come from.

/// Where the numbers of a charge come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageSource {
    /// The provider said all of it.
    Provider,
    /// The provider said a part, the rest is estimated.
    ProviderPartial,
    /// Nobody said; it is estimated.
    Estimated,
    /// Something was answered that could not be read.
    Unread,
    /// The provider said what cannot be true.
    Implausible,
    /// There is nothing to charge.
    None,
}

impl UsageSource {
    /// Every source, for metrics.
    pub const ALL: [Self; 6] =
        [Self::Provider, Self::ProviderPartial, Self::Estimated, Self::Unread, Self::Implausible, Self::None];

    /// What the record and metrics call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::ProviderPartial => "provider_partial",
            Self::Estimated => "estimated",
            Self::Unread => "unread",
            Self::Implausible => "implausible",
            Self::None => "none",
        }
    }
}

/// What the output of an estimate was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The pieces of text that came: about one token each at many providers.
    Deltas,
    /// The bytes of text that came.
    TextBytes,
    /// What was held.
    Hold,
    /// What the answers of the model to the team were lately.
    Recent,
    /// The prompt alone: no output came, or the policy asks for this.
    Input,
}

impl Basis {
    /// What the record calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deltas => "deltas",
            Self::TextBytes => "text_bytes",
            Self::Hold => "hold",
            Self::Recent => "recent",
            Self::Input => "input",
        }
    }
}
