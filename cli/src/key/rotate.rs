//! Decides how a key gets another secret: the new one is good at once, and older ones for as long as it is said.
//!
//! No older secret is good for longer than the last rotation says, and none for longer than an earlier one said. So a
//! second rotation in an overlap breaks no promise, and `--overlap 0` ends a secret that has leaked, whatever was said
//! before.

use farebox_core::base::window::Millis;
use farebox_core::registry::{Entry, EntryName, KeyEntry, KeyHash};

use super::new::Secret;
use crate::ledger::Where;
use crate::registry::{DURATION, Deed, Doing, RegistryError, Store, duration, refused};

/// Most secrets of one key, as an entry can have.
const MOST: usize = 4;

/// Gives a key another secret. Prints it once; the old one stays good for the overlap
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Public part of the key
    id: String,
    /// How long the old secret stays good; 0 ends it at once
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = overlap)]
    overlap: u64,
    #[command(flatten)]
    doing: Doing,
}

fn overlap(text: &str) -> Result<u64, &'static str> {
    duration(text).ok_or(DURATION)
}

/// The new key, or what would change.
///
/// # Errors
/// [`RegistryError`] if nothing was changed.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let id = &*arguments.id;
    let config = arguments.place.read()?;
    if config.keys.contains_key(id) {
        return refused(format!(
            "the key \"{id}\" is one of the configuration: farebox keygen --rotate {id} --into FILE gives it another \
             secret there"
        ));
    }
    let mut store = Store::of(&config, &arguments.place)?;
    let known = super::known(&config, &mut store, id)?;
    let now = store.now;
    if let Some(at) = known.entry.revoked_at {
        return refused(format!("the key \"{id}\" was revoked on {}, which is for good", at.to_rfc3339()));
    }
    if let Some(at) = known.entry.expires.filter(|at| *at <= now) {
        return refused(format!("the key \"{id}\" has expired on {}: make another one", at.to_rfc3339()));
    }
    let until = now.plus(arguments.overlap);
    let mut hashes = still_good(&known.entry.hashes, until, now);
    if hashes.len() >= MOST {
        let ends = hashes.iter().filter_map(|hash| hash.until).min();
        let ends =
            ends.map_or_else(String::new, |at| format!("; the first of them ends at {}", at.to_rfc3339()));
        return refused(format!(
            "the key \"{id}\" has {MOST} secrets, which is the most{ends}; --overlap 0 ends all"
        ));
    }
    let secret = Secret::of(id, arguments.doing.is_dry())?;
    hashes.extend(secret.hash.map(|sha256| KeyHash { sha256, until: None }));
    let warnings = match known.entry.enabled {
        true => Vec::new(),
        false => vec![format!("the key \"{id}\" is switched off: farebox key enable switches it on")],
    };
    let entry = Entry::Key(KeyEntry { hashes, ..known.entry });
    let deed = Deed::one("key rotate", EntryName::Key(id).to_string(), known.stored, Some(entry));
    let done = arguments.doing.carry_out(&config, &mut store, Deed { warnings, ..deed })?;
    Ok(secret.told(&done, arguments.doing.json))
}

/// Those of `hashes` that are good after `now`, none of them beyond `until`.
fn still_good(hashes: &[KeyHash], until: Millis, now: Millis) -> Vec<KeyHash> {
    let cut = hashes
        .iter()
        .map(|hash| KeyHash { until: Some(hash.until.map_or(until, |own| own.min(until))), ..*hash });
    cut.filter(|hash| hash.until.is_none_or(|until| until > now)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_older_secret_is_good_for_longer_than_any_rotation_has_said() {
        let hash = |first: u8, until: Option<u64>| {
            let mut sha256 = [0; 32];
            sha256[0] = first;
            KeyHash { sha256, until: until.map(Millis) }
        };
        let all = [hash(1, Some(90)), hash(2, Some(150)), hash(3, Some(900)), hash(4, None)];
        let cut = |until| still_good(&all, Millis(until), Millis(100));
        assert_eq!(cut(200), [hash(2, Some(150)), hash(3, Some(200)), hash(4, Some(200))]);
        assert_eq!(cut(100), []);
    }
}
