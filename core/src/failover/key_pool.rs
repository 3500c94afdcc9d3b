//! Decides which key of a provider is used, and what is in cooldown: a key, a key for one model, or a model at all.
//!
//! A key that a provider does not accept, or that it has seen too much of, would fail the next request too. So
//! it is in cooldown for a while, for all workers: until when is written into the store. Most limits are counted by key and model:
//! what is used up at one model is there at the others. A model that a provider says it does not have is in cooldown
//! whatever the key. Among the keys that are not in cooldown one is chosen by weight.
//!
//! Does not know why something is in cooldown, nor whether there is anywhere else to go: with one target alone, a key in cooldown
//! is tried all the same.

use crate::base::hash::{self, fnv1a};
use crate::base::window::Millis;
use crate::budget::ledger::{Put, Store, StoreError};
use crate::config::Provider;

/// Compare-and-set attempts before a pause is given up: somebody else wrote one then.
const TRIES: usize = 16;
/// Bytes of one cooldown: the hash of what is in it, and until when, in milliseconds.
const ENTRY: usize = 16;
/// Most pauses of one provider. Models that callers name could be any number; those that end first make room.
const ENTRIES: usize = 256;

/// What is in cooldown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cooldown<'a> {
    /// The key with this index, whatever it is used for.
    Key(usize),
    /// The key with this index, for this model.
    KeyFor(usize, &'a str),
    /// This model on this endpoint, whatever the key: on another endpoint it may be there.
    Model(&'a str, &'a str),
}

/// The keys of providers, with a store of their cooldowns.
#[derive(Clone, Copy, Debug)]
pub struct KeyPool<'a, S> {
    store: &'a S,
}

impl<'a, S: Store> KeyPool<'a, S> {
    /// Keys whose cooldowns are in `store`.
    pub fn new(store: &'a S) -> Self {
        Self { store }
    }

    /// The index of a key of `provider` that is not in cooldown for `model` on `endpoint`; `draw` is any number. A provider
    /// without a pool has one key, which is never in cooldown. Keys with a bit in `tried` are as good as none. `None` if all are in cooldown,
    /// or the model does.
    #[must_use]
    pub fn choose(
        &self,
        provider: &Provider,
        (model, endpoint): (&str, &str),
        tried: u64,
        draw: u64,
        now: Millis,
    ) -> Option<usize> {
        let keys = provider.keys();
        let stored = self.store.get(&record(provider)).ok().flatten();
        let stored = stored.as_ref().map_or(&[][..], |(value, _)| value);
        if !stored.is_empty() && until(stored, Cooldown::Model(model, endpoint).tag(provider)) > now.0 {
            return None;
        }
        if keys.is_empty() {
            return Some(0);
        }
        let usable = |(index, _): &(usize, &crate::config::PoolKey)| {
            (tried >> (*index).min(63)) & 1 == 0
                && (stored.is_empty()
                    || [Cooldown::Key(*index), Cooldown::KeyFor(*index, model)]
                        .iter()
                        .all(|cooldown| until(stored, cooldown.tag(provider)) <= now.0))
        };
        let weight: u64 = keys.iter().enumerate().filter(usable).map(|(_, key)| u64::from(key.weight)).sum();
        if weight == 0 {
            return None;
        }
        // Another number than the one that chose the target.
        let mut left = hash::part(!draw, weight);
        for (index, key) in keys.iter().enumerate().filter(usable) {
            match left.checked_sub(u64::from(key.weight)) {
                Some(rest) => left = rest,
                None => return Some(index),
            }
        }
        None
    }

    /// The index of the key that a request begins with, whatever is in cooldown.
    #[must_use]
    pub fn first(
        &self,
        provider: &Provider,
        (model, endpoint): (&str, &str),
        draw: u64,
        now: Millis,
    ) -> usize {
        if provider.keys().len() < 2 {
            return 0;
        }
        self.choose(provider, (model, endpoint), 0, draw, now)
            .unwrap_or_else(|| self.first_out_of_cooldown(provider, model))
    }

    /// The index of the key of `provider` that is the first to be used for `model` again: for where all are in cooldown and
    /// there is nothing else.
    #[must_use]
    pub fn first_out_of_cooldown(&self, provider: &Provider, model: &str) -> usize {
        let stored = self.store.get(&record(provider)).ok().flatten();
        let stored = stored.as_ref().map_or(&[][..], |(value, _)| value);
        let ends = |cooldown: Cooldown<'_>| until(stored, cooldown.tag(provider));
        let keys = 0..provider.keys().len();
        keys.min_by_key(|&key| ends(Cooldown::Key(key)).max(ends(Cooldown::KeyFor(key, model)))).unwrap_or(0)
    }

    /// Puts something of `provider` into cooldown until a moment, if it is not for longer already.
    ///
    /// # Errors
    /// [`StoreError`]; it does not go into cooldown then.
    pub fn pause(
        &self,
        provider: &Provider,
        cooldown: Cooldown<'_>,
        until_ms: Millis,
        now: Millis,
    ) -> Result<(), StoreError> {
        let key = match cooldown {
            Cooldown::Key(key) | Cooldown::KeyFor(key, _) => Some(key),
            Cooldown::Model(..) => None,
        };
        if key.is_some_and(|key| provider.keys().get(key).is_none()) {
            return Ok(());
        }
        let (record, own) = (record(provider), cooldown.tag(provider));
        for _ in 0..TRIES {
            let stored = self.store.get(&record)?;
            let (value, version) =
                stored.map_or((Vec::new(), None), |(value, version)| (value, Some(version)));
            if until(&value, own) >= until_ms.0 {
                return Ok(());
            }
            let others = entries(&value).filter(|(tag, until)| *tag != own && *until > now.0);
            let mut kept: Vec<(u64, u64)> = others.collect();
            if kept.len() >= ENTRIES {
                kept.sort_unstable_by_key(|(_, until)| core::cmp::Reverse(*until));
                kept.truncate(ENTRIES - 1);
            }
            kept.push((own, until_ms.0));
            let mut changed = Vec::with_capacity(kept.len() * ENTRY);
            for (tag, until) in kept {
                changed.extend(tag.to_le_bytes());
                changed.extend(until.to_le_bytes());
            }
            if self.store.put(&record, &changed, version)? == Put::Stored {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }
}

impl Cooldown<'_> {
    /// What it is called in the store.
    fn tag(self, provider: &Provider) -> u64 {
        /// No name has such a byte in it.
        const BETWEEN: &[u8] = b"\0";
        let env = |key: usize| provider.keys().get(key).map_or(&b""[..], |key| key.env.as_bytes());
        let parts = match self {
            Self::Key(key) => [env(key), b"", b""],
            Self::KeyFor(key, model) => [env(key), BETWEEN, model.as_bytes()],
            Self::Model(model, endpoint) => [BETWEEN, endpoint.as_bytes(), model.as_bytes()],
        };
        parts.iter().fold(hash::EMPTY, |hash, part| fnv1a(hash, part))
    }
}

fn record(provider: &Provider) -> String {
    format!("fb/2!rest/{}", provider.name)
}

fn until(stored: &[u8], own: u64) -> u64 {
    entries(stored).find(|(tag, _)| *tag == own).map_or(0, |(_, until)| until)
}

fn entries(stored: &[u8]) -> impl Iterator<Item = (u64, u64)> + '_ {
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    stored.chunks_exact(ENTRY).map(move |entry| {
        let (tag, until) = entry.split_at_checked(ENTRY / 2).unwrap_or_default();
        (number(tag), number(until))
    })
}

#[cfg(test)]
mod tests;
