//! Decides which elements of a Responses input stand for what the provider keeps.
//!
//! An element may be there whole, as it once came in an answer, or be nothing but an id; the provider then puts in what
//! it keeps under that. The type may be left out, so whatever has an id and nothing of its own is taken for such a one.

use core::ops::Range;

use super::bodies::{kept, value};
use super::members::Member;
use crate::json::Shape;

/// What an element has of its own.
const fn content(name: &'static str) -> Shape<Member> {
    Shape::value(name, Member::ItemContent)
}

/// The input, of which elements stand for what the provider keeps, or name files in it.
pub(super) const INPUT: Shape<Member> = Shape::inside(
    "input",
    &[Shape::both(
        "[]",
        Member::Item,
        &[
            value("id", Member::ItemId),
            value("type", Member::ItemType),
            Shape::both("content", Member::ItemContent, &[Shape::inside("[]", &[kept("file_id")])]),
            content("output"),
            content("arguments"),
            content("summary"),
            content("encrypted_content"),
            content("action"),
            content("actions"),
            content("input"),
            content("result"),
            content("results"),
            content("queries"),
            content("code"),
            content("tools"),
            content("approve"),
            content("operation"),
        ],
    )],
);

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
