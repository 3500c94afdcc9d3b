//! Decides which limits subjects have besides those of the configuration: what the registry gives them at one moment.

use super::{Limits, Overrides};
use crate::base::hash::HashMap;

/// Limits by budget and subject.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RegisteredLimits(HashMap<Box<str>, Overrides>);

impl RegisteredLimits {
    /// Those of these budgets.
    #[must_use]
    pub fn new(budgets: HashMap<Box<str>, Overrides>) -> Self {
        Self(budgets)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The limits of `subject` in `budget`, which has `configured` by the configuration.
    #[must_use]
    pub fn over(&self, configured: Limits, budget: &str, subject: &str) -> Limits {
        let own = self.0.get(budget).and_then(|budget| budget.of(subject));
        own.map_or(configured, |own| own.over(&configured))
    }
}
