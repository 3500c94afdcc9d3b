//! Decides which texts of an event are remembered by where they stand: those that somebody looks for.
//!
//! A few are enough: an event of a stream says its kind, its model, its tier and a piece of text or two.
//!
//! Does not keep the texts.

use core::ops::Range;

/// Texts of one event that are remembered.
const MAX_MARKS: usize = 8;

/// Where a text stands in its event's data.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    /// With its quotes.
    pub(super) span: Range<usize>,
    /// It counts as text that the model wrote, and says nothing else.
    pub(super) counted: bool,
}

/// The texts of one event that somebody looks for, in the order in which they stand there.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    places: [Mark; MAX_MARKS],
    found: usize,
}

impl Marks {
    /// Remembers where a text stands.
    pub(super) fn push(&mut self, span: &Range<u64>, counted: bool) {
        let place = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(mark) = self.places.get_mut(self.found) {
            *mark = Mark { span: place(span.start)..place(span.end), counted };
        }
        self.found += 1;
    }

    /// All of them. `None` if there are more than are remembered.
    pub(super) fn all(&self) -> Option<&[Mark]> {
        self.places.get(..self.found)
    }
}
