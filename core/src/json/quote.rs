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
    let length = known + long_end(rest.get(known..).unwrap_or_default());
    match rest.get(..length) {
        Some(part) if length < rest.len() => (part, Part::Closed { escapes: true }, at + length + 1),
        _ => (rest, Part::Open { escaped: escapes_next(fresh) }, at + rest.len()),
    }
}

/// Where a string ends of which the first byte here is known: it is neither the end nor a backslash. Where the text
/// ends if the string goes on there.
#[inline]
pub(super) fn end(text: &[u8]) -> usize {
    if let [_, rest @ ..] = text
        && let Some(beginning) = rest.first_chunk()
        && let Some(length) = block::quote_or_backslash(beginning)
        && rest.get(length) == Some(&b'"')
    {
        return length + 1;
    }
    long_end(text)
}

/// The same for a string that is probably long. The first byte may also be a backslash, if that escapes the next.
fn long_end(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some(window) = rest.first_chunk() {
        if block::is_simple(window) {
            rest = rest.get(block::LONG..).unwrap_or_default();
            continue;
        }
        let passed = text.len() - rest.len();
        match block::end(window) {
            Ok(end) => return passed + end,
            Err(further) => rest = text.get(passed + further..).unwrap_or_default(),
        }
    }
    text.len() - rest.len() + last_end(rest)
}

/// The same for few bytes.
fn last_end(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'"' if at > 0 => return at,
            byte => escaped = *byte == b'\\',
        }
    }
    text.len()
}

/// Whether the byte after a part of a string is escaped, by the backslashes at its end. Its first byte is not.
pub(super) fn escapes_next(text: &[u8]) -> bool {
    text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
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
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// What many strings consist of: quotes, runs of backslashes, and text of which much is alike.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let plain = (0usize..150).prop_map(|length| vec![b'x'; length]);
        let dense = prop::collection::vec(
            prop_oneof![Just(b'"'), Just(b'\\'), Just(b'\\'), Just(b'\\'), Just(b']'), any::<u8>()],
            0..90,
        );
        let escapes = prop::sample::select(vec!["\\n", "\\\"", "\\\\", "some ", "\u{20ac}"]);
        let escapes = prop::collection::vec(escapes.prop_map(str::as_bytes), 0..60);
        let parts = prop_oneof![plain, dense, escapes.prop_map(|parts| parts.concat())];
        prop::collection::vec(parts, 0..6).prop_map(|parts| parts.concat())
    }

    /// Where the string ends, or whether the byte after the text is escaped: one byte after the other.
    fn reference(text: &[u8], mut escaped: bool) -> Result<usize, bool> {
        for (at, byte) in text.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'"' => return Ok(at),
                byte => escaped = *byte == b'\\',
            }
        }
        Err(escaped)
    }

    proptest! {
        #[test]
        fn a_string_ends_where_it_does_byte_by_byte(text in text(), at in 0usize..40, escaped: bool) {
            let piece = [&vec![b'"'; at], text.as_slice()].concat();
            let (part, ending, next) = string_part(&piece, at, escaped);
            match (reference(&text, escaped), ending) {
                (Ok(length), Part::Closed { escapes }) => {
                    prop_assert_eq!((part, next), (&text[..length], at + length + 1));
                    prop_assert!(escapes || !part.contains(&b'\\'));
                }
                (Err(expected), Part::Open { escaped }) => {
                    prop_assert_eq!((part, next, escaped), (text.as_slice(), piece.len(), expected));
                }
                (expected, _) => prop_assert!(false, "not {:?}", expected),
            }
        }

        #[test]
        fn a_string_of_which_the_first_byte_is_known_ends_where_it_does_byte_by_byte(
            text in text(),
            known in prop_oneof![Just(b'"'), Just(b'x')],
        ) {
            let text = [&[known], text.as_slice()].concat();
            let expected = reference(&text[1..], false);
            prop_assert_eq!(end(&text), expected.map_or(text.len(), |length| length + 1));
            if let Err(escaped) = expected {
                prop_assert_eq!(escapes_next(&text), escaped);
            }
        }

        #[test]
        fn the_first_quote_or_backslash_is_found_wherever_it_is(text in text(), plain in 0usize..80) {
            let text = [&vec![b'x'; plain], text.as_slice()].concat();
            let expected = text.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(quote_or_backslash(&text), expected);
        }
    }

    #[test]
    fn a_run_of_backslashes_of_any_length_escapes_the_quote_behind_it_or_does_not() {
        for before in 0..70 {
            for length in 0..140 {
                let text =
                    ["x".repeat(before), "\\".repeat(length), "\"y\"".to_owned(), "z".repeat(130)].concat();
                let (part, ending, _) = string_part(text.as_bytes(), 0, false);
                assert!(matches!(ending, Part::Closed { .. }), "{length} after {before}");
                assert_eq!(part.len(), before + length + length % 2 * 2, "{length} after {before}");
            }
        }
    }
}
