//! Decides whose counters a request uses: for each budget, the subject that it is counted for.
//!
//! What a caller is (its key, team, labels, and a user that is proven) comes from its verified key. What a request says of itself (agent,
//! session, any header) is a claim: it chooses among counters of the team that pays, so that a claim can take
//! room from nobody else, and the budgets of team and key hold whatever it claims.
//!
//! Does not decide whether a counter has room: see `budget/hold.rs`.

use std::rc::Rc;

use crate::base::headers::RequestHead;
use crate::base::text::Label;
use crate::budget::ledger::RegisteredLimits;
use crate::config::{Account, AtLimit, Budget, Config, Dimension, Key, WhenAbsent};
use crate::request::attribution::Attribution;

/// What budgets may be counted by, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// The team that pays.
    pub team: &'a str,
    /// The caller's key.
    pub key: Option<&'a str>,
    /// The labels of the key.
    pub labels: &'a [(Box<str>, Box<str>)],
    /// The user, if it is proven: then nothing that the request says is.
    pub proven_user: Option<&'a str>,
    /// The limits of the registry.
    pub limits: Option<&'a RegisteredLimits>,
    /// What metrics call the model.
    pub model: Option<&'a str>,
    /// The provider.
    pub provider: Option<&'a str>,
    /// What the request says of itself.
    pub attribution: Option<&'a Attribution>,
    /// The headers that it says it in.
    pub head: Option<&'a RequestHead>,
    /// The request itself: see [`crate::request::repeat::digest`].
    pub request: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// What is known of the caller that uses `key`.
    #[must_use]
    pub fn of(key: &'a Key) -> Self {
        Self {
            team: &key.team,
            key: Some(&key.id),
            labels: &key.labels,
            proven_user: key.user.as_deref(),
            limits: key.limits.as_deref(),
            ..Self::default()
        }
    }

    /// The account of `budget`.
    ///
    /// # Errors
    /// The dimension of which the value is not known.
    pub fn account<'b>(&self, budget: &'b Rc<Budget>) -> Result<Account, &'b Dimension> {
        let mut values = Vec::with_capacity(budget.per.len());
        for dimension in &budget.per {
            values.push(self.value(dimension).ok_or(dimension)?);
        }
        let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        let account = Account::of(budget, self.team, self.proven_user.is_some(), &values);
        let limits = self.limits.map(|limits| limits.over(account.limits, &budget.name, &account.subject));
        Ok(Account { limits: limits.unwrap_or(account.limits), ..account })
    }

    /// The accounts of all budgets of `config` that hold for this subject, `key`'s own from where they are kept.
    ///
    /// # Errors
    /// A dimension that a budget insists on and that is not known.
    pub fn accounts(&self, config: &Config, key: &Key) -> Result<Vec<Rc<Account>>, Dimension> {
        let mut accounts = Vec::with_capacity(config.budgets.len());
        for (budget, own) in config.budgets.iter().zip(&key.accounts) {
            let account = match own {
                Some(own) => Rc::clone(own),
                None => match self.account(budget) {
                    Ok(account) => Rc::new(account),
                    Err(_) if budget.when_absent == WhenAbsent::Skip => continue,
                    // A budget that only watches refuses nobody.
                    Err(_) if budget.at_limit == AtLimit::Shadow => continue,
                    Err(absent) => return Err(absent.clone()),
                },
            };
            if account.limits.any() {
                accounts.push(account);
            }
        }
        // Whoever is new takes a place in a slot, perhaps somebody else's: not if another budget refuses it.
        accounts.sort_by_key(|account| account.is_in_slot());
        Ok(accounts)
    }

    fn value(&self, dimension: &Dimension) -> Option<Text<'a>> {
        let part = |read: fn(&Attribution) -> &Option<Label>| {
            read(self.attribution?).as_ref().map(|label| Text::Borrowed(label.as_str()))
        };
        match dimension {
            Dimension::Team => Some(Text::Borrowed(self.team)),
            Dimension::Key => self.key.map(Text::Borrowed),
            Dimension::Label(name) => {
                let label = self.labels.iter().find(|(other, _)| other == name);
                label.map(|(_, value)| Text::Borrowed(value))
            }
            Dimension::Model => self.model.map(Text::Borrowed),
            Dimension::Provider => self.provider.map(Text::Borrowed),
            Dimension::User => self.proven_user.map(Text::Borrowed).or_else(|| part(|whole| &whole.user)),
            Dimension::Agent => part(|whole| &whole.agent),
            Dimension::Session => part(|whole| &whole.session),
            Dimension::Workflow => part(|whole| &whole.workflow),
            Dimension::Header(name) => self.head?.first(name).and_then(Label::from_bytes).map(Text::Owned),
            Dimension::Request => self.request.map(Text::Borrowed),
        }
    }
}

impl Key {
    /// The same caller, counted by `budgets`: with the account of each that is known from the key alone.
    #[must_use]
    pub fn counted_by(mut self, budgets: &[Rc<Budget>]) -> Self {
        let has_user = self.user.is_some();
        let is_known = |of: &Dimension| of.is_of_key() || (has_user && *of == Dimension::User);
        let of_key = |budget: &&Rc<Budget>| budget.per.iter().all(is_known);
        let account = |budget: &Rc<Budget>| {
            let budget = Some(budget).filter(of_key)?;
            Subject::of(&self).account(budget).ok().map(Rc::new)
        };
        self.accounts = budgets.iter().map(account).collect();
        self
    }
}

/// The value of a dimension.
enum Text<'a> {
    Borrowed(&'a str),
    Owned(Label),
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(label) => label.as_str(),
        }
    }
}
