//! Decides what many measurements of the same thing say: their median, and how far they lie apart.
//!
//! Ratios are made within a round, between slices that ran seconds apart, and only then put in order: what slows the
//! whole machine for a minute slows both sides of a ratio. A mean would follow the one round in which something else
//! woke up; a median does not.
//!
//! Does not decide what is compared with what.

use serde::{Deserialize, Serialize};

/// What many numbers say. All in the unit of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Middle {
    /// How many there are.
    pub(crate) count: usize,
    /// The one in the middle.
    pub(crate) median: f64,
    /// A quarter lie below.
    pub(crate) lower: f64,
    /// A quarter lie above.
    pub(crate) upper: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
    /// With 95 % confidence the median of all that could be measured is not below this.
    pub(crate) at_least: f64,
    /// Nor above this.
    pub(crate) at_most: f64,
}

/// What these numbers say; `None` if there is none, or one is not finite.
pub(crate) fn middle(numbers: &[f64]) -> Option<Middle> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    if !min.is_finite() || !max.is_finite() {
        return None;
    }
    let count = sorted.len();
    // Ranks of the binomial distribution: how many of `count` numbers may lie below a median by chance.
    let spread = 0.98 * (count as f64).sqrt();
    let rank = (count as f64 / 2.0 - spread).floor().max(0.0) as usize;
    let (low, high) = (rank, count - 1 - rank.min(count - 1));
    Some(Middle {
        count,
        median: quantile(&sorted, 0.5),
        lower: quantile(&sorted, 0.25),
        upper: quantile(&sorted, 0.75),
        min,
        max,
        at_least: sorted.get(low.min(high)).copied().unwrap_or(min),
        at_most: sorted.get(high.max(low)).copied().unwrap_or(max),
    })
}

/// What the ratios of each pair say, where both sides were measured and neither is nothing.
pub(crate) fn ratio(pairs: &[(f64, f64)]) -> Option<Middle> {
    let ratios: Vec<f64> =
        pairs.iter().filter(|(_, base)| *base > 0.0).map(|(value, base)| value / base).collect();
    middle(&ratios)
}

/// Between two numbers if it falls between them.
fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let at = quantile * (sorted.len().saturating_sub(1)) as f64;
    let below = sorted.get(at.floor() as usize).copied().unwrap_or_default();
    let above = sorted.get(at.ceil() as usize).copied().unwrap_or(below);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle_and_quarters_around_it() {
        let middle = middle(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            (middle.min, middle.lower, middle.median, middle.upper, middle.max),
            (1.0, 2.0, 3.0, 4.0, 5.0)
        );
        assert_eq!(super::middle(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(super::middle(&[7.0]).unwrap().median, 7.0);
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(middle(&[]), None);
        assert_eq!(middle(&[1.0, f64::NAN]), None);
        assert_eq!(ratio(&[(1.0, 0.0)]), None);
    }

    #[test]
    fn a_ratio_is_made_within_its_round() {
        // The machine is twice as slow in the second round: both sides are, and the ratio stays.
        let ratio = ratio(&[(11.0, 10.0), (22.0, 20.0), (33.0, 30.0)]).unwrap();
        assert!((ratio.median - 1.1).abs() < 1e-9);
        assert!((ratio.max - ratio.min).abs() < 1e-9);
    }

    #[test]
    fn few_rounds_promise_less_than_many() {
        let few: Vec<f64> = (0..5).map(f64::from).collect();
        let few = middle(&few).unwrap();
        assert_eq!((few.at_least, few.at_most), (few.min, few.max));
        let many: Vec<f64> = (0..100).map(f64::from).collect();
        let many = middle(&many).unwrap();
        // Ranks 40 and 59 of 0 to 99 (the usual table says 40 and 60 of 1 to 100).
        assert_eq!((many.at_least, many.at_most), (40.0, 59.0));
    }
}
