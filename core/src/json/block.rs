//! Decides how many bytes of JSON are looked at at once, and what they tell.
//!
//! Where the compiler finds WebAssembly's vector instructions by itself, nothing is said of them here.

/// Bytes that are looked at at once where something is likely to come soon.
pub(super) const SHORT: usize = 16;
/// Bytes that are looked at at once in a long string.
pub(super) const LONG: usize = 64;

/// So many bytes of a string, behind the one that tells whether the first of them is escaped.
pub(super) type Window = [u8; 1 + LONG];

/// Whether every backslash after the first byte escapes something, and every quote is escaped by one: then the string
/// does not end here. The first byte is a backslash only if that escapes.
#[inline]
pub(super) fn is_simple(window: &Window) -> bool {
    let (Some(before), Some(bytes)) = (window.first_chunk::<LONG>(), window.last_chunk::<LONG>()) else {
        return false;
    };
    let mut simple = true;
    // Without a branch, so that it becomes vector instructions.
    for (before, byte) in before.iter().zip(bytes) {
        simple &= *byte != if *before == b'\\' { b'\\' } else { b'"' };
    }
    simple
}

/// Where in the window the string ends or, if it does not, how much of the window is passed with it: what remains begins
/// with a backslash only if that escapes, like the window itself.
pub(super) fn end(window: &Window) -> Result<usize, usize> {
    let [before, bytes @ ..] = window;
    let quotes = marks(bytes, b'"');
    let first = quotes.trailing_zeros() as usize;
    // Nearly always no escaped quote comes so shortly before the end.
    if window.get(first).is_some_and(|before| *before != b'\\') && quotes != 0 {
        return Ok(first + 1);
    }
    let escaped = escaped(marks(bytes, b'\\'), u64::from(*before == b'\\'));
    match quotes & !escaped {
        0 => Err(if escaped >> (LONG - 1) == 0 { LONG } else { LONG - 1 }),
        ends => Ok(ends.trailing_zeros() as usize + 1),
    }
}

/// Which bytes follow a backslash that is not escaped itself. `first`: 1 if the first one does.
///
/// Subtracting makes every run of backslashes the bits at each other place of it, counted from where it begins.
/// Source: simdjson, `json_escape_scanner`.
const fn escaped(backslashes: u64, first: u64) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let open = backslashes & !first;
    ((open << 1 | ODD).wrapping_sub(open) ^ ODD) ^ (backslashes | first)
}

use vector::marks;
pub(super) use vector::{bracket, quote_or_backslash};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use core::arch::wasm32::{
        u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u8x16_sub, u64x2, v128, v128_or,
    };

    use super::{LONG, SHORT};
    use crate::base::word;

    /// Where the first quote or backslash is.
    #[inline]
    pub(in super::super) fn quote_or_backslash(bytes: &[u8; SHORT]) -> Option<usize> {
        let bytes = read(bytes);
        first(v128_or(is(bytes, b'"'), is(bytes, b'\\')))
    }

    /// The first bracket or backslash, or where the bytes end, and how many quotes there are before it.
    /// Perhaps another byte is taken for one of them.
    #[inline]
    pub(in super::super) fn bracket(bytes: &[u8; SHORT]) -> (usize, u32) {
        let bytes = read(bytes);
        let brackets = u32::from(u8x16_bitmask(brackets(bytes))) | 1 << SHORT;
        // All bits below the first.
        let before = (brackets - 1) & !brackets;
        let quotes = u32::from(u8x16_bitmask(is(bytes, b'"'))) & before;
        (brackets.trailing_zeros() as usize, quotes.count_ones())
    }

    /// Which bytes are `byte`: a bit each, the first lowest.
    #[inline]
    pub(super) fn marks(bytes: &[u8; LONG], byte: u8) -> u64 {
        let (parts, _) = bytes.as_chunks();
        let [one, two, three, four] = parts else { return 0 };
        let marks = |part| u64::from(u8x16_bitmask(is(read(part), byte)));
        marks(one) | marks(two) << 16 | marks(three) << 32 | marks(four) << 48
    }

    fn is(bytes: v128, byte: u8) -> v128 {
        u8x16_eq(bytes, u8x16_splat(byte))
    }

    /// `[\]` and, one bit more, `{|}` stand next to each other.
    fn brackets(bytes: v128) -> v128 {
        let folded = v128_or(bytes, u8x16_splat(0x20));
        u8x16_lt(u8x16_sub(folded, u8x16_splat(b'{')), u8x16_splat(3))
    }

    fn first(marks: v128) -> Option<usize> {
        let marks = u8x16_bitmask(marks);
        (marks != 0).then(|| marks.trailing_zeros() as usize)
    }

    /// A single instruction, for all that it is written as two.
    fn read(bytes: &[u8; SHORT]) -> v128 {
        let (low, high) = bytes.split_at(word::BYTES);
        u64x2(word::read(low), word::read(high))
    }
}

/// Where there are no such instructions.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod vector {
    use super::{LONG, SHORT};

    pub(in super::super) fn quote_or_backslash(bytes: &[u8; SHORT]) -> Option<usize> {
        bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'))
    }

    pub(in super::super) fn bracket(bytes: &[u8; SHORT]) -> (usize, u32) {
        let bracket = bytes.iter().position(|byte| matches!(byte | 0x20, b'{'..=b'}')).unwrap_or(SHORT);
        (bracket, bytes.iter().take(bracket).map(|byte| u32::from(*byte == b'"')).sum())
    }

    pub(super) fn marks(bytes: &[u8; LONG], byte: u8) -> u64 {
        bytes.iter().rev().fold(0, |marks, here| marks << 1 | u64::from(*here == byte))
    }
}
