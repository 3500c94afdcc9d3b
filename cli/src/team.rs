//! Decides what `farebox team` does: says which groups of an identity provider are a team, what its callers may ask for,
//! and switches all of them off and on, while Envoys run.

mod list;
mod set;
mod show;
mod switch;

use farebox_core::registry::{Entry, EntryName, TeamEntry};

use crate::ledger::Where;
use crate::registry::{Doing, RegistryError, Store, Stored};

/// Shows and changes teams while Envoys run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Set(set::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    /// Refuses every caller of a team; enable lets them in again
    Disable(Which),
    /// Lets the callers of a team in again
    Enable(Which),
    /// Takes away what was said of a team here
    Unset(Which),
}

/// Which team, and how it is changed.
#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    place: Where,
    /// The team
    team: String,
    #[command(flatten)]
    doing: Doing,
}

/// What was done, as text.
///
/// # Errors
/// [`RegistryError`] if nothing was done.
pub(crate) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    match &arguments.command {
        Command::Set(arguments) => set::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Disable(which) => switch::disable(which),
        Command::Enable(which) => switch::enable(which),
        Command::Unset(which) => switch::unset(which),
    }
}

impl Which {
    fn name(&self) -> EntryName<'_> {
        EntryName::Team(&self.team)
    }
}

/// What the registry has of `team`.
fn stored(store: &mut Store<'_>, team: &str) -> Result<(Option<Stored>, TeamEntry), RegistryError> {
    let stored = store.get(EntryName::Team(team))?;
    let entry = match &stored {
        Some(Stored { entry: Entry::Team(entry), .. }) => entry.clone(),
        _ => TeamEntry::default(),
    };
    Ok((stored, entry))
}
