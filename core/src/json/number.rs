//! Reads numbers as counts.

use crate::base::money::parse_decimal;

/// A count written as a JSON number (`12`, `12.0`, `1e3`). `None` if it is negative, not whole or too large.
#[must_use]
pub fn count(number: &[u8]) -> Option<u64> {
    // Nineteen digits always fit.
    if (1..=19).contains(&number.len()) && number.iter().all(u8::is_ascii_digit) {
        return Some(number.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0')));
    }
    parse_decimal(core::str::from_utf8(number).ok()?, 0).ok()
}
