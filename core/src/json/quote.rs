//! Decides where a JSON string ends, whatever is in it.
//!
//! Most bytes of a request stand in strings, so this is what its scan costs. Keys and most values are short, and
//! eight bytes at a time find their ends before a search for many at once has begun; prompts are long.

use memchr::memchr2;

use crate::word;

/// How a piece of a string ended.
pub(super) enum Part {
    Closed {
        /// There may be escapes in it.
        escapes: bool,
    },
    Open {
        escaped: bool,
    },
}

/// The part of a string from `at` in `piece` up to its closing quote or the end, and where to go on.
/// `escaped`: the first byte follows a backslash.
#[inline]
pub(super) fn string_part(piece: &[u8], at: usize, escaped: bool) -> (&[u8], Part, usize) {
    let rest = piece.get(at..).unwrap_or_default();
    if !escaped
        && let Some(length) = quote_or_backslash(rest)
        && let Some((part, [b'"', ..])) = rest.split_at_checked(length)
    {
        return (part, Part::Closed { escapes: false }, at + length + 1);
    }
    with_escapes(rest, at, escaped)
}

/// The same for a string with a backslash, or of which the end is not here.
fn with_escapes(rest: &[u8], at: usize, escaped: bool) -> (&[u8], Part, usize) {
    let end = at + rest.len();
    let mut from = usize::from(escaped);
    loop {
        let Some(tail) = rest.get(from..) else { return (rest, Part::Open { escaped: false }, end) };
        let Some(found) = quote_or_backslash(tail) else {
            return (rest, Part::Open { escaped: escaped && rest.is_empty() }, end);
        };
        let found = from + found;
        if rest.get(found) == Some(&b'"') {
            return (rest.get(..found).unwrap_or_default(), Part::Closed { escapes: true }, at + found + 1);
        }
        if found + 1 == rest.len() {
            return (rest, Part::Open { escaped: true }, end);
        }
        from = found + 2;
    }
}

/// Where the first quote or backslash is.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    /// So many words are looked at one after the other.
    const WORDS: usize = 4;
    let mut at = 0;
    for bytes in text.chunks_exact(word::BYTES).take(WORDS) {
        let bytes = word::read(bytes);
        let marks = word::zeros(bytes ^ word::of(b'"')) | word::zeros(bytes ^ word::of(b'\\'));
        if marks != 0 {
            return Some(at + word::first(marks));
        }
        at += word::BYTES;
    }
    let rest = text.get(at..)?;
    let is_one = |byte: &u8| matches!(byte, b'"' | b'\\');
    let short = rest.len() < word::BYTES;
    let found = if short { rest.iter().position(is_one) } else { memchr2(b'"', b'\\', rest) };
    found.map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    proptest! {
        #[test]
        fn the_first_quote_or_backslash_is_found_wherever_it_is(
            text in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), any::<u8>(), Just(b'a'), Just(b'#'), Just(b']')], 0..90),
            plain in 0usize..80,
        ) {
            let text = [&vec![b'x'; plain], text.as_slice()].concat();
            let expected = text.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(quote_or_backslash(&text), expected);
        }
    }
}
