//! Decides how many workers of a process call the ledger: those that said so lately, in a list that all share.
//!
//! Workers take turns: each pushes once in as many intervals as there are workers, up to four. A worker that ended
//! leaves the list when it was not heard of for a while.
//!
//! ```text
//! ## list   => an entry for each worker
//! ## entry  => when it was last heard of, in seconds (8 bytes), and a hash of its name (8 bytes)
//! ```

use crate::base::hash::{EMPTY, fnv1a};
use crate::base::window::Millis;

/// How often a worker says that it is there, in milliseconds.
pub const SAYS_MS: u64 = 10_000;
/// How long it counts, in seconds.
const LASTS_S: u64 = 30;
/// Most entries that are kept.
const MOST: usize = 1_024;
const BYTES: usize = 16;

/// The list in which the worker `name` was heard of `now`, and how many workers are in it.
#[must_use]
pub fn heard_of(name: &str, list: &[u8], now: Millis) -> (Vec<u8>, u64) {
    let (now_s, own) = (now.0 / 1_000, fnv1a(EMPTY, name.as_bytes()));
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or(0);
    let mut kept: Vec<(u64, u64)> = Vec::new();
    for entry in list.chunks_exact(BYTES).take(MOST) {
        let (said, other) = entry.split_at(BYTES / 2);
        let (said, other) = (word(said), word(other));
        if other != own && now_s.abs_diff(said) < LASTS_S {
            kept.push((said, other));
        }
    }
    kept.push((now_s, own));
    let count = kept.len() as u64;
    (kept.iter().flat_map(|(said, name)| [said.to_le_bytes(), name.to_le_bytes()]).flatten().collect(), count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_count_as_long_as_they_are_heard_of() {
        let (list, count) = heard_of("a", &[], Millis(1_000_000));
        assert_eq!(count, 1);
        let (list, count) = heard_of("b", &list, Millis(1_005_000));
        assert_eq!(count, 2);
        let (list, count) = heard_of("a", &list, Millis(1_015_000));
        assert_eq!((count, list.len()), (2, 32));
        let (list, count) = heard_of("a", &list, Millis(1_036_000));
        assert_eq!(count, 1, "b was silent for too long");
        assert_eq!(heard_of("c", &[&list[..], &[1, 2, 3]].concat(), Millis(1_036_000)).1, 2);
        assert_eq!(heard_of("c", b"no list at all", Millis(0)).1, 1);
    }
}
