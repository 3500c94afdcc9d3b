//! Decides which limits hold for an account that is shown: the configuration's, and what the registry says over them.
//!
//! An account of a subject that is not listed is stored by a hash, so whose it is is found by trying the names that have
//! limits of their own, in each team that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::stored::StoredKey;
use farebox_core::config::{Account, Budget, Config, Limits};
use farebox_core::registry::{Entry, EntryName, LimitEntry};

use super::{LedgerError, Where};
use crate::registry::{RegistryError, Store};

/// What is known of who has limits of their own.
#[derive(Debug, Default)]
pub(super) struct KnownLimits {
    /// What the registry says, by whole name.
    entries: BTreeMap<String, LimitEntry>,
    teams: BTreeSet<String>,
    /// Names of subjects that are stored by a hash, by budget and by what is stored.
    names: BTreeMap<(String, String), String>,
}

impl KnownLimits {
    /// Those of `config`, and of the registry if Envoys read it.
    ///
    /// # Errors
    /// What the server refuses.
    pub(super) fn read(config: &Config, place: &Where) -> Result<Self, LedgerError> {
        let mut known = Self::default();
        if config.ledger.as_ref().is_some_and(|ledger| ledger.registry.is_some()) {
            let told = |error| match error {
                RegistryError::Ledger(error) => error,
                other => LedgerError::Nothing(other.to_string()),
            };
            let mut store = Store::of(config, place).map_err(told)?;
            for (rest, stored) in store.all("limit/").map_err(told)?.entries {
                if let Entry::Limit(entry) = stored.entry {
                    known.entries.insert(format!("limit/{rest}"), entry);
                }
            }
            known.teams.extend(store.all("team/").map_err(told)?.entries.into_keys());
        }
        known.teams.extend(config.teams().into_iter().map(str::to_owned));
        for budget in &config.budgets {
            known
                .teams
                .extend(budget.listed.iter().flat_map(|listed| &listed.teams).map(|team| team.to_string()));
        }
        for budget in &config.budgets {
            known.name(budget);
        }
        Ok(known)
    }

    /// Finds what is stored for the subjects of `budget` that have limits of their own.
    fn name(&mut self, budget: &Rc<Budget>) {
        let own = self.entries.keys().filter_map(|name| match EntryName::parse(name) {
            Some(EntryName::Limit { budget: other, subject }) if *other == *budget.name => Some(subject),
            _ => None,
        });
        let mut found = Vec::new();
        for name in budget.overrides.exact.keys().map(AsRef::as_ref).chain(own) {
            let accounts = self.accounts(budget, name).into_iter().filter(Account::is_in_slot);
            found.extend(accounts.map(|account| {
                ((budget.name.to_string(), StoredKey::subject_of(&account)), name.to_owned())
            }));
        }
        self.names.extend(found);
    }

    /// The accounts that somebody may mean who names `subject`.
    pub(super) fn accounts(&self, budget: &Rc<Budget>, subject: &str) -> Vec<Account> {
        let values: Vec<&str> = subject.split('/').collect();
        if values.len() != budget.per.len() {
            return Vec::new();
        }
        let of = |team: &String| [false, true].map(|proven| Account::of(budget, team, proven, &values));
        self.teams.iter().flat_map(of).collect()
    }

    /// The limits of the account with the key `key` at `now`.
    pub(super) fn of(&self, budget: &Budget, key: &StoredKey<'_>, now: Millis) -> Limits {
        let hashed = self.names.get(&(key.budget.to_owned(), key.subject.to_owned()));
        let subject = hashed.cloned().unwrap_or_else(|| key.shown(&budget.per_text()));
        let configured = budget.limits_of(&subject);
        let name = EntryName::Limit { budget: &budget.name, subject: &subject }.to_string();
        self.entries.get(&name).map_or(configured, |entry| entry.over(&configured, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farebox_core::base::window::{Calendar, Window};
    use farebox_core::config::Dimension;

    fn requests(requests: u64) -> Limits {
        Limits { requests: Some(requests), ..Limits::default() }
    }

    #[test]
    fn an_account_has_the_limits_of_its_name_also_where_that_is_a_hash() {
        let day = Calendar::utc(Window::Day);
        let mut user = Budget::new("user", vec![Dimension::User], day, requests(1));
        user.overrides.exact.insert("bob".into(), requests(2));
        let team = Rc::new(Budget::new("team", vec![Dimension::Team], day, requests(3)));
        let user = Rc::new(user);
        let entry = |limit| LimitEntry { limits: requests(limit), ..LimitEntry::default() };
        let entries = [("limit/user/alice", entry(7)), ("limit/team/red", entry(9))];
        let mut known = KnownLimits {
            entries: entries.map(|(name, entry)| (name.to_owned(), entry)).into_iter().collect(),
            teams: ["red", "blue"].map(str::to_owned).into_iter().collect(),
            ..KnownLimits::default()
        };
        known.name(&user);
        known.name(&team);
        let of = |budget: &Rc<Budget>, of: &str, is_proven: bool, name: &str| {
            let subject = StoredKey::subject_of(&Account::of(budget, of, is_proven, &[name]));
            known.of(budget, &StoredKey { budget: &budget.name, subject: &subject, from: None }, Millis(0))
        };
        assert_eq!(
            [of(&team, "red", false, "red"), of(&team, "blue", false, "blue")],
            [requests(9), requests(3)]
        );
        for (team, is_proven) in [("red", false), ("blue", true)] {
            assert_eq!(of(&user, team, is_proven, "alice"), requests(7));
            assert_eq!(of(&user, team, is_proven, "bob"), requests(2));
            assert_eq!(of(&user, team, is_proven, "carol"), requests(1));
        }
    }
}
