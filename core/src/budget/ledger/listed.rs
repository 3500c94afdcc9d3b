//! Decides which teams and labels the configuration names: they have records of their own.
//!
//! Where an identity provider says who calls there may be any number of others. Those share slots.

use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;

use super::Dimension;
use crate::base::hash::HashMap;

/// A set of names.
pub type NameSet = HashSet<Box<str>, FxBuildHasher>;

/// What the configuration names of what callers are counted by.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Teams.
    pub teams: NameSet,
    /// Values of labels by the name of the label.
    pub labels: HashMap<Box<str>, NameSet>,
}

/// What stands between the kind of a proof and who was proven by it. No configured key has it in its id.
pub const PROVEN_BY: char = ':';

impl Listed {
    /// Whether `value` is one of those that are bounded without slots.
    #[must_use]
    pub fn has(&self, dimension: &Dimension, value: &str) -> bool {
        match dimension {
            Dimension::Team => self.teams.contains(value),
            Dimension::Label(name) => self.labels.get(name).is_some_and(|values| values.contains(value)),
            Dimension::Key => !value.contains(PROVEN_BY),
            _ => true,
        }
    }
}
