//! Decides whether a request may be sent again: by what the filter behind the router says of itself, and by what is seen.
//!
//! Envoy's router sends a request again as often as it is told to. Without the filter behind it every time is the same:
//! the same provider, the same key, and one charge. An Envoy that does not look the cluster up anew (before 1.39, or because
//! a control plane dropped the option) brings another attempt back to the provider that failed. And one before 1.37 ends
//! its process when an answer is retried that was held. Nothing of this shows in a configuration of ours.
//!
//! So the filter behind the router says in the store that it is there and how far it can send requests, and says so again
//! as long as it is. The gateway asks for another attempt only where it has read that, or has seen the filter at work; and
//! no longer where an answer came by without it, because what stands in the store may be about another listener.
//!
//! A listener that comes while Envoy runs is configured filter by filter, and ticks come in between: a gateway that has
//! heard nothing reads again when a request comes. Where there is no filter behind the router the first answer shows it,
//! and nobody reads any more.
//!
//! ```text
//! ## fb/2/behind  => format (1), then entries
//! ## entry        => hash of the configuration, when it was last said (seconds), how far (0, 1 or 2)
//! ```

use crate::base::window::Millis;
use crate::budget::ledger::{Put, Store, StoreError};

/// Key of the record.
const RECORD: &str = "fb/2/behind";
/// First byte of the record.
const FORMAT: u8 = 1;
/// How long what was said counts, and how old it may be to be left as it is, in seconds.
const LASTS_S: u64 = 120;
const FRESH_S: u64 = 30;
/// Configurations that the record has room for.
const ROOM: usize = 64;
/// Compare-and-set attempts on the record.
const TRIES: usize = 16;
/// Configurations and clusters that one worker remembers.
const REMEMBERED: usize = 256;

/// How far a request can be sent after its first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nowhere.
    Nowhere,
    /// To the same cluster, with another key.
    Cluster,
    /// To every target.
    Everywhere,
}

impl Reach {
    /// That of an Envoy of this version.
    #[must_use]
    pub fn of_envoy(major: u64, minor: u64) -> Self {
        match (major, minor) {
            (1, ..=36) => Self::Nowhere,
            (1, 37 | 38) => Self::Cluster,
            _ => Self::Everywhere,
        }
    }

    fn read(byte: u8) -> Option<Self> {
        [Self::Nowhere, Self::Cluster, Self::Everywhere].into_iter().find(|&reach| reach as u8 == byte)
    }
}

/// How a request leaves the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It is sent once.
    Once,
    /// It is sent once, and the filter behind the router shows whether it is there.
    Trial,
    /// It may be sent again, so far.
    Again(Reach),
}

/// What one worker knows of the filter behind the router.
#[derive(Debug, Default)]
pub struct Behind {
    /// What was last read or said, by the hash of the configuration.
    said: Vec<(u64, Option<Reach>)>,
    /// Where something else was seen than was said, or nothing was said.
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    hash: u64,
    cluster: Box<str>,
    there: bool,
}

/// What came of saying something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// How far all that was said of this configuration goes.
    pub reach: Reach,
    /// Nobody had said this before.
    pub is_new: bool,
}

impl Behind {
    /// Says that the filter behind the router is there, has this configuration, and can send requests so far. A VM that has said
    /// less is believed.
    ///
    /// # Errors
    /// [`StoreError`]; it is known here all the same.
    pub fn say<S: Store>(
        &mut self,
        store: &S,
        hash: u64,
        reach: Reach,
        now: Millis,
    ) -> Result<Said, StoreError> {
        let said = say(store, hash, reach, now.0 / 1_000);
        self.remember(hash, Some(said.map_or(reach, |said| said.reach)));
        said
    }

    /// How far the filter behind the router can send requests, as far as this worker knows.
    #[must_use]
    pub fn reach(&self, hash: u64) -> Option<Reach> {
        self.said.iter().find(|(known, _)| *known == hash).and_then(|(_, reach)| *reach)
    }

    /// Reads anew what is said of a configuration.
    ///
    /// # Errors
    /// [`StoreError`]; what was known stays.
    pub fn listen<S: Store>(&mut self, store: &S, hash: u64, now: Millis) -> Result<(), StoreError> {
        let (entries, _) = read(store)?;
        let entry = entries.iter().find(|entry| entry.hash == hash && entry.counts(now.0 / 1_000));
        self.remember(hash, entry.map(|entry| entry.reach));
        Ok(())
    }

    /// How a request with this configuration leaves for a cluster.
    pub fn leave<S: Store>(&mut self, store: &S, hash: u64, cluster: &str, now: Millis) -> Leave {
        let seen = self.seen(hash, cluster).map(|seen| seen.there);
        if seen.is_none() && self.reach(hash).is_none() {
            // What cannot be read was not said.
            let _ = self.listen(store, hash, now);
        }
        match (seen, self.reach(hash)) {
            (_, Some(Reach::Nowhere)) | (Some(false), None) => Leave::Once,
            (Some(false), Some(_)) | (None, None) => Leave::Trial,
            (_, Some(reach)) => Leave::Again(reach),
            (Some(true), None) => Leave::Again(Reach::Everywhere),
        }
    }

