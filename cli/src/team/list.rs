//! Decides what is listed of the teams: those of the configuration's keys and those of the registry.

use std::collections::BTreeSet;

use farebox_core::config::Config;
use farebox_core::registry::{Entry, TeamEntry};
use serde_json::{Value, json};

use crate::ledger::{Where, lines};
use crate::registry::{RegistryError, Store, Stored, printed};

/// Lists the teams of the configuration and of the registry
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The teams as text.
///
/// # Errors
/// [`RegistryError`] if they cannot be read.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let config = arguments.place.read()?;
    let mut store = Store::of(&config, &arguments.place)?;
    let all = store.all("team/")?;
    let names: BTreeSet<&str> = all.entries.keys().map(String::as_str).chain(config.teams()).collect();
    let usual = TeamEntry::default();
    let teams: Vec<(&str, &TeamEntry)> = names
        .into_iter()
        .map(|team| match all.entries.get(team) {
            Some(Stored { entry: Entry::Team(entry), .. }) => (team, entry),
            _ => (team, &usual),
        })
        .collect();
    if arguments.json {
        let teams: Vec<Value> = teams.iter().map(|(team, entry)| of_team(&config, team, entry)).collect();
        return Ok(printed(&json!({"teams": teams, "unreadable": all.unreadable})));
    }
    let heads = ["team", "state", "groups", "models"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (team, entry) in teams {
        let (state, [groups, models]) = cells(entry);
        rows.push(vec![team.to_owned(), state.to_owned(), groups, models]);
    }
    let unreadable = all.unreadable.iter().map(|name| format!("\ncannot be read: {name}"));
    Ok(lines(&rows) + &unreadable.collect::<String>())
}

/// A team for programs.
pub(super) fn of_team(config: &Config, team: &str, entry: &TeamEntry) -> Value {
    json!({
        "team": team,
        "enabled": entry.enabled,
        "groups": entry.groups,
        "models": entry.models,
        "in_configuration": config.teams().contains(&team),
    })
}

/// What is said of a team at a terminal: whether it is on, its groups and its models.
pub(super) fn cells(entry: &TeamEntry) -> (&'static str, [String; 2]) {
    let joined = |texts: &[Box<str>], none: &str| match texts {
        [] => none.to_owned(),
        texts => texts.join(", ").replace(char::is_control, "?"),
    };
    (if entry.enabled { "on" } else { "off" }, [joined(&entry.groups, "-"), joined(&entry.models, "all")])
}
