//! Decides what is listed of the keys: those of the configuration and those of the registry, each with what its caller
//! gets now.

use std::collections::{BTreeMap, BTreeSet};

use farebox_core::base::window::Millis;
use farebox_core::config::Config;
use farebox_core::registry::{Entry, KeyEntry};
use serde_json::{Value, json};

use super::state::{State, Whole};
use crate::ledger::{Where, lines};
use crate::registry::{RegistryError, Store, printed};

/// Lists the keys of the configuration and of the registry
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Only those of this team
    #[arg(long)]
    team: Option<String>,
    /// Only those in this state: works, disabled, expired, revoked, no-secret or team-off
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn state(text: &str) -> Result<State, String> {
    let known = State::NAMES.iter().find(|(name, _)| *name == text);
    known.map(|(_, state)| *state).ok_or_else(|| {
        let names: Vec<&str> = State::NAMES.iter().map(|(name, _)| *name).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// The keys as text.
///
/// # Errors
/// [`RegistryError`] if they cannot be read.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let config = arguments.place.read()?;
    let mut store = Store::of(&config, &arguments.place)?;
    let all = store.all("key/")?;
    let off = teams_that_are_off(&mut store)?;
    let entries: BTreeMap<&str, &KeyEntry> = all
        .entries
        .iter()
        .filter_map(
            |(id, stored)| if let Entry::Key(key) = &stored.entry { Some((&**id, key)) } else { None },
        )
        .collect();
    let ids: BTreeSet<&str> = entries.keys().copied().chain(config.keys.keys().map(AsRef::as_ref)).collect();
    let found: Vec<(Whole<'_>, State)> = ids
        .into_iter()
        .map(|id| Whole::of(&config, id, entries.get(id).copied()))
        .map(|key| {
            let state = key.state(store.now, !off.contains(key.team()));
            (key, state)
        })
        .filter(|(key, state)| {
            arguments.team.as_deref().is_none_or(|team| key.team() == team)
                && arguments.state.is_none_or(|wanted| wanted == *state)
        })
        .collect();
    if arguments.json {
        let keys: Vec<Value> =
            found.iter().map(|(key, state)| of_key(&config, key, *state, store.now)).collect();
        return Ok(printed(&json!({"keys": keys, "unreadable": all.unreadable})));
    }
    let mut text = if found.is_empty() { "no such key".to_owned() } else { table(&found, store.now) };
    for name in &all.unreadable {
        text.push_str(&format!("\ncannot be read, so nobody is let in by it: {name}"));
    }
    Ok(text)
}

/// The teams of which no caller is let in.
pub(super) fn teams_that_are_off(store: &mut Store<'_>) -> Result<BTreeSet<String>, RegistryError> {
    let all = store.all("team/")?.entries.into_iter();
    let off = all.filter(|(_, stored)| matches!(&stored.entry, Entry::Team(team) if !team.enabled));
    Ok(off.map(|(team, _)| team).collect())
}

fn table(found: &[(Whole<'_>, State)], now: Millis) -> String {
    let heads = ["id", "team", "state", "secrets", "expires", "of the"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (key, state) in found {
        rows.push(vec![
            key.id.to_owned(),
            key.team().to_owned(),
            state.name().to_owned(),
            secrets(key, now).to_string(),
            key.expires().map_or_else(|| "-".to_owned(), Millis::to_rfc3339),
            key.source().to_owned(),
        ]);
    }
    lines(&rows)
}

/// How many of its secrets are good.
fn secrets(key: &Whole<'_>, now: Millis) -> usize {
    let own = key.entry.filter(|_| key.configured.is_none());
    let good = own
        .map(|entry| entry.hashes.iter().filter(|hash| hash.until.is_none_or(|until| now < until)).count());
    good.unwrap_or_else(|| key.configured.map_or(0, |key| key.sha256.len()))
}

/// A key for programs.
pub(super) fn of_key(config: &Config, key: &Whole<'_>, state: State, now: Millis) -> Value {
    let entry: Value =
        key.entry.and_then(|entry| serde_json::from_str(&entry.to_json()).ok()).unwrap_or_default();
    json!({
        "id": key.id,
        "team": key.team(),
        "state": state.name(),
        "secrets": secrets(key, now),
        "expires": key.expires().map(Millis::to_rfc3339),
        "in_configuration": config.keys.contains_key(key.id),
        "entry": entry,
    })
}