    /// An answer came from this cluster, and the filter behind the router was there or not. Says whether it should have been.
    pub fn saw(&mut self, hash: u64, cluster: &str, there: bool) -> bool {
        let said = self.reach(hash);
        let index = self.seen.iter().position(|seen| seen.hash == hash && *seen.cluster == *cluster);
        if let Some(seen) = index.and_then(|index| self.seen.get_mut(index)) {
            return core::mem::replace(&mut seen.there, there) && !there;
        }
        if there && said.is_some() {
            return false;
        }
        if self.seen.len() == REMEMBERED {
            self.seen.clear();
        }
        self.seen.push(Seen { hash, cluster: cluster.into(), there });
        !there && said.is_some()
    }

    fn seen(&self, hash: u64, cluster: &str) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.hash == hash && *seen.cluster == *cluster)
    }

    fn remember(&mut self, hash: u64, reach: Option<Reach>) {
        if let Some(known) = self.said.iter_mut().find(|(known, _)| *known == hash) {
            known.1 = reach;
            return;
        }
        if self.said.len() == REMEMBERED {
            self.said.remove(0);
        }
        self.said.push((hash, reach));
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    last_s: u64,
    reach: Reach,
}

impl Entry {
    fn counts(&self, now_s: u64) -> bool {
        self.last_s.abs_diff(now_s) < LASTS_S
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        Some(Self { hash: number(0)?, last_s: number(8)?, reach: Reach::read(*bytes.get(16)?)? })
    }
}

/// Bytes of an entry.
const ENTRY: usize = 17;

fn read<S: Store>(store: &S) -> Result<(Vec<Entry>, Option<crate::budget::ledger::Version>), StoreError> {
    let Some((stored, version)) = store.get(RECORD)? else { return Ok((Vec::new(), None)) };
    // What another version of the filter has written says nothing here, and is written over.
    let entries = stored.strip_prefix(&[FORMAT]).unwrap_or_default();
    Ok((entries.chunks_exact(ENTRY).filter_map(Entry::read).collect(), Some(version)))
}

