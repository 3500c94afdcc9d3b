//! Decides what requests may ask for that costs in ways that cannot be held, or belongs to somebody.

use super::cursor::Cursor;
use super::parse::Environment;
use super::{Secret, credentials};

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

/// Also the secret that binds ids, if there is one. `teams`: how many there are.
pub(super) fn read(
    at: Option<&Cursor<'_>>,
    teams: usize,
    environment: Environment<'_>,
) -> (Requests, Option<(Box<str>, Secret)>) {
    let fields =
        at.and_then(|at| at.fields(&["background", "other_models", "stored_state", "stored_state_secret"]));
    let words = [("deny", false), ("allow", true)];
    let said = |key| fields.as_ref().and_then(|fields| fields.get(key)?.word(&words));
    let stored_state =
        fields.as_ref().and_then(|fields| fields.get("stored_state")?.word(&StoredState::NAMES));
    let usual = if teams < 2 { StoredState::Allow } else { StoredState::Team };
    let secret = fields.as_ref().and_then(|fields| fields.get("stored_state_secret"));
    let secret = secret.and_then(|at| credentials::read_secret(&at, environment));
    let requests = Requests {
        background: said("background").unwrap_or(false),
        other_models: said("other_models").unwrap_or(false),
        stored_state: stored_state.unwrap_or(usual),
    };
    (requests, secret)
}
