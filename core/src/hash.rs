//! Decides how texts are told apart in records and logs: FNV-1a, 64 bits.
//!
//! Is no protection against anyone who wants two texts to look alike.

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

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv1a(EMPTY, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(fnv1a(EMPTY, b"foo"), b"bar"), 0x8594_4171_f739_67e8);
    }
}