fn say<S: Store>(store: &S, hash: u64, reach: Reach, now_s: u64) -> Result<Said, StoreError> {
    for _ in 0..TRIES {
        let (mut entries, version) = read(store)?;
        entries.retain(|entry| entry.counts(now_s));
        let known = entries.iter().find(|entry| entry.hash == hash).copied();
        let said = Said {
            reach: known.map_or(reach, |known| known.reach.min(reach)),
            is_new: known.is_none_or(|known| known.reach > reach),
        };
        if known.is_some_and(|known| known.last_s.abs_diff(now_s) < FRESH_S) && !said.is_new {
            return Ok(said);
        }
        entries.retain(|entry| entry.hash != hash);
        // The oldest stand first.
        let skipped = (entries.len() + 1).saturating_sub(ROOM);
        let mut record = vec![FORMAT];
        for entry in entries.iter().skip(skipped).chain([&Entry { hash, last_s: now_s, reach: said.reach }]) {
            record.extend(entry.hash.to_le_bytes());
            record.extend(entry.last_s.to_le_bytes());
            record.push(entry.reach as u8);
        }
        if store.put(RECORD, &record, version)? == Put::Stored {
            return Ok(said);
        }
    }
    Err(StoreError::Contended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::ledger::MemoryStore;

    const NOW: Millis = Millis(1_000_000_000);
    const LATER: Millis = Millis(NOW.0 + LASTS_S * 1_000);

    #[test]
    fn nothing_is_sent_again_before_the_filter_behind_the_router_has_said_that_it_is_there() {
        let store = MemoryStore::default();
        let (mut gateway, mut behind) = (Behind::default(), Behind::default());
        assert_eq!(gateway.leave(&store, 1, "a", NOW), Leave::Trial);
        assert!(!gateway.saw(1, "a", false), "nobody said that it is there");
        assert_eq!(gateway.leave(&store, 1, "a", NOW), Leave::Once);
        assert_eq!(
            behind.say(&store, 1, Reach::Everywhere, NOW),
            Ok(Said { reach: Reach::Everywhere, is_new: true })
        );
        gateway.listen(&store, 1, NOW).unwrap();
        // It was not there yet: it has to show itself.
        assert_eq!(gateway.leave(&store, 1, "a", NOW), Leave::Trial);
        gateway.saw(1, "a", true);
        for cluster in ["a", "b"] {
            assert_eq!(gateway.leave(&store, 1, cluster, NOW), Leave::Again(Reach::Everywhere));
        }
        assert_eq!(gateway.leave(&store, 2, "b", NOW), Leave::Trial, "that was another configuration");
    }

    #[test]
    fn who_has_heard_nothing_reads_again_when_a_request_comes() {
        let store = MemoryStore::default();
        let (mut gateway, mut behind) = (Behind::default(), Behind::default());
        gateway.listen(&store, 1, NOW).unwrap();
        behind.say(&store, 1, Reach::Cluster, NOW).unwrap();
        assert_eq!(gateway.leave(&store, 1, "a", NOW), Leave::Again(Reach::Cluster));
    }

    #[test]
    fn who_shows_itself_need_not_have_said_anything() {
        let store = MemoryStore::default();
        let mut gateway = Behind::default();
        assert_eq!(gateway.leave(&store, 1, "a", NOW), Leave::Trial);
        gateway.saw(1, "a", true);
        assert_eq!(gateway.leave(&store, 1, "a", NOW), Leave::Again(Reach::Everywhere));
    }

    #[test]
    fn an_answer_that_came_by_without_it_ends_retries_at_that_cluster_until_it_is_seen_again() {
        let store = MemoryStore::default();
        let mut gateway = Behind::default();
        gateway.say(&store, 1, Reach::Everywhere, NOW).unwrap();
        assert!(gateway.saw(1, "a", false), "it should have been there");
        assert!(!gateway.saw(1, "a", false), "that is known");
        assert_eq!(gateway.leave(&store, 1, "a", NOW), Leave::Trial);
        assert_eq!(gateway.leave(&store, 1, "b", NOW), Leave::Again(Reach::Everywhere));
        gateway.saw(1, "a", true);
        assert_eq!(gateway.leave(&store, 1, "a", NOW), Leave::Again(Reach::Everywhere));
    }

    #[test]
    fn who_has_said_less_is_believed_and_everybody_hears_of_it() {
        let store = MemoryStore::default();
        let mut workers = [Behind::default(), Behind::default()];
        for (index, worker) in workers.iter_mut().enumerate() {
            let said = worker.say(&store, 1, Reach::Everywhere, NOW).unwrap();
            assert_eq!(said.is_new, index == 0);
        }
        assert!(workers[0].say(&store, 1, Reach::Cluster, NOW).unwrap().is_new);
        let said = workers[1].say(&store, 1, Reach::Everywhere, NOW).unwrap();
        assert_eq!(said, Said { reach: Reach::Cluster, is_new: false });
        assert_eq!(workers[1].reach(1), Some(Reach::Cluster));
    }

    #[test]
    fn what_is_said_no_longer_counts_no_longer() {
        let store = MemoryStore::default();
        let mut gateway = Behind::default();
        gateway.say(&store, 1, Reach::Everywhere, NOW).unwrap();
        gateway.listen(&store, 1, Millis(LATER.0 - 1_000)).unwrap();
        assert_eq!(gateway.reach(1), Some(Reach::Everywhere));
        gateway.listen(&store, 1, LATER).unwrap();
        assert_eq!(gateway.reach(1), None);
    }

    #[test]
    fn many_configurations_take_no_more_room_than_there_is() {
        let store = MemoryStore::default();
        let mut behind = Behind::default();
        for hash in 0..1_000 {
            behind.say(&store, hash, Reach::Everywhere, NOW).unwrap();
        }
        assert_eq!(store.get(RECORD).unwrap().unwrap().0.len(), 1 + ROOM * ENTRY);
        let mut gateway = Behind::default();
        gateway.listen(&store, 999, NOW).unwrap();
        assert_eq!(gateway.reach(999), Some(Reach::Everywhere));
    }

    #[test]
    fn a_record_of_another_kind_says_nothing_and_is_written_over() {
        let store = MemoryStore::default();
        store.put(RECORD, b"\x09what is this", None).unwrap();
        let mut behind = Behind::default();
        behind.listen(&store, 1, NOW).unwrap();
        assert_eq!(behind.reach(1), None);
        assert!(behind.say(&store, 1, Reach::Cluster, NOW).unwrap().is_new);
        behind.listen(&store, 1, NOW).unwrap();
        assert_eq!(behind.reach(1), Some(Reach::Cluster));
    }

    #[test]
    fn versions_of_envoy_reach_as_far_as_was_seen() {
        for (minor, reach) in
            [(35, Reach::Nowhere), (36, Reach::Nowhere), (37, Reach::Cluster), (38, Reach::Cluster)]
        {
            assert_eq!(Reach::of_envoy(1, minor), reach);
        }
        for (major, minor) in [(1, 39), (1, 40), (1, 99), (2, 0)] {
            assert_eq!(Reach::of_envoy(major, minor), Reach::Everywhere);
        }
    }
}
