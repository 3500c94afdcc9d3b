//! Decides how a team is switched off and on, and how it is forgotten.

use farebox_core::registry::{Entry, TeamEntry};
use serde_json::Map;

use super::Which;
use crate::registry::{Deed, RegistryError, Store, refused};

/// Refuses every caller of it.
pub(super) fn disable(which: &Which) -> Result<String, RegistryError> {
    change(which, "team disable", |entry| Some(TeamEntry { enabled: false, ..entry }))
}

/// Lets them in again.
pub(super) fn enable(which: &Which) -> Result<String, RegistryError> {
    change(which, "team enable", |entry| Some(TeamEntry { enabled: true, ..entry }))
}

/// Forgets what was said of it.
pub(super) fn unset(which: &Which) -> Result<String, RegistryError> {
    change(which, "team unset", |_| None)
}

fn change(
    which: &Which,
    what: &'static str,
    to: impl Fn(TeamEntry) -> Option<TeamEntry>,
) -> Result<String, RegistryError> {
    let Which { place, team, doing } = which;
    let config = place.read()?;
    let mut store = Store::of(&config, place)?;
    let (stored, old) = super::stored(&mut store, team)?;
    if stored.is_none() && what == "team unset" {
        return refused(format!("the registry says nothing of the team \"{team}\""));
    }
    let after = to(old).filter(|entry| *entry != TeamEntry::default()).map(Entry::Team);
    let is_heard_of = config.teams().contains(&team.as_str()) || stored.is_some();
    let mut deed = Deed::one(what, which.name().to_string(), stored, after);
    if !is_heard_of {
        deed.warnings.push(format!("no key of the configuration is of the team \"{team}\""));
    }
    let done = doing.carry_out(&config, &mut store, deed)?;
    Ok(if doing.json { done.json(Map::new()) } else { done.text() })
}
