//! Decides which texts of an event are remembered by where they stand: those that somebody looks for.
//!
//! A few are enough: an event of a stream says its kind, its model, its tier and a piece of text or two.
//!
//! Does not keep the texts.

use core::ops::Range;

/// Texts of one event that are remembered.
const MAX_MARKS: usize = 8;

/// Where a text stands in its event's data, with its quotes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    start: u16,
    end: u16,
    /// It counts as text that the model wrote, and says nothing else.
    pub(super) counted: bool,
}

impl Mark {
    /// Where it stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.start.into()..self.end.into()
    }
}

/// The texts of one event that somebody looks for, in the order in which they stand there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    places: [Mark; MAX_MARKS],
    found: u8,
}

impl Marks {
    /// Remembers where a text stands.
    pub(super) fn push(&mut self, span: &Range<u64>, counted: bool) {
        let place = (
            u16::try_from(span.start),
            u16::try_from(span.end),
            self.places.get_mut(usize::from(self.found)),
        );
        let (Ok(start), Ok(end), Some(mark)) = place else {
            self.found = u8::MAX;
            return;
        };
        *mark = Mark { start, end, counted };
        self.found += 1;
    }

    /// All of them. `None` if there are more than are remembered, or one is too far behind.
    pub(super) fn all(&self) -> Option<&[Mark]> {
        self.places.get(..self.found.into())
    }
}
