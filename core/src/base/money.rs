//! Decides how money is counted: whole pico-dollars (1e-12 USD), never a float.
//!
//! Published prices go down to fractions of a nano-dollar a token ($0.01875 a million is 18,750
//! pico-dollars a token), and a budget adds up millions of such charges; an integer in the smallest
//! useful unit makes every sum exact and every comparison with a limit meaningful. A `u64` holds
//! 18.4 million dollars, so sums saturate there instead of wrapping to zero.
//!
//! Does not know what anything costs: see `price.rs`.

use core::fmt;

use crate::base::text::push_short;

/// Decimal places of a dollar that are kept.
const PICO_DIGITS: u32 = 12;

/// An amount of money in pico-US-dollars. Saturates at `u64::MAX` (about 18.4 million USD).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub u64);

impl PicoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Reads a decimal number of dollars as it is written in JSON (`50`, `0.25`, `1e-3`).
    ///
    /// # Errors
    /// See [`DecimalError`]; a value finer than a pico-dollar is an error, not rounded.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        parse_decimal(text, PICO_DIGITS).map(Self)
    }

    /// The sum, or the largest amount if that does not fit.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// A sum that was made in 128 bits, brought back to an amount.
    #[must_use]
    pub fn from_sum(sum: u128) -> Self {
        Self(u64::try_from(sum).unwrap_or(u64::MAX))
    }

    /// Nano-dollars, rounded half up: the unit of the cost counter. The only rounding there is.
    #[must_use]
    pub fn to_nano(self) -> u64 {
        self.0 / 1_000 + u64::from(self.0 % 1_000 >= 500)
    }
}

impl PicoUsd {
    /// Appends dollars with as many decimals as are needed, at least two: `0.00`, `1.50`, `0.000003`.
    pub fn push_to(self, out: &mut Vec<u8>) {
        let scale = 10u64.pow(PICO_DIGITS);
        push_short(out, itoa::Buffer::new().format(self.0 / scale).as_bytes());
        // With a one in front no zero is left out; the point takes its place.
        let point = out.len();
        push_short(out, itoa::Buffer::new().format(scale + self.0 % scale).as_bytes());
        if let Some(one) = out.get_mut(point) {
            *one = b'.';
        }
        while out.len() > point + 3 && out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// See [`PicoUsd::push_to`].
impl fmt::Display for PicoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.push_to(&mut text);
        f.write_str(core::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Why a decimal number could not be read exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a JSON number.
    NotANumber,
    /// Below zero.
    Negative,
    /// More decimals than the unit has.
    TooFine,
    /// Does not fit 64 bits in the unit.
    TooLarge,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "is not a decimal number",
            Self::Negative => "must not be negative",
            Self::TooFine => "has more decimals than can be counted",
            Self::TooLarge => "is too large to be counted",
        })
    }
}

impl core::error::Error for DecimalError {}

/// Reads a non-negative decimal as an integer count of 10^-`digits`, exactly.
///
/// # Errors
/// [`DecimalError`] if the text is not a number, is negative, or is not a whole count of that unit.
pub fn parse_decimal(text: &str, digits: u32) -> Result<u64, DecimalError> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().map_err(|_| DecimalError::NotANumber)?)
        }
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return Err(DecimalError::NotANumber);
    }
    let significant: String = [whole, fraction].concat();
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(DecimalError::Negative);
    }
    let decimals = i32::try_from(fraction.len()).map_err(|_| DecimalError::TooFine)?;
    let digits = i32::try_from(digits).map_err(|_| DecimalError::TooFine)?;
    let shift = digits.saturating_add(exponent).saturating_sub(decimals);
    let (kept, zeros) = if shift < 0 {
        let trimmed = significant.trim_end_matches('0');
        let dropped = i32::try_from(significant.len() - trimmed.len()).unwrap_or(i32::MAX);
        if dropped < shift.saturating_neg() {
            return Err(DecimalError::TooFine);
        }
        (trimmed, dropped.saturating_add(shift))
    } else {
        (significant, shift)
    };
    let zeros = u32::try_from(zeros).map_err(|_| DecimalError::TooLarge)?;
    let value: u128 = kept.parse().map_err(|_| DecimalError::TooLarge)?;
    let scale = 10u128.checked_pow(zeros).ok_or(DecimalError::TooLarge)?;
    let scaled = value.checked_mul(scale).ok_or(DecimalError::TooLarge)?;
    u64::try_from(scaled).map_err(|_| DecimalError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn dollars_are_read_exactly() {
        for (text, pico) in [
            ("0", 0),
            ("0.000", 0),
            ("50", 50_000_000_000_000),
            ("0.1", 100_000_000_000),
            ("1e-12", 1),
            ("2.5E-3", 2_500_000_000),
            ("1.50", 1_500_000_000_000),
            ("10e-13", 1),
            ("18446744.073709551615", u64::MAX),
        ] {
            assert_eq!(PicoUsd::parse(text), Ok(PicoUsd(pico)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_refused_and_not_rounded() {
        for (text, error) in [
            ("", DecimalError::NotANumber),
            ("1e", DecimalError::NotANumber),
            ("0x1", DecimalError::NotANumber),
            (".5", DecimalError::NotANumber),
            ("-1", DecimalError::Negative),
            ("1e-13", DecimalError::TooFine),
            ("0.0000000000015", DecimalError::TooFine),
            ("18446744.073709551616", DecimalError::TooLarge),
            ("1e400", DecimalError::TooLarge),
        ] {
            assert_eq!(PicoUsd::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn amounts_read_like_money() {
        for (pico, text) in
            [(0, "0.00"), (1_500_000_000_000, "1.50"), (3_000_000, "0.000003"), (1, "0.000000000001")]
        {
            assert_eq!(PicoUsd(pico).to_string(), text);
        }
    }

    #[test]
    fn rounding_to_nano_dollars_is_half_up() {
        assert_eq!([0, 499, 500, 1_499, 1_500].map(|pico| PicoUsd(pico).to_nano()), [0, 0, 1, 1, 2]);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(pico: u64) {
            prop_assert_eq!(PicoUsd::parse(&PicoUsd(pico).to_string()), Ok(PicoUsd(pico)));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[-+0-9.eE]{0,24}") {
            let _ = PicoUsd::parse(&text);
        }
    }
}
