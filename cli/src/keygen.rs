//! Decides what a new caller key looks like: `fb_<id>_<64 random hexadecimal digits>`.
//!
//! The key is shown once and stored nowhere; the configuration gets its SHA-256. A secret of 256 random
//! bits needs no salt and no slow hash: there is nothing to guess.
//!
//! Does not know how an entry gets into a file: see `into`.

mod into;

use core::fmt;
use std::io::Write;
use std::path::PathBuf;

use farebox_core::config::{Config, ConfigError, ConfigErrors};
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::into::IntoError;

/// Makes new caller keys and their entries in the configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Public part of the key: a-z, 0-9 and -
    #[arg(long, required_unless_present = "rotate")]
    id: Option<String>,
    /// Who pays
    #[arg(long, required_unless_present = "rotate")]
    team: Option<String>,
    /// First day (or RFC 3339 moment) on which the key no longer works
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Models the key may ask for, or patterns, with commas; repeat for more (without it: every model)
    #[arg(long, alias = "model", value_name = "PATTERN,…", value_delimiter = ',')]
    models: Vec<String>,
    /// What the record says of the key besides its id; repeat for more
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Let the key ask what others have spent
    #[arg(long)]
    admin: bool,
    /// Make so many keys, with ids like ID-1, ID-2, …
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: Option<u16>,
    /// Configuration to add the keys to, in place; then only the keys are printed
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// Give the key with this id another secret in FILE: both work until you take the old hash out
    #[arg(long, value_name = "ID", requires = "into",
          conflicts_with_all = ["id", "team", "expires", "models", "labels", "admin", "count"])]
    rotate: Option<String>,
}

/// Why no key was made.
#[derive(Debug)]
pub(crate) enum KeygenError {
    /// The system has no random numbers.
    NoRandomness(getrandom::Error),
    /// The configuration would not accept the entry.
    Refused(ConfigErrors),
    /// The file cannot take it.
    Into(IntoError),
}

/// A key and what the configuration is told of it.
struct Made {
    key: String,
    sha256: String,
}

/// Each key and its entry, a line each; or the keys alone, if the entries are in a file. What they are is said on
/// the standard error, so that a script can read the lines.
///
/// # Errors
/// [`KeygenError`] if an argument cannot stand in a configuration, or the file cannot be changed.
pub(crate) fn run(arguments: &Arguments) -> Result<String, KeygenError> {
    if let (Some(id), Some(file)) = (&arguments.rotate, &arguments.into) {
        let made = Made::of(id)?;
        into::rotate(file, id, &made.sha256).map_err(KeygenError::Into)?;
        say(&format!(
            "The new secret of {id}, shown only now. The old one works too until you take its hash out:"
        ));
        return Ok(made.key);
    }
    let mut lines = Vec::new();
    let mut entries = Vec::new();
    for id in ids(arguments) {
        let made = Made::of(&id)?;
        let entry = entry(arguments, &id, &made.sha256);
        check(&entry)?;
        lines.push(made.key);
        if arguments.into.is_none() {
            lines.push(entry.clone());
        }
        entries.push(entry);
    }
    let (key, its) = if entries.len() == 1 { ("key", "its entry") } else { ("keys", "their entries") };
    match &arguments.into {
        Some(file) => {
            into::add(file, &entries).map_err(KeygenError::Into)?;
            say(&format!(
                "The {key}, shown only now; {its} in {} made:",
                if entries.len() == 1 { "is" } else { "are" }
            ));
        }
        None => say(&format!("The {key}, shown only now, and {its} for \"keys\":")),
    }
    Ok(lines.join("\n"))
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Made {
    fn of(id: &str) -> Result<Self, KeygenError> {
        let key = secret(id).map_err(KeygenError::NoRandomness)?;
        let sha256 = hash(&key);
        Ok(Self { key, sha256 })
    }
}

/// The text of a new key.
///
/// # Errors
/// If the system has no random numbers.
pub(crate) fn secret(id: &str) -> Result<String, getrandom::Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    Ok(format!("fb_{id}_{}", hex(&secret)))
}

/// What the configuration has of the text of a key.
pub(crate) fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

fn ids(arguments: &Arguments) -> Vec<String> {
    let id = arguments.id.clone().unwrap_or_default();
    match arguments.count {
        None => vec![id],
        Some(count) => (1..=count).map(|number| format!("{id}-{number}")).collect(),
    }
}

/// A label as it is written at a shell.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn entry(arguments: &Arguments, id: &str, sha256: &str) -> String {
    let team = arguments.team.as_deref().unwrap_or_default();
    let mut members =
        vec![("id", Value::from(id)), ("sha256", Value::from(sha256)), ("team", Value::from(team))];
    if !arguments.labels.is_empty() {
        let labels = arguments.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        members.push(("labels", Value::Object(labels.collect())));
    }
    if !arguments.models.is_empty() {
        members.push(("models", Value::from(arguments.models.clone())));
    }
    if let Some(expires) = &arguments.expires {
        members.push(("expires", Value::from(expires.as_str())));
    }
    if arguments.admin {
        members.push(("admin", Value::from(true)));
    }
    let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// Whether the filter would accept the entry, taken for itself.
fn check(entry: &str) -> Result<(), KeygenError> {
    let trial = format!(r#"{{"version": "v1", "keys": [{entry}], "providers": {{}}, "models": {{}}}}"#);
    Config::parse(trial.as_bytes(), |_| None).map(drop).map_err(KeygenError::Refused)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The option that a path of the entry stands for.
fn option(error: &ConfigError) -> &str {
    let member = error.path.trim_start_matches("keys[0].").split(['[', '.']).next().unwrap_or_default();
    if member == "labels" { "label" } else { member }
}

impl fmt::Display for KeygenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRandomness(error) => write!(f, "the system has no random numbers: {error}"),
            Self::Into(error) => write!(f, "{error}"),
            Self::Refused(errors) => errors.0.iter().enumerate().try_for_each(|(index, error)| {
                let line = if index == 0 { "" } else { "\n" };
                write!(f, "{line}--{}: {}", option(error), error.message)
            }),
        }
    }
}

impl core::error::Error for KeygenError {}
