//! Decides what the text of a JSON string is, and where it ends.

use super::quote;

/// The text of a JSON string, from the bytes between its quotes. `None` if an escape or the UTF-8 is bad.
#[must_use]
pub fn unescape(raw: &[u8]) -> Option<String> {
    if memchr::memchr(b'\\', raw).is_none() {
        return core::str::from_utf8(raw).ok().map(str::to_owned);
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}

/// Bytes of the string in front of its closing quote, from behind its opening one. `None` if it does not end in `text`.
pub(crate) fn string_length(text: &[u8]) -> Option<usize> {
    match quote::string_part(text, 0, false) {
        (part, quote::Part::Closed { .. }, _) => Some(part.len()),
        (_, quote::Part::Open { .. }, _) => None,
    }
}
