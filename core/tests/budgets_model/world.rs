//! Decides who goes next: one store call of one worker at a time, by a seed.
//!
//! Workers are threads, but only one of them runs at any moment: the one whose store call was just answered.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use farebox_core::base::window::Millis;
use farebox_core::budget::hold::Wanted;
use farebox_core::budget::ledger::{Account, Amounts, Budget, Mode};

use crate::chance::Chance;
use crate::plan::{Config, Request, Spec, Style};
use crate::reference::Reference;
use crate::shared::Shared;
use crate::worker::{Answer, EPOCH_MS, Order, Outcome, Said, run};

const MINUTE: u64 = 60_000;
/// How long a budget that was removed can be brought back.
pub(crate) const HOUR: u64 = 60 * MINUTE;

/// How often something happened.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: u64,
    pub(crate) conflicts: u64,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    pub(crate) without_slot: u64,
    pub(crate) uncounted: u64,
    pub(crate) failed: u64,
    pub(crate) died: u64,
    pub(crate) emptied: u64,
    pub(crate) evicted: u64,
}

pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) style: Style,
    pub(crate) now: Millis,
    pub(crate) shared: Shared,
    pub(crate) reference: Reference,
    pub(crate) workers: Vec<Worker>,
    pub(crate) config: Config,
    pub(crate) seen: Seen,
    pub(crate) requests: HashMap<u64, Admitted>,
    /// When a budget was gone from a live configuration, with the store call that saw its claim.
    pub(crate) left: Vec<(&'static str, u64, Millis)>,
    /// The store call that last wrote a counter into a record.
    pub(crate) written: HashMap<String, u64>,
    /// Which workers, as they are now, used a record since it was emptied.
    pub(crate) users: HashSet<(String, usize)>,
    pub(crate) next_id: u64,
}

/// A worker as the scheduler sees it.
pub(crate) struct Worker {
    pub(crate) orders: Sender<(Order, Millis)>,
    pub(crate) answers: Sender<Answer>,
    pub(crate) said: Receiver<Said>,
    pub(crate) op: Option<Op>,
    /// Whether its tick has come to emptying records.
    pub(crate) frees: bool,
    /// Configurations that it claimed, with the store call that saw the claim; the last is used.
    pub(crate) live: Vec<(Config, u64)>,
    pub(crate) ticked: Millis,
}

/// An order that is being carried out.
pub(crate) struct Op {
    pub(crate) order: Order,
    pub(crate) now: Millis,
    pub(crate) waiting: Said,
    /// The store call that last read or wrote the list of claims.
    pub(crate) listed: u64,
    /// An answer was an error.
    pub(crate) disturbed: bool,
    /// By budget, what the reference said when the counter was last read.
    pub(crate) judged: HashMap<Box<str>, (bool, bool)>,
}

pub(crate) struct Admitted {
    pub(crate) request: Request,
    pub(crate) worker: usize,
    pub(crate) accounts: Vec<Rc<Account>>,
    /// What it holds of each account.
    pub(crate) holds: Vec<Option<Amounts>>,
    pub(crate) stage: Stage,
    pub(crate) since: Millis,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Asking,
    Running,
    Unsettled,
}

pub(crate) fn wanted(wanted: &Wanted, mode: Mode) -> Amounts {
    match mode {
        Mode::Check => Amounts::REQUEST,
        Mode::Hold => wanted.expected,
        Mode::Strict => wanted.most,
    }
}

impl World {
    pub(crate) fn new(mut chance: Chance, style: Style, workers: usize, config: Config) -> Self {
        let now = Millis(20_000 * 86_400_000 + chance.from(0, 86_400_000));
        let worker = |_| {
            let (orders, told) = channel();
            let (answers, hear) = channel();
            let (say, said) = channel();
            std::thread::spawn(move || run(&told, say, hear));
            Worker { orders, answers, said, op: None, frees: false, live: Vec::new(), ticked: now }
        };
        let workers = (0..workers).map(worker).collect();
        Self {
            chance,
            style,
            now,
            shared: Shared::default(),
            reference: Reference::default(),
            workers,
            config,
            seen: Seen::default(),
            requests: HashMap::new(),
            left: Vec::new(),
            users: HashSet::new(),
            written: HashMap::new(),
            next_id: 0,
        }
    }

    /// Lets one worker, whoever's turn it is, do one thing.
    pub(crate) fn step(&mut self) {
        let at = self.chance.index(self.workers.len());
        if self.workers[at].op.is_some() {
            return self.answer(at, true);
        }
        let order = self.next_order(at);
        self.start(at, order);
    }

