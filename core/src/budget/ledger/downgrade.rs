//! Decides which model is named for a request of which a budget has little left.
//!
//! A model leads to one other, and a request takes one such step, so what leads on from there is not followed.
//!
//! Does not know whether that model can serve the request: see `budget/admit/downgrade.rs`.

use core::cmp::Reverse;

use crate::base::pattern::Pattern;

/// Sends requests to cheaper models when a part of a limit is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downgrade {
    /// Exact names first, then the longest pattern.
    steps: Vec<Step>,
    /// From this percentage of a limit on, what is held included.
    pub from_percent: u64,
}

/// Where the requests for some models go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name that was asked for, or a pattern of it.
    pub from: Box<str>,
    pattern: Option<Pattern>,
    /// Alias or `provider/model`.
    pub to: Box<str>,
}

impl Downgrade {
    /// From `from_percent` on, what asks for the first name of each pair goes to the second one.
    #[must_use]
    pub fn new<'a>(steps: impl IntoIterator<Item = (&'a str, &'a str)>, from_percent: u64) -> Self {
        let step = |(from, to): (&str, &str)| Step {
            from: from.into(),
            pattern: Pattern::is_pattern(from).then(|| Pattern::new(from)),
            to: to.into(),
        };
        let mut steps: Vec<Step> = steps.into_iter().map(step).collect();
        steps.sort_by_key(|step| (step.pattern.is_some(), Reverse(step.from.len())));
        Self { steps, from_percent }
    }

    /// All steps, in the order in which they are looked at.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step of what asks for `model`. A model that leads to itself has none.
    #[must_use]
    pub fn step(&self, model: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.fits(model)).filter(|step| *step.to != *model)
    }

    /// A step whose model leads back to itself, by whatever way: nobody can have meant that.
    #[must_use]
    pub fn circle(&self) -> Option<&Step> {
        self.steps.iter().find(|step| {
            let mut at = self.step(&step.to);
            // More steps than there are have been there before.
            for _ in &self.steps {
                match at {
                    Some(next) if next.to == step.to => return true,
                    Some(next) => at = self.step(&next.to),
                    None => return false,
                }
            }
            false
        })
    }
}

impl Step {
    /// Whether it is for what asks for `model`.
    #[must_use]
    pub fn fits(&self, model: &str) -> bool {
        self.pattern.as_ref().map_or(*self.from == *model, |pattern| pattern.matches(model))
    }

    /// Whether it names the model that it is for, rather than any that fits.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.pattern.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to<'d>(downgrade: &'d Downgrade, model: &str) -> Option<&'d str> {
        downgrade.step(model).map(|step| &*step.to)
    }

    #[test]
    fn the_most_exact_step_is_taken_and_a_model_may_lead_to_itself() {
        let steps =
            [("*", "mini"), ("opus-*", "sonnet"), ("opus-4*", "haiku"), ("opus-4", "tiny"), ("keep", "keep")];
        let downgrade = Downgrade::new(steps, 80);
        let models = ["opus-4", "opus-41", "opus-3", "other", "mini", "keep"];
        let expected = [Some("tiny"), Some("haiku"), Some("sonnet"), Some("mini"), None, None];
        assert_eq!(models.map(|model| to(&downgrade, model)), expected);
        assert_eq!(downgrade.circle(), None);
    }

    #[test]
    fn steps_that_lead_back_are_found_and_chains_that_end_are_not() {
        let circle = |steps: &[(&'static str, &'static str)]| {
            Downgrade::new(steps.iter().copied(), 80).circle().map(|step| step.from.to_string())
        };
        assert_eq!(circle(&[("a", "b"), ("b", "c"), ("*", "c")]), None);
        assert_eq!(circle(&[("a", "b"), ("b", "a")]).as_deref(), Some("a"));
        assert_eq!(circle(&[("*", "x"), ("x", "y")]).as_deref(), Some("x"));
        assert_eq!(circle(&[("*", "x"), ("x", "y"), ("y", "y")]), None);
        assert_eq!(circle(&[("s", "a"), ("a", "b"), ("b", "c"), ("c", "a")]).as_deref(), Some("s"));
    }
}
