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

/// The part of a string from `at` in `piece` up to its closing quote or the end, and where to go on.
/// `escaped`: the first byte follows a backslash.
#[inline]
pub(super) fn string_part(piece: &[u8], at: usize, escaped: bool) -> (&[u8], Part, usize) {
    let rest = piece.get(at..).unwrap_or_default();
    if !escaped
        && let Some(beginning) = rest.first_chunk()
        && let Some(length) = block::quote_or_backslash(beginning)
        && let Some((part, [b'"', ..])) = rest.split_at_checked(length)
    {
        return (part, Part::Closed { escapes: false }, at + length + 1);
    }
    longer_part(rest, at, escaped)
}

/// The same for a string that may be long, or may have escapes, or of which the end may not be here.
fn longer_part(rest: &[u8], at: usize, escaped: bool) -> (&[u8], Part, usize) {
    let first = usize::from(escaped);
    let Some(fresh) = rest.get(first..) else { return (rest, Part::Open { escaped }, at) };
    let beginning = fresh.get(..block::LONG).unwrap_or(fresh);
    let known = match quote_or_backslash(beginning) {
        None => first + beginning.len().saturating_sub(1),
        Some(length) => {
            if let Some((part, [b'"', ..])) = rest.split_at_checked(first + length) {
                return (part, Part::Closed { escapes: escaped }, at + first + length + 1);
            }
            first + length
        }
    };
    match long_end(rest.get(known..).unwrap_or_default()) {
        Ok(length) => {
            let part = rest.get(..known + length).unwrap_or_default();
            (part, Part::Closed { escapes: true }, at + known + length + 1)
        }
        Err(escaped) => (rest, Part::Open { escaped }, at + rest.len()),
    }
}

/// Where a string ends of which the first byte here is known: it is not the end, and a backslash only if that escapes
/// the next. If the string does not end here, whether the byte that follows is escaped.
#[inline]
pub(super) fn end(text: &[u8]) -> Result<usize, bool> {
    if let [_, rest @ ..] = text
        && let Some(beginning) = rest.first_chunk()
        && let Some(length) = block::quote_or_backslash(beginning)
        && rest.get(length) == Some(&b'"')
    {
        return Ok(length + 1);
    }
    long_end(text)
}

/// The same for a string that is probably long.
fn long_end(text: &[u8]) -> Result<usize, bool> {
    let mut rest = text;
    while let Some(window) = rest.first_chunk() {
        if block::has_quote(window) {
            let passed = text.len() - rest.len();
            let escapes = window.starts_with(b"\\") && escapes(text, passed);
            let simple = escapes || !window.starts_with(b"\\");
            if !(simple && block::is_simple(window)) {
                let quotes = block::quotes(window, escapes);
                if quotes != 0 {
                    return Ok(passed + 1 + quotes.trailing_zeros() as usize);
                }
            }
        }
        rest = rest.get(block::LONG..).unwrap_or_default();
    }
    last_end(text, text.len() - rest.len())
}

/// The same for the bytes after `passed`, which are few.
fn last_end(text: &[u8], passed: usize) -> Result<usize, bool> {
    let mut escaped = escapes(text, passed);
    for (at, byte) in text.iter().enumerate().skip(passed + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'"' => return Ok(at),
            byte => escaped = *byte == b'\\',
        }
    }
    Err(escaped)
}

/// Whether the byte at `at` is a backslash that is not escaped itself. The first one here is not.
fn escapes(text: &[u8], at: usize) -> bool {
    let before = text.get(..=at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Where the first quote or backslash is.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks();
    let mut at = 0;
    for bytes in blocks {
        if let Some(found) = block::quote_or_backslash(bytes) {
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