    /// Lets time pass. Nobody takes minutes for a store call, or goes without a tick for long.
    pub(crate) fn pass(&mut self, ms: u64) {
        let later = self.now.plus(ms);
        for at in 0..self.workers.len() {
            if self.workers[at].op.as_ref().is_some_and(|op| later.since(op.now) > 2 * MINUTE) {
                self.finish(at);
            }
            if later.since(self.workers[at].ticked) > 10 * MINUTE && !self.workers[at].live.is_empty() {
                self.obey(at, Order::Tick);
            }
        }
        if self.style == Style::Strict {
            self.end_requests(Some(Millis(later.0.saturating_sub(EPOCH_MS - 5_000))));
        }
        self.now = later;
    }

    /// Lets a long time pass in which nobody runs: a machine that sleeps.
    pub(crate) fn sleep(&mut self, ms: u64) {
        (0..self.workers.len()).for_each(|at| self.finish(at));
        if self.style == Style::Strict {
            self.end_requests(None);
        }
        self.now = self.now.plus(ms);
        self.tick_all();
    }

    /// Every worker ticks, in any interleaving.
    pub(crate) fn tick_all(&mut self) {
        for at in 0..self.workers.len() {
            self.finish(at);
            let fresh = self.workers[at].live.is_empty();
            let config = Arc::clone(&self.config);
            let order = if fresh { Order::Configure { config, drain: false } } else { Order::Tick };
            self.start(at, order);
        }
        while self.workers.iter().any(|worker| worker.op.is_some()) {
            let at = self.chance.index(self.workers.len());
            if self.workers[at].op.is_some() {
                self.answer(at, false);
            }
        }
    }

