//! Decides whether a configuration would be accepted, and says all that is wrong with it.

use core::fmt;
use std::path::PathBuf;

use farebox_core::config::{Config, ConfigErrors};

use crate::envoy::{self, Filter};
use crate::sample;
use crate::source::{Source, SourceError};

/// Checks a configuration: a plugin configuration, or an Envoy configuration with Farebox in it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// JSON or YAML file; - reads the standard input
    file: PathBuf,
    /// Also check that the secrets are set in this environment (without it, every secret counts as set)
    #[arg(long)]
    env: bool,
}

/// Why a configuration was not found to be good.
#[derive(Debug)]
pub(crate) enum CheckError {
    /// There is nothing to check.
    Source(SourceError),
    /// An Envoy configuration without a Wasm filter; its name.
    NoFilter(String),
    /// A Wasm filter with no text or the wrong one; its name and why.
    NoText(String, &'static str),
    /// A configuration with mistakes; its name.
    Broken(String, ConfigErrors),
    /// Several of these.
    Several(Vec<Self>),
}

/// One line for each configuration in the file.
///
/// # Errors
/// [`CheckError`] if any of them is not good.
pub(crate) fn run(arguments: &Arguments) -> Result<String, CheckError> {
    let Source { name, json } = Source::read(&arguments.file).map_err(CheckError::Source)?;
    // What is not JSON is left to the reader of configurations, which says where it ends to be.
    let filters = serde_json::from_str(&json).ok().and_then(|document| envoy::filters(&document));
    let Some(filters) = filters else {
        let variable = |key: &str| if arguments.env { from_host(key) } else { set() };
        let config = Config::parse(json.as_bytes(), variable);
        return config.map(|config| summary(&config)).map_err(|errors| CheckError::Broken(name, errors));
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let gateways = filters.iter().filter(|filter| !filter.is_attempt).count();
    for filter in &filters {
        let name = format!("{name}, {}", filter.path);
        match check(filter, arguments.env, &name) {
            Ok(_) if filter.is_attempt && gateways > 0 => {
                let same = |other: &Filter| !other.is_attempt && other.configuration == filter.configuration;
                if !filters.iter().any(same) {
                    bad.push(CheckError::NoText(name, "must be what the filter before the router has"));
                }
            }
            Ok(config) if gateways <= 1 => good.push(summary(&config)),
            Ok(config) => good.push(format!("{name}: {}", summary(&config))),
            Err(error) => bad.push(error),
        }
    }
    match bad.len() {
        0 if good.is_empty() => Err(CheckError::NoFilter(name)),
        0 => Ok(good.join("\n")),
        _ => Err(CheckError::Several(bad)),
    }
}

fn check(filter: &Filter, env: bool, name: &str) -> Result<Config, CheckError> {
    let json = filter.configuration.as_ref().map_err(|why| CheckError::NoText(name.to_owned(), why))?;
    let variable = |key: &str| if env { filter.variable(key, from_host) } else { set() };
    let config = Config::parse(json.as_bytes(), variable);
    let config = config.map_err(|errors| CheckError::Broken(name.to_owned(), errors))?;
    // Nobody calls a filter behind the router: the one before it has let them in, and has been told.
    let open = filter.open.as_deref().filter(|_| !filter.is_attempt);
    let public = open.map(|place| sample::mistakes(json, place)).unwrap_or_default();
    if public.is_empty() {
        Ok(config)
    } else {
        Err(CheckError::Broken(name.to_owned(), ConfigErrors(public)))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the closure through which secrets are resolved")]
fn from_host(key: &str) -> Option<String> {
    std::env::var(key).ok()
}

fn set() -> Option<String> {
    // As long as a secret has to be.
    Some("a-secret-that-is-set".to_owned())
}

fn summary(config: &Config) -> String {
    let counts = [
        (config.providers.len(), "provider"),
        (config.aliases.len() + config.patterns.len(), "model"),
        (config.keys.len(), "key"),
        (config.budgets.len(), "budget"),
    ];
    let counts = counts.map(|(count, noun)| format!("{count} {noun}{}", plural(count)));
    format!("ok: {}", counts.join(", "))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "{error}"),
            Self::NoFilter(name) => write!(f, "{name}: there is no Wasm filter in this Envoy configuration"),
            Self::NoText(name, why) => write!(f, "{name}: {why}"),
            Self::Broken(name, errors) => {
                let count = errors.0.len();
                write!(f, "{name}: {count} mistake{}", plural(count))?;
                errors.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            Self::Several(errors) => errors.iter().enumerate().try_for_each(|(index, error)| {
                let line = if index == 0 { "" } else { "\n" };
                write!(f, "{line}{error}")
            }),
        }
    }
}

impl core::error::Error for CheckError {}
