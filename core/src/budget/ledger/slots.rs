//! Decides who has a counter in one record, and who has to leave it for somebody new.
//!
//! A record of a budget whose subjects callers name has a bounded number of places. A place is free
//! again when its subject has nothing that must be remembered: nothing held, and nothing spent in this
//! window, or idle for as long as the budget remembers. A subject that writes such a counter of its own leaves its
//! place, and somebody new clears those of others away. With no free place the budget may give up whoever
//! was idle for the longest, but never somebody with a request running, whose settlement is still to come.
//!
//! ```text
//! ## record  => format (1), then entries
//! ## entry   => tag (16), length (1), last use in seconds, counter; whoever was used last is last
//! ```
//!
//! Does not decide what a counter says: see `counter.rs`.

use super::account::{BUCKETS, Tag};
use super::number::{read_number, write_number};
use super::{Amounts, Budget, Counter, FORMAT, StoreError, WhenFull};
use crate::base::window::Millis;

/// Places in one record: enough that about `slots` subjects fit however they fall, and no more. They fall
/// at random, so a record gets `slots / BUCKETS` on average and hardly ever four standard deviations more.
pub(super) fn places(slots: u32) -> usize {
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
        self.place(tag)?.map(|(_, entry, _)| Ok(entry.read()?.1)).transpose()
    }

    /// The record with `counter` in the place of `tag`, and without a place if it says nothing. `None`: there is no
    /// place for it. `roll` brings the counters of others up to `now`.
    pub(super) fn with(
        &self,
        tag: &Tag,
        counter: &Counter,
        now: Millis,
        budget: &Budget,
        roll: impl Fn(&mut Counter),
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut record = Vec::with_capacity(self.0.len() + 96);
        record.push(FORMAT);
        match self.place(tag)? {
            Some((before, _, after)) => {
                record.extend_from_slice(before);
                record.extend_from_slice(after);
            }
            None if counter.is_idle() => record.extend_from_slice(self.0),
            None => {
                let mut kept = Vec::new();
                for entry in self.entries() {
                    let entry = entry?;
                    let (used, mut counter) = entry.read()?;
                    roll(&mut counter);
                    let running = counter.held() != Amounts::default();
                    let idle_s = (now.0 / 1_000).saturating_sub(used);
                    if running || (idle_s < budget.forget_ms / 1_000 && !counter.is_idle()) {
                        kept.push((entry, running));
                    }
                }
                let (places, evict) = (places(budget.slots), budget.when_full == WhenFull::Evict);
                // The record may have been written when there were more places.
                while kept.len() >= places {
                    // Whoever was used last is last in the record.
                    match kept.iter().position(|(_, running)| !running).filter(|_| evict) {
                        Some(oldest) => drop(kept.remove(oldest)),
                        None => return Ok(None),
                    }
                }
                kept.iter().for_each(|(entry, _)| entry.write(&mut record));
            }
        }
        if !counter.is_idle() {
            let mut body = Vec::with_capacity(96);
            write_number(&mut body, now.0 / 1_000);
            counter.write(&mut body);
            Entry { tag, body: &body }.write(&mut record);
        }
        Ok(Some(record))
    }

    /// Whether any of the counters holds something, after `roll` brought them up to date.
    pub(super) fn any_held(&self, roll: impl Fn(&mut Counter)) -> Result<bool, StoreError> {
        for entry in self.entries() {
            let mut counter = entry?.read()?.1;
            roll(&mut counter);
            if counter.held() != Amounts::default() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The entry of `tag`, with what is before and behind it.
    #[expect(clippy::type_complexity, reason = "a name would say no more than the three parts do")]
    fn place(&self, tag: &Tag) -> Result<Option<(&'a [u8], Entry<'a>, &'a [u8])>, StoreError> {
        let mut before = 0;
        for entry in self.entries() {
            let entry = entry?;
            let after = before + size_of::<Tag>() + 1 + entry.body.len();
            if entry.tag == tag {
                let (before, _) = self.0.split_at_checked(before).ok_or(StoreError::Unreadable)?;
                let (_, after) = self.0.split_at_checked(after).ok_or(StoreError::Unreadable)?;
                return Ok(Some((before, entry, after)));
            }
            before = after;
        }
        Ok(None)
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
