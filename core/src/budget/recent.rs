//! Decides how long the answers of a model are expected to be, from those it gave a team lately.
//!
//! `max_tokens` says what an answer may have, and agents ask for tens of thousands that they never get. Holding
//! all of that would refuse requests though nearly nothing is spent. So once a model has answered a few
//! times, four times its running mean is expected: few answers are longer, and those that are hold more
//! while they run. The mean itself says what an answer cost that was never seen to its end, and that of the reasoning
//! what of it could not be seen.
//!
//! Each team has means of its own: what one asks for says nothing of another's requests, and must not refuse them.
//!
//! Known by one worker, of models by the name that metrics have for them. Does not bound anything: a `strict`
//! budget holds what a request may use.

use hashbrown::Equivalent;

use crate::base::hash::HashMap;
use crate::base::product;

/// Answers before anything is expected of a model.
const ENOUGH: u32 = 16;
/// An answer moves the mean by one part in this many.
const WEIGHT: i64 = 16;
/// The mean is kept in parts of a token.
const PARTS: i64 = 256;
/// How many times the mean is expected.
const FACTOR: u64 = 4;
/// Most means that are kept. Teams and models are of the configuration, so there are seldom as many; then all are
/// forgotten and learned again.
const MOST: usize = 4_096;

/// What the models of one worker have answered lately.
#[derive(Clone, Debug, Default)]
pub struct Recent(HashMap<Of, Means>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Of {
    team: Box<str>,
    model: Box<str>,
}

#[derive(Hash)]
struct Asking<'a> {
    team: &'a str,
    model: &'a str,
}

impl Equivalent<Of> for Asking<'_> {
    fn equivalent(&self, of: &Of) -> bool {
        *of.team == *self.team && *of.model == *self.model
    }
}

/// What one answer of a model has been like lately, in output tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// The mean of all output, reasoning included.
    pub output: u64,
    /// Of that, the reasoning.
    pub reasoning: u64,
}

impl Lately {
    /// What to expect of the next one: more than nearly all have had.
    #[must_use]
    pub fn expected(&self) -> u64 {
        product::saturating(self.output, FACTOR)
    }

    /// The same of so many answers together.
    #[must_use]
    pub fn times(self, answers: u64) -> Self {
        let times = |tokens: u64| product::saturating(tokens, answers);
        Self { output: times(self.output), reasoning: times(self.reasoning) }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Means {
    answers: u32,
    output: i64,
    reasoning: i64,
}

impl Recent {
    /// A model gave a team an answer of so much output, of which so much was reasoning.
    pub fn note(&mut self, team: &str, model: &str, output: u64, reasoning: u64) {
        if self.0.len() >= MOST && !self.0.contains_key(&Asking { team, model }) {
            self.0.clear();
        }
        let means = match self.0.get_mut(&Asking { team, model }) {
            Some(means) => means,
            None => self.0.entry(Of { team: team.into(), model: model.into() }).or_default(),
        };
        means.answers = means.answers.saturating_add(1);
        // The first answers count alike.
        let weight = i64::from(means.answers).min(WEIGHT);
        means.output += (parts(output) - means.output) / weight;
        means.reasoning += (parts(reasoning) - means.reasoning) / weight;
    }

    /// What the answers of a model to a team were like; `None` until there were enough.
    #[must_use]
    pub fn lately(&self, team: &str, model: &str) -> Option<Lately> {
        let means = self.0.get(&Asking { team, model }).filter(|means| means.answers >= ENOUGH)?;
        Some(Lately { output: tokens(means.output) + 1, reasoning: tokens(means.reasoning) })
    }
}

fn parts(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX).min(i64::MAX / PARTS).saturating_mul(PARTS)
}

fn tokens(parts: i64) -> u64 {
    u64::try_from(parts / PARTS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn expected(recent: &Recent, team: &str, model: &str) -> Option<u64> {
        recent.lately(team, model).map(|lately| lately.expected())
    }

    #[test]
    fn nothing_is_expected_of_a_model_that_has_hardly_answered() {
        let mut recent = Recent::default();
        (1..ENOUGH).for_each(|_| recent.note("t", "m", 100, 30));
        assert_eq!(recent.lately("t", "m"), None);
        recent.note("t", "m", 100, 30);
        assert_eq!(recent.lately("t", "m"), Some(Lately { output: 101, reasoning: 30 }));
        assert_eq!((expected(&recent, "t", "m"), expected(&recent, "t", "other")), (Some(404), None));
    }

    #[test]
    fn what_one_team_was_answered_says_nothing_of_another() {
        let mut recent = Recent::default();
        (0..20).for_each(|_| recent.note("long", "m", 60_000, 0));
        assert_eq!((expected(&recent, "long", "m"), expected(&recent, "short", "m")), (Some(240_004), None));
        (0..20).for_each(|_| recent.note("short", "m", 10, 0));
        assert_eq!(expected(&recent, "short", "m"), Some(44));
    }

    #[test]
    fn the_expectation_follows_longer_answers() {
        let mut recent = Recent::default();
        (0..100).for_each(|_| recent.note("t", "m", 10, 0));
        (0..100).for_each(|_| recent.note("t", "m", 1_000, 0));
        let expected = expected(&recent, "t", "m").unwrap();
        assert!((3_900..=4_004).contains(&expected), "{expected}");
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let mut recent = Recent::default();
        (0..2 * MOST).for_each(|model| recent.note("t", &model.to_string(), 1, 0));
        assert!(recent.0.len() <= MOST);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(outputs in prop::collection::vec(any::<(u64, u64)>(), 0..64)) {
            let mut recent = Recent::default();
            outputs.iter().for_each(|&(output, reasoning)| recent.note("t", "m", output, reasoning));
            let _ = recent.lately("t", "m").map(|lately| lately.times(u64::MAX).expected());
        }
    }
}
