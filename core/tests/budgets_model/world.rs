//! Decides who goes next: one store call of one worker at a time, by a seed.
//!
//! Workers are threads, but only one of them runs at any moment: the one whose store call was just answered.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use farebox_core::admission::Wanted;
use farebox_core::ledger::{Account, Amounts, AtLimit, Budget, Mode, WhenFull};
use farebox_core::window::Millis;

use crate::chance::Chance;
use crate::plan::{Config, Request, Spec, Style};
use crate::reference::{Event, Kind, Reference};
use crate::shared::Shared;
use crate::worker::{Answer, EPOCH_MS, Order, Outcome, Said, run};

const MINUTE: u64 = 60_000;
/// How long a budget that was removed can be brought back.
const HOUR: u64 = 60 * MINUTE;

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
    requests: HashMap<u64, Admitted>,
    /// When a budget was last in a live configuration.
    left: HashMap<&'static str, Millis>,
    /// Which workers, as they are now, used a record since it was emptied.
    users: HashSet<(String, usize)>,
    next_id: u64,
}

/// A worker as the scheduler sees it.
pub(crate) struct Worker {
    orders: Sender<(Order, Millis)>,
    answers: Sender<Answer>,
    said: Receiver<Said>,
    op: Option<Op>,
    /// Configurations that it claimed; the last is used.
    live: Vec<Config>,
    ticked: Millis,
}

/// An order that is being carried out.
struct Op {
    order: Order,
    now: Millis,
    waiting: Said,
    /// An answer was an error.
    disturbed: bool,
    /// By budget, what the reference said when the counter was last read.
    judged: HashMap<Box<str>, (bool, bool)>,
}

struct Admitted {
    request: Request,
    worker: usize,
    accounts: Vec<Rc<Account>>,
    /// What it holds of each account.
    holds: Vec<Option<Amounts>>,
    state: Stage,
    since: Millis,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asking,
    Running,
    Unsettled,
}

