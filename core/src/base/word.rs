//! Decides how bytes are looked at eight at a time, where a search for many at once would be over before it has begun.
//!
//! Source: Warren, Hacker's Delight, 6-1 "Find First 0-Byte".

/// Bytes in a word.
pub(crate) const BYTES: usize = 8;

/// The next eight bytes, the first of them lowest. Fewer read as none.
pub(crate) fn read(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap_or_default())
}

/// A word made of one byte.
pub(crate) const fn of(byte: u8) -> u64 {
    u64::from_le_bytes([byte; BYTES])
}

/// Marks the first byte that is zero, and perhaps some after it.
pub(crate) const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(of(1)) & !word & of(0x80)
}

/// Marks the first byte that is below `limit`, which is at most 128, and perhaps some after it.
pub(crate) const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(of(limit)) & !word & of(0x80)
}
