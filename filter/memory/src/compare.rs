//! Decides how bytes are compared: eight at a time.
//!
//! Every comparison of two slices ends in `memcmp`, and the one of wasi-libc goes byte by byte. A header's name
//! takes it two hundred instructions, and a request compares some fifty of them.

#![allow(unsafe_code, reason = "the name and the pointers are those of C")]

/// What every comparison of two slices calls.
///
/// # Safety
/// As of [`compare`].
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, size: usize) -> i32 {
    // SAFETY: the caller's promise is the same.
    unsafe { compare(left, right, size) }
}

/// Compares `size` bytes as C's `memcmp` does.
///
/// # Safety
/// Both pointers must be to at least `size` bytes.
unsafe fn compare(left: *const u8, right: *const u8, size: usize) -> i32 {
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
            // Mostly they are equal, and turning bytes around takes longer than to see that.
            if left != right {
                let (left, right) = (<$word>::from_be(left), <$word>::from_be(right));
                return if left < right { -1 } else { 1 };
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_compare_as_slices_do(
            left in prop::collection::vec(0u8..3, 0..40), right in prop::collection::vec(0u8..3, 0..40), high: u8,
        ) {
            let size = left.len().min(right.len());
            let (mut left, right) = (left[..size].to_vec(), &right[..size]);
            // SAFETY: both slices are of this size.
            let same = unsafe { compare(right.as_ptr(), right.to_vec().as_ptr(), size) };
            prop_assert_eq!(same, 0);
            if let Some(last) = left.last_mut() {
                *last = high;
            }
            // SAFETY: both slices are of this size.
            let order = unsafe { compare(left.as_ptr(), right.as_ptr(), size) };
            prop_assert_eq!(order.cmp(&0), left.as_slice().cmp(right));
        }
    }
}
