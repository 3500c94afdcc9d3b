//! Decides how the bytes of a string are looked at many at a time.
//!
//! Most bytes of a request stand in strings, so this is what its scan costs. WebAssembly's vector instructions are
//! used where they are; where the compiler finds them by itself, nothing is said of them here.

/// Bytes that are looked at at once in a long string.
pub(super) const LONG: usize = 64;
/// Those, behind the one that decides whether the first of them is escaped.
pub(super) type Window = [u8; LONG + 1];

/// Whether the string certainly does not end in the window. If it does not, and the first byte is a backslash only if
/// that escapes, then the same is true of the last byte.
///
/// That holds where no quote follows anything but a backslash, and no backslash follows a backslash: every
/// backslash then escapes the byte behind it.
#[inline]
pub(super) fn is_passed(window: &Window) -> bool {
    let (Some(before), Some(bytes)) = (window.first_chunk::<LONG>(), window.last_chunk::<LONG>()) else {
        return false;
    };
    let mut stops = false;
    // Without branches, so that it becomes vector instructions.
    for (before, byte) in before.iter().zip(bytes) {
        stops |= *byte == if *before == b'\\' { b'\\' } else { b'"' };
    }
    !stops
}

/// Which of the window's bytes after the first end the string, and which are escaped: a bit each, the first lowest.
/// The first byte of the window is a backslash only if that escapes.
pub(super) fn ends(window: &Window) -> (u64, u64) {
    let [before, bytes @ ..] = window;
    let escaped = escaped(marks(bytes, b'\\'), u64::from(*before == b'\\'));
    (marks(bytes, b'"') & !escaped, escaped)
}

/// Which bytes follow a backslash that is not escaped itself. `first`: 1 if the first one does.
///
/// A backslash that is escaped escapes nothing. Subtracting turns every run of backslashes into the bits at odd
/// places of the run, wherever it begins. Source: simdjson, `json_escape_scanner`.
const fn escaped(backslashes: u64, first: u64) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let open = backslashes & !first;
    let escapes = ((open << 1 | ODD).wrapping_sub(open)) ^ ODD;
    escapes ^ (backslashes | first)
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, v128, v128_or};

    use super::LONG;
    use crate::word;

    /// Bytes that are looked at at once where a string may be short.
    pub(in super::super) const SHORT: usize = 2 * word::BYTES;

    /// Where the first quote or backslash is.
    #[inline]
    pub(in super::super) fn find(bytes: &[u8; SHORT]) -> Option<usize> {
        let bytes = read(bytes);
        let marks =
            u8x16_bitmask(v128_or(u8x16_eq(bytes, u8x16_splat(b'"')), u8x16_eq(bytes, u8x16_splat(b'\\'))));
        (marks != 0).then(|| marks.trailing_zeros() as usize)
    }

    /// Which bytes are `byte`: a bit each, the first lowest.
    #[inline]
    pub(super) fn marks(bytes: &[u8; LONG], byte: u8) -> u64 {
        let (parts, _) = bytes.as_chunks::<SHORT>();
        let [first, second, third, fourth] = parts else { return 0 };
        let marks = |part| u64::from(u8x16_bitmask(u8x16_eq(read(part), u8x16_splat(byte))));
        marks(first) | marks(second) << 16 | marks(third) << 32 | marks(fourth) << 48
    }

    /// One instruction, for all that it is written as two.
    fn read(bytes: &[u8; SHORT]) -> v128 {
        let (low, high) = bytes.split_at(word::BYTES);
        u64x2(word::read(low), word::read(high))
    }
}

/// Where there are no such instructions.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod vector {
    use super::LONG;
    use crate::word;

    pub(in super::super) const SHORT: usize = word::BYTES;

    pub(in super::super) fn find(bytes: &[u8; SHORT]) -> Option<usize> {
        let bytes = word::read(bytes);
        let marks = word::zeros(bytes ^ word::of(b'"')) | word::zeros(bytes ^ word::of(b'\\'));
        (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
    }

    pub(super) fn marks(bytes: &[u8; LONG], byte: u8) -> u64 {
        bytes.iter().rev().fold(0, |marks, here| marks << 1 | u64::from(*here == byte))
    }
}

use vector::marks;
pub(super) use vector::{SHORT, find};
