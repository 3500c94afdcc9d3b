//! Decides how texts are told apart: in records and logs by FNV-1a, in tables by the hash of the Rust compiler.
//!
//! Is no protection against anyone who wants two texts to look alike. Tables that strangers can fill have an end.

/// A table whose keys are mostly short texts of the configuration: the usual hash takes three times as long for them.
pub type HashMap<K, V> = hashbrown::HashMap<K, V, rustc_hash::FxBuildHasher>;

/// The hash of no bytes, to begin with.
pub const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// Adds `bytes` to the hash of what came before them.
#[must_use]
pub const fn fnv1a(before: u64, mut bytes: &[u8]) -> u64 {
    let mut hash = before;
    while let Some((byte, rest)) = bytes.split_first() {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        bytes = rest;
    }
    hash
}

/// A number from 0 to `parts` - 1 out of a hash, each equally likely if all hashes are; 0 if there are no parts.
///
/// The last bytes of a text move only some bits of its hash, so the bits are mixed before the highest decide
/// (the finalizer of `SplitMix64`).
#[must_use]
pub const fn part(hash: u64, parts: u64) -> u64 {
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let mixed = mixed ^ (mixed >> 31);
    // Less than `parts`, which has 64 bits.
    #[allow(clippy::cast_possible_truncation, reason = "the upper half of a product of 64 bits has 64 bits")]
    let part = ((mixed as u128 * parts as u128) >> 64) as u64;
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv1a(EMPTY, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(fnv1a(EMPTY, b"foo"), b"bar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn hashes_of_texts_that_differ_little_fall_on_every_part_alike() {
        let mut fell = [0u32; 8];
        for number in 0..8_000u32 {
            let hash = fnv1a(EMPTY, format!("request-{number:08}").as_bytes());
            fell[usize::try_from(part(hash, 8)).unwrap()] += 1;
        }
        assert!(fell.iter().all(|count| (850..1_150).contains(count)), "{fell:?}");
        assert_eq!((part(u64::MAX, 0), part(u64::MAX, 1)), (0, 0));
    }
}
