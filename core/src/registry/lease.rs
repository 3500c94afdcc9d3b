//! Decides which worker of a process reads the registry: one that has taken it on, as long as it goes on.
//!
//! What it learned of the way there (which node has it, that the script is loaded) stays with it. Another one takes over
//! when it lets its time pass by, which costs no more than a tick.
//!
//! ```text
//! ## lease   => who has it (8 bytes), until when (8)
//! ```

use crate::base::window::Millis;
use crate::budget::ledger::{Put, Store, StoreError};

/// How long whoever had it is waited for beyond its time, in milliseconds.
const PATIENCE_MS: u64 = 200;
/// A tick may come this much too early, in milliseconds.
const EARLY_MS: u64 = 20;

/// Takes the lease for `holder` until a moment, if it is due for it. Says whether it has it.
pub(super) fn take<S: Store>(
    store: &S,
    name: &str,
    holder: u64,
    until: Millis,
    now: Millis,
) -> Result<bool, StoreError> {
    let stored = store.get(name)?;
    let lease = stored.as_ref().and_then(|(bytes, _)| read(bytes));
    let is_due = lease.is_none_or(|(had, until)| {
        let patience_ms = if had == holder { 0 } else { PATIENCE_MS };
        // A clock that was set back does not stop it for long.
        now.plus(EARLY_MS) >= until.plus(patience_ms) || now.plus(LONGEST_MS) < until
    });
    Ok(is_due && put(store, name, holder, until, stored.map(|(_, version)| version))?)
}

/// Keeps the lease of `holder` until another moment. Says whether it still has it.
pub(super) fn keep<S: Store>(store: &S, name: &str, holder: u64, until: Millis) -> Result<bool, StoreError> {
    let Some((bytes, version)) = store.get(name)? else { return Ok(false) };
    if read(&bytes).is_none_or(|(had, _)| had != holder) {
        return Ok(false);
    }
    put(store, name, holder, until, Some(version))
}

/// Nobody leases it for longer, in milliseconds.
const LONGEST_MS: u64 = 120_000;

fn put<S: Store>(
    store: &S,
    name: &str,
    holder: u64,
    until: Millis,
    version: Option<crate::budget::ledger::Version>,
) -> Result<bool, StoreError> {
    let bytes = [holder.to_le_bytes(), until.0.to_le_bytes()].concat();
    Ok(store.put(name, &bytes, version)? == Put::Stored)
}

fn read(bytes: &[u8]) -> Option<(u64, Millis)> {
    let (holder, rest) = bytes.split_first_chunk()?;
    let (until, _) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*holder), Millis(u64::from_le_bytes(*until))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::ledger::MemoryStore;

    #[test]
    fn one_worker_has_it_until_it_lets_its_time_pass_by() {
        let store = MemoryStore::default();
        let take =
            |holder, until, now| super::take(&store, "lease", holder, Millis(until), Millis(now)).unwrap();
        let keep = |holder, until| super::keep(&store, "lease", holder, Millis(until)).unwrap();
        assert!(!keep(1, 1_000));
        assert!(take(1, 1_000, 0));
        assert!(!take(2, 2_000, 500) && !take(1, 2_000, 500));
        assert!(keep(1, 900) && !keep(2, 900));
        assert!(!take(2, 2_000, 950), "whoever had it comes first");
        assert!(take(1, 2_000, 900));
        assert!(take(2, 3_200, 2_200) && !take(1, 3_200, 2_200));
        assert!(!keep(1, 9_000));
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nobody() {
        let store = MemoryStore::default();
        let take = |now| super::take(&store, "lease", 1, Millis(now + 1_000), Millis(now)).unwrap();
        assert!(take(10_000_000) && take(1_000));
    }
}
