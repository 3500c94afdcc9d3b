//! Decides where a JSON string ends, whatever is in it.
//!
//! Most bytes of a request stand in strings, so this is what its scan costs.

use memchr::memchr2;

/// How a piece of a string ended.
pub(super) enum Part {
    Closed,
    Open { escaped: bool },
}

/// The part of a string up to its closing quote or the end of `rest`, and what comes after it.
/// `escaped`: the first byte follows a backslash.
pub(super) fn string_part(rest: &[u8], escaped: bool) -> (&[u8], Part, &[u8]) {
    let mut from = usize::from(escaped);
    loop {
        let Some(tail) = rest.get(from..) else { return (rest, Part::Open { escaped: false }, &[]) };
        let Some(found) = quote_or_backslash(tail) else {
            return (rest, Part::Open { escaped: escaped && rest.is_empty() }, &[]);
        };
        let at = from + found;
        if rest.get(at) == Some(&b'"') {
            return (
                rest.get(..at).unwrap_or_default(),
                Part::Closed,
                rest.get(at + 1..).unwrap_or_default(),
            );
        }
        if at + 1 == rest.len() {
            return (rest, Part::Open { escaped: true }, &[]);
        }
        from = at + 2;
    }
}

/// Where the first quote or backslash is. Keys and most values are short, and for them a plain loop takes less time
/// than a search for many bytes at once takes to begin.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    const SHORT: usize = 24;
    let is_one = |byte: &u8| matches!(byte, b'"' | b'\\');
    let (short, long) = text.split_at_checked(SHORT).unwrap_or((text, &[]));
    short.iter().position(is_one).or_else(|| memchr2(b'"', b'\\', long).map(|found| SHORT + found))
}
