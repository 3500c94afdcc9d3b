//! Decides nothing: a worker does what it is told with its own leases, and every store call of it waits for an answer.

use core::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender};

use farebox_core::base::window::{Calendar, Millis, Window};
use farebox_core::budget::ledger::{
    Account, Amounts, AtLimit, Budget, Dimension, Leases, Ledger, Limits, Mode, Put, Room, Store, StoreError,
    Version,
};

/// A budget as one configuration has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spec {
    pub(crate) limits: Limits,
    pub(crate) window: Window,
    pub(crate) mode: Mode,
    pub(crate) at_limit: AtLimit,
}

/// A configuration: the budget of everyone and that of each of two teams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) specs: [Spec; 2],
    pub(crate) epoch_ms: u64,
}

/// The records of all accounts.
pub(crate) const RECORDS: [&str; 3] = ["fb/2/all/org/", "fb/2/team/team/red", "fb/2/team/team/blue"];

impl Config {
    /// The budget of which the counter is in a record.
    pub(crate) fn of(&self, record: usize) -> Spec {
        self.specs[record.min(1)]
    }

    pub(crate) fn accounts(&self) -> Vec<Rc<Account>> {
        let build = |name, per: &[Dimension], spec: &Spec| {
            let mut budget = Budget::new(name, per, Calendar::utc(spec.window), spec.limits);
            (budget.mode, budget.at_limit) = (spec.mode, spec.at_limit);
            Rc::new(budget)
        };
        let all = build("all", &[], &self.specs[0]);
        let team = build("team", &[Dimension::Team], &self.specs[1]);
        let accounts = [
            Account::new(&all, "red", &[]),
            Account::new(&team, "red", &["red"]),
            Account::new(&team, "blue", &["blue"]),
        ];
        for (account, record) in accounts.iter().zip(RECORDS) {
            assert_eq!(&*account.record, record);
        }
        accounts.map(Rc::new).into()
    }
}

/// What a worker is told.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Configure(Config),
    Hold {
        id: u64,
        record: usize,
        amounts: Amounts,
    },
    Grow {
        id: u64,
        amounts: Amounts,
        forced: bool,
    },
    Settle {
        id: u64,
        charge: Amounts,
    },
    /// End without a charge, and do not come again if that fails.
    Release {
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Done,
    /// There was room; whether the hold is part of a lease.
    Held(bool),
    Short,
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
        match self.call(Said::Put(key.to_owned(), value.to_vec(), version.map(|version| version.0)))? {
            Answer::Put(stored) => Ok(if stored { Put::Stored } else { Put::Conflict }),
            answer => panic!("{answer:?}"),
        }
    }
}

#[derive(Default)]
struct State {
    accounts: Vec<Rc<Account>>,
    epoch_ms: u64,
    /// By record: those of several would be ticked in an order that no seed decides.
    leases: [Leases; RECORDS.len()],
    /// By request: of which account it holds what, since which epoch of which length.
    holds: HashMap<u64, (Rc<Account>, Amounts, u64, u64)>,
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
        let Self { accounts, epoch_ms, leases, holds } = self;
        let ledger = |account: &Account, epoch_ms| {
            let record = RECORDS.iter().position(|record| *record == &*account.record).unwrap();
            Ledger::new(store, epoch_ms).with_leases(&leases[record])
        };
        match order {
            Order::Configure(config) => {
                (*accounts, *epoch_ms) = (config.accounts(), config.epoch_ms);
                Outcome::Done
            }
            Order::Hold { id, record, amounts } => {
                let (account, ledger) = (&accounts[record], ledger(&accounts[record], *epoch_ms));
                if ledger.is_short(account, amounts, now).is_some() {
                    return Outcome::Short;
                }
                let room = ledger.hold(account, amounts, now);
                if let Ok(Room::Held { epoch, .. }) = room {
                    holds.insert(id, (Rc::clone(account), amounts, epoch, *epoch_ms));
                }
                said(room)
            }
            Order::Grow { id, amounts, forced } => {
                let (account, before, epoch, epoch_ms) = holds.get_mut(&id).unwrap();
                let room =
                    ledger(account, *epoch_ms).regrow(account, (*before, *epoch), amounts, forced, now);
                if let Ok(Room::Held { epoch: moved, .. }) = room {
                    (*before, *epoch) = (amounts, moved);
                }
                said(room)
            }
            Order::Settle { id, charge } => {
                let (account, amounts, epoch, epoch_ms) = &holds[&id];
                if ledger(account, *epoch_ms).settle(account, *amounts, *epoch, charge, now).is_err() {
                    return Outcome::Failed;
                }
                holds.remove(&id);
                Outcome::Done
            }
            Order::Release { id } => {
                let (account, amounts, epoch, epoch_ms) = holds.remove(&id).unwrap();
                let _ = ledger(&account, epoch_ms).settle(&account, amounts, epoch, Amounts::default(), now);
                Outcome::Done
            }
            Order::Tick => {
                let ticked: Vec<bool> = leases
                    .iter()
                    .map(|leases| Ledger::new(store, *epoch_ms).with_leases(leases).tick(now).is_ok())
                    .collect();
                if ticked.contains(&false) { Outcome::Failed } else { Outcome::Done }
            }
        }
    }
}

fn said(room: Result<Room, StoreError>) -> Outcome {
    match room {
        Ok(Room::Held { epoch, .. }) => Outcome::Held(epoch == u64::MAX),
        Ok(Room::Short(_)) => Outcome::Short,
        Ok(Room::NoSlot | Room::Ask | Room::OutOfReach) => panic!("nobody is named and nobody is asked here"),
        Err(_) => Outcome::Failed,
    }
}
