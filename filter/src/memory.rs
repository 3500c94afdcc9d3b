//! Decides how bytes are compared: eight at a time.
//!
//! Every comparison of two slices ends in `memcmp`, and the one of wasi-libc goes byte by byte. A header's name
//! takes it two hundred instructions, and a request compares some fifty of them.

#![allow(unsafe_code, reason = "the name and the pointers are those of C")]

use core::cmp::Ordering;

/// Compares `size` bytes as C's `memcmp` does.
///
/// # Safety
/// Both pointers must be to at least `size` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, size: usize) -> i32 {
    /// Compares `N` bytes from `at` of both.
    macro_rules! compare {
        ($word:ty, $at:expr) => {{
            // SAFETY: the caller checked that so many bytes are there.
            let (left, right) = unsafe {
                (
                    left.add($at).cast::<$word>().read_unaligned(),
                    right.add($at).cast::<$word>().read_unaligned(),
                )
            };
            match <$word>::from_be(left).cmp(&<$word>::from_be(right)) {
                Ordering::Equal => {}
                different => return different as i32,
            }
        }};
    }
    if size >= 8 {
        let mut at = 0;
        while at + 8 <= size {
            compare!(u64, at);
            at += 8;
        }
        // The last bytes together with some that are known to be equal.
        if at < size {
            compare!(u64, size - 8);
        }
    } else if size >= 4 {
        compare!(u32, 0);
        compare!(u32, size - 4);
    } else {
        let mut at = 0;
        while at < size {
            compare!(u8, at);
            at += 1;
        }
    }
    0
}
