//! Decides how keys, limits and teams of a fleet are read and changed at a shell: what is known of an entry, who changes
//! it, and what is said before and after.
//!
//! Every change is all or nothing and only made if nobody was faster: see `write.lua`. Two who change the same entry at
//! once do not overwrite each other; one of them is told.

mod amount;
mod change;
mod difference;
mod moment;
mod store;

use core::fmt;

use farebox_core::config::ConfigErrors;
use serde_json::Value;

use crate::ledger::LedgerError;

pub(crate) use amount::Measures;
pub(crate) use change::{Deed, Doing, Done};
pub(crate) use difference::differences;
pub(crate) use moment::{Clocks, DURATION, duration, spelled};
pub(crate) use store::{Store, Stored, Told};

/// Why nothing was shown or changed.
#[derive(Debug)]
pub(crate) enum RegistryError {
    /// The ledger cannot be read.
    Ledger(LedgerError),
    /// It cannot be so, in words.
    Refused(String),
    /// The entry that would be is none; its name.
    Broken(String, ConfigErrors),
    /// What is stored under this name is not understood.
    Unreadable(String, ConfigErrors),
    /// Somebody else has changed the entry with this name.
    Changed(String),
    /// The server did not answer: it is not known whether the change was made.
    Unknown(LedgerError),
}

impl From<LedgerError> for RegistryError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// A refusal in these words.
pub(crate) fn refused<T>(why: impl Into<String>) -> Result<T, RegistryError> {
    Err(RegistryError::Refused(why.into()))
}

/// As `--json` prints it.
pub(crate) fn printed(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger(error) => write!(f, "{error}"),
            Self::Refused(why) => f.write_str(why),
            Self::Broken(name, errors) => {
                write!(f, "{name} cannot be so:")?;
                errors.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            Self::Unreadable(name, errors) => {
                write!(
                    f,
                    "{name} is stored in a way that this farebox does not read; is there a newer one?"
                )?;
                errors.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            Self::Changed(name) => write!(
                f,
                "somebody else has changed {name} just now, so nothing was changed: look at it, then say it again"
            ),
            Self::Unknown(error) => write!(
                f,
                "{error}\nthe answer is missing, so it is not known whether the change was made: farebox audit tells"
            ),
        }
    }
}

impl core::error::Error for RegistryError {}
