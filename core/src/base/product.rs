//! Decides how numbers are multiplied that may be too large: in 64 bits wherever that is enough.
//!
//! WebAssembly has no product of 128 bits, and so none that notices an overflow: either takes some sixty instructions.

/// The product of two numbers, or the largest number if that does not fit.
#[inline]
pub(crate) fn saturating(one: u64, other: u64) -> u64 {
    if are_short(one, other) { one * other } else { one.saturating_mul(other) }
}

/// The whole product of two numbers.
#[inline]
pub(crate) fn whole(one: u64, other: u64) -> u128 {
    if are_short(one, other) { u128::from(one * other) } else { u128::from(one) * u128::from(other) }
}

/// Whether the product of both fits 64 bits, because they fit 32.
fn are_short(one: u64, other: u64) -> bool {
    (one | other) >> 32 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_product_is_that_of_more_bits(one: u64, other: u64, one_bits in 0u32..64, other_bits in 0u32..64) {
            let (one, other) = (one >> one_bits, other >> other_bits);
            prop_assert_eq!(whole(one, other), u128::from(one) * u128::from(other));
            prop_assert_eq!(u128::from(saturating(one, other)), whole(one, other).min(u128::from(u64::MAX)));
        }
    }
}
