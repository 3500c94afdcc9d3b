//! Decides which key of a provider is used, and which ones rest.
//!
//! A key that a provider does not accept, or that it has seen too much of, would fail the next request too. So
//! it rests for a while, for all workers: when a key rests until is written into the store. Among the others
//! one is chosen by weight.
//!
//! Does not know why a key rests, nor whether there is anywhere else to go: with one target alone, a key that rests
//! is tried all the same.

use crate::config::Provider;
use crate::hash::{self, fnv1a};
use crate::ledger::{Put, Store, StoreError};
use crate::window::Millis;

/// Compare-and-set attempts before a pause is given up: somebody else wrote one then.
const TRIES: usize = 16;
/// Bytes of one key's pause: the hash of its name, and until when, in milliseconds.
const ENTRY: usize = 16;

/// The keys of providers, with a store of those that rest.
#[derive(Clone, Copy, Debug)]
pub struct Keyring<'a, S> {
    store: &'a S,
}

impl<'a, S: Store> Keyring<'a, S> {
    /// Keys whose pauses are in `store`.
    pub fn new(store: &'a S) -> Self {
        Self { store }
    }

    /// The index of a key of `provider` that does not rest; `draw` is any number. A provider without a pool has
    /// one key, which never rests. `None` if all rest.
    #[must_use]
    pub fn choose(&self, provider: &Provider, draw: u64, now: Millis) -> Option<usize> {
        let keys = provider.keys();
        if keys.is_empty() {
            return Some(0);
        }
        let stored = self.store.get(&record(provider)).ok().flatten();
        let stored = stored.as_ref().map_or(&[][..], |(value, _)| value);
        let awake = |(_, key): &(usize, &crate::config::PoolKey)| until(stored, tag(&key.env)) <= now.0;
        let weight: u64 = keys.iter().enumerate().filter(awake).map(|(_, key)| u64::from(key.weight)).sum();
        if weight == 0 {
            return None;
        }
        // Another number than the one that chose the target.
        let mut left = hash::part(!draw, weight);
        for (index, key) in keys.iter().enumerate().filter(awake) {
            match left.checked_sub(u64::from(key.weight)) {
                Some(rest) => left = rest,
                None => return Some(index),
            }
        }
        None
    }

    /// Lets a key rest until a moment, if it does not rest for longer already.
    ///
    /// # Errors
    /// [`StoreError`]; it does not rest then.
    pub fn pause(
        &self,
        provider: &Provider,
        key: usize,
        until_ms: Millis,
        now: Millis,
    ) -> Result<(), StoreError> {
        let Some(key) = provider.keys().get(key) else { return Ok(()) };
        let (record, own) = (record(provider), tag(&key.env));
        for _ in 0..TRIES {
            let stored = self.store.get(&record)?;
            let (value, version) =
                stored.map_or((Vec::new(), None), |(value, version)| (value, Some(version)));
            if until(&value, own) >= until_ms.0 {
                return Ok(());
            }
            let others = entries(&value).filter(|(tag, until)| *tag != own && *until > now.0);
            let mut changed = Vec::with_capacity(value.len() + ENTRY);
            for (tag, until) in others.chain([(own, until_ms.0)]) {
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

fn record(provider: &Provider) -> String {
    format!("fb/2!rest/{}", provider.name)
}

fn tag(env: &str) -> u64 {
    fnv1a(hash::EMPTY, env.as_bytes())
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
