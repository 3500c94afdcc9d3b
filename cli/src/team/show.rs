//! Decides what is shown of one team.

use farebox_core::config::suggestion;

use super::list;
use crate::ledger::Where;
use crate::registry::{RegistryError, Store, printed, refused};

/// Shows a team: whether it is on, its groups and models
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// The team
    team: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The team as text.
///
/// # Errors
/// [`RegistryError`] if there is none.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let team = &*arguments.team;
    let config = arguments.place.read()?;
    let mut store = Store::of(&config, &arguments.place)?;
    let (stored, entry) = super::stored(&mut store, team)?;
    let own = config.teams();
    let own_has = own.contains(&team);
    if stored.is_none() && !own_has {
        let all = store.all("team/")?.entries;
        let known = own.into_iter().chain(all.keys().map(String::as_str));
        return refused(format!(
            "neither the configuration nor the registry knows the team \"{team}\"{}",
            suggestion::did_you_mean(team, known)
        ));
    }
    if arguments.json {
        return Ok(printed(&list::of_team(&config, team, &entry)));
    }
    let (state, [groups, models]) = list::cells(&entry);
    let source = match (own_has, &stored) {
        (true, None) => "configuration",
        (true, Some(_)) => "configuration, registry",
        _ => "registry",
    };
    let mut rows =
        vec![("team", team.to_owned()), ("state", state.to_owned()), ("groups", groups), ("models", models)];
    rows.push(("of the", source.to_owned()));
    rows.extend(stored.map(|stored| ("changed", stored.changed_at().to_rfc3339())));
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:7}  {value}")).collect();
    Ok(lines.join("\n"))
}
