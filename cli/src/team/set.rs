//! Decides which groups are a team and which models its callers may ask for. What is not named stays as it is.

use std::collections::BTreeMap;

use farebox_core::registry::{Entry, TeamEntry};
use serde_json::Map;

use super::Which;
use crate::key::unknown_models;
use crate::registry::{Deed, RegistryError, Store, refused};

/// Says which groups of the identity provider are a team, and what its callers may ask for
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Groups of the identity provider that are this team, instead of those it has; repeat for more
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "no_groups")]
    groups: Vec<String>,
    /// It has no groups any more
    #[arg(long)]
    no_groups: bool,
    /// Models its callers may ask for, or patterns, with commas; repeat for more. Narrows what a key may
    #[arg(
        long,
        alias = "model",
        value_name = "PATTERN,…",
        value_delimiter = ',',
        conflicts_with = "no_models"
    )]
    models: Vec<String>,
    /// Its callers may ask for every model that their keys may
    #[arg(long)]
    no_models: bool,
}

/// What changed.
///
/// # Errors
/// [`RegistryError`] if nothing did.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let Arguments { which, groups, no_groups, models, no_models } = arguments;
    if groups.is_empty() && models.is_empty() && !no_groups && !no_models {
        return refused("say what: --group, --no-groups, --models or --no-models");
    }
    let config = which.place.read()?;
    let mut store = Store::of(&config, &which.place)?;
    let (stored, old) = super::stored(&mut store, &which.team)?;
    let kept = |own: Vec<Box<str>>, new: &[String], none: bool| match new.is_empty() && !none {
        true => own,
        false => new.iter().map(|text| text.as_str().into()).collect(),
    };
    let entry = TeamEntry {
        groups: kept(old.groups, groups, *no_groups),
        models: kept(old.models, models, *no_models),
        enabled: old.enabled,
    };
    let mut warnings = unknown_models(&config, models);
    warnings.extend(others_with(&mut store, &which.team, groups)?);
    let after = Some(entry).filter(|entry| *entry != TeamEntry::default()).map(Entry::Team);
    let deed = Deed::one("team set", which.name().to_string(), stored, after);
    let done = which.doing.carry_out(&config, &mut store, Deed { warnings, ..deed })?;
    Ok(if which.doing.json { done.json(Map::new()) } else { done.text() })
}

/// Tells which of `groups` are another team's already: who is in such a one is of the team that comes first.
fn others_with(store: &mut Store<'_>, team: &str, groups: &[String]) -> Result<Vec<String>, RegistryError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let all = store.all("team/")?.entries;
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (other, stored) in all.iter().filter(|(other, _)| *other != team) {
        if let Entry::Team(entry) = &stored.entry {
            owners.extend(entry.groups.iter().map(|group| (&**group, other.as_str())));
        }
    }
    let owned = groups.iter().filter_map(|group| Some((group, owners.get(group.as_str())?)));
    Ok(owned.map(|(group, other)| format!("the group \"{group}\" is the team \"{other}\" already")).collect())
}
