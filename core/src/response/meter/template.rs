//! Decides whether an event says what the one before said, but for its text.
//!
//! A stream is a thousand events that differ in one string. To find that string once more in each of them, through
//! all their keys, is what a stream would cost. So the last event that was read and said nothing new is kept as it
//! stood in the stream, with holes where a text is counted. If the next one has the same bytes around its holes,
//! and in each of them what the scanner takes for one string, then every value in it stands where it stood, and all
//! that it adds is the text in its holes. Places that differ too, such as an event's number, become holes if nobody
//! looks for what is there; that is found out when they differ.
//!
//! Does not decide what is new: see `reading.rs`. Does not guess: any other difference, and any byte of an event that
//! is not here yet, leaves the event to the scanner.

#[cfg(test)]
mod tests;

use core::ops::Range;

use super::marks::Marks;
use crate::json::string_length;

/// Longest event that is kept. Events with text are a third of that.
const FRAME_BYTES: usize = 1024;
/// Places of one event that may differ.
const MAX_HOLES: usize = 12;
/// Bytes that are compared at once.
const BLOCK: usize = 16;

/// The last event that said nothing new.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// Made for the first such event: most answers are no streams.
    kept: Option<Box<Kept>>,
    /// Every event is left to the scanner.
    #[cfg(test)]
    pub(super) disabled: bool,
    /// Events that were found.
    #[cfg(test)]
    pub(super) found: usize,
}

/// An event with its holes.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// From its first line to the blank one behind it; empty if there is none.
    frame: Vec<u8>,
    /// Where its data begins.
    data: usize,
    /// The texts in its data that somebody looks for.
    marks: Marks,
    /// In the order in which they stand in the frame, none of them touching another.
    holes: Vec<Hole>,
}

/// A place that may differ.
#[derive(Clone, Debug)]
struct Hole {
    /// Without the quotes.
    place: Range<usize>,
    holds: Holds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    CountedText,
    Text,
    Number,
}

/// What an event adds that is the same but for its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Again {
    /// Bytes of the event, its blank line included.
    pub(super) length: usize,
    /// Pieces of text.
    pub(super) deltas: u64,
    /// Bytes of text.
    pub(super) text_bytes: u64,
}

impl Template {
    /// Forgets the event: something new was said since, which it may contradict.
    pub(super) fn clear(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.frame.clear();
        }
    }

    /// Keeps an event that said nothing new: its lines with the blank one, where its data stands in them, and
    /// the texts in that data that somebody looks for.
    ///
    /// `frame` must have begun between two events and have one `data` line. One with a CR in it is not kept: the
    /// LF that may follow would be part of the next.
    pub(super) fn keep(&mut self, frame: &[u8], data: usize, marks: &Marks) {
        self.clear();
        let Some(found) = marks.all() else { return };
        if frame.len() > FRAME_BYTES || memchr::memchr(b'\r', frame).is_some() {
            return;
        }
        let kept = self.kept.get_or_insert_default();
        kept.holes.clear();
        for mark in found.iter().filter(|mark| mark.counted) {
            let span = mark.span();
            let place = data + span.start + 1..data + span.end - 1;
            kept.holes.push(Hole { place, holds: Holds::CountedText });
        }
        kept.frame.reserve_exact(frame.len());
        kept.frame.extend_from_slice(frame);
        kept.data = data;
        kept.marks = *marks;
    }

    /// What the event at the beginning of `bytes` adds, if it is the kept one with other texts. `bytes` must begin
    /// between two events.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<Again> {
        #[cfg(test)]
        if self.disabled {
            return None;
        }
        let kept = self.kept.as_mut().filter(|kept| !kept.frame.is_empty())?;
        loop {
            match kept.compare(bytes) {
                Ok(again) => {
                    #[cfg(test)]
                    {
                        self.found += 1;
                    }
                    return Some(again);
                }
                Err(Some(differs)) if kept.widen(differs) => {}
                Err(_) => return None,
            }
        }
    }
}

