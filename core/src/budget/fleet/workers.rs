//! Decides how many workers of a process call the ledger, and what all of them have not said to it: from a list that they
//! share, in which each says so for itself.
//!
//! Workers take turns: each pushes once in as many intervals as there are workers, up to four. A worker that ended
//! leaves the list when it was not heard of for a while.
//!
//! What is unsaid is summed here and not in Envoy's gauge: a gauge is one for the process, so a worker that sets it
//! takes away what another one has set, and one that dies would leave its part in a gauge that is added to for ever.
//!
//! ```text
//! ## list   => an entry for each worker
//! ## entry  => when it was last heard of, in seconds; a hash of its name; since when it has something to say, in
//! ##           milliseconds (0: it has not); how many nano-dollars that is (8 bytes each)
//! ```

use super::backlog::Backlog;
use crate::base::hash::{EMPTY, fnv1a};
use crate::base::window::Millis;

/// How often a worker says that it is there, in milliseconds.
pub const SAYS_MS: u64 = 1_000;
/// How long it counts, in seconds.
const LASTS_S: u64 = 30;
/// Most entries that are kept.
const MOST: usize = 1_024;
const WORD: usize = 8;
const BYTES: usize = 4 * WORD;

/// Who is in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    /// How many.
    pub count: u64,
    /// What all of them have to say.
    pub backlog: Backlog,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    said_s: u64,
    name: u64,
    backlog: Backlog,
}

/// The list in which the worker `name` was heard of `now` and has this to say, and who is in it.
#[must_use]
pub fn heard_of(name: &str, backlog: Backlog, list: &[u8], now: Millis) -> (Vec<u8>, Workers) {
    let own = Entry { said_s: now.0 / 1_000, name: fnv1a(EMPTY, name.as_bytes()), backlog };
    let others = list.chunks_exact(BYTES).take(MOST).filter_map(Entry::read);
    let lasts = |entry: &Entry| entry.name != own.name && own.said_s.abs_diff(entry.said_s) < LASTS_S;
    let mut written = Vec::with_capacity(list.len() + BYTES);
    let mut workers = Workers::default();
    for entry in others.filter(lasts).chain([own]) {
        workers.count += 1;
        workers.backlog = workers.backlog.plus(entry.backlog);
        entry.write(&mut written);
    }
    (written, workers)
}

impl Entry {
    fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let word = bytes.get(at * WORD..(at + 1) * WORD)?;
            Some(u64::from_le_bytes(word.try_into().ok()?))
        };
        let since = Some(Millis(word(2)?)).filter(|since| since.0 > 0);
        Some(Self { said_s: word(0)?, name: word(1)?, backlog: Backlog { since, nano_usd: word(3)? } })
    }

    fn write(&self, to: &mut Vec<u8>) {
        let Self { said_s, name, backlog } = *self;
        let since = backlog.since.map_or(0, |since| since.0);
        [said_s, name, since, backlog.nano_usd].iter().for_each(|word| to.extend(word.to_le_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(name: &str, list: &[u8], now: u64) -> (Vec<u8>, u64) {
        let (list, workers) = heard_of(name, Backlog::default(), list, Millis(now));
        (list, workers.count)
    }

    #[test]
    fn workers_count_as_long_as_they_are_heard_of() {
        let (list, count) = say("a", &[], 1_000_000);
        assert_eq!(count, 1);
        let (list, count) = say("b", &list, 1_005_000);
        assert_eq!(count, 2);
        let (list, count) = say("a", &list, 1_015_000);
        assert_eq!((count, list.len()), (2, 2 * BYTES));
        let (list, count) = say("a", &list, 1_036_000);
        assert_eq!(count, 1, "b was silent for too long");
        assert_eq!(say("c", &[&list[..], &[1, 2, 3]].concat(), 1_036_000).1, 2);
        assert_eq!(say("c", b"no list at all", 0).1, 1);
    }

    #[test]
    fn what_workers_have_to_say_is_summed_and_as_old_as_the_oldest_of_it() {
        let unsaid = |since, nano_usd| Backlog { since: Some(Millis(since)), nano_usd };
        let (list, _) = heard_of("a", unsaid(995_000, 300), &[], Millis(1_000_000));
        let (list, _) = heard_of("b", unsaid(999_000, 20), &list, Millis(1_000_000));
        let (list, workers) = heard_of("c", Backlog::default(), &list, Millis(1_000_500));
        assert_eq!(workers, Workers { count: 3, backlog: unsaid(995_000, 320) });
        assert_eq!(workers.backlog.lag_ms(Millis(1_000_500)), 5_500);
        // What was said is gone, and a worker that died does not count for ever.
        let (list, workers) = heard_of("a", Backlog::default(), &list, Millis(1_001_000));
        assert_eq!(workers.backlog, unsaid(999_000, 20));
        let (_, workers) = heard_of("c", Backlog::default(), &list, Millis(1_031_000));
        assert_eq!(workers, Workers { count: 1, backlog: Backlog::default() });
    }
}
