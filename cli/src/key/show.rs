//! Decides what is shown of one key.

use farebox_core::base::window::Millis;
use farebox_core::registry::Entry;
use serde_json::Value;

use super::list;
use super::state::Whole;
use crate::ledger::Where;
use crate::registry::{RegistryError, Store, differences, printed};

/// Shows a key: whose it is, whether it works, and until when which secret is good
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Public part of the key
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The key as text.
///
/// # Errors
/// [`RegistryError`] if there is none.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let id = &*arguments.id;
    let config = arguments.place.read()?;
    let mut store = Store::of(&config, &arguments.place)?;
    let known = super::known(&config, &mut store, id)?;
    let key = Whole::of(&config, id, known.stored.is_some().then_some(&known.entry));
    let off = list::teams_that_are_off(&mut store)?;
    let state = key.state(store.now, !off.contains(key.team()));
    if arguments.json {
        return Ok(printed(&list::of_key(&config, &key, state, store.now)));
    }
    let mut rows = vec![
        ("id".to_owned(), id.to_owned()),
        ("team".to_owned(), key.team().to_owned()),
        ("state".to_owned(), state.name().to_owned()),
        ("of the".to_owned(), key.source().to_owned()),
    ];
    if let Some(expires) = key.configured.and_then(|key| key.expires) {
        rows.push(("expires (configuration)".to_owned(), expires.to_rfc3339()));
    }
    if let Some(stored) = &known.stored {
        rows.push(("changed".to_owned(), Millis::to_rfc3339(stored.changed_at())));
        if let Entry::Key(entry) = &stored.entry {
            let json: Value = serde_json::from_str(&entry.to_json()).unwrap_or_default();
            let own = differences(&Value::Null, &json).into_iter().map(|(path, _, is)| (path, is));
            rows.extend(own.filter(|(path, _)| path != "team"));
        }
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    Ok(lines.join("\n"))
}
