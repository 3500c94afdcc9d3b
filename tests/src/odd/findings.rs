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

    /// Fails if there are any but of the kinds in `open`: how the kind begins, and what it has in it.
    ///
    /// # Panics
    /// If something else was found.
    pub fn none_but(mut self, seed: u64, open: &[(&str, &str)]) {
        for (begins, has) in open {
            let is_known = |kind: &String| kind.starts_with(begins) && kind.contains(has);
            let known: Vec<_> = self.0.iter().filter(|(kind, _)| is_known(kind)).collect();
            let cases: usize = known.iter().map(|(_, cases)| cases.len()).sum();
            println!("still open: {cases} x {begins}: {has}");
            for (kind, cases) in known.iter().take(LISTED) {
                println!("    {} x {kind}, such as {}", cases.len(), cases[0]);
            }
            self.0.retain(|kind, _| !is_known(kind));
        }
        assert!(self.0.is_empty(), "with FAREBOX_ODD_SEED={seed} was found\n{}", self.text());
    }
}
