//! Decides what the ledger's records say to who reads them without being a client: the name of a key, an account and
//! its components.
//!
//! ```text
//! ## <prefix>:{<budget>}:<subject>:<window start>   => an account of a window; `running` for requests that run
//! ## field h     1 epoch epoch_at recovers_until tight_since heard heard_before lost cursor S4 A4 B4 L4 U4 [F4 R4]
//! ## other field sequence epoch C4 G4
//! ```
//!
//! Does not write any: only `ledger.lua` does.

use super::Units;
use crate::base::window::Millis;
use crate::budget::ledger::Account;

/// The field of an account that is no component.
pub const HEADER: &str = "h";

/// What the key of an account says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredKey<'a> {
    /// The budget.
    pub budget: &'a str,
    /// Whose: what the budget is counted by, and the subject.
    pub subject: &'a str,
    /// When its window began; `None`: it counts requests that run.
    pub from: Option<Millis>,
}

impl<'a> StoredKey<'a> {
    /// The keys of all accounts of `budget`, as a pattern of Redis.
    #[must_use]
    pub fn pattern(prefix: &str, budget: &str) -> String {
        format!("{prefix}:{{{budget}}}:*:*")
    }

    /// What `key` says; `None` if it is none of an account.
    #[must_use]
    pub fn parse(prefix: &str, key: &'a str) -> Option<Self> {
        let rest = key.strip_prefix(prefix)?.strip_prefix(":{")?;
        let (budget, rest) = rest.split_once("}:")?;
        let (subject, from) = rest.rsplit_once(':')?;
        let from = if from == "running" { None } else { Some(Millis(from.parse().ok()?)) };
        Some(Self { budget, subject, from })
    }

    /// The subject that the key of `account` has.
    #[must_use]
    pub fn subject_of(account: &Account) -> String {
        let Account { record, tag, .. } = account;
        let subject = record.splitn(4, '/').nth(3).unwrap_or(record);
        let Some(tag) = tag else { return subject.to_owned() };
        let start = subject.rsplit_once('#').map_or(subject, |(start, _)| start);
        let hash: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{start}#{hash}")
    }

    /// Whether it is the key of `account`.
    #[must_use]
    pub fn is_of(&self, account: &Account) -> bool {
        *account.budget.name == *self.budget && Self::subject_of(account) == self.subject
    }

    /// Its subject as one reads it: the values of the budget's dimensions; `*` for everyone, the hash of one that
    /// callers name.
    #[must_use]
    pub fn shown(&self, per: &str) -> String {
        let rest = self.subject.strip_prefix(per).unwrap_or(self.subject);
        match rest.strip_prefix('/') {
            Some("") => "*".to_owned(),
            Some(values) => values.replace('\u{1f}', "/"),
            None => rest.strip_prefix('@').unwrap_or(rest).to_owned(),
        }
    }
}

/// An account, without its components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredAccount {
    /// Its epoch.
    pub epoch: u64,
    /// When that began.
    pub epoch_at: Millis,
    /// Until when it grants nothing, because it lost something.
    pub recovers_until: Millis,
    /// Since when there is too little for everybody to have some to spare; zero: there is enough.
    pub tight_since: Millis,
    /// How many components spoke in this epoch, and in the one before.
    pub heard: [u64; 2],
    /// What is lent to who falls silent is free again; else it is charged.
    pub forgives: bool,
    /// What was spent.
    pub spent: Units,
    /// What is lent.
    pub allotted: Units,
    /// Charged for those that fell silent.
    pub for_silent: Units,
    /// Spent by nobody that is known here.
    pub for_unknown: Units,
}

impl StoredAccount {
    /// Reads the field [`HEADER`]; `None` if it cannot be read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next()? != "1" {
            return None;
        }
        let [epoch, epoch_at, recovers_until, tight_since, heard, before] = numbers(&mut words)?;
        let forgives = match words.next()? {
            "c" => false,
            "f" => true,
            _ => return None,
        };
        words.next()?;
        let mut units = || numbers(&mut words).map(Units::of);
        let (spent, now, last) = (units()?, units()?, units()?);
        let (for_silent, for_unknown) = (units()?, units()?);
        Some(Self {
            epoch,
            epoch_at: Millis(epoch_at),
            recovers_until: Millis(recovers_until),
            tight_since: Millis(tight_since),
            heard: [heard, before],
            forgives,
            spent,
            allotted: Units::of(core::array::from_fn(|at| {
                let part = |units: Units| units.numbers().get(at).copied().unwrap_or(0);
                part(now).saturating_add(part(last))
            })),
            for_silent,
            for_unknown,
        })
    }
}

