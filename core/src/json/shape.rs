//! Decides which values of a document are looked for: a tree of names, written down as a constant.

use super::token::TOKEN_BYTES;
use super::unescape;

/// One name in a document: what to call its value, and the names inside it.
///
/// `"[]"` as a name stands for every element of an array.
#[derive(Debug)]
pub struct Shape<S: 'static> {
    pub(super) name: &'static str,
    pub(super) slot: Option<S>,
    pub(super) inside: &'static [Self],
    /// The marks of the names inside.
    marks: u64,
}

impl<S: Copy> Shape<S> {
    /// The document itself.
    #[must_use]
    pub const fn document(inside: &'static [Self]) -> Self {
        Self { name: "", slot: None, inside, marks: Self::marks(inside) }
    }

    /// A value that is reported as `slot`.
    #[must_use]
    pub const fn value(name: &'static str, slot: S) -> Self {
        Self { name, slot: Some(slot), inside: &[], marks: 0 }
    }

    /// A container of which only values inside are reported.
    #[must_use]
    pub const fn inside(name: &'static str, inside: &'static [Self]) -> Self {
        Self { name, slot: None, inside, marks: Self::marks(inside) }
    }

    /// A container that is reported as `slot` when it ends, after the values inside.
    #[must_use]
    pub const fn both(name: &'static str, slot: S, inside: &'static [Self]) -> Self {
        Self { name, slot: Some(slot), inside, marks: Self::marks(inside) }
    }

    /// Everything inside that is reported: where it stands, like `choices[].delta.content`, and as what.
    #[must_use]
    pub fn places(&'static self) -> Vec<(String, S)> {
        let mut places = Vec::new();
        for shape in self.inside {
            places.extend(shape.slot.map(|slot| (shape.name.to_owned(), slot)));
            for (below, slot) in shape.places() {
                let dot = if below.starts_with("[]") { "" } else { "." };
                places.push((format!("{}{dot}{below}", shape.name), slot));
            }
        }
        places
    }

    /// What a key names inside this, if that is looked for. `escapes`: it may be written with some.
    pub(super) fn named(&'static self, key: &[u8], escapes: bool) -> Option<&'static Self> {
        if escapes && key.len() <= TOKEN_BYTES && key.contains(&b'\\') {
            return self.find(unescape(key)?.as_bytes());
        }
        self.find(key)
    }

    pub(super) fn find(&'static self, name: &[u8]) -> Option<&'static Self> {
        // Most keys are none of these, and most of the others are told by length and first byte.
        if self.marks & mark(name) == 0 {
            return None;
        }
        let first = name.first();
        self.inside.iter().find(|shape| {
            let known = shape.name.as_bytes();
            known.len() == name.len() && known.first() == first && known == name
        })
    }

    const fn marks(mut shapes: &[Self]) -> u64 {
        let mut marks = 0;
        while let [shape, rest @ ..] = shapes {
            marks |= mark(shape.name.as_bytes());
            shapes = rest;
        }
        marks
    }
}

/// One of 64 bits, which names that are as long and begin alike have in common.
const fn mark(name: &[u8]) -> u64 {
    let [first, ..] = name else { return 1 };
    1 << ((*first as usize + 5 * name.len()) % 64)
}
