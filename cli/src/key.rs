//! Decides what `farebox key` does: makes, lists, replaces, switches off and revokes the keys of callers while Envoys run.
//!
//! A key that the configuration has is the configuration's: here it can only be taken away.

mod list;
mod new;
mod rotate;
mod show;
mod state;
mod switch;

use farebox_core::config::{Config, suggestion};
use farebox_core::registry::{Entry, EntryName, KeyEntry};

pub(crate) use new::unknown_models;

use crate::registry::{RegistryError, Store, Stored};

/// Makes and changes keys of callers while Envoys run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(new::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Rotate(rotate::Arguments),
    /// Switches a key off; enable switches it on again
    Disable(switch::Arguments),
    /// Switches a key on that was switched off here
    Enable(switch::Arguments),
    /// Takes a key away for good
    Revoke(switch::Revocation),
}

/// What was done, as text.
///
/// # Errors
/// [`RegistryError`] if nothing was done.
pub(crate) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    match &arguments.command {
        Command::New(arguments) => new::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Rotate(arguments) => rotate::run(arguments),
        Command::Disable(arguments) => switch::disable(arguments),
        Command::Enable(arguments) => switch::enable(arguments),
        Command::Revoke(arguments) => switch::revoke(arguments),
    }
}

/// What the registry has of the key `id`.
struct Known {
    stored: Option<Stored>,
    entry: KeyEntry,
}

/// The key `id`, which the configuration or the registry must have.
fn known(config: &Config, store: &mut Store<'_>, id: &str) -> Result<Known, RegistryError> {
    let stored = store.get(EntryName::Key(id))?;
    if stored.is_none() && !config.keys.contains_key(id) {
        let ids = store.all("key/")?.entries.into_keys();
        let ids: Vec<String> = ids.chain(config.keys.keys().map(|id| id.to_string())).collect();
        let meant = suggestion::did_you_mean(id, ids.iter().map(String::as_str));
        return Err(RegistryError::Refused(format!("no key has the id \"{id}\"{meant}")));
    }
    let entry = match &stored {
        Some(Stored { entry: Entry::Key(key), .. }) => key.clone(),
        _ => KeyEntry::default(),
    };
    Ok(Known { stored, entry })
}
