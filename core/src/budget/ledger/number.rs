//! Decides how a number is stored: in as few bytes as it needs, seven bits in each, the lowest first (LEB128). The eighth
//! bit of a byte says that more follow.
//!
//! Every request reads and writes dozens of them, so those of up to eight bytes are made in one go.

use super::StoreError;

/// The bit of each of eight bytes that says that more follow.
const MORE: u64 = 0x8080_8080_8080_8080;
/// The first number that needs more than eight bytes.
const NINE_BYTES: u64 = 1 << 56;

/// Writes `number`.
#[inline]
pub(super) fn write_number(out: &mut Vec<u8>, number: u64) {
    match number {
        ..0x80 => out.push(number as u8),
        0x80..0x4000 => out.extend_from_slice(&[number as u8 | 0x80, (number >> 7) as u8]),
        _ => write_large(out, number),
    }
}

/// Writes a number that needs more than two bytes.
fn write_large(out: &mut Vec<u8>, mut number: u64) {
    if number < NINE_BYTES {
        let bits = 64 - number.leading_zeros();
        // A seventh of them, rounded up; without a division.
        let length = (bits * 9 + 64) / 64;
        // From fields of 28 bits to fields of 14, and to fields of 7.
        let word = (number & 0x0fff_ffff) | ((number & 0x00ff_ffff_f000_0000) << 4);
        let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x0fff_c000_0fff_c000) << 2);
        let word = (word & 0x007f_007f_007f_007f) | ((word & 0x3f80_3f80_3f80_3f80) << 1);
        let more = MORE & !(u64::MAX << (8 * (length - 1)));
        // All eight are copied and the rest is cut off: copying as many as are not known beforehand takes a call.
        let end = out.len() + length as usize;
        out.extend_from_slice(&(word | more).to_le_bytes());
        return out.truncate(end);
    }
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

/// Reads a number from the front of `stored`.
///
/// # Errors
/// [`StoreError::Unreadable`] if it is cut short, or is none of 64 bits.
#[inline]
pub(super) fn read_number(stored: &mut &[u8]) -> Result<u64, StoreError> {
    // Most are small, or nothing.
    if let [byte @ 0..=0x7f, rest @ ..] = *stored {
        *stored = rest;
        return Ok(u64::from(*byte));
    }
    if let [low, high @ 0..=0x7f, rest @ ..] = *stored {
        *stored = rest;
        return Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7);
    }
    read_large(stored)
}

/// Reads a number that needs more than two bytes.
fn read_large(stored: &mut &[u8]) -> Result<u64, StoreError> {
    if let Some(bytes) = stored.first_chunk() {
        let word = u64::from_le_bytes(*bytes);
        let ends = !word & MORE;
        if ends != 0 {
            let last = ends.trailing_zeros();
            let word = word & (u64::MAX >> (63 - last)) & !MORE;
            let word = (word & 0x007f_007f_007f_007f) | ((word >> 1) & 0x3f80_3f80_3f80_3f80);
            let word = (word & 0x0000_3fff_0000_3fff) | ((word >> 2) & 0x0fff_c000_0fff_c000);
            *stored = stored.get(last as usize / 8 + 1..).unwrap_or_default();
            return Ok((word & 0x0fff_ffff) | ((word >> 4) & 0x00ff_ffff_f000_0000));
        }
    }
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = stored.split_first().ok_or(StoreError::Unreadable)?;
        *stored = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(StoreError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Byte by byte, as the format says.
    fn plainly(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let more = number > 0x7f;
            bytes.push((number & 0x7f) as u8 | if more { 0x80 } else { 0 });
            number >>= 7;
            if !more {
                return bytes;
            }
        }
    }

    #[test]
    fn a_number_is_stored_as_the_format_says_and_read_again_whatever_follows() {
        let edges =
            (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) | 0x5a5a_5a5a >> (bit % 7)]);
        for number in edges.chain([u64::MAX, u64::MAX - 1, 0x0123_4567_89ab_cdef]) {
            for follow in [&b""[..], &[0x80; 9], &[0x01; 9]] {
                let mut stored = Vec::new();
                write_number(&mut stored, number);
                assert_eq!(stored, plainly(number), "{number:#x}");
                stored.extend_from_slice(follow);
                let mut rest = &stored[..];
                assert_eq!(read_number(&mut rest).unwrap(), number, "{number:#x}");
                assert_eq!(rest, follow, "{number:#x}");
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_no_number() {
        let stored = plainly(u64::MAX);
        for length in 0..stored.len() {
            assert!(read_number(&mut &stored[..length]).is_err(), "{length}");
        }
        assert!(read_number(&mut &[0x80; 12][..]).is_err());
    }
}
