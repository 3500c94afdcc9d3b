//! Decides which values of a document are looked for: a tree of names, written down as a constant.

use super::token::TOKEN_BYTES;
use super::unescape;

/// One name in a document: what to call its value, and the names inside it.
///
/// `"[]"` as a name stands for every element of an array. What is not named may be looked for too, by a shape for all
/// the rest.
#[derive(Debug)]
pub struct Shape<S: 'static> {
    pub(super) name: &'static str,
    pub(super) slot: Option<S>,
    pub(super) inside: &'static [Self],
    /// What every member and element is that is not named.
    rest: Option<&'static Self>,
    /// The marks of the names inside.
    marks: u64,
}

impl<S: Copy> Shape<S> {
    /// The document itself.
    #[must_use]
    pub const fn document(inside: &'static [Self]) -> Self {
        Self { name: "", slot: None, inside, rest: None, marks: Self::marks(inside) }
    }

    /// A value that is reported as `slot`.
    #[must_use]
    pub const fn value(name: &'static str, slot: S) -> Self {
        Self { name, slot: Some(slot), inside: &[], rest: None, marks: 0 }
    }

    /// A container of which only values inside are reported.
    #[must_use]
    pub const fn inside(name: &'static str, inside: &'static [Self]) -> Self {
        Self { name, slot: None, inside, rest: None, marks: Self::marks(inside) }
    }

    /// A container that is reported as `slot` when it ends, after the values inside.
    #[must_use]
    pub const fn both(name: &'static str, slot: S, inside: &'static [Self]) -> Self {
        Self { name, slot: Some(slot), inside, rest: None, marks: Self::marks(inside) }
    }

    /// The same, with every member that is not named being `rest`.
    #[must_use]
    pub const fn with_rest(self, rest: &'static Self) -> Self {
        Self { rest: Some(rest), ..self }
    }

    /// A value or container of any name: its texts, however deep, are reported as `slot`. `own` is the shape itself.
    #[must_use]
    pub const fn anything(slot: S, own: &'static Self) -> Self {
        Self { name: "*", slot: Some(slot), inside: &[], rest: Some(own), marks: 0 }
    }

    /// Its own name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The names inside that are looked for, and what their values are called, if they are reported.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, Option<S>)> {
        self.inside.iter().map(|shape| (shape.name, shape.slot))
    }

    /// Whether something inside is looked for.
    pub(super) fn is_open(&self) -> bool {
        !self.inside.is_empty() || self.rest.is_some()
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
            return self.rest;
        }
        let first = name.first();
        let named = self.inside.iter().find(|shape| {
            let known = shape.name.as_bytes();
            known.len() == name.len() && known.first() == first && known == name
        });
        named.or(self.rest)
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
