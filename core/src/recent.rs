//! Decides how long the answers of a model are expected to be, from those it gave lately.
//!
//! `max_tokens` says what an answer may have, and agents ask for tens of thousands that they never get. Holding
//! all of that would refuse requests though nearly nothing is spent. So once a model has answered a few
//! times, four times its running mean is expected: few answers are longer, and those that are hold more
//! while they run.
//!
//! Known by one worker, of models by the name that metrics have for them. Does not bound anything: a `strict`
//! budget holds what a request may use.

use hashbrown::HashMap;

/// Answers before anything is expected of a model.
const ENOUGH: u32 = 16;
/// An answer moves the mean by one part in this many.
const WEIGHT: i64 = 16;
/// The mean is kept in parts of a token.
const PARTS: i64 = 256;
/// How many times the mean is expected.
const FACTOR: u64 = 4;

/// What the models of one worker have answered lately.
#[derive(Clone, Debug, Default)]
pub struct Recent(HashMap<Box<str>, Mean>);

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    answers: u32,
    parts: i64,
}

impl Recent {
    /// A model gave an answer of so many output tokens.
    pub fn note(&mut self, model: &str, output: u64) {
        let parts = i64::try_from(output).unwrap_or(i64::MAX).min(i64::MAX / PARTS).saturating_mul(PARTS);
        let mean = match self.0.get_mut(model) {
            Some(mean) => mean,
            None => self.0.entry(model.into()).or_default(),
        };
        mean.answers = mean.answers.saturating_add(1);
        // The first answers count alike.
        let weight = i64::from(mean.answers).min(WEIGHT);
        mean.parts += (parts - mean.parts) / weight;
    }

    /// Output tokens to expect of an answer; `None` until the model has answered often enough.
    #[must_use]
    pub fn expected(&self, model: &str) -> Option<u64> {
        let mean = self.0.get(model).filter(|mean| mean.answers >= ENOUGH)?;
        let tokens = u64::try_from(mean.parts / PARTS).unwrap_or(0) + 1;
        Some(tokens.saturating_mul(FACTOR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_expected_of_a_model_that_has_hardly_answered() {
        let mut recent = Recent::default();
        (1..ENOUGH).for_each(|_| recent.note("m", 100));
        assert_eq!(recent.expected("m"), None);
        recent.note("m", 100);
        assert_eq!((recent.expected("m"), recent.expected("other")), (Some(404), None));
    }

    #[test]
    fn the_expectation_follows_longer_answers() {
        let mut recent = Recent::default();
        (0..100).for_each(|_| recent.note("m", 10));
        (0..100).for_each(|_| recent.note("m", 1_000));
        assert!((3_900..=4_004).contains(&recent.expected("m").unwrap()), "{:?}", recent.expected("m"));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(outputs in prop::collection::vec(any::<u64>(), 0..64)) {
            let mut recent = Recent::default();
            outputs.iter().for_each(|&output| recent.note("m", output));
            let _ = recent.expected("m");
        }
    }
}
