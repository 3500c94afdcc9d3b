//! Decides whether a configuration would be accepted, and says all that is wrong with it, or odd.

use core::fmt;
use std::io::Write;
use std::path::PathBuf;

use farebox_core::config::{Config, ConfigError, ConfigErrors};

use crate::envoy::{self, Filter};
use crate::source::{Source, SourceError};
use crate::{advice, kubernetes, price, sample};

/// Checks a configuration: a plugin configuration, or one of Envoy or for Kubernetes with Farebox in it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// JSON or YAML file; - reads the standard input
    file: PathBuf,
    /// Also check that the secrets are set in this environment (without it, every secret counts as set)
    #[arg(long)]
    env: bool,
    /// Take warnings for mistakes
    #[arg(long)]
    strict: bool,
}

/// Why a configuration was not found to be good.
#[derive(Debug)]
pub(crate) enum CheckError {
    /// There is nothing to check.
    Source(SourceError),
    /// An Envoy configuration without a Wasm filter; its name and what it is.
    NoFilter(String, &'static str),
    /// A Wasm filter with no text or the wrong one; its name and why.
    NoText(String, &'static str),
    /// A configuration with mistakes; its name.
    Broken(String, ConfigErrors),
    /// A configuration that is accepted, and what is odd about it; its name.
    Odd(String, Vec<ConfigError>),
    /// Good, and not written; why.
    Unwritten(String),
    /// Several of these.
    Several(Vec<Self>),
}

/// What was found in a file so far.
#[derive(Default)]
struct Findings {
    /// A line for each configuration that is good.
    good: Vec<String>,
    bad: Vec<CheckError>,
    /// What was said of those that are good.
    warnings: Vec<CheckError>,
}

/// One line for each configuration in the file. What is odd about them is said on the standard error.
///
/// # Errors
/// [`CheckError`] if any of them is not good.
pub(crate) fn run(arguments: &Arguments) -> Result<String, CheckError> {
    let (name, documents) = Source::read_all(&arguments.file).map_err(CheckError::Source)?;
    let mut findings = Findings::default();
    let is_alone = documents.len() == 1;
    for (index, json) in documents.iter().enumerate() {
        // What is not JSON is left to the reader of configurations, which says where it ends to be.
        let document = serde_json::from_str(json).ok();
        let title = document.as_ref().and_then(kubernetes::title);
        let title = title.unwrap_or_else(|| format!("document {}", index + 1));
        let name = if is_alone { name.clone() } else { format!("{name}, {title}") };
        match document.and_then(|document| envoy::filters(&document)) {
            Some(filters) => findings.envoy(&filters, arguments.env, &name),
            None => findings.plugin(json, arguments.env, &name, is_alone),
        }
    }
    let Findings { good, mut bad, warnings } = findings;
    if arguments.strict {
        bad.extend(warnings);
    } else {
        warnings.iter().for_each(|warning| drop(writeln!(std::io::stderr(), "{warning}")));
    }
    match bad.len() {
        0 if good.is_empty() => {
            Err(CheckError::NoFilter(name, if is_alone { "Envoy configuration" } else { "file" }))
        }
        0 => Ok(good.join("\n")),
        1 => Err(bad.remove(0)),
        _ => Err(CheckError::Several(bad)),
    }
}

impl Findings {
    /// Takes a plugin configuration.
    fn plugin(&mut self, json: &str, env: bool, name: &str, is_alone: bool) {
        let variable = |key: &str| if env { from_host(key) } else { set() };
        match Config::parse(json.as_bytes(), variable) {
            Ok(config) if is_alone => self.good(name, json, &config, summary(&config)),
            Ok(config) => self.good(name, json, &config, format!("{name}: {}", summary(&config))),
            Err(errors) => self.bad.push(CheckError::Broken(name.to_owned(), errors)),
        }
    }

    /// Takes the filters of a configuration of Envoy.
    fn envoy(&mut self, filters: &[Filter], env: bool, name: &str) {
        let gateways = filters.iter().filter(|filter| !filter.is_attempt).count();
        for filter in filters {
            let name = format!("{name}, {}", filter.path);
            match check(filter, env, &name) {
                Ok(_) if filter.is_attempt && gateways > 0 => {
                    let same =
                        |other: &Filter| !other.is_attempt && other.configuration == filter.configuration;
                    if !filters.iter().any(same) {
                        let why = "must be what the filter before the router has";
                        self.bad.push(CheckError::NoText(name, why));
                    }
                }
                Ok(config) => {
                    let json = filter.configuration.as_deref().unwrap_or_default();
                    let summary = summary(&config);
                    let line = if gateways <= 1 { summary } else { format!("{name}: {summary}") };
                    self.good(&name, json, &config, line);
                }
                Err(error) => self.bad.push(error),
            }
        }
    }

    fn good(&mut self, name: &str, json: &str, config: &Config, line: String) {
        self.good.push(line);
        let warnings = advice::of(config, json, price::now());
        if !warnings.is_empty() {
            self.warnings.push(CheckError::Odd(name.to_owned(), warnings));
        }
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
pub(crate) fn from_host(key: &str) -> Option<String> {
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
            Self::NoFilter(name, what) => write!(f, "{name}: there is no Wasm filter in this {what}"),
            Self::NoText(name, why) => write!(f, "{name}: {why}"),
            Self::Broken(name, errors) => {
                let count = errors.0.len();
                write!(f, "{name}: {count} mistake{}", plural(count))?;
                errors.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            Self::Odd(name, warnings) => {
                let count = warnings.len();
                write!(f, "{name}: {count} warning{}", plural(count))?;
                warnings.iter().try_for_each(|warning| write!(f, "\n  {warning}"))
            }
            Self::Unwritten(why) => f.write_str(why),
            Self::Several(errors) => errors.iter().enumerate().try_for_each(|(index, error)| {
                let line = if index == 0 { "" } else { "\n" };
                write!(f, "{line}{error}")
            }),
        }
    }
}

impl core::error::Error for CheckError {}
