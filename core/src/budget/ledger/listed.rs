//! Decides which teams and labels the configuration names: they have records of their own.
//!
//! Where an identity provider says who calls there may be any number of others. Those share slots.

use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;

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
