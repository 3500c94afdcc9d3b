//! Decides who goes next: one store call of one worker at a time, by a seed.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use farebox_core::base::window::Millis;
use farebox_core::budget::ledger::{Amounts, Counter, Ledger};

use crate::chance::Chance;
use crate::plan::{Style, amounts, first, pushed};
use crate::record::{Record, View, read};
use crate::shared::Shared;
use crate::worker::{Answer, Config, Order, Outcome, RECORDS, Said, Spec, run};

pub(crate) const EPOCH_MS: u64 = 60_000;

/// How often something happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: u64,
    pub(crate) conflicts: u64,
    pub(crate) admitted: u64,
    /// Without a write.
    pub(crate) leased: u64,
    pub(crate) refused: u64,
    /// Without a look at the store.
    pub(crate) known: u64,
    pub(crate) failed: u64,
    pub(crate) died: u64,
    pub(crate) turned: u64,
}

pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) style: Style,
    pub(crate) now: Millis,
    pub(crate) shared: Shared,
    pub(crate) records: [Record; 3],
    pub(crate) workers: Vec<Worker>,
    pub(crate) config: Config,
    pub(crate) requests: BTreeMap<u64, Request>,
    pub(crate) seen: Seen,
    pub(crate) next_id: u64,
    /// All clocks agree for now.
    pub(crate) agreed: bool,
}

/// A worker as the scheduler sees it.
pub(crate) struct Worker {
    pub(crate) orders: Sender<(Order, Millis)>,
    pub(crate) answers: Sender<Answer>,
    pub(crate) said: Receiver<Said>,
    pub(crate) op: Option<Op>,
    pub(crate) config: Option<Config>,
    pub(crate) ticked: Millis,
}

/// An order that is being carried out.
pub(crate) struct Op {
    pub(crate) order: Order,
    pub(crate) now: Millis,
    pub(crate) waiting: Said,
    /// The counter as it was last read.
    pub(crate) got: Option<Counter>,
    pub(crate) put: bool,
}

/// A request that holds something.
pub(crate) struct Request {
    pub(crate) worker: usize,
    pub(crate) record: usize,
    pub(crate) spec: Spec,
    pub(crate) amounts: Amounts,
    /// What it will be charged.
    pub(crate) charge: Amounts,
    pub(crate) leased: bool,
    pub(crate) since: Millis,
}

impl World {
    pub(crate) fn new(mut chance: Chance, style: Style, workers: usize) -> Self {
        let now = Millis(20_000 * 86_400_000 + chance.from(0, 86_400_000));
        let worker = |_| {
            let (orders, told) = channel();
            let (answers, hear) = channel();
            let (say, said) = channel();
            std::thread::spawn(move || run(&told, say, hear));
            Worker { orders, answers, said, op: None, config: None, ticked: now }
        };
        let record = || Record { views: vec![View::default(); workers], ..Record::default() };
        Self {
            style,
            now,
            shared: Shared::default(),
            records: [record(), record(), record()],
            workers: (0..workers).map(worker).collect(),
            config: first(style, &mut chance),
            requests: BTreeMap::new(),
            seen: Seen::default(),
            next_id: 0,
            agreed: false,
            chance,
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

    pub(crate) fn push(&mut self) {
        self.config = pushed(self.config, self.style, &mut self.chance);
    }

    /// Lets time pass. Nobody takes long for a store call or goes without a tick for long, and what is not renewed ends
    /// before it is forgotten.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        for at in 0..self.workers.len() {
            if self.workers[at].op.as_ref().is_some_and(|op| self.now.since(op.now) > 10_000) {
                self.finish(at);
            }
            if self.now.since(self.workers[at].ticked) > 15_000 {
                self.obey(at, Order::Tick);
            }
        }
        let now = self.now;
        self.end_requests(|request| !request.leased && now.since(request.since) > 40_000);
    }

    /// Ends requests undisturbed.
    fn end_requests(&mut self, which: impl Fn(&Request) -> bool) {
        let ids = self.requests.iter().filter(|(_, request)| which(request)).map(|(id, _)| *id);
        for id in ids.collect::<Vec<_>>() {
            let Some(&Request { worker, .. }) = self.requests.get(&id) else { continue };
            self.finish(worker);
            // It may have ended by that.
            let Some(&Request { charge, .. }) = self.requests.get(&id) else { continue };
            self.obey(worker, Order::Settle { id, charge });
        }
    }

