//! Decides what requests may ask for that costs in ways that cannot be held, or belongs to somebody.

use super::credentials;
use super::credentials::Environment;
use super::cursor::Cursor;
use crate::config::Secret;
use crate::config::{Requests, StoredState};

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
