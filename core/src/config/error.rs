//! Decides how a mistake in the configuration is told: where it is, what is wrong, what was meant.

use core::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// JSON path, as in `budgets[0].limit_usd`; empty for the whole document.
    pub path: String,
    /// What is wrong, to be read after the path.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Every mistake of one configuration, in the order of the document. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// Stands in for a mistake that was noticed without being told, which must not pass for success.
    pub(super) fn unexplained() -> Self {
        let message = "cannot be read, for a reason that was not noted".to_owned();
        Self(vec![ConfigError { path: String::new(), message }])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl core::error::Error for ConfigErrors {}
