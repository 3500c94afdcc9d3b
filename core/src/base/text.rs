//! Decides how bytes that a stranger sent become text that may be logged and counted.
//!
//! Header values are arbitrary bytes. Log lines, metric labels and error messages are read by people
//! and parsed by tools, so only bounded, printable ASCII goes there.
//!
//! Does not judge who said it: see `identity.rs` and `attribution.rs`.

use core::fmt;

use crate::base::word;

/// The longest text that is kept of anything a client says about itself, in bytes.
pub const LABEL_BYTES: usize = 128;

/// A short printable ASCII text without control characters. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

impl Label {
    /// Keeps the first [`LABEL_BYTES`] bytes, trimmed of outer spaces; every byte that is not printable
    /// ASCII becomes `?`. `None` if nothing is left.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::bounded(bytes, LABEL_BYTES)
    }

    /// The same of a JSON string, from the bytes between its quotes. `None` also if an escape or the UTF-8 is bad.
    #[must_use]
    pub fn from_json(raw: &[u8]) -> Option<Self> {
        if is_printable(raw) && memchr::memchr(b'\\', raw).is_none() {
            return Self::from_bytes(raw);
        }
        crate::json::unescape(raw).and_then(|text| Self::from_bytes(text.as_bytes()))
    }

    /// The same with another bound.
    #[must_use]
    pub fn bounded(bytes: &[u8], bound: usize) -> Option<Self> {
        let kept = bytes.trim_ascii();
        let kept = kept.get(..bound).unwrap_or(kept);
        if kept.is_empty() {
            return None;
        }
        if is_printable(kept) {
            return core::str::from_utf8(kept).ok().map(|text| Self(text.into()));
        }
        let text: String = kept
            .iter()
            .map(|&byte| if matches!(byte, 0x20..=0x7e) { char::from(byte) } else { '?' })
            .collect();
        Some(Self(text.into_boxed_str()))
    }

    /// What is left of [`Self::from_bytes`] in lower case.
    #[must_use]
    pub fn in_lower_case(bytes: &[u8]) -> Option<Self> {
        let mut label = Self::from_bytes(bytes)?;
        label.0.make_ascii_lowercase();
        Some(label)
    }

    /// The text as a string of its own.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0.into_string()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` as a JSON string, with its quotes.
#[must_use]
pub fn json_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    push_json_string(&mut quoted, text);
    quoted
}

/// Appends `text` to `out` as a JSON string, quotes included.
pub fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    if is_plain(text.as_bytes()) {
        out.push_str(text);
        out.push('"');
        return;
    }
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let code = u32::from(control);
                out.push_str("\\u00");
                out.push(char::from_digit(code >> 4, 16).unwrap_or('0'));
                out.push(char::from_digit(code & 15, 16).unwrap_or('0'));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Whether no byte of a text has to be escaped in JSON.
fn is_plain(text: &[u8]) -> bool {
    all(text, are_plain, is_plain_byte)
}

/// The same of eight bytes.
fn are_plain(bytes: &[u8; word::BYTES]) -> bool {
    let bytes = word::read(bytes);
    let quotes = word::zeros(bytes ^ word::of(b'"')) | word::zeros(bytes ^ word::of(b'\\'));
    word::below(bytes, b' ') | quotes == 0
}

/// The same of one byte.
fn is_plain_byte(byte: u8) -> bool {
    byte >= b' ' && !matches!(byte, b'"' | b'\\')
}

/// Bytes that vector instructions look at at once.
const BLOCK: usize = 16;

/// Appends a text if none of it has to be escaped in JSON. Says whether.
pub(crate) fn push_plain(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let four = |[a, b, c, d]: &[u8; 4]| are_plain(&[*a, *b, *c, *d, b' ', b' ', b' ', b' ']);
    push_if(out, text, block_is_plain)
        .or_else(|| push_if(out, text, are_plain))
        .or_else(|| push_if(out, text, four))
        .or_else(|| push_if(out, text, |[byte]| is_plain_byte(*byte)))
        .unwrap_or(true)
}

fn block_is_plain(bytes: &[u8; BLOCK]) -> bool {
    // Without a branch, so that it becomes vector instructions.
    let mut marks = [0u8; BLOCK];
    for (mark, byte) in marks.iter_mut().zip(bytes) {
        *mark = u8::from(*byte < b' ') | u8::from(*byte == b'"') | u8::from(*byte == b'\\');
    }
    marks == [0; BLOCK]
}

/// Appends a text that is probably short: in parts, as to copy as many bytes as are not known beforehand takes a call
/// of the engine.
pub(crate) fn push_short(out: &mut Vec<u8>, text: &[u8]) {
    push_if(out, text, |_: &[u8; word::BYTES]| true)
        .or_else(|| push_if(out, text, |_: &[u8; 4]| true))
        .or_else(|| push_if(out, text, |_: &[u8; 1]| true));
}

/// Appends a text if all of its parts are such, the last bytes being in two of them. Says whether; `None` if the text is
/// shorter than a part.
#[inline]
fn push_if<const PART: usize>(
    out: &mut Vec<u8>,
    text: &[u8],
    is: impl Fn(&[u8; PART]) -> bool,
) -> Option<bool> {
    let (last, start) = (text.last_chunk()?, out.len());
    for part in text.as_chunks().0 {
        if !is(part) {
            out.truncate(start);
            return Some(false);
        }
        out.extend_from_slice(part);
    }
    out.truncate(start + text.len() - PART);
    out.extend_from_slice(last);
    let fits = is(last);
    if !fits {
        out.truncate(start);
    }
    Some(fits)
}

