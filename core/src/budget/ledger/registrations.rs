//! Decides how the budgets in use are written down: each with the moment at which somebody last registered it.
//!
//! ```text
//! ## fb/2/claims  => format (1), when there was no room for a registration, then registrations
//! ## registration  => last registered, length and text of the name, length and text of what it is counted by
//! ```
//!
//! Moments are seconds since the Unix epoch. The list is bounded: registrations that are too old to count leave it when it
//! is next written, and a registration that finds no room is noted as one of everything.
//!
//! Does not decide what is done with what nobody registers: see `registry.rs`.

use super::number::{read_number, write_number};
use super::{Budget, StoreError};

/// Key of the record that all VMs write.
pub(super) const RECORD: &str = "fb/2/claims";
/// How long a registration counts, in seconds: an hour, as old as one may be when its budget is removed, and something for
/// ticks that failed.
pub(super) const LASTS_S: u64 = 5_400;
/// Claims that the list has room for: those of 64 configurations that have no budget in common.
const ROOM: usize = 1_024;
/// First byte of the record.
const FORMAT: u8 = 1;

/// The budgets that somebody registered.
#[derive(Debug, Default)]
pub(super) struct Registrations {
    /// When a registration last found no room.
    crowded_s: u64,
    registrations: Vec<Registration>,
}

#[derive(Debug)]
struct Registration {
    last_s: u64,
    name: String,
    per: String,
}

impl Registrations {
    /// What the record says; of an empty one, that nothing is registered.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if it is of another format.
    pub(super) fn read(stored: &[u8]) -> Result<Self, StoreError> {
        let Some((&format, mut rest)) = stored.split_first() else { return Ok(Self::default()) };
        if format != FORMAT {
            return Err(StoreError::Unreadable);
        }
        let mut registered = Self { crowded_s: read_number(&mut rest)?, registrations: Vec::new() };
        while !rest.is_empty() {
            let last_s = read_number(&mut rest)?;
            let (name, per) = (read_text(&mut rest)?, read_text(&mut rest)?);
            registered.registrations.push(Registration { last_s, name, per });
        }
        Ok(registered)
    }

    /// The record.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        write_number(&mut out, self.crowded_s);
        for Registration { last_s, name, per } in &self.registrations {
            write_number(&mut out, *last_s);
            write_text(&mut out, name);
            write_text(&mut out, per);
        }
        out
    }

    /// When `budget` was last registered; `None` if nobody did as far as is remembered.
    pub(super) fn last_s(&self, budget: &Budget) -> Option<u64> {
        let per = budget.per_text();
        let own = self.registrations.iter().find(|own| *own.name == *budget.name && own.per == per);
        own.map(|own| own.last_s)
    }

    /// Whether a registration of `budget` counts at `now_s`. One from the future does: the clock stepped back.
    pub(super) fn counts(&self, budget: &Budget, now_s: u64) -> bool {
        let counts = |last_s: u64| now_s.saturating_sub(last_s) < LASTS_S;
        counts(self.crowded_s) || self.last_s(budget).is_some_and(counts)
    }

    /// Registers `budget` at `now_s`.
    pub(super) fn register(&mut self, budget: &Budget, now_s: u64) {
        let per = budget.per_text();
        if let Some(own) =
            self.registrations.iter_mut().find(|own| *own.name == *budget.name && own.per == per)
        {
            own.last_s = now_s;
        } else if self.registrations.len() < ROOM {
            self.registrations.push(Registration {
                last_s: now_s,
                name: budget.name.as_ref().to_owned(),
                per,
            });
        } else {
            self.crowded_s = now_s;
        }
    }

    /// Leaves out the registrations that do not count any more at `now_s`.
    pub(super) fn prune(&mut self, now_s: u64) {
        self.registrations.retain(|own| now_s.saturating_sub(own.last_s) < LASTS_S);
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn read_text(stored: &mut &[u8]) -> Result<String, StoreError> {
    let length = usize::try_from(read_number(stored)?).map_err(|_| StoreError::Unreadable)?;
    let (text, rest) = stored.split_at_checked(length).ok_or(StoreError::Unreadable)?;
    *stored = rest;
    core::str::from_utf8(text).map(str::to_owned).map_err(|_| StoreError::Unreadable)
}
