//! Decides what requests may ask for that costs in ways that cannot be held, or belongs to somebody.

/// What requests may ask for that is refused unless the operator allows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// To be answered later (`background`): what it costs is never seen, so it is charged as if nothing was seen.
    pub background: bool,
    /// To be answered by other models than the one they name (`models`, `fallbacks`, `tools[].model`).
    pub other_models: bool,
    /// To go on from what the provider keeps: it is not told which team that belongs to.
    pub stored_state: StoredState,
}

/// Who may go on from what a provider keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredState {
    /// Nobody.
    Deny,
    /// The team that it was given to here. Where there are several teams, this is so from the start.
    #[default]
    Team,
    /// Whoever names it. Where there is one team, this is so from the start.
    Allow,
}

impl StoredState {
    /// Each with its word in the configuration.
    pub(crate) const NAMES: [(&'static str, Self); 3] =
        [("deny", Self::Deny), ("team", Self::Team), ("allow", Self::Allow)];
}
