//! Decides what a configuration is: the vocabulary of everything after it.
//!
//! A [`Config`] is immutable, complete and cross-checked, and [`Config::parse`] tells every error at once with its path.
//!
//! Does not hold a caller's secret (only its SHA-256). `Debug` never prints a provider's. `envoy/farebox.schema.json` has its shape.

mod error;
mod model;
pub mod path;
mod read;
mod secret;
pub mod suggestion;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::base::pattern::Pattern;
pub use crate::budget::fleet::{OnOutage, Settings as LedgerSettings};
pub use crate::budget::ledger::{
    Account, AtLimit, Budget, Dimension, Downgrade, Limits, Mode, Overrides, Running, Scope, Step,
    WhenAbsent, WhenFull,
};
pub use crate::budget::pending::PendingBounds;
pub use error::{ConfigError, ConfigErrors};
pub use model::*;
pub use secret::Secret;
