//! Decides what `farebox ledger` does: reads the ledger that a fleet shares, and says whether it is fit to be one.
//!
//! Does not change an account. `check` makes one of its own and lets it expire.

mod accounts;
mod check;
mod limits;
mod load;
mod place;
mod show;
mod table;
mod top;

pub(crate) use place::{Address, Place};
pub(crate) use table::lines;

use core::fmt;
use std::path::PathBuf;

use farebox_core::config::{Config, ConfigError, ConfigErrors, FleetLedger};

use crate::check::{CheckError, from_host};
use crate::source::Source;

/// Reads the ledger that a fleet shares.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Show(show::Arguments),
    Top(top::Arguments),
    Check(check::Arguments),
}

/// Which ledger.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// Plugin configuration, JSON or YAML; - reads the standard input
    file: PathBuf,
    /// Another way to it than `ledger.endpoints` (redis://host:port or rediss://host:port), as through a tunnel
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Another user of it than `ledger.username`; the password is in the same variable
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Why nothing is shown.
#[derive(Debug)]
pub(crate) enum LedgerError {
    /// The configuration is not good.
    Configuration(CheckError),
    /// There is nothing to read, in words.
    Nothing(String),
    /// The server cannot be reached, or refuses: its address, and why.
    Server(String, redis::RedisError),
    /// It is not fit; what was found.
    Unfit(String),
}

/// What was read, as text.
///
/// # Errors
/// [`LedgerError`] if there is nothing to show.
pub(crate) fn run(arguments: &Arguments) -> Result<String, LedgerError> {
    match &arguments.command {
        Command::Show(arguments) => show::run(arguments),
        Command::Top(arguments) => top::run(arguments),
        Command::Check(arguments) => check::run(arguments),
    }
}

impl Where {
    /// The configuration. Only the ledger's password has to be in the environment.
    pub(crate) fn read(&self) -> Result<Config, LedgerError> {
        let Source { name, json } = Source::read(&self.file)
            .map_err(|error| LedgerError::Configuration(CheckError::Source(error)))?;
        let broken = |errors| LedgerError::Configuration(CheckError::Broken(name.clone(), errors));
        let variable = |key: &str| from_host(key).or_else(|| Some("a-secret-that-is-set".to_owned()));
        let config = Config::parse(json.as_bytes(), variable).map_err(broken)?;
        let password = config.ledger.as_ref().and_then(|ledger| ledger.password_env.as_deref());
        let is_missing = |name: &&str| from_host(name).is_none_or(|value| value.trim().is_empty());
        match password.filter(is_missing) {
            None => Ok(config),
            Some(variable) => Err(broken(ConfigErrors(vec![ConfigError {
                path: "ledger.password.env".to_owned(),
                message: format!("{variable} is not set"),
            }]))),
        }
    }
}

/// The ledger of `config`.
fn ledger_of(config: &Config) -> Result<&FleetLedger, LedgerError> {
    config.ledger.as_ref().ok_or_else(|| {
        LedgerError::Nothing("the configuration has no \"ledger\": each Envoy counts for itself".to_owned())
    })
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) => write!(f, "{error}"),
            Self::Nothing(why) | Self::Unfit(why) => f.write_str(why),
            // The system's own words for that are "resource temporarily unavailable".
            Self::Server(address, error) if error.is_timeout() => {
                write!(f, "{address}: no answer within {} s", place::PATIENCE.as_secs())
            }
            Self::Server(address, error) => write!(f, "{address}: {error}"),
        }
    }
}

impl core::error::Error for LedgerError {}
