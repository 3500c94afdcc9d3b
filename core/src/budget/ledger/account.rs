//! Decides which counter of a budget is used for one subject: where it is stored.
//!
//! Subjects that the configuration bounds (teams, keys, labels, models, providers) have a record each, named
//! by them. Subjects that callers name live in slots: for each team a fixed number of records, of which each keeps
//! the counters of the subjects that fall into it, told apart by the hash of their names. So a caller that
//! makes up names takes no more memory than the slots of its team have, and no other team's slots.
//!
//! ```text
//! ## fb/2/<budget>/<per>/<subject>   => one counter
//! ## fb/2/<budget>/<per>@<team>#<0..1023>   => the counters of several subjects that callers name
//! ## fb/2/claims                     => which budgets are in use: see `registry.rs`
//! ```

use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_128;

use super::{Budget, Limits};

/// Records that the slots of a budget are spread over, for each team. Fixed, so that subjects stay where they are when
/// the number of slots is changed.
pub(super) const BUCKETS: u32 = 1_024;

/// The hash that a subject in a slot is told by.
pub(crate) type Tag = [u8; 16];

/// One budget as it holds for one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The budget.
    pub budget: Rc<Budget>,
    /// Whose counter: the values of the budget's dimensions joined by `/`; `*` for everyone.
    pub subject: Box<str>,
    /// The limits after overrides.
    pub limits: Limits,
    /// Key of the record in the store.
    pub record: Box<str>,
    /// Which of the record's counters; `None` if it has one.
    pub(crate) tag: Option<Tag>,
}

impl Account {
    /// The account of `budget` for a subject with these `values`, one for each of its dimensions. What callers
    /// name is told apart by the `team` that pays: nobody uses up what another team's session has.
    #[must_use]
    pub fn new(budget: &Rc<Budget>, team: &str, values: &[&str]) -> Self {
        let subject = if values.is_empty() { "*".to_owned() } else { values.join("/") };
        let (record, tag) = if budget.is_claimed() {
            let tag = tag(values);
            let start = format!("fb/2/{}/{}@{team}", budget.name, budget.per_text());
            (format!("{start}#{}", bucket(&tag)), Some(tag))
        } else {
            // A separator that no value has: what is joined differently is another record.
            (format!("fb/2/{}/{}/{}", budget.name, budget.per_text(), values.join("\u{1f}")), None)
        };
        let limits = budget.limits_of(&subject);
        Self { budget: Rc::clone(budget), subject: subject.into(), limits, record: record.into(), tag }
    }
}

/// Nobody gains from finding two names with one tag: they would be names of one team's subjects, and who wants to use
/// another subject's counter can name that subject.
fn tag(values: &[&str]) -> Tag {
    let mut names = Vec::with_capacity(64);
    for value in values {
        names.extend((value.len() as u64).to_le_bytes());
        names.extend(value.as_bytes());
    }
    xxh3_128(&names).to_le_bytes()
}

fn bucket(tag: &Tag) -> u32 {
    let [.., low, high] = tag;
    u32::from(u16::from_le_bytes([*low, *high])) % BUCKETS
}
