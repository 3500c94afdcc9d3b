//! Decides what a request is told of the registry: who a key is, whether it still may, and what its team may do.
//!
//! A key of the registry is told apart from one that does not exist only by who knows its secret: see
//! `request/identity.rs`.

use std::rc::Rc;

use super::KeyHash;
use crate::base::window::Millis;
use crate::config::Key;

/// What a request may ask of the registry.
pub trait Registered {
    /// What holds now.
    fn readiness(&self) -> Readiness;

    /// What it says of the key `id`.
    fn key(&self, id: &str) -> Option<Rc<RegisteredKey>>;

    /// The caller as its team and its limits have it by now.
    ///
    /// # Errors
    /// [`Refused::Team`].
    fn caller(&self, key: &Rc<Key>) -> Result<Rc<Key>, Refused>;

    /// The team that a group of the identity provider is.
    fn team_of_group(&self, group: &str) -> Option<Rc<str>>;
}

/// What holds of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It was read.
    Ready,
    /// It was never read: the configuration holds meanwhile, and who is not in it has to come again.
    Configured,
    /// It was never read: everybody has to come again.
    Nobody,
}

/// Why a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The key is revoked.
    Revoked,
    /// The key is switched off, or its entry is not understood.
    Disabled,
    /// The key has expired.
    Expired,
    /// The team is switched off.
    Team,
}

/// A key as the registry has it.
#[derive(Debug)]
pub struct RegisteredKey {
    /// The caller, if the entry says all that is needed of one; else the configuration has to.
    pub key: Option<Rc<Key>>,
    /// The SHA-256 of each key text that is good.
    pub hashes: Vec<KeyHash>,
    pub(super) refused: Option<Refused>,
    pub(super) expires: Option<Millis>,
    /// Which version of its entry this is.
    pub(super) version: u64,
}

impl RegisteredKey {
    /// One of which nobody can say what it may.
    pub(super) fn unread() -> Self {
        let refused = Some(Refused::Disabled);
        Self { key: None, hashes: Vec::new(), refused, expires: None, version: 0 }
    }

    /// Whether it still may.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, now: Millis) -> Result<(), Refused> {
        match self.refused {
            Some(refused) => Err(refused),
            None if self.expires.is_some_and(|expires| expires <= now) => Err(Refused::Expired),
            None => Ok(()),
        }
    }
}
