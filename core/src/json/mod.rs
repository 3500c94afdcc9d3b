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
mod string;
mod token;
mod value;
#[cfg(test)]
mod tests;

pub use found::{Sink, SyntaxError};
pub use scan::Scanner;
pub use shape::Shape;
pub(crate) use string::string_length;
pub use string::unescape;
pub use value::Value;

/// A count written as a JSON number (`12`, `12.0`, `1e3`). `None` if it is negative, not whole or too large.
#[must_use]
pub fn count(number: &[u8]) -> Option<u64> {
    // Nineteen digits always fit.
    if (1..=19).contains(&number.len()) && number.iter().all(u8::is_ascii_digit) {
        return Some(number.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0')));
    }
    crate::base::money::parse_decimal(core::str::from_utf8(number).ok()?, 0).ok()
}
