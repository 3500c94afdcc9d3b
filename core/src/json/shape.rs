//! Decides which values of a document are looked for: a tree of names, written down as a constant.

use super::string::unescape;
use super::token::TOKEN_BYTES;

/// How many marks there are to tell names by.
const MARKS: usize = 32;

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
    /// Where among those inside the first one is whose name has one of so many marks, counted from one.
    first: [u8; MARKS],
    /// Of its own name, which is none of those that have another.
    tag: u32,
}

impl<S: Copy> Shape<S> {
    /// The document itself.
    #[must_use]
    pub const fn document(inside: &'static [Self]) -> Self {
        Self { name: "", slot: None, inside, rest: None, first: Self::first(inside), tag: tag(b"") }
    }

    /// A value that is reported as `slot`.
    #[must_use]
    pub const fn value(name: &'static str, slot: S) -> Self {
        Self { name, slot: Some(slot), inside: &[], rest: None, first: [0; MARKS], tag: tag(name.as_bytes()) }
    }

    /// A container of which only values inside are reported.
    #[must_use]
    pub const fn inside(name: &'static str, inside: &'static [Self]) -> Self {
        Self { name, slot: None, inside, rest: None, first: Self::first(inside), tag: tag(name.as_bytes()) }
    }

    /// A container that is reported as `slot` when it ends, after the values inside.
    #[must_use]
    pub const fn both(name: &'static str, slot: S, inside: &'static [Self]) -> Self {
        let tag = tag(name.as_bytes());
        Self { name, slot: Some(slot), inside, rest: None, first: Self::first(inside), tag }
    }

    /// The same, with every member that is not named being `rest`.
    #[must_use]
    pub const fn with_rest(self, rest: &'static Self) -> Self {
        Self { rest: Some(rest), ..self }
    }

    /// A value or container of any name: its texts, however deep, are reported as `slot`. `own` is the shape itself.
    #[must_use]
    pub const fn anything(slot: S, own: &'static Self) -> Self {
        Self { name: "*", slot: Some(slot), inside: &[], rest: Some(own), first: [0; MARKS], tag: tag(b"*") }
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
        // Most keys are none of these, and most of the others are told by length, first and last byte.
        let Some(before) = usize::from(self.first.get(mark(name)).copied().unwrap_or(0)).checked_sub(1)
        else {
            return self.rest;
        };
        let tag = tag(name);
        let mut named = self.inside.get(before..).unwrap_or_default().iter();
        named.find(|shape| shape.tag == tag && shape.name.as_bytes() == name).or(self.rest)
    }

    #[allow(clippy::indexing_slicing, reason = "the compiler does it")]
    const fn first(mut shapes: &[Self]) -> [u8; MARKS] {
        let (mut first, mut number) = ([0; MARKS], 0);
        while let [shape, rest @ ..] = shapes {
            number += 1;
            assert!(number < u8::MAX, "more names than can be counted");
            let place = &mut first[mark(shape.name.as_bytes())];
            if *place == 0 {
                *place = number;
            }
            shapes = rest;
        }
        first
    }
}

/// What names seldom have in common: length, first and last byte.
const fn tag(name: &[u8]) -> u32 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return 0 };
    name.len() as u32 ^ (*first as u32) << 16 ^ (*last as u32) << 24
}

/// One of [`MARKS`] numbers, which names that are as long and begin alike have in common.
const fn mark(name: &[u8]) -> usize {
    let [first, ..] = name else { return 0 };
    (*first as usize + 5 * name.len()) % MARKS
}
