//! Decides where the workers of a process keep what they know of the registry: in records that all of them share.
//!
//! ```text
//! ## fb/2/registry/<prefix>/head        => how far it was read, and what changed lately
//! ## fb/2/registry/<prefix>/lease       => which worker reads it, and until when
//! ## fb/2/registry/<prefix>/key/<id>    => one key
//! ## fb/2/registry/<prefix>/limit/<0..31>, …/team/<0..31>   => several limits or teams
//! ```
//!
//! A key has a record of its own, because a request looks for one. Limits and teams are read as a whole by each worker, and
//! only those parts of them that changed.

use crate::base::hash::{EMPTY, fnv1a, part};

/// Records that the limits are spread over, and the teams.
pub(super) const PARTS: usize = 32;

/// The names of the records of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreNames(String);

/// What is kept in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parted {
    /// Limits.
    Limit,
    /// Teams.
    Team,
}

impl StoreNames {
    /// Those of the registry under `prefix`.
    pub(super) fn of(prefix: &str) -> Self {
        Self(format!("fb/2/registry/{prefix}/"))
    }

    pub(super) fn head(&self) -> String {
        [&self.0, "head"].concat()
    }

    pub(super) fn lease(&self) -> String {
        [&self.0, "lease"].concat()
    }

    pub(super) fn key(&self, id: &str) -> String {
        [&self.0, "key/", id].concat()
    }

    pub(super) fn part(&self, kind: Parted, at: usize) -> String {
        let kind = match kind {
            Parted::Limit => "limit",
            Parted::Team => "team",
        };
        format!("{}{kind}/{at}", self.0)
    }
}

/// Which part has the entry `name`.
pub(super) fn part_of(name: &str) -> usize {
    usize::try_from(part(fnv1a(EMPTY, name.as_bytes()), PARTS as u64)).unwrap_or(0)
}
