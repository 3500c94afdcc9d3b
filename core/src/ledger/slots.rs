//! Decides who has a counter in one record, and who has to leave it for somebody new.
//!
//! A record of a budget whose subjects callers name has a bounded number of places. A place is free
//! again when its subject has nothing that must be remembered: nothing held, and nothing spent in this
//! window, or idle for as long as the budget remembers. Somebody new clears all such places away; with
//! no free place the budget may give up whoever was idle for the longest, but never somebody with a
//! request running, whose settlement is still to come.
//!
//! ```text
//! ## record  => format (1), then entries
//! ## entry   => tag (16), length (1), last use in seconds, counter
//! ```
//!
//! Does not decide what a counter says: see `counter.rs`.

use super::account::{BUCKETS, Tag};
use super::counter::{read_number, write_number};
use super::{Budget, Counter, FORMAT, StoreError};
use crate::window::Millis;

/// Places in one record: enough that about `slots` subjects fit however they fall, and no more. They fall
/// at random, so a record gets `slots / BUCKETS` on average and hardly ever four standard deviations more.
fn places(slots: u32) -> usize {
    let average = (slots / BUCKETS).max(1);
    usize::try_from(average + 4 * average.isqrt() + 4).unwrap_or(usize::MAX)
}

/// The entries of one record.
pub(super) struct Slots<'a>(&'a [u8]);

/// One subject's place.
struct Entry<'a> {
    tag: &'a [u8],
    body: &'a [u8],
}

impl<'a> Slots<'a> {
    /// The entries of what is stored; of nothing, there are none.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if it is of another format.
    pub(super) fn of(stored: &'a [u8]) -> Result<Self, StoreError> {
        match stored.split_first() {
            None => Ok(Self(&[])),
            Some((&FORMAT, entries)) => Ok(Self(entries)),
            Some(_) => Err(StoreError::Unreadable),
        }
    }

    /// The counter of `tag`, if it has a place.
    pub(super) fn counter(&self, tag: &Tag) -> Result<Option<Counter>, StoreError> {
        for entry in self.entries() {
            let entry = entry?;
            if entry.tag == tag {
                return Ok(Some(entry.read()?.1));
            }
        }
        Ok(None)
    }

    /// The record with `counter` in the place of `tag`. `None`: there is no place for it. `idle` tells a counter that may be
    /// forgotten, of the time of its last use in seconds; `evict`: somebody who may not is, if need be.
    pub(super) fn with(
        &self,
        tag: &Tag,
        counter: &Counter,
        now: Millis,
        budget: &Budget,
        evict: bool,
        idle: impl Fn(Counter, u64) -> bool,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut entries = self.entries().collect::<Result<Vec<_>, _>>()?;
        match entries.iter().position(|entry| entry.tag == tag) {
            Some(own) => drop(entries.remove(own)),
            None => {
                let mut kept = Vec::with_capacity(entries.len() + 1);
                // Whoever could be evicted and was idle for the longest.
                let mut oldest: Option<(u64, usize)> = None;
                for entry in entries {
                    let (used, counter) = entry.read()?;
                    if idle(counter, used) {
                        continue;
                    }
                    if counter.held() == Default::default() && oldest.is_none_or(|(least, _)| used < least) {
                        oldest = Some((used, kept.len()));
                    }
                    kept.push(entry);
                }
                if kept.len() >= places(budget.slots) {
                    match oldest.filter(|_| evict) {
                        Some((_, at)) => drop(kept.remove(at)),
                        None => return Ok(None),
                    }
                }
                entries = kept;
            }
        }
        let mut record = Vec::with_capacity(self.0.len() + 96);
        record.push(FORMAT);
        for entry in &entries {
            entry.write(&mut record);
        }
        let mut body = Vec::with_capacity(96);
        write_number(&mut body, now.0 / 1_000);
        counter.write(&mut body);
        Entry { tag, body: &body }.write(&mut record);
        Ok(Some(record))
    }

    fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, StoreError>> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let entry = take(&mut rest);
            if entry.is_none() {
                rest = &[];
            }
            Some(entry.ok_or(StoreError::Unreadable))
        })
    }
}

impl Entry<'_> {
    fn read(&self) -> Result<(u64, Counter), StoreError> {
        let mut body = self.body;
        Ok((read_number(&mut body)?, Counter::read(&mut body)?))
    }

    fn write(&self, record: &mut Vec<u8>) {
        record.extend_from_slice(self.tag);
        // Sixteen numbers of at most ten bytes fit a byte.
        record.push(u8::try_from(self.body.len()).unwrap_or(0));
        record.extend_from_slice(self.body);
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Entry<'a>> {
    let (tag, after) = rest.split_at_checked(size_of::<Tag>())?;
    let (&length, after) = after.split_first()?;
    let (body, after) = after.split_at_checked(usize::from(length))?;
    *rest = after;
    Some(Entry { tag, body })
}
