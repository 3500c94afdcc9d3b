//! Decides which limits hold for an account that is shown: the configuration's, and what the registry says over them.
//!
//! An account of a subject that callers name is stored by a hash, so whose it is is found by trying the names that have
//! limits of their own.

use std::rc::Rc;

use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::stored::StoredKey;
use farebox_core::config::{Account, Budget, Config, Limits};
use farebox_core::registry::{Entry, EntryName, LimitEntry};

use super::{LedgerError, Where};
use crate::registry::{RegistryError, Store};

/// What the registry says of limits.
#[derive(Debug, Default)]
pub(super) struct RegistryLimits(Vec<(String, LimitEntry)>);

impl RegistryLimits {
    /// Those that Envoys of `config` read: none if they do not.
    ///
    /// # Errors
    /// What the server refuses.
    pub(super) fn read(config: &Config, place: &Where) -> Result<Self, LedgerError> {
        if config.ledger.as_ref().is_none_or(|ledger| ledger.registry.is_none()) {
            return Ok(Self::default());
        }
        let told = |error| match error {
            RegistryError::Ledger(error) => error,
            other => LedgerError::Nothing(other.to_string()),
        };
        let all = Store::of(config, place).and_then(|mut store| store.all("limit/")).map_err(told)?;
        let limits = all.entries.into_iter().filter_map(|(rest, stored)| match stored.entry {
            Entry::Limit(entry) => Some((format!("limit/{rest}"), entry)),
            _ => None,
        });
        Ok(Self(limits.collect()))
    }

    /// The limits of the account with the key `key` at `now`.
    pub(super) fn of(&self, budget: &Rc<Budget>, key: &StoredKey<'_>, now: Millis) -> Limits {
        let shown = key.shown(&budget.per_text());
        if !budget.is_claimed() {
            return self.over(budget, &shown, &budget.limits_of(&shown), now);
        }
        let team = shown.rsplit_once('#').map_or("", |(team, _)| team);
        let own = self.0.iter().filter_map(|(name, _)| match EntryName::parse(name) {
            Some(EntryName::Limit { budget: other, subject }) if *other == *budget.name => Some(subject),
            _ => None,
        });
        for name in budget.overrides.exact.keys().map(AsRef::as_ref).chain(own) {
            let values: Vec<&str> = name.split('/').collect();
            if values.len() != budget.per.len() {
                continue;
            }
            let account = Account::new(budget, team, &values);
            if key.is_of(&account) {
                return self.over(budget, name, &account.limits, now);
            }
        }
        budget.limits
    }

    fn over(&self, budget: &Budget, subject: &str, configured: &Limits, now: Millis) -> Limits {
        let name = EntryName::Limit { budget: &budget.name, subject }.to_string();
        let own = self.0.iter().find(|(other, _)| *other == name);
        own.map_or(*configured, |(_, entry)| entry.over(configured, now))
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
    fn an_account_has_the_limits_that_the_registry_gives_its_subject() {
        let day = Calendar::utc(Window::Day);
        let mut user = Budget::new("user", vec![Dimension::User], day, requests(1));
        user.overrides.exact.insert("bob".into(), requests(2));
        let (user, team) =
            (Rc::new(user), Rc::new(Budget::new("team", vec![Dimension::Team], day, requests(3))));
        let entry = |requests_: u64| LimitEntry { limits: requests(requests_), ..LimitEntry::default() };
        let limits = RegistryLimits(vec![
            ("limit/user/alice".to_owned(), entry(7)),
            ("limit/team/red".to_owned(), entry(9)),
        ]);
        let of = |budget: &Rc<Budget>, subject: &str| {
            let key = StoredKey { budget: &budget.name, subject, from: None };
            limits.of(budget, &key, Millis(0))
        };
        assert_eq!(of(&team, "team/red"), requests(9));
        assert_eq!(of(&team, "team/blue"), requests(3));
        assert_eq!(of(&user, &format!("user@red#{}", "0".repeat(32))), requests(1));
    }
}
