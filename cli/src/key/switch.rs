//! Decides how a key is switched off and on, and how it is taken away for good.
//!
//! Revoking asks for `--yes` rather than at a prompt: it has to work in a script at night, and not by a slip.

use farebox_core::registry::{Entry, EntryName, KeyEntry};
use serde_json::Map;

use crate::ledger::Where;
use crate::registry::{Deed, Doing, RegistryError, Store, refused};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Public part of the key
    id: String,
    #[command(flatten)]
    doing: Doing,
}

#[derive(Debug, clap::Args)]
pub(super) struct Revocation {
    #[command(flatten)]
    arguments: Arguments,
    /// Yes, for good
    #[arg(long)]
    yes: bool,
}

/// Switches it off.
pub(super) fn disable(arguments: &Arguments) -> Result<String, RegistryError> {
    change(arguments, "key disable", |known, _| Ok(KeyEntry { enabled: false, ..known }))
}

/// Switches it on.
pub(super) fn enable(arguments: &Arguments) -> Result<String, RegistryError> {
    let id = &arguments.id;
    change(arguments, "key enable", |known, _| match known.revoked_at {
        Some(at) => refused(format!(
            "the key \"{id}\" was revoked on {}, which is for good: make another one",
            at.to_rfc3339()
        )),
        None => Ok(KeyEntry { enabled: true, ..known }),
    })
}

/// Takes it away for good.
pub(super) fn revoke(revocation: &Revocation) -> Result<String, RegistryError> {
    let Revocation { arguments, yes } = revocation;
    if !yes && !arguments.doing.is_dry() {
        return refused(format!(
            "a revoked key never works again, and its id is not given again. If this is meant, say --yes; farebox key \
             disable {} can be taken back",
            arguments.id
        ));
    }
    change(arguments, "key revoke", |known, store| {
        Ok(KeyEntry { revoked_at: known.revoked_at.or(Some(store.now)), ..known })
    })
}

fn change(
    arguments: &Arguments,
    what: &'static str,
    to: impl Fn(KeyEntry, &Store<'_>) -> Result<KeyEntry, RegistryError>,
) -> Result<String, RegistryError> {
    let id = &*arguments.id;
    let config = arguments.place.read()?;
    let mut store = Store::of(&config, &arguments.place)?;
    let known = super::known(&config, &mut store, id)?;
    let entry = to(known.entry, &store)?;
    let configured = config.keys.get(id);
    if what == "key enable" && configured.is_some_and(|key| !key.enabled) {
        return refused(format!("the configuration switches the key \"{id}\" off: change \"enabled\" there"));
    }
    // Of a key of the configuration nothing is left to say.
    let is_empty = configured.is_some() && entry == KeyEntry::default();
    let after = (!is_empty).then_some(Entry::Key(entry));
    let deed = Deed::one(what, EntryName::Key(id).to_string(), known.stored, after);
    let done = arguments.doing.carry_out(&config, &mut store, deed)?;
    Ok(if arguments.doing.json { done.json(Map::new()) } else { done.text() })
}
