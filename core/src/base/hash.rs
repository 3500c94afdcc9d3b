//! Decides how texts are told apart: in records and logs by FNV-1a, in tables by a hash that takes eight bytes at a time.
//!
//! Is no protection against anyone who wants two texts to look alike. Tables that strangers can fill have an end.

use core::hash::{BuildHasherDefault, Hasher};

use crate::base::word;

/// A table whose keys are mostly short texts of the configuration: the usual hash takes three times as long for them.
pub type HashMap<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<Words>>;

/// Two to the 64th over the golden ratio: multiples of it lie as far apart as can be.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes eight bytes at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words(u64);

impl Words {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    }
}

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= bytes.len() as u64;
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|bytes: &[u8; word::BYTES]| self.add(u64::from_le_bytes(*bytes)));
        match bytes.last_chunk() {
            Some(last) if !rest.is_empty() => self.add(u64::from_le_bytes(*last)),
            Some(_) => {}
            None => self.add(rest.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))),
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.0 ^= u64::from(number);
    }

    fn write_u32(&mut self, number: u32) {
        self.add(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    /// Tables go by the low bits, and a product has the best ones on top.
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(FACTOR);
        mixed ^ mixed >> 32
    }
}

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
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv1a(EMPTY, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(fnv1a(EMPTY, b"foo"), b"bar"), 0x8594_4171_f739_67e8);
    }
    #[test]
    fn tables_find_texts_of_any_length_and_spread_those_that_differ_little() {
        let texts = (0..2_000u32).map(|number| {
            let text = format!("team/{number}/gpt-{}", number % 7);
            text.chars().cycle().take(1 + number as usize % 40).chain(format!("{number}").chars()).collect()
        });
        let table: HashMap<String, usize> = texts.clone().zip(0..).collect();
        assert!(texts.zip(0..).all(|(text, number)| table.get(&text) == Some(&number)));
        let low = |number: u32| {
            let mut hasher = Words::default();
            hasher.write(format!("model-{number}").as_bytes());
            hasher.finish() as u32 % 4_096
        };
        let distinct: std::collections::BTreeSet<u32> = (0..4_096).map(low).collect();
        // By chance alone it would be 63 in a hundred.
        assert!(distinct.len() > 2_300, "{}", distinct.len());
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
