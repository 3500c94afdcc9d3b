//! Decides how JSON is read when only a few of its values matter.
//!
//! A request may be ten megabytes of prompt around a model name, an answer a megabyte around a usage
//! object, and either may come in any number of pieces. [`Scanner`] goes through the bytes once, builds
//! nothing, keeps nothing but the values it was told to look for, and can stop at every byte.
//!
//! Does not check what it skips beyond brackets and strings: that is the provider's business. What it
//! reports is nevertheless what every JSON parser would see.

mod block;
mod found;
mod nesting;
mod quote;
mod scan;
mod shape;
mod token;
#[cfg(test)]
mod tests;

pub use found::{Sink, SyntaxError, Value};
pub use scan::Scanner;
pub use shape::Shape;

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

/// A count written as a JSON number (`12`, `12.0`, `1e3`). `None` if it is negative, not whole or too large.
#[must_use]
pub fn count(number: &[u8]) -> Option<u64> {
    // Nineteen digits always fit.
    if (1..=19).contains(&number.len()) && number.iter().all(u8::is_ascii_digit) {
        return Some(number.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0')));
    }
    crate::base::money::parse_decimal(core::str::from_utf8(number).ok()?, 0).ok()
}
