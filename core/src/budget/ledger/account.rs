//! Decides which counter of a budget is used for one subject: where it is stored.
//!
//! Subjects that the configuration bounds (teams, keys, labels, models, providers) have a record each, named
//! by them. Subjects that callers name live in slots: for each team a fixed number of records, of which each keeps
//! the counters of the subjects that fall into it, told apart by the hash of their names. So a caller that
//! makes up names takes no more memory than the slots of its team have, and no other team's slots.
//!
//! Who is proven and whom nobody listed (users, teams, labels of an identity provider) lives in slots too, in one set for
//! all teams: nobody can make up such names. The hash of a proven user is of the team as well, and is none that
//! a caller can come by who only says that it is that user.
//!
//! ```text
//! ## fb/2/<budget>/<per>/<subject>   => one counter
//! ## fb/2/<budget>/<per>@<team>#<0..1023>   => the counters of several subjects that callers name
//! ## fb/2/<budget>/<per>@*#<0..1023>   => the counters of several subjects that are proven and not listed
//! ## fb/2/claims                     => which budgets are in use: see `registry.rs`
//! ```

use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_128;

use super::{Budget, Dimension, Limits, Listed, PROVEN_BY};

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
        Self::of(budget, team, false, values)
    }

    /// The same, where the user among the values may be proven.
    #[must_use]
    pub fn of(budget: &Rc<Budget>, team: &str, proven_user: bool, values: &[&str]) -> Self {
        let subject = if values.is_empty() { "*".to_owned() } else { values.join("/") };
        let start = || format!("fb/2/{}/{}", budget.name, budget.per_text());
        let slot = |of: &str, tag: Tag| (format!("{}@{of}#{}", start(), bucket(&tag)), Some(tag));
        let (record, tag) = match budget.place(proven_user, values) {
            // A separator that no value has: what is joined differently is another record.
            Place::Own => (format!("{}/{}", start(), values.join("\u{1f}")), None),
            Place::Team => slot(team, tag(&[], values)),
            Place::TeamWithProvenUser => slot(team, tag(&[PROVEN], values)),
            Place::All => slot(EVERY_TEAM, tag(&[], values)),
            Place::AllOfTeam => slot(EVERY_TEAM, tag(&[PROVEN, team], values)),
        };
        let limits = budget.limits_of(&subject);
        Self { budget: Rc::clone(budget), subject: subject.into(), limits, record: record.into(), tag }
    }

    /// Whether it is one of several counters of a record, so that it has a place only while there is one.
    #[must_use]
    pub fn is_in_slot(&self) -> bool {
        self.tag.is_some()
    }
}

/// Where counters are.
enum Place {
    /// In a record of their own.
    Own,
    /// In a slot of the team.
    Team,
    /// The same, of a user who is proven.
    TeamWithProvenUser,
    /// In a slot of those that are proven.
    All,
    /// The same, of somebody of the team.
    AllOfTeam,
}

/// Stands in the place of a team: no team is called that.
const EVERY_TEAM: &str = "*";
/// Where names of a caller would stand if it could say this: they never have this byte.
const PROVEN: &str = "\u{1}proven";

impl Budget {
    /// Whether `record` is one of several counters.
    pub(crate) fn is_slots(&self, record: &str) -> bool {
        let rest = record.strip_prefix("fb/2/").and_then(|rest| rest.strip_prefix(&*self.name));
        let rest = rest.and_then(|rest| rest.strip_prefix('/')?.strip_prefix(&*self.per_text()));
        rest.is_some_and(|rest| rest.starts_with('@'))
    }

    fn place(&self, proven_user: bool, values: &[&str]) -> Place {
        let is_claim =
            |dimension: &Dimension| dimension.is_claimed() && (*dimension != Dimension::User || !proven_user);
        let has = |wanted: &Dimension| self.per.contains(wanted);
        if self.per.iter().any(is_claim) {
            return if proven_user && has(&Dimension::User) {
                Place::TeamWithProvenUser
            } else {
                Place::Team
            };
        }
        if has(&Dimension::User) {
            return Place::AllOfTeam;
        }
        let Some(listed) = &self.listed else { return Place::Own };
        if self.per.iter().zip(values).all(|(dimension, value)| is_listed(listed, dimension, value)) {
            return Place::Own;
        }
        if has(&Dimension::Key) { Place::AllOfTeam } else { Place::All }
    }
}

/// Whether `value` is one of those that are bounded without slots.
fn is_listed(listed: &Listed, dimension: &Dimension, value: &str) -> bool {
    match dimension {
        Dimension::Team => listed.teams.contains(value),
        Dimension::Label(name) => listed.labels.get(name).is_some_and(|values| values.contains(value)),
        Dimension::Key => !value.contains(PROVEN_BY),
        _ => true,
    }
}

/// Nobody gains from finding two names with one tag: they would be names of one team's subjects, and who wants to use
/// another subject's counter can name that subject.
fn tag(before: &[&str], values: &[&str]) -> Tag {
    let mut names = Vec::with_capacity(64);
    for value in before.iter().chain(values) {
        names.extend((value.len() as u64).to_le_bytes());
        names.extend(value.as_bytes());
    }
    xxh3_128(&names).to_le_bytes()
}

fn bucket(tag: &Tag) -> u32 {
    let [.., low, high] = tag;
    u32::from(u16::from_le_bytes([*low, *high])) % BUCKETS
}