    /// Ends every request that began before a moment, or all.
    pub(crate) fn end_requests(&mut self, before: Option<Millis>) {
        (0..self.workers.len()).for_each(|at| self.finish(at));
        let mut ids: Vec<u64> = self.requests.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(request) = self.requests.get(&id) else { continue };
            if before.is_none_or(|before| request.since < before) {
                let order = match request.stage {
                    Stage::Unsettled => Order::Retry { id },
                    _ => Order::Settle { id, charge: request.request.charge },
                };
                self.obey(request.worker, order);
            }
        }
    }

    /// Has all workers take `config` into use, and no other.
    pub(crate) fn configure_all(&mut self, config: &Config) {
        self.config = Arc::clone(config);
        for at in 0..self.workers.len() {
            self.obey(at, Order::Configure { config: Arc::clone(config), drain: false });
        }
    }

    /// Every record that a living worker used is empty.
    pub(crate) fn check_emptied(&self) {
        for (record, _) in &self.users {
            let left = self.shared.of(record).map_or(0, |(value, _)| value.len());
            assert_eq!(left, 0, "{record} still has {left} bytes, though nobody claims it");
        }
    }

    /// If a worker is about to empty a record of a removed budget: others have the budget again, use it, or let what
    /// they still hold in it grow.
    pub(crate) fn interfere(&mut self, all: &Config) {
        let frees = |worker: &Worker| match worker.op.as_ref().map(|op| (&op.order, &op.waiting)) {
            Some((Order::Tick, Said::Get(key) | Said::Put(key, ..))) => key != "fb/2/claims" || worker.frees,
            _ => false,
        };
        let Some(by) = self.workers.iter().position(frees) else { return };
        self.workers[by].frees = true;
        let at = self.chance.index(self.workers.len());
        if at == by {
            return;
        }
        self.finish(at);
        let grows = self.requests.iter().filter(|(_, one)| one.worker == at && one.stage == Stage::Running);
        let mut grows: Vec<u64> = grows.map(|(id, _)| *id).collect();
        grows.sort_unstable();
        let last = matches!(self.workers[by].op.as_ref().unwrap().waiting, Said::Put(..));
        if !grows.is_empty() && self.chance.one_in(if last { 4 } else { 2 }) {
            let id = self.chance.pick(&grows);
            let expected = self.requests[&id].request.grown(&mut self.chance);
            return self.obey(at, Order::Grow { id, expected });
        }
        self.config = Arc::clone(all);
        self.obey(at, Order::Configure { config: Arc::clone(all), drain: true });
        if last || self.chance.one_in(2) {
            self.next_id += 1;
            let request = Request::new(self.next_id, self.style, &mut self.chance);
            self.obey(at, Order::Admit(request));
        }
    }

    /// Does `order` undisturbed.
    pub(crate) fn obey(&mut self, at: usize, order: Order) {
        self.finish(at);
        self.start(at, order);
        self.finish(at);
    }

    fn finish(&mut self, at: usize) {
        while self.workers[at].op.is_some() {
            self.answer(at, false);
        }
    }

    fn next_order(&mut self, at: usize) -> Order {
        let Self { chance, workers, requests, config, style, .. } = self;
        let worker = &workers[at];
        let latest = worker.live.last().is_some_and(|(live, _)| Arc::ptr_eq(live, config));
        if worker.live.is_empty() || (!latest && chance.one_in(6)) {
            return Order::Configure { config: Arc::clone(config), drain: chance.one_in(2) };
        }
        if worker.live.len() > 1 && chance.one_in(12) {
            return Order::Drained;
        }
        if self.now.since(worker.ticked) >= 9 * MINUTE || chance.one_in(60) {
            return Order::Tick;
        }
        let mut own: Vec<(u64, Stage)> = requests
            .iter()
            .filter_map(|(id, request)| (request.worker == at).then_some((*id, request.stage)))
            .collect();
        own.sort_unstable_by_key(|(id, _)| *id);
        if own.is_empty() || (own.len() < 6 && chance.one_in(2)) {
            self.next_id += 1;
            return Order::Admit(Request::new(self.next_id, *style, chance));
        }
        let (id, state) = own[chance.index(own.len())];
        let request = &requests[&id].request;
        match chance.from(0, 9) {
            _ if state == Stage::Unsettled => Order::Retry { id },
            0..3 => Order::Grow { id, expected: request.grown(chance) },
            3 => Order::Lose { id },
            _ => Order::Settle { id, charge: request.charge },
        }
    }

    fn start(&mut self, at: usize, order: Order) {
        // Clocks of workers may be read a little earlier or later.
        let back = if self.chance.one_in(8) { self.chance.from(0, 2_000) } else { 0 };
        let now = Millis(self.now.0 - back);
        let mut used = Vec::new();
        match &order {
            Order::Admit(request) => {
                let (live, _) = self.workers[at].live.last().unwrap();
                let budgets: Vec<Rc<Budget>> = live.iter().map(Spec::build).collect();
                let accounts = request.accounts(&budgets);
                used.clone_from(&accounts);
                let holds = vec![None; accounts.len()];
                let (request, stage) = (request.clone(), Stage::Asking);
                let admitted = Admitted { request, worker: at, accounts, holds, stage, since: now };
                self.requests.insert(admitted.request.id, admitted);
            }
            Order::Grow { id, .. } | Order::Settle { id, .. } | Order::Retry { id } => {
                used.clone_from(&self.requests[id].accounts)
            }
            Order::Tick | Order::Configure { .. } => self.workers[at].ticked = now,
            _ => {}
        }
        self.users.extend(used.iter().map(|account| (account.record.to_string(), at)));
        self.workers[at].orders.send((order.clone(), now)).unwrap();
        let op = Op {
            order,
            now,
            waiting: Said::Done(Outcome::Done),
            disturbed: false,
            listed: 0,
            judged: HashMap::new(),
        };
        self.workers[at].op = Some(op);
        self.listen(at);
    }

    fn listen(&mut self, at: usize) {
        let said = self.workers[at].said.recv().expect("a worker panicked");
        let Said::Done(outcome) = said else {
            self.workers[at].op.as_mut().unwrap().waiting = said;
            return;
        };
        let op = self.workers[at].op.take().unwrap();
        self.workers[at].frees = false;
        self.done(at, op, outcome);
    }

    fn answer(&mut self, at: usize, disturb: bool) {
        self.seen.calls += 1;
        let configures = matches!(self.workers[at].op.as_ref().unwrap().order, Order::Configure { .. });
        let answer = if disturb && self.style == Style::Wild && self.chance.one_in(250) {
            Answer::Dead
        } else if disturb && !configures && self.chance.one_in(80) {
            self.workers[at].op.as_mut().unwrap().disturbed = true;
            Answer::Error
        } else {
            let op = self.workers[at].op.as_mut().unwrap();
            if matches!(&op.waiting, Said::Get(key) | Said::Put(key, ..) if key == "fb/2/claims") {
                op.listed = self.seen.calls;
            }
            match core::mem::replace(&mut op.waiting, Said::Done(Outcome::Done)) {
                Said::Get(key) => {
                    self.judge(at, &key);
                    Answer::Got(self.shared.of(&key))
                }
                Said::Put(key, value, version) => {
                    let stored = self.shared.set(&key, value.clone(), version);
                    if stored {
                        self.stored(at, &key, &value)
                    } else {
                        self.seen.conflicts += 1
                    }
                    Answer::Put(stored)
                }
                Said::Done(_) => panic!("nothing was asked"),
            }
        };
        self.workers[at].answers.send(answer).unwrap();
        self.listen(at);
    }
}
