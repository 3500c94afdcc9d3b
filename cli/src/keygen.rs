//! Decides what a new caller key looks like: `fb_<id>_<64 random hexadecimal digits>`.
//!
//! The key is shown once and stored nowhere; the configuration gets its SHA-256. A secret of 256 random
//! bits needs no salt and no slow hash: there is nothing to guess.

use core::fmt;
use std::io::Write;

use farebox_core::config::{Config, ConfigErrors};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Makes a new caller key and the entry for it in the configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Public part of the key: a-z, 0-9 and -
    #[arg(long)]
    id: String,
    /// Who pays
    #[arg(long)]
    team: String,
    /// First day (or RFC 3339 moment) on which the key no longer works
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Model the key may ask for, or a pattern; repeat for more (without it: every model)
    #[arg(long = "model", value_name = "PATTERN")]
    models: Vec<String>,
}

/// Why no key was made.
#[derive(Debug)]
pub(crate) enum KeygenError {
    /// The system has no random numbers.
    NoRandomness(getrandom::Error),
    /// The configuration would not accept the entry.
    Refused(ConfigErrors),
}

/// The key and its entry, a line each. What they are is said on the standard error, so that a script can
/// read the lines.
///
/// # Errors
/// [`KeygenError`] if an argument cannot stand in a configuration.
pub(crate) fn run(arguments: &Arguments) -> Result<String, KeygenError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(KeygenError::NoRandomness)?;
    let key = format!("fb_{}_{}", arguments.id, hex(&secret));
    let entry = entry(arguments, &hex(&Sha256::digest(key.as_bytes())));
    let trial = format!(r#"{{"version": "v1", "keys": [{entry}], "providers": {{}}, "models": {{}}}}"#);
    Config::parse(trial.as_bytes(), |_| None).map_err(KeygenError::Refused)?;
    let _ = writeln!(std::io::stderr(), "The key, shown only now, and its entry for \"keys\":");
    Ok(format!("{key}\n{entry}"))
}

fn entry(arguments: &Arguments, sha256: &str) -> String {
    let mut members = vec![
        ("id", Value::from(arguments.id.as_str())),
        ("sha256", Value::from(sha256)),
        ("team", Value::from(arguments.team.as_str())),
    ];
    if !arguments.models.is_empty() {
        members.push(("models", Value::from(arguments.models.clone())));
    }
    if let Some(expires) = &arguments.expires {
        members.push(("expires", Value::from(expires.as_str())));
    }
    let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The option that a path of the entry stands for.
fn option(path: &str) -> String {
    let member = path.trim_start_matches("keys[0].").split('[').next().unwrap_or_default();
    format!("--{}", if member == "models" { "model" } else { member })
}

impl fmt::Display for KeygenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRandomness(error) => write!(f, "the system has no random numbers: {error}"),
            Self::Refused(errors) => errors.0.iter().enumerate().try_for_each(|(index, error)| {
                let line = if index == 0 { "" } else { "\n" };
                write!(f, "{line}{}: {}", option(&error.path), error.message)
            }),
        }
    }
}

impl core::error::Error for KeygenError {}
