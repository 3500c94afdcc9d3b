//! What a budget is, and whose counter it uses.

use std::rc::Rc;

use super::Limits;
use crate::window::Window;

/// One budget as it holds for one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The budget.
    pub budget: Rc<Budget>,
    /// Whose counter: the organisation (`*`), a team or a key id.
    pub subject: Box<str>,
    /// Key of the counter in the store.
    pub record: Box<str>,
    /// The limits after overrides.
    pub limits: Limits,
}

/// A limit on spending over a window.
#[derive(Debug, PartialEq, Eq)]
pub struct Budget {
    /// What refusals call it.
    pub name: Box<str>,
    /// Who shares a counter.
    pub per: Per,
    /// When the counter starts again.
    pub window: Window,
}

/// Who shares a counter of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Everyone.
    Org,
    /// The callers of one team.
    Team,
    /// One key.
    Key,
}

impl Per {
    /// The word the configuration uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Team => "team",
            Self::Key => "key",
        }
    }
}