/// Whether every byte may be kept in a label.
fn is_printable(text: &[u8]) -> bool {
    let is = |byte: u8| matches!(byte, 0x20..=0x7e);
    // Without a branch, so that it becomes vector instructions.
    all(text, |bytes| bytes.iter().fold(true, |all, &byte| all & is(byte)), is)
}

/// Whether all words of a text are such, the last bytes being looked at twice; or all bytes, if it is no word long.
#[inline]
fn all(text: &[u8], words: impl Fn(&[u8; word::BYTES]) -> bool, bytes: impl Fn(u8) -> bool) -> bool {
    match text.last_chunk() {
        Some(last) => text.as_chunks().0.iter().all(&words) && words(last),
        None => text.iter().all(|&byte| bytes(byte)),
    }
}

/// Undoes percent-encoding; what is not one is kept as it is.
#[must_use]
pub fn percent_decode(encoded: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let hex = tail.get(..2).and_then(|pair| core::str::from_utf8(pair).ok());
        match hex.filter(|_| byte == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => decoded.push(byte),
        }
    }
    decoded
}

/// How often percent-encoding may be undone on the way of a name before nobody does it again.
const DECODED: usize = 4;

/// Whether a name that stands in a path could lead to another path: it has a segment of dots, in any spelling that
/// somebody on its way may undo, or a byte that ends a path.
#[must_use]
pub fn leaves_its_place(name: &str) -> bool {
    // Nearly every name: without dots at the beginning of a segment, and without what ends or encodes anything.
    let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if !name.starts_with('.') && name.bytes().all(|byte| is_usual(&byte)) {
        return false;
    }
    let mut bytes = name.as_bytes().to_vec();
    for _ in 0..DECODED {
        let ends_path = |byte: &u8| matches!(byte, b'?' | b'#' | 0x7f | ..b' ');
        if has_dots(&bytes) || bytes.iter().any(ends_path) || core::str::from_utf8(&bytes).is_err() {
            return true;
        }
        // Nearly every name.
        if !bytes.contains(&b'%') {
            return false;
        }
        let decoded = percent_decode(&bytes);
        if decoded == bytes {
            return false;
        }
        bytes = decoded;
    }
    true
}

/// Whether a segment is a dot or two, or would be without what follows a semicolon.
fn has_dots(name: &[u8]) -> bool {
    name.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| {
        let segment = segment.split(|&byte| byte == b';').next().unwrap_or_default();
        matches!(segment, b"." | b"..")
    })
}

/// The mark that some put in front of UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What follows the marks of UTF-8 in front of a text, of which there may be several with white space between.
#[must_use]
pub fn without_marks(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let Some(after) = rest.trim_ascii_start().strip_prefix(BYTE_ORDER_MARK) {
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_label_is_trimmed_bounded_and_printable() {
        assert_eq!(Label::from_bytes(b"  agent-7 ").unwrap().as_str(), "agent-7");
        assert_eq!(Label::from_bytes(b"a\xffb\nc").unwrap().as_str(), "a?b?c");
        assert_eq!(Label::from_bytes(&[b'x'; 500]).unwrap().as_str().len(), LABEL_BYTES);
        assert_eq!(Label::from_bytes(b" \t "), None);
    }

    #[test]
    fn a_byte_that_is_not_printable_is_replaced_wherever_it_stands() {
        for length in 1..40 {
            for at in 0..length {
                for byte in [0x00, 0x1f, 0x7f, 0x80, 0xff] {
                    let mut bytes = vec![b'~'; length];
                    bytes[at] = byte;
                    let expected = ["~".repeat(at), "?".to_owned(), "~".repeat(length - at - 1)].concat();
                    assert_eq!(Label::from_bytes(&bytes).unwrap().as_str(), expected, "{byte} at {at}");
                }
            }
        }
    }

    #[test]
    fn a_name_with_a_segment_of_dots_leaves_its_place_in_any_spelling() {
        for name in [
            ".",
            "..",
            "a/..",
            "../a",
            "a/./b",
            "a/%2e%2E/b",
            "b%2F..%2f..%2fadmin",
            "%252e%252e/x",
            r"a\..\b",
            "a%5c..%5Cb",
            "..;x=1/b",
            "a/..%00",
            "a\u{0}",
            "a?b",
            "a%3fb",
            "a#b",
            "a\n",
            "%c0%ae%c0%ae/x",
            "%25252525252e",
        ] {
            assert!(leaves_its_place(name), "{name}");
        }
        for name in
            ["", "gpt-4.1", "a..b", "...", "vendor/model:1", "a/.b", "50%", "%zz", "a b", "claude@2026", "é"]
        {
            assert!(!leaves_its_place(name), "{name}");
        }
    }

    #[test]
    fn what_has_to_be_escaped_in_json_is_wherever_it_stands() {
        for length in 1..40 {
            for at in 0..length {
                for character in ["\"", "\\", "\u{0}", "\u{1f}", "\n"] {
                    let text = ["x".repeat(at), character.to_owned(), "é".repeat(length - at - 1)].concat();
                    let mut out = String::new();
                    push_json_string(&mut out, &text);
                    assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_json_string_reads_back_as_the_text(text: String) {
            let mut out = String::new();
            push_json_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