    pub(crate) fn end_all(&mut self) {
        (0..self.workers.len()).for_each(|at| self.finish(at));
        self.end_requests(|_| true);
    }

    /// Every worker ticks, undisturbed.
    pub(crate) fn tick_all(&mut self) {
        (0..self.workers.len()).for_each(|at| self.obey(at, Order::Tick));
    }

    /// As the store has it for who has the latest configuration.
    pub(crate) fn counter(&self, record: usize) -> Counter {
        let account = &self.config.accounts()[record];
        Ledger::new(&self.shared, self.config.epoch_ms).read(account, self.now).unwrap()
    }

    pub(crate) fn held(&self, record: usize) -> Amounts {
        let of = self.requests.values().filter(|request| request.record == record);
        of.fold(Amounts::default(), |sum, request| sum.plus(request.amounts))
    }

    /// Does `order` undisturbed.
    pub(crate) fn obey(&mut self, at: usize, order: Order) {
        self.finish(at);
        self.start(at, order);
        self.finish(at);
    }

    pub(crate) fn finish(&mut self, at: usize) {
        while self.workers[at].op.is_some() {
            self.answer(at, false);
        }
    }

    fn next_order(&mut self, at: usize) -> Order {
        let Self { chance, workers, requests, config, style, .. } = self;
        let latest = workers[at].config == Some(*config);
        if workers[at].config.is_none() || (!latest && chance.one_in(6)) {
            return Order::Configure(*config);
        }
        if chance.one_in(20) {
            return Order::Tick;
        }
        let own = requests.iter().filter(|(_, request)| request.worker == at);
        let own: Vec<u64> = own.map(|(id, _)| *id).collect();
        if own.is_empty() || (own.len() < 12 && chance.one_in(2)) {
            self.next_id += 1;
            let (record, amounts) = (chance.index(RECORDS.len()), amounts(*style, chance));
            return Order::Hold { id: self.next_id, record, amounts };
        }
        let id = chance.pick(&own);
        let request = &requests[&id];
        // What is not part of a lease and cannot be released is forgotten with its epoch.
        if request.leased && chance.one_in(6) {
            return Order::Release { id };
        }
        if chance.one_in(5) {
            let more = Amounts { requests: 0, ..amounts(*style, chance) };
            let forced = !style.strict && chance.one_in(2);
            return Order::Grow { id, amounts: request.amounts.plus(more), forced };
        }
        Order::Settle { id, charge: request.charge }
    }

    fn start(&mut self, at: usize, order: Order) {
        // Clocks of workers may be read a little earlier or later.
        let back = if self.style.turns && !self.agreed && self.chance.one_in(4) {
            self.chance.from(0, 2_000)
        } else {
            0
        };
        let now = Millis(self.now.0 - back);
        let worker = &mut self.workers[at];
        match &order {
            Order::Configure(config) => worker.config = Some(*config),
            Order::Tick => worker.ticked = now,
            Order::Hold { record, .. } => {
                self.records[*record].views[at].asked = worker.config.map(|config| config.of(*record));
            }
            _ => {}
        }
        worker.orders.send((order.clone(), now)).unwrap();
        worker.op = Some(Op { order, now, waiting: Said::Done(Outcome::Done), got: None, put: false });
        self.listen(at);
    }

    fn listen(&mut self, at: usize) {
        let said = self.workers[at].said.recv().expect("a worker panicked");
        if let Said::Done(outcome) = said {
            let op = self.workers[at].op.take().unwrap();
            self.done(at, &op, outcome);
        } else {
            self.workers[at].op.as_mut().unwrap().waiting = said;
        }
        self.check();
    }

    fn answer(&mut self, at: usize, disturb: bool) {
        self.seen.calls += 1;
        let op = self.workers[at].op.as_mut().unwrap();
        let waiting = core::mem::replace(&mut op.waiting, Said::Done(Outcome::Done));
        let answer = if disturb && self.style.dies && self.chance.one_in(250) {
            Answer::Dead
        } else if disturb && self.style.fails && self.chance.one_in(30) {
            Answer::Error
        } else {
            match waiting {
                Said::Get(key) => {
                    let stored = self.shared.of(&key);
                    op.got =
                        Some(stored.as_ref().map_or_else(Counter::default, |(stored, _)| read(stored).0));
                    Answer::Got(stored)
                }
                Said::Put(key, value, version) => {
                    let stored = self.shared.set(&key, value.clone(), version);
                    self.seen.conflicts += u64::from(!stored);
                    if stored {
                        op.put = true;
                        self.stored(at, &key, &value);
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
