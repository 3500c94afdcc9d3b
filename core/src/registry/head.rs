//! Decides what the workers of a process tell each other of the registry: how far it was read, and which parts of it
//! changed.
//!
//! *Read anew.* Where the server has forgotten removals that this process has not heard of, all is read from the beginning,
//! and what was not listed is dropped: each record says in which such *round* it was last listed, and the head says
//! which round was completed last, up to which version. Where the server has lost something, all is read from the
//! beginning too, and nothing is dropped.

use super::store_names::PARTS;
use crate::base::window::Millis;

/// The first byte of the record.
const FORMAT: u8 = 1;
const NUMBERS: usize = 9;
const BYTES: usize = 1 + 8 * NUMBERS + 2 * 4 * PARTS;

/// See above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The version up to which it was read.
    pub(super) since: u64,
    /// It was read to its end once.
    pub(super) is_complete: bool,
    /// It is read from the beginning once more, and why.
    pub(super) anew: Option<Anew>,
    /// The last round that was completed.
    pub(super) round: u64,
    /// Up to which version that one drops what was not listed.
    pub(super) floor: u64,
    /// Grows with every change.
    pub(super) changes: u64,
    /// When the server last answered.
    pub(super) answered_at: Millis,
    /// How many entries it has.
    pub(super) entries: u64,
    /// How many of these are not understood.
    pub(super) unreadable: u64,
    /// Grows with every change of that part.
    pub(super) limits: [u32; PARTS],
    /// The same of teams.
    pub(super) teams: [u32; PARTS],
}

/// Why all is read once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anew {
    /// The server lost something: nothing is dropped.
    Lost,
    /// It forgot removals: what is not listed is dropped.
    Forgot,
}

impl Head {
    /// The round in which what is listed now counts as listed.
    pub(super) fn listing(&self) -> u64 {
        self.round + u64::from(self.anew == Some(Anew::Forgot))
    }

    /// Whether what has this version and was last listed in `round` was dropped since.
    pub(super) fn drops(&self, version: u64, round: u64) -> bool {
        round < self.round && version <= self.floor
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES || bytes.first() != Some(&FORMAT) {
            return None;
        }
        let mut rest = bytes.get(1..)?;
        let mut number = || {
            let (word, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(u64::from_le_bytes(*word))
        };
        let (since, complete, anew) = (number()?, number()?, number()?);
        let mut head = Self {
            since,
            is_complete: complete > 0,
            anew: match anew {
                1 => Some(Anew::Lost),
                2 => Some(Anew::Forgot),
                _ => None,
            },
            round: number()?,
            floor: number()?,
            changes: number()?,
            answered_at: Millis(number()?),
            entries: number()?,
            unreadable: number()?,
            ..Self::default()
        };
        for part in head.limits.iter_mut().chain(&mut head.teams) {
            let (word, after) = rest.split_first_chunk::<4>()?;
            rest = after;
            *part = u32::from_le_bytes(*word);
        }
        Some(head)
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let anew = match self.anew {
            None => 0,
            Some(Anew::Lost) => 1,
            Some(Anew::Forgot) => 2,
        };
        let numbers: [u64; NUMBERS] = [
            self.since,
            u64::from(self.is_complete),
            anew,
            self.round,
            self.floor,
            self.changes,
            self.answered_at.0,
            self.entries,
            self.unreadable,
        ];
        let mut out = Vec::with_capacity(BYTES);
        out.push(FORMAT);
        numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        self.limits.iter().chain(&self.teams).for_each(|part| out.extend(part.to_le_bytes()));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let mut head = Head {
            since: 1,
            is_complete: true,
            anew: Some(Anew::Forgot),
            round: 2,
            floor: 3,
            changes: 4,
            answered_at: Millis(5),
            entries: 6,
            unreadable: 7,
            ..Head::default()
        };
        (head.limits[31], head.teams[0]) = (8, 9);
        let bytes = head.write();
        assert_eq!((Head::read(&bytes), bytes.len()), (Some(head), BYTES));
        assert_eq!(Head::read(&bytes[1..]), None);
        assert_eq!(Head::read(b""), None);
    }

    #[test]
    fn what_a_round_has_not_listed_is_dropped_unless_it_is_newer_than_what_was_forgotten() {
        let head = Head { round: 1, floor: 50, ..Head::default() };
        assert_eq!(
            [(50, 0), (51, 0), (9, 1)].map(|(version, round)| head.drops(version, round)),
            [true, false, false]
        );
    }
}
