//! Decides what a number of an answer means that is no whole count.

use crate::base::money::PicoUsd;
use crate::json::count;

/// A count in which what has begun counts whole.
pub(super) fn begun(number: &[u8]) -> Option<u64> {
    count(number).or_else(|| {
        let point = number.iter().position(|&byte| byte == b'.')?;
        let (whole, fraction) = number.split_at_checked(point)?;
        let digits = fraction.iter().skip(1).all(u8::is_ascii_digit);
        count(whole).filter(|_| digits)?.checked_add(1)
    })
}

/// Dollars as a provider writes them, cut to pico-dollars: floats have digits that mean nothing.
pub(super) fn dollars(number: &[u8]) -> Option<PicoUsd> {
    let text = core::str::from_utf8(number).ok()?;
    PicoUsd::parse(text).ok().or_else(|| {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.')?;
        let kept = 12i32.saturating_add(exponent.parse().ok()?);
        let kept = fraction.get(..usize::try_from(kept.max(0)).ok()?)?;
        PicoUsd::parse(&format!("{whole}.{kept}0e{exponent}")).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_cost_is_read_to_the_pico_dollar() {
        for (text, pico) in [
            ("0.0000125", Some(12_500_000)),
            ("1.25e-05", Some(12_500_000)),
            ("0.00012345678901234", Some(123_456_789)),
            ("1.2345678901e-7", Some(123_456)),
            ("3", Some(3_000_000_000_000)),
            ("-1", None),
        ] {
            assert_eq!(dollars(text.as_bytes()).map(|usd| usd.0), pico, "{text}");
        }
    }
}
