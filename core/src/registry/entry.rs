//! Decides what an entry is: a key, the limits of a subject, or a team.

use super::{KeyEntry, LimitEntry, TeamEntry};

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Of the name `key/<id>`.
    Key(KeyEntry),
    /// Of the name `limit/<budget>/<subject>`.
    Limit(LimitEntry),
    /// Of the name `team/<team>`.
    Team(TeamEntry),
}

impl Entry {
    /// As it is stored: compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Key(key) => key.to_json(),
            Self::Limit(limit) => limit.to_json(),
            Self::Team(team) => team.to_json(),
        }
    }
}
