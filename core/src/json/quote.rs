//! Decides where a JSON string ends, whatever is in it.
//!
//! Most bytes of a request stand in strings, so this is what its scan costs. They are looked at in blocks, without
//! the preparations of a search that is made for long texts: keys and most values are shorter than those take.

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
    let (blocks, rest) = text.as_chunks::<{ block::BYTES }>();
    let mut at = 0;
    for bytes in blocks {
        if let Some(found) = block::find(bytes) {
            return Some(at + found);
        }
        at += block::BYTES;
    }
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).map(|found| at + found)
}

/// Sixteen bytes at a time, by WebAssembly's vector instructions.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod block {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, v128_or};

    use crate::word;

    pub(super) const BYTES: usize = 2 * word::BYTES;

    pub(super) fn find(bytes: &[u8; BYTES]) -> Option<usize> {
        let (low, high) = bytes.split_at(word::BYTES);
        let bytes = u64x2(word::read(low), word::read(high));
        let is_one = v128_or(u8x16_eq(bytes, u8x16_splat(b'"')), u8x16_eq(bytes, u8x16_splat(b'\\')));
        let marks = u8x16_bitmask(is_one);
        (marks != 0).then(|| marks.trailing_zeros() as usize)
    }
}

/// Eight bytes at a time, where there are no such instructions.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod block {
    use crate::word;

    pub(super) const BYTES: usize = word::BYTES;

    pub(super) fn find(bytes: &[u8; BYTES]) -> Option<usize> {
        let bytes = word::read(bytes);
        let marks = word::zeros(bytes ^ word::of(b'"')) | word::zeros(bytes ^ word::of(b'\\'));
        (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
    }
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
