//! Decides what `farebox import` makes of another gateway's configuration, and how that is written down.
//!
//! A move is done by somebody who has to answer for it, so nothing is dropped in silence: what has no place here is
//! listed with its path, and where something could only be made stricter, that is said too. Values are never in that
//! list, because they may be secrets.

mod callers;
mod litellm;
mod models;
mod providers;

use core::fmt;
use std::io::Write;
use std::path::PathBuf;

use farebox_core::config::{Config, ConfigErrors};
use serde_json::{Map, Value};

use crate::source::SourceError;
use crate::{advice, price};

/// Makes a configuration of Farebox's out of another gateway's.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Litellm(litellm::Options),
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum ImportError {
    /// A file cannot be read.
    Source(SourceError),
    /// A file is not what it should be.
    Shape(&'static str),
    /// The new keys cannot be written; where.
    Secrets(PathBuf, std::io::Error),
    /// There are no random numbers for new keys.
    NoRandomness,
    /// What came out is not accepted.
    Refused(ConfigErrors),
}

/// A configuration in the making, and what is to be said about it.
#[derive(Debug, Default)]
struct Draft {
    keys: Vec<Value>,
    providers: Map<String, Value>,
    models: Map<String, Value>,
    budgets: Vec<Value>,
    prices: Map<String, Value>,
    /// Everything else, by name.
    settings: Map<String, Value>,
    notes: Vec<String>,
}

impl Draft {
    fn note(&mut self, path: &str, what: impl fmt::Display) {
        self.notes.push(format!("{path}: {what}"));
    }

    /// The configuration as a person would write it: an entry a line.
    fn write(&self) -> String {
        let list = |items: &[Value]| {
            let lines: Vec<String> = items.iter().map(|item| format!("\n    {item}")).collect();
            if lines.is_empty() { "[]".to_owned() } else { format!("[{}\n  ]", lines.join(",")) }
        };
        let object = |members: &Map<String, Value>| {
            let line =
                |(name, value): (&String, &Value)| format!("\n    {}: {value}", Value::from(name.as_str()));
            let lines: Vec<String> = members.iter().map(line).collect();
            if lines.is_empty() { "{}".to_owned() } else { format!("{{{}\n  }}", lines.join(",")) }
        };
        let mut parts = vec![
            ("version".to_owned(), "\"v1\"".to_owned()),
            ("keys".to_owned(), list(&self.keys)),
            ("providers".to_owned(), object(&self.providers)),
            ("models".to_owned(), object(&self.models)),
            ("budgets".to_owned(), list(&self.budgets)),
            ("prices".to_owned(), object(&self.prices)),
        ];
        parts.extend(self.settings.iter().map(|(name, value)| (name.clone(), value.to_string())));
        let parts: Vec<String> = parts.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
        format!("{{\n{}\n}}", parts.join(",\n"))
    }
}

/// The configuration as JSON. What could not be brought over is said on the standard error.
///
/// # Errors
/// [`ImportError`].
pub(crate) fn run(arguments: &Arguments) -> Result<String, ImportError> {
    let draft = match &arguments.from {
        From::Litellm(options) => litellm::read(options)?,
    };
    let json = draft.write();
    let config = Config::parse(json.as_bytes(), |_| Some("a-secret-that-is-set".to_owned()));
    let mut notes = draft.notes;
    match &config {
        Ok(config) => {
            let odd = advice::of(config, &json, price::now());
            notes.extend(odd.iter().map(|odd| format!("in the result, {odd}")));
        }
        Err(_) => notes.push("what came out is not accepted as it is:".to_owned()),
    }
    if !notes.is_empty() {
        let _ = writeln!(std::io::stderr(), "To look at:\n  {}", notes.join("\n  "));
    }
    config.map(|_| json).map_err(ImportError::Refused)
}

/// `text` in small letters, with a dash for whatever is no letter or digit: as ids have to be.
fn id(text: &str) -> String {
    let dashed: String = text
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' })
        .collect();
    let parts: Vec<&str> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-").chars().take(56).collect()
}

/// `name`, or the first of `name-2`, `name-3`, … that is not `taken`.
fn free(name: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(name) {
        return name.to_owned();
    }
    (2_u32..).map(|number| format!("{name}-{number}")).find(|name| !taken(name)).unwrap_or_default()
}

fn text<'a>(object: &'a Value, member: &str) -> Option<&'a str> {
    object.get(member).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "{error}"),
            Self::Shape(why) => f.write_str(why),
            Self::Secrets(file, error) => write!(f, "{}: cannot be made: {error}", file.display()),
            Self::NoRandomness => f.write_str("the system has no random numbers"),
            Self::Refused(errors) => write!(f, "{errors}"),
        }
    }
}

impl core::error::Error for ImportError {}
