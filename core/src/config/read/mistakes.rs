//! Collects what is wrong with a document, so that an operator learns of all mistakes at once.

use core::cell::RefCell;

use crate::config::error::{ConfigError, ConfigErrors};

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Mistakes(RefCell<Vec<(usize, ConfigError)>>);

impl Mistakes {
    /// Adds a mistake at the `at`-th value of the document.
    #[cold]
    pub(super) fn add(&self, at: usize, path: &str, message: String) {
        self.0.borrow_mut().push((at, ConfigError { path: path.to_owned(), message }));
    }

    /// `value` if there is no mistake, otherwise all of them in the order of the document.
    #[cold]
    pub(super) fn unless_any<T>(self, value: T) -> Result<T, ConfigErrors> {
        let mut errors = self.0.into_inner();
        if errors.is_empty() {
            return Ok(value);
        }
        errors.sort_by_key(|(at, _)| *at);
        Err(ConfigErrors(errors.into_iter().map(|(_, error)| error).collect()))
    }
}
