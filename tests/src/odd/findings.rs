//! Decides how what was found is told: by kind, with the first cases of each.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Cases of one kind that are listed.
const LISTED: usize = 3;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<String, Vec<String>>);

impl Findings {
    /// Adds one: its kind, the case, and what is wrong with it.
    pub fn add(&mut self, kind: &str, number: u64, text: &str) {
        let shown: String = text.chars().take(700).collect();
        self.0.entry(kind.to_owned()).or_default().push(format!("#{number}: {shown}"));
    }

    /// All of it as text, the kinds that were found most often first.
    #[must_use]
    pub fn text(&self) -> String {
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|(_, cases)| usize::MAX - cases.len());
        let mut text = String::new();
        for (kind, cases) in kinds {
            let _ = writeln!(text, "{} x {kind}", cases.len());
            for case in cases.iter().take(LISTED) {
                let _ = writeln!(text, "      {case}");
            }
        }
        text
    }

    /// Fails if there are any.
    ///
    /// # Panics
    /// If something was found.
    pub fn none(&self, seed: u64) {
        assert!(self.0.is_empty(), "with FAREBOX_ODD_SEED={seed} was found\n{}", self.text());
    }
}
