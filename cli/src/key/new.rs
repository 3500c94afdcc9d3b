//! Decides what a key is that is made while Envoys run. Its text is shown once, on the standard output and nowhere else;
//! the registry gets its hash.

use std::io::Write;

use farebox_core::config::{Config, suggestion};
use farebox_core::registry::{Entry, EntryName, KeyEntry, KeyHash, TeamEntry};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::advice;
use crate::keygen;
use crate::ledger::Where;
use crate::registry::{Clocks, Deed, Doing, Done, RegistryError, Store, Stored, refused};

/// Makes a key. Prints it once; only its hash is kept
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Who pays
    #[arg(long)]
    team: String,
    /// Public part of the key: a-z, 0-9 and - (without it, one is made up)
    #[arg(long)]
    id: Option<String>,
    /// What the record says of the key besides its id; repeat for more
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = keygen::label)]
    labels: Vec<(String, String)>,
    /// Models the key may ask for, or patterns, with commas; repeat for more (without it: every model)
    #[arg(long, alias = "model", value_name = "PATTERN,…", value_delimiter = ',')]
    models: Vec<String>,
    /// First moment at which it no longer works: 2027-01-01, tomorrow, +90d; by the clocks of UTC
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    #[command(flatten)]
    doing: Doing,
}

/// The key, or what would be made.
///
/// # Errors
/// [`RegistryError`] if none was made.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let config = arguments.place.read()?;
    let id = match &arguments.id {
        Some(id) => id.clone(),
        None => made_up()?,
    };
    if config.keys.contains_key(&*id) {
        return refused(format!(
            "the configuration has a key with the id \"{id}\" already; take another one"
        ));
    }
    let mut store = Store::of(&config, &arguments.place)?;
    let name = EntryName::Key(&id);
    if let Some(Stored { entry: Entry::Key(key), .. }) = store.get(name)? {
        let more = match key.revoked_at {
            Some(at) => format!(" (revoked on {}, and the id with it)", at.to_rfc3339()),
            None => "; farebox key rotate gives it another secret".to_owned(),
        };
        return refused(format!("there is a key with the id \"{id}\" already{more}"));
    }
    let expires = arguments.expires.as_deref().map(|text| Clocks::utc(store.now).until(text)).transpose();
    let expires = expires.map_err(|told| RegistryError::Refused(format!("--expires: {told}")))?;
    let secret = Secret::of(&id, arguments.doing.is_dry())?;
    let entry = KeyEntry {
        hashes: secret.hash.into_iter().map(|sha256| KeyHash { sha256, until: None }).collect(),
        team: Some(arguments.team.as_str().into()),
        labels: arguments
            .labels
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
            .collect(),
        models: arguments.models.iter().map(|model| model.as_str().into()).collect(),
        expires,
        ..KeyEntry::default()
    };
    let mut warnings = unknown_models(&config, &arguments.models);
    warnings.extend(odd_team(&config, &mut store, &arguments.team)?);
    let deed = Deed::one("key new", name.to_string(), None, Some(Entry::Key(entry)));
    let done = arguments.doing.carry_out(&config, &mut store, Deed { warnings, ..deed })?;
    Ok(secret.told(&done, arguments.doing.json))
}

/// A new secret; none in a dry run.
pub(super) struct Secret {
    text: Option<String>,
    /// Its SHA-256.
    pub(super) hash: Option<[u8; 32]>,
}

impl Secret {
    pub(super) fn of(id: &str, is_dry: bool) -> Result<Self, RegistryError> {
        if is_dry {
            return Ok(Self { text: None, hash: None });
        }
        let text = keygen::secret(id).map_err(no_randomness)?;
        Ok(Self { hash: Some(Sha256::digest(text.as_bytes()).into()), text: Some(text) })
    }

    /// The key on the standard output, and all else beside it, so that a script reads the key alone.
    pub(super) fn told(&self, done: &Done, is_json: bool) -> String {
        let Some(text) = &self.text else {
            return if is_json { done.json(Map::new()) } else { format!("{} and no key made", done.text()) };
        };
        if is_json {
            return done.json(Map::from_iter([("key".to_owned(), Value::from(text.as_str()))]));
        }
        let _ = writeln!(std::io::stderr(), "{}\nThe key, shown only now:", done.text());
        text.clone()
    }
}

fn made_up() -> Result<String, RegistryError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(no_randomness)?;
    Ok(format!("k-{:08x}", u32::from_be_bytes(bytes)))
}

fn no_randomness(error: getrandom::Error) -> RegistryError {
    RegistryError::Refused(format!("the system has no random numbers: {error}"))
}

/// What is said of models that nothing serves, as `farebox check` says it.
pub(crate) fn unknown_models(config: &Config, models: &[String]) -> Vec<String> {
    let unknown = models.iter().filter(|model| !advice::leads_somewhere(config, model));
    unknown.map(|model| format!("--models: nothing serves \"{model}\"")).collect()
}

/// What is odd about a team that a key is made for.
fn odd_team(config: &Config, store: &mut Store<'_>, team: &str) -> Result<Option<String>, RegistryError> {
    match store.get(EntryName::Team(team))? {
        Some(Stored { entry: Entry::Team(TeamEntry { enabled: false, .. }), .. }) => {
            return Ok(Some(format!(
                "the team \"{team}\" is switched off: the key will be refused until it is on"
            )));
        }
        Some(_) => return Ok(None),
        None => {}
    }
    let teams = config.teams();
    let meant = suggestion::nearest(team, teams.iter().copied()).filter(|_| !teams.contains(&team));
    Ok(meant.map(|meant| {
        format!("no key of the configuration is of the team \"{team}\"; did you mean \"{meant}\"?")
    }))
}
