//! Decides how a header map is passed: the ABI's form of names and values.

use core::ops::Range;
use std::borrow::Cow;

/// Where names and values stand in the ABI's form of a header map: a count, the sizes of every name and
/// value, and then every name and value with a NUL behind it. `None` if the block is cut short.
pub(super) fn read_pairs(block: &[u8]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let (count, sizes) = block.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    let sizes = sizes.get(..count.checked_mul(8)?)?;
    let mut at = (4 + sizes.len()) as u64;
    #[allow(clippy::cast_possible_truncation, reason = "the last place is in the block, so all are")]
    let mut after = |size: u32, between: u64| {
        let start = at as usize;
        at += u64::from(size) + between;
        start..start.wrapping_add(size as usize)
    };
    let pairs = sizes.as_chunks().0.iter().map(|[a, b, c, d, e, f, g, h]| {
        let name = after(u32::from_le_bytes([*a, *b, *c, *d]), 1);
        (name, after(u32::from_le_bytes([*e, *f, *g, *h]), 1))
    });
    let pairs: Vec<_> = pairs.collect();
    (at <= block.len() as u64 + 1).then_some(pairs)
}

/// Writes that form.
pub(super) fn write_pairs(headers: &[(&'static str, Cow<'static, str>)]) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap_or(0).to_le_bytes();
    let mut block = Vec::with_capacity(512);
    block.extend(size(headers.len()));
    for (name, value) in headers {
        block.extend(size(name.len()));
        block.extend(size(value.len()));
    }
    for (name, value) in headers {
        for text in [name.as_bytes(), value.as_bytes()] {
            block.extend_from_slice(text);
            block.push(0);
        }
    }
    block
}