/// What one client has of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredComponent {
    /// Its last push.
    pub sequence: u64,
    /// The epoch in which it was last heard.
    pub epoch: u64,
    /// What it was charged.
    pub charged: Units,
    /// What it may spend beyond that.
    pub allotted: Units,
}

impl StoredComponent {
    /// Reads a field that is not [`HEADER`]; `None` if it cannot be read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let [sequence, epoch] = numbers(&mut words)?;
        let (charged, allotted) = (Units::of(numbers(&mut words)?), Units::of(numbers(&mut words)?));
        Some(Self { sequence, epoch, charged, allotted })
    }
}

fn numbers<'a, const COUNT: usize>(words: &mut impl Iterator<Item = &'a str>) -> Option<[u64; COUNT]> {
    let mut numbers = [0; COUNT];
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::window::{Calendar, Window};
    use crate::budget::ledger::{Budget, Dimension, Limits};
    use proptest::prelude::*;
    use std::rc::Rc;

    fn units(start: u64) -> Units {
        Units::of(core::array::from_fn(|at| start + at as u64))
    }

    #[test]
    fn an_account_is_read_as_the_script_writes_it() {
        let text =
            "1 7 1000 2000 3000 2 3 f 0 10 11 12 13 20 21 22 23 100 100 100 100 40 41 42 43 50 51 52 53";
        let account = StoredAccount {
            epoch: 7,
            epoch_at: Millis(1_000),
            recovers_until: Millis(2_000),
            tight_since: Millis(3_000),
            heard: [2, 3],
            forgives: true,
            spent: units(10),
            allotted: units(120),
            for_silent: units(40),
            for_unknown: units(50),
        };
        assert_eq!(StoredAccount::parse(text), Some(account));
        assert_eq!(StoredAccount::parse(&format!("{text} 1 2 3 4 5 6 7 8")), Some(account), "in a recovery");
        for broken in [
            "",
            "1",
            "2 7",
            &text.replace(" f ", " x "),
            &text.replace(" 53", ""),
            &text.replace("11", "1.5"),
        ] {
            assert_eq!(StoredAccount::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_component_is_read_as_the_script_writes_it() {
        let component = StoredComponent { sequence: 9, epoch: 7, charged: units(1), allotted: units(5) };
        assert_eq!(StoredComponent::parse("9 7 1 2 3 4 5 6 7 8"), Some(component));
        assert_eq!(StoredComponent::parse("9 7 1 2 3 4 5 6 7"), None);
        assert_eq!(StoredComponent::parse("9 7 1 2 3 4 5 6 7 -8"), None);
    }

    #[test]
    fn a_key_says_its_budget_its_subject_and_its_window() {
        let key = StoredKey::parse("farebox", "farebox:{team}:team/a:b:1700").unwrap();
        assert_eq!(key, StoredKey { budget: "team", subject: "team/a:b", from: Some(Millis(1_700)) });
        assert_eq!(key.shown("team"), "a:b");
        let key = StoredKey::parse("fb-eu", "fb-eu:{all}:org/:running").unwrap();
        assert_eq!((key.from, &*key.shown("org")), (None, "*"));
        for other in
            ["farebox:mark", "farebox:{team}:mark", "other:{team}:team/a:1", "farebox:{team}:team/a:x"]
        {
            assert_eq!(StoredKey::parse("farebox", other), None, "{other}");
        }
    }

    #[test]
    fn an_account_knows_its_key() {
        let budget = |name: &str, per: Vec<Dimension>| {
            Rc::new(Budget::new(name, per, Calendar::utc(Window::Day), Limits::default()))
        };
        let team = Account::new(&budget("team", vec![Dimension::Team, Dimension::Key]), "red", &["red", "a"]);
        let key = StoredKey::parse("farebox", "farebox:{team}:team+key/red\u{1f}a:1700").unwrap();
        assert!(key.is_of(&team));
        assert_eq!(key.shown("team+key"), "red/a");
        assert!(!key.is_of(&Account::new(&budget("team", vec![Dimension::Team]), "red", &["red"])));
        let talk = budget("talk", vec![Dimension::Session]);
        let account = Account::new(&talk, "red", &["s-1"]);
        let hash: String = account.tag.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("farebox:{{talk}}:session@red#{hash}:1700");
        let key = StoredKey::parse("farebox", &text).unwrap();
        assert!(key.is_of(&account));
        assert!(!key.is_of(&Account::new(&talk, "red", &["s-2"])));
        assert!(!key.is_of(&Account::new(&talk, "blue", &["s-1"])));
        assert_eq!(key.shown("session"), format!("red#{hash}"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9cf :{}a-z#]{0,80}") {
            let _ = StoredAccount::parse(&text);
            let _ = StoredComponent::parse(&text);
            let _ = StoredKey::parse("fb", &text);
        }
    }
}
