//! Decides nothing: a worker does what it is told, and every store call of it waits for an answer.

use core::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender};

use farebox_core::base::window::Millis;
use farebox_core::budget::hold::{Hold, Refusal, Unsettled, admit};
use farebox_core::budget::ledger::{
    Account, Amounts, Budget, BudgetRegistry, Ledger, Put, Store, StoreError, Version,
};

use crate::plan::{Config, Request};

/// Epochs of every worker, in milliseconds.
pub(crate) const EPOCH_MS: u64 = 60_000;

/// What a worker is told.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Take a configuration into use; the one before goes, or drains.
    Configure {
        config: Config,
        drain: bool,
    },
    /// The draining configurations are gone.
    Drained,
    Admit(Request),
    Grow {
        id: u64,
        expected: Amounts,
    },
    Settle {
        id: u64,
        charge: Amounts,
    },
    /// Settle what could not be settled.
    Retry {
        id: u64,
    },
    /// A request ends and nobody is told.
    Lose {
        id: u64,
    },
    Tick,
}

/// What a worker says.
#[derive(Debug)]
pub(crate) enum Said {
    Get(String),
    Put(String, Vec<u8>, Option<u32>),
    Done(Outcome),
}

/// What became of an order.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// Names of the budgets that do not count the request.
    Admitted(Vec<Box<str>>),
    /// `true`: for want of a slot.
    Refused(Box<str>, bool),
    Failed,
    /// The worker is dead; a new one, that knows nothing, is in its place.
    Died,
}

/// What the store answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Got(Option<(Vec<u8>, u32)>),
    Put(bool),
    Error,
    /// The worker is dead: no call of it reaches the store any more.
    Dead,
}

struct Remote {
    say: Sender<Said>,
    hear: Receiver<Answer>,
    dead: Cell<bool>,
}

impl Remote {
    fn call(&self, call: Said) -> Result<Answer, StoreError> {
        if self.dead.get() {
            return Err(StoreError::Host(99));
        }
        // A case that failed answers no more.
        match self.say.send(call).ok().and_then(|()| self.hear.recv().ok()).unwrap_or(Answer::Dead) {
            Answer::Error => Err(StoreError::Host(10)),
            Answer::Dead => {
                self.dead.set(true);
                Err(StoreError::Host(99))
            }
            answer => Ok(answer),
        }
    }
}

impl Store for Remote {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        match self.call(Said::Get(key.to_owned()))? {
            Answer::Got(value) => Ok(value.map(|(value, cas)| (value, Version(cas)))),
            answer => panic!("{answer:?}"),
        }
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        let version = version.map(|version| version.0);
        match self.call(Said::Put(key.to_owned(), value.to_vec(), version))? {
            Answer::Put(stored) => Ok(if stored { Put::Stored } else { Put::Conflict }),
            answer => panic!("{answer:?}"),
        }
    }
}

#[derive(Default)]
struct State {
    /// Of all live configurations; the last is used.
    live: Vec<Vec<Rc<Budget>>>,
    holds: HashMap<u64, (Hold, Vec<Rc<Account>>)>,
    unsettled: HashMap<u64, (Unsettled, Vec<Rc<Account>>)>,
    registry: BudgetRegistry,
}

/// Does what it is told until nobody tells it anything.
pub(crate) fn run(orders: &Receiver<(Order, Millis)>, say: Sender<Said>, hear: Receiver<Answer>) {
    let store = Remote { say, hear, dead: Cell::new(false) };
    let mut state = State::default();
    while let Ok((order, now)) = orders.recv() {
        let mut outcome = state.obey(order, &store, now);
        if store.dead.replace(false) {
            (state, outcome) = (State::default(), Outcome::Died);
        }
        let _ = store.say.send(Said::Done(outcome));
    }
}

impl State {
    fn obey(&mut self, order: Order, store: &Remote, now: Millis) -> Outcome {
        let ledger = Ledger::new(store, EPOCH_MS);
        match order {
            Order::Configure { config, drain } => {
                if !drain {
                    self.live.clear();
                }
                self.live.push(config.iter().map(|spec| spec.build()).collect());
                self.tick(&ledger, now)
            }
            Order::Drained => {
                self.live.drain(..self.live.len() - 1);
                Outcome::Done
            }
            Order::Admit(request) => {
                let accounts = request.accounts(self.live.last().unwrap());
                accounts.iter().for_each(|account| self.registry.used(account));
                match admit(&ledger, &accounts, &request.wanted, now) {
                    Ok((hold, noticed)) => {
                        self.holds.insert(request.id, (hold, accounts));
                        let name = |account: &Rc<Account>| account.budget.name.clone();
                        Outcome::Admitted(noticed.uncounted.iter().map(name).collect())
                    }
                    Err(Refusal::Short(account, _)) => Outcome::Refused(account.budget.name.clone(), false),
                    Err(Refusal::NoSlot(account)) => Outcome::Refused(account.budget.name.clone(), true),
                    Err(Refusal::Store(_) | Refusal::Ask(_)) => Outcome::Failed,
                }
            }
            Order::Grow { id, expected } => {
                let (hold, accounts) = self.holds.get_mut(&id).unwrap();
                accounts.iter().for_each(|account| self.registry.used(account));
                let _ = hold.grow(&ledger, expected, now);
                Outcome::Done
            }
            Order::Settle { id, charge } => {
                let (hold, accounts) = self.holds.remove(&id).unwrap();
                accounts.iter().for_each(|account| self.registry.used(account));
                let Err(unsettled) = hold.settle(&ledger, charge, now) else { return Outcome::Done };
                self.unsettled.insert(id, (unsettled, accounts));
                Outcome::Failed
            }
            Order::Retry { id } => {
                let (unsettled, accounts) = self.unsettled.get_mut(&id).unwrap();
                accounts.iter().for_each(|account| self.registry.used(account));
                if !unsettled.retry(&ledger, now) {
                    return Outcome::Failed;
                }
                self.unsettled.remove(&id);
                Outcome::Done
            }
            Order::Lose { id } => {
                self.holds.remove(&id);
                Outcome::Done
            }
            Order::Tick => self.tick(&ledger, now),
        }
    }

    fn tick(&mut self, ledger: &Ledger<'_, Remote>, now: Millis) -> Outcome {
        let live: Vec<Rc<Budget>> = self.live.iter().flatten().cloned().collect();
        if self.registry.tick(ledger, &live, now).is_ok() { Outcome::Done } else { Outcome::Failed }
    }
}
