//! Decides which names a pattern means: `*` stands for any text and `?` for one character.

use wildmatch::WildMatch;

/// A pattern over names.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(WildMatch);

impl Eq for Pattern {}

impl Pattern {
    /// Any text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(WildMatch::new(text))
    }

    /// Whether the whole of `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// Whether `text` has a character with a meaning.
    #[must_use]
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?'])
    }
}