impl Kept {
    /// If it is another event, where in the frame they differ. Nowhere if what should be in a hole is not, or if the
    /// bytes end before that.
    fn compare(&self, bytes: &[u8]) -> Result<Again, Option<usize>> {
        let mut again = Again::default();
        let (mut from, mut rest) = (0, bytes);
        for hole in &self.holes {
            rest = self.literal(from..hole.place.start, rest)?;
            let length = match hole.holds {
                Holds::CountedText | Holds::Text => text_length(rest),
                Holds::Number => number_length(rest),
            };
            let length = length.ok_or(None)?;
            if hole.holds == Holds::CountedText && length > 0 {
                again.deltas += 1;
                again.text_bytes += length as u64;
            }
            from = hole.place.end;
            rest = rest.get(length..).unwrap_or_default();
        }
        rest = self.literal(from..self.frame.len(), rest)?;
        again.length = bytes.len() - rest.len();
        Ok(again)
    }

    /// What follows on the bytes of the frame at `place`.
    fn literal<'b>(&self, place: Range<usize>, bytes: &'b [u8]) -> Result<&'b [u8], Option<usize>> {
        let start = place.start;
        let expected = self.frame.get(place).ok_or(None)?;
        match bytes.split_at_checked(expected.len()) {
            Some((found, rest)) if is_same(expected, found) => Ok(rest),
            _ => {
                let differs = expected.iter().zip(bytes).position(|(expected, found)| expected != found);
                Err(differs.map(|at| start + at))
            }
        }
    }

    /// Makes a hole of the text or number that an event `differs` in, if nobody looks for it. Says whether it did.
    #[cold]
    fn widen(&mut self, differs: usize) -> bool {
        let Some(hole) = self.scalar_at(differs) else { return false };
        let looked_for = |place: &Range<usize>| {
            self.marks.all().unwrap_or_default().iter().any(|mark| {
                let (start, end) = (self.data + mark.span().start, self.data + mark.span().end);
                place.start < end && start < place.end.max(place.start + 1)
            })
        };
        let before = self.holes.partition_point(|known| known.place.start < hole.place.start);
        let is_known = self.holes.get(before).is_some_and(|known| known.place.start == hole.place.start);
        if is_known || self.holes.len() >= MAX_HOLES || looked_for(&hole.place) {
            return false;
        }
        self.holes.insert(before, hole);
        true
    }

    /// The value in the frame that has another text or number when the bytes there differ at `at`. In lines that are
    /// not data nothing is looked for, and no text or number makes data of them.
    fn scalar_at(&self, at: usize) -> Option<Hole> {
        let mut from = 0;
        while from <= at {
            let rest = self.frame.get(from..)?;
            from = match rest.first()? {
                b'"' => {
                    let text = rest.get(1..)?;
                    let length = text_length(text)?;
                    let place = from + 1..from + 1 + length;
                    let behind = text.get(length + 1..)?;
                    if (place.start..=place.end).contains(&at) {
                        let is_key = behind.trim_ascii_start().first() == Some(&b':');
                        return (!is_key).then_some(Hole { place, holds: Holds::Text });
                    }
                    place.end + 1
                }
                b'-' | b'0'..=b'9' => {
                    let place = from..from + number_length(rest)?;
                    if (place.start..=place.end).contains(&at) {
                        return Some(Hole { place, holds: Holds::Number });
                    }
                    place.end
                }
                _ => from + 1,
            };
        }
        None
    }
}

/// Bytes of the text that ends with the first quote, as the scanner finds it. `None` if it does not end here, or if a
/// byte in it would end the line.
fn text_length(bytes: &[u8]) -> Option<usize> {
    let length = string_length(bytes)?;
    let text = bytes.get(..length)?;
    let breaks = text.iter().fold(false, |breaks, &byte| breaks | (byte < b' '));
    (!breaks).then_some(length)
}

/// Bytes of the number that begins here, in which the scanner sees one too.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    bytes.first().filter(|byte| matches!(byte, b'-' | b'0'..=b'9'))?;
    Some(bytes.iter().position(|byte| !is_part(byte)).unwrap_or(bytes.len()))
}

/// Whether two slices of one length are the same.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<BLOCK>(), right.as_chunks::<BLOCK>());
    left.iter().zip(right).all(|(left, right)| u128::from_le_bytes(*left) == u128::from_le_bytes(*right))
        && left_rest == right_rest
}
