//! Decides what may be made of a cost that an answer states.

/// What to make of a cost that an answer states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatedCost {
    /// It is the cost.
    Charge,
    /// It is recorded next to the cost.
    #[default]
    Compare,
}

impl StatedCost {
    /// Every choice with its name in the configuration.
    pub const NAMES: [(&'static str, Self); 2] = [("charge", Self::Charge), ("compare", Self::Compare)];
}
