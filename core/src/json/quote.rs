//! Decides where a JSON string ends, whatever is in it.
//!
//! Keys and most values are short, and a string that is longer is mostly very long: both are searched in blocks, but in
//! different ones. Escapes in a long string are passed without a stop, as there are as many as the text has lines.

use super::block;

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

/// Bytes at the beginning of a string in which its end is looked for as if the string were short.
const BEGINNING: usize = 32;

/// The part of a string from `at` in `piece` up to its closing quote or the end, and where to go on.
/// `escaped`: the first byte follows a backslash.
#[inline]
pub(super) fn string_part(piece: &[u8], at: usize, escaped: bool) -> (&[u8], Part, usize) {
    let rest = piece.get(at..).unwrap_or_default();
    let first = usize::from(escaped);
    let Some(fresh) = rest.get(first..) else { return (rest, Part::Open { escaped }, at) };
    let beginning = fresh.get(..BEGINNING).unwrap_or(fresh);
    let known = match quote_or_backslash(beginning) {
        None => first + beginning.len().saturating_sub(1),
        Some(length) => {
            if let Some((part, [b'"', ..])) = rest.split_at_checked(first + length) {
                return (part, Part::Closed { escapes: escaped }, at + first + length + 1);
            }
            first + length
        }
    };
    match end(rest.get(known..).unwrap_or_default()) {
        Ok(length) => {
            let part = rest.get(..known + length).unwrap_or_default();
            (part, Part::Closed { escapes: true }, at + known + length + 1)
        }
        Err(escaped) => (rest, Part::Open { escaped }, at + rest.len()),
    }
}

/// Where a string ends of which the first byte here is known: it is not the end, and a backslash only if that escapes
/// the next. If the string does not end here, whether the byte that follows is escaped.
fn end(text: &[u8]) -> Result<usize, bool> {
    let mut rest = text;
    while let Some(window) = rest.first_chunk() {
        let step = if block::is_passed(window) {
            block::LONG
        } else {
            let (ends, escaped) = block::ends(window);
            if ends != 0 {
                return Ok(text.len() - rest.len() + 1 + ends.trailing_zeros() as usize);
            }
            // The next window begins with a byte that is not escaped.
            if escaped >> (block::LONG - 1) == 0 { block::LONG } else { block::LONG - 1 }
        };
        rest = rest.get(step..).unwrap_or_default();
    }
    let passed = text.len() - rest.len();
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'"' => return Ok(passed + at),
            byte => escaped = *byte == b'\\',
        }
    }
    Err(escaped)
}

/// Where the first quote or backslash is.
#[inline]
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks();
    let mut at = 0;
    for bytes in blocks {
        if let Some(found) = block::find(bytes) {
            return Some(at + found);
        }
        at += block::SHORT;
    }
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).map(|found| at + found)
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
