//! Decides which budgets are in use in one VM: those of every configuration that its streams have or may get.
//!
//! A stream keeps the configuration that it began with, so more than one may be in use.

use core::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::base::window::Millis;
use crate::budget::ledger::{Account, Budget, BudgetRegistry, Ledger, Store, StoreError};
use crate::config::Config;

/// The budgets in use, and what of their counters was used.
#[derive(Debug, Default)]
pub struct LiveBudgets {
    registry: RefCell<BudgetRegistry>,
    configs: RefCell<Vec<Weak<Config>>>,
    /// The hash of the configuration of which they were registered last.
    registered: Cell<Option<u64>>,
}

impl LiveBudgets {
    /// Streams may have this configuration from now on.
    pub fn add(&self, config: &Rc<Config>) {
        self.configs.borrow_mut().push(Rc::downgrade(config));
    }

    /// Remembers that these counters are used.
    pub fn uses<'a>(&self, accounts: impl Iterator<Item = &'a Account>) {
        let mut registry = self.registry.borrow_mut();
        accounts.for_each(|account| registry.used(account));
    }

    /// A request of this configuration has come. Says whether that of another one was the last, so that budgets are to be
    /// registered.
    pub fn switch_to(&self, config: &Config) -> bool {
        self.registered.replace(Some(config.hash)) != Some(config.hash)
    }

    /// Registers them all, if that is due. Says how many counters were freed that no configuration has any more.
    ///
    /// # Errors
    /// As of [`BudgetRegistry::tick`].
    pub fn register<S: Store>(&self, ledger: &Ledger<'_, S>, now: Millis) -> Result<usize, StoreError> {
        let mut configs = self.configs.borrow_mut();
        configs.retain(|config| config.strong_count() > 0);
        let live: Vec<Rc<Config>> = configs.iter().filter_map(Weak::upgrade).collect();
        let budgets: Vec<Rc<Budget>> = live.iter().flat_map(|config| &config.budgets).cloned().collect();
        self.registry.borrow_mut().tick(ledger, &budgets, now)
    }
}