fn wanted(wanted: &Wanted, mode: Mode) -> Amounts {
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
            Worker { orders, answers, said, op: None, live: Vec::new(), ticked: now }
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
            left: HashMap::new(),
            users: HashSet::new(),
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
            if later.since(self.workers[at].ticked) > 12 * MINUTE && !self.workers[at].live.is_empty() {
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
                let order = match request.state {
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
        let latest = worker.live.last().is_some_and(|live| Arc::ptr_eq(live, config));
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
            .filter_map(|(id, request)| (request.worker == at).then_some((*id, request.state)))
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
                let live = self.workers[at].live.last().unwrap();
                let budgets: Vec<Rc<Budget>> = live.iter().map(Spec::build).collect();
                let accounts = request.accounts(&budgets);
                used.clone_from(&accounts);
                let holds = vec![None; accounts.len()];
                let (request, state) = (request.clone(), Stage::Asking);
                let admitted = Admitted { request, worker: at, accounts, holds, state, since: now };
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
        let op =
            Op { order, now, waiting: Said::Done(Outcome::Done), disturbed: false, judged: HashMap::new() };
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

    /// Remembers what the reference says of a counter that is read for an admission.
    fn judge(&mut self, at: usize, key: &str) {
        let op = self.workers[at].op.as_mut().unwrap();
        let Order::Admit(Request { id, .. }) = op.order else { return };
        let Admitted { request, accounts, holds, .. } = &self.requests[&id];
        let Some(index) = accounts.iter().position(|account| *account.record == *key) else { return };
        if holds[index].is_none() {
            let account = &accounts[index];
            let amounts = wanted(&request.wanted, account.budget.mode);
            let judged = self.reference.judge(account, request.team, amounts, op.now);
            op.judged.insert(account.budget.name.clone(), judged);
        }
    }

    /// Tells the reference of a write.
    fn stored(&mut self, at: usize, key: &str, value: &[u8]) {
        let op = self.workers[at].op.as_ref().unwrap();
        let id = match &op.order {
            Order::Admit(Request { id, .. }) => id,
            Order::Grow { id, .. } | Order::Settle { id, .. } | Order::Retry { id } => id,
            _ if key == "fb/2/claims" => return,
            _ => return self.emptied(key, value, op.now),
        };
        let Admitted { request, accounts, holds, .. } = self.requests.get_mut(id).unwrap();
        let index = accounts.iter().position(|account| *account.record == *key).unwrap();
        let (account, held) = (&accounts[index], &mut holds[index]);
        let kind = match &op.order {
            Order::Admit(_) if held.is_none() => {
                let amounts = wanted(&request.wanted, account.budget.mode);
                *held = Some(amounts);
                Kind::Hold { amounts, charge: request.charge }
            }
            Order::Grow { expected, .. } => {
                let wanted = wanted(&Wanted { expected: *expected, most: *expected }, account.budget.mode);
                let amounts = wanted.max(held.unwrap());
                *held = Some(amounts);
                Kind::Grow { amounts }
            }
            order => {
                *held = None;
                let charge =
                    if matches!(order, Order::Admit(_)) { Amounts::default() } else { request.charge };
                Kind::Settle { charge }
            }
        };
        let event = Event { account, team: request.team, id: *id, kind, now: op.now };
        self.reference.wrote(&event, value, &self.shared);
        self.seen.evicted = self.reference.evicted;
    }

    fn emptied(&mut self, key: &str, value: &[u8], now: Millis) {
        assert!(value.is_empty(), "a tick wrote a counter");
        self.seen.emptied += 1;
        let name = key.split('/').nth(2).unwrap();
        let live = self.workers.iter().flat_map(|worker| &worker.live).flat_map(|config| config.iter());
        assert!(live.into_iter().all(|spec| spec.name != name), "{key} was emptied while it was in use");
        let gone_ms = now.plus(2_000).since(self.left[name]);
        assert!(gone_ms >= HOUR, "{key} was emptied {gone_ms} ms after it was removed");
        self.reference.emptied(key, now);
        // Who saw that it is empty need not look at it again.
        self.users.retain(|(record, _)| record != key);
    }

    fn leave(&mut self, at: usize) {
        let names = self.workers[at].live.iter().flat_map(|config| config.iter()).map(|spec| spec.name);
        self.left.extend(names.map(|name| (name, self.now)));
    }

    fn done(&mut self, at: usize, op: Op, outcome: Outcome) {
        if let Outcome::Died = outcome {
            return self.died(at);
        }
        match op.order {
            Order::Configure { config, drain } => {
                self.leave(at);
                if !drain {
                    self.workers[at].live.clear();
                }
                self.workers[at].live.push(config);
            }
            Order::Drained => {
                self.leave(at);
                let live = &mut self.workers[at].live;
                live.drain(..live.len() - 1);
            }
            Order::Admit(Request { id, .. }) => self.admitted(id, &op, outcome),
            Order::Grow { .. } | Order::Tick => {}
            Order::Lose { id } => {
                self.requests.remove(&id);
                self.reference.gone(id);
            }
            Order::Settle { id, .. } | Order::Retry { id } => {
                if let Outcome::Failed = outcome {
                    self.requests.get_mut(&id).unwrap().state = Stage::Unsettled;
                    return;
                }
                self.requests.remove(&id);
                assert!(!self.reference.holds(id, op.now), "a settled request still holds something");
                self.reference.gone(id);
            }
        }
    }

    /// Judges what became of an admission.
    fn admitted(&mut self, id: u64, op: &Op, outcome: Outcome) {
        let budget = |name: &str| {
            let accounts = self.requests[&id].accounts.iter();
            accounts.map(|account| &account.budget).find(|budget| *budget.name == *name).unwrap()
        };
        match outcome {
            Outcome::Admitted(uncounted) => {
                self.seen.admitted += 1;
                self.seen.uncounted += uncounted.len() as u64;
                for name in &uncounted {
                    assert!(!op.judged[name].1, "{name} had a place");
                    let budget = budget(name);
                    assert!(budget.when_full == WhenFull::Allow || budget.at_limit == AtLimit::Shadow);
                }
                let request = self.requests.get_mut(&id).unwrap();
                request.state = Stage::Running;
                for (account, held) in request.accounts.iter().zip(&request.holds) {
                    assert!(
                        held.is_some() || uncounted.contains(&account.budget.name),
                        "not held everywhere"
                    );
                }
                return;
            }
            Outcome::Refused(name, without_slot) => {
                let (fits, place) = op.judged[&name];
                let Budget { at_limit, when_full, .. } = **budget(&name);
                assert_eq!(at_limit, AtLimit::Deny, "{name} only watches and refused");
                assert!(
                    if without_slot { !place && when_full != WhenFull::Allow } else { !fits },
                    "{name} had room"
                );
                *if without_slot { &mut self.seen.without_slot } else { &mut self.seen.refused } += 1;
            }
            _ => {
                assert!(op.disturbed, "failed though the store answered");
                self.seen.failed += 1;
            }
        }
        assert!(op.disturbed || !self.reference.holds(id, op.now), "refused, and still holds something");
        self.requests.remove(&id);
        self.reference.gone(id);
    }

    /// A worker is gone, and its requests with it.
    fn died(&mut self, at: usize) {
        self.seen.died += 1;
        self.leave(at);
        self.workers[at].live.clear();
        self.users.retain(|(_, user)| *user != at);
        let reference = &mut self.reference;
        self.requests.retain(|id, request| {
            let stays = request.worker != at;
            if !stays {
                reference.gone(*id);
            }
            stays
        });
    }
}
