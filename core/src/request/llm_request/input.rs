//! Decides which elements of a Responses input stand for what the provider keeps.
//!
//! An element may be there whole, as it once came in an answer, or be nothing but an id; the provider then puts in what
//! it keeps under that. The type may be left out, so whatever has an id and nothing of its own is taken for such a one.

use core::ops::Range;

/// An element, as far as it was read.
#[derive(Default)]
pub(super) struct Item {
    ids: Vec<Option<Range<usize>>>,
    content: bool,
    is_reference: bool,
}

impl Item {
    /// An id, where it stands with its quotes; `None` if it is none that anybody could have been given.
    pub(super) fn id(&mut self, at: Option<Range<usize>>) {
        self.ids.push(at);
    }

    /// What it says that it is.
    pub(super) fn says(&mut self, kind: &str) {
        self.is_reference |= kind == "item_reference";
    }

    /// Something of its own.
    pub(super) fn content(&mut self) {
        self.content = true;
    }

    /// The ids under which the provider is to look, at the element's end.
    pub(super) fn end(&mut self) -> Vec<Option<Range<usize>>> {
        let Self { ids, content, is_reference } = core::mem::take(self);
        if is_reference || !content { ids } else { Vec::new() }
    }
}
