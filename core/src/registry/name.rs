//! Decides what entries are called: `key/<id>`, `limit/<budget>/<subject>`, `team/<team>`.

use core::fmt;

/// The name of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryName<'a> {
    /// A key, by its id.
    Key(&'a str),
    /// The limits of a subject.
    Limit {
        /// The name of the budget.
        budget: &'a str,
        /// Its values joined by `/`, `*` for a budget of everyone; or a pattern over that.
        subject: &'a str,
    },
    /// A team, by its name.
    Team(&'a str),
}

impl<'a> EntryName<'a> {
    /// Reads a name; `None` if it is none.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once('/').filter(|(_, rest)| !rest.is_empty())?;
        match kind {
            "key" => Some(Self::Key(rest)),
            "limit" => {
                let (budget, subject) = rest.split_once('/').filter(|(budget, _)| !budget.is_empty())?;
                (!subject.is_empty()).then_some(Self::Limit { budget, subject })
            }
            "team" => Some(Self::Team(rest)),
            _ => None,
        }
    }
}

impl fmt::Display for EntryName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key/{id}"),
            Self::Limit { budget, subject } => write!(f, "limit/{budget}/{subject}"),
            Self::Team(team) => write!(f, "team/{team}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for (text, name) in [
            ("key/a", EntryName::Key("a")),
            ("limit/user/alice", EntryName::Limit { budget: "user", subject: "alice" }),
            ("limit/model/red/org/llama-3", EntryName::Limit { budget: "model", subject: "red/org/llama-3" }),
            ("limit/all/*", EntryName::Limit { budget: "all", subject: "*" }),
            ("team/search", EntryName::Team("search")),
        ] {
            assert_eq!(EntryName::parse(text), Some(name));
            assert_eq!(name.to_string(), text);
        }
        for other in ["", "key", "key/", "limit/user", "limit/user/", "limit//x", "user/a"] {
            assert_eq!(EntryName::parse(other), None, "{other}");
        }
    }
}
