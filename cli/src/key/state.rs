//! Decides what is said of a key: whether its caller is let in, and if not why.

use farebox_core::base::window::Millis;
use farebox_core::config::{Config, Key};
use farebox_core::registry::KeyEntry;

/// What a caller with a key gets, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Works,
    Revoked,
    Disabled,
    Expired,
    /// Nobody has a secret of it that is good.
    NoSecret,
    TeamOff,
}

impl State {
    pub(super) const NAMES: [(&'static str, Self); 6] = [
        ("works", Self::Works),
        ("revoked", Self::Revoked),
        ("disabled", Self::Disabled),
        ("expired", Self::Expired),
        ("no-secret", Self::NoSecret),
        ("team-off", Self::TeamOff),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, state)| *state == self).map_or("", |(name, _)| name)
    }
}

/// A key, as the configuration and the registry have it together.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    pub(super) id: &'a str,
    pub(super) configured: Option<&'a Key>,
    pub(super) entry: Option<&'a KeyEntry>,
}

impl<'a> Whole<'a> {
    pub(super) fn of(config: &'a Config, id: &'a str, entry: Option<&'a KeyEntry>) -> Self {
        Self { id, configured: config.keys.get(id).map(AsRef::as_ref), entry }
    }

    pub(super) fn team(&self) -> &'a str {
        let own = || self.entry.and_then(|entry| entry.team.as_deref());
        self.configured.map(|key| &*key.team).or_else(own).unwrap_or("-")
    }

    /// Who has it.
    pub(super) fn source(&self) -> &'static str {
        match (self.configured, self.entry) {
            (Some(_), None) => "configuration",
            (Some(_), Some(_)) => "configuration, registry",
            _ => "registry",
        }
    }

    /// The first moment at which it no longer works by its own.
    pub(super) fn expires(&self) -> Option<Millis> {
        let own = self.entry.and_then(|entry| entry.expires);
        [own, self.configured.and_then(|key| key.expires)].into_iter().flatten().min()
    }

    /// What its caller gets at `now`, if its team is on or not.
    pub(super) fn state(&self, now: Millis, team_is_on: bool) -> State {
        let is_good = |until: Option<Millis>| until.is_none_or(|until| now < until);
        let has_secret = match (self.configured, self.entry) {
            // One without a hash is named by an authentication filter.
            (Some(_), _) => true,
            (None, entry) => entry.is_some_and(|entry| entry.hashes.iter().any(|hash| is_good(hash.until))),
        };
        let is_enabled =
            self.entry.is_none_or(|entry| entry.enabled) && self.configured.is_none_or(|key| key.enabled);
        if self.entry.is_some_and(|entry| entry.revoked_at.is_some()) {
            State::Revoked
        } else if !is_enabled {
            State::Disabled
        } else if !is_good(self.expires()) {
            State::Expired
        } else if !has_secret {
            State::NoSecret
        } else if !team_is_on {
            State::TeamOff
        } else {
            State::Works
        }
    }
}
