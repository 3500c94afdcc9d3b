//! Decides who goes next, one store call of one worker at a time, by a seed; and whether what came of it was right.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use farebox_core::ledger::{Amounts, AtLimit, Counter, Ledger, Mode};
use farebox_core::window::{Calendar, Millis};

use crate::chance::Chance;
use crate::plan::{Style, amounts, charge, first, pushed};
use crate::record::{Record, View, fits, read};
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
    style: Style,
    pub(crate) now: Millis,
    shared: Shared,
    records: [Record; 3],
    workers: Vec<Worker>,
    pub(crate) config: Config,
    requests: BTreeMap<u64, Request>,
    pub(crate) seen: Seen,
    next_id: u64,
    /// All clocks agree for now.
    agreed: bool,
}

/// A worker as the scheduler sees it.
struct Worker {
    orders: Sender<(Order, Millis)>,
    answers: Sender<Answer>,
    said: Receiver<Said>,
    op: Option<Op>,
    config: Option<Config>,
    ticked: Millis,
}

/// An order that is being carried out.
struct Op {
    order: Order,
    now: Millis,
    waiting: Said,
    /// The counter as it was last read.
    got: Option<Counter>,
    put: bool,
}

/// A request that holds something.
struct Request {
    worker: usize,
    record: usize,
    spec: Spec,
    amounts: Amounts,
    /// What it will be charged.
    charge: Amounts,
    leased: bool,
    since: Millis,
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

    /// After a tick of all, others see exactly what is, and who fits is let in.
    pub(crate) fn check_after_ticks(&mut self) {
        (0..self.workers.len()).for_each(|at| self.finish(at));
        self.agreed = true;
        self.tick_all();
        let record = self.chance.index(RECORDS.len());
        self.check_exactly();
        let at = self.chance.index(self.workers.len());
        self.obey(at, Order::Configure(self.config));
        let (amounts, spec) = (amounts(self.style, &mut self.chance), self.config.of(record));
        let counter = self.counter(record);
        let fits = fits(counter.used(), counter.held().requests, amounts, &spec.limits);
        let before = self.requests.len();
        self.next_id += 1;
        self.obey(at, Order::Hold { id: self.next_id, record, amounts });
        self.agreed = false;
        if spec.mode != Mode::Check {
            let is_in = self.requests.len() > before;
            assert_eq!(
                is_in,
                fits || spec.at_limit == AtLimit::Shadow,
                "{amounts:?} of {spec:?} at {counter:?}"
            );
        }
    }

    /// The counters say what is, and nothing else.
    pub(crate) fn check_exactly(&self) {
        for (at, record) in self.records.iter().enumerate() {
            let counter = self.counter(at);
            assert_eq!(counter.held(), self.held(at), "{}", RECORDS[at]);
            if !self.style.turns {
                assert_eq!(counter.spent(), record.charged, "{}", RECORDS[at]);
            }
        }
    }

    /// Nothing is held, and nothing that was charged is lost that no dead worker owed, nor charged twice.
    pub(crate) fn check_ended(&self) {
        for (at, record) in self.records.iter().enumerate() {
            let counter = self.counter(at);
            assert_eq!(counter.held(), Amounts::default(), "{}", RECORDS[at]);
            if !self.style.turns {
                assert!(record.spent.within(counter.spent()) && counter.spent().within(record.charged));
            }
        }
    }

    /// As the store has it for who has the latest configuration.
    fn counter(&self, record: usize) -> Counter {
        let account = &self.config.accounts()[record];
        Ledger::new(&self.shared, self.config.epoch_ms).read(account, self.now).unwrap()
    }

    fn held(&self, record: usize) -> Amounts {
        let of = self.requests.values().filter(|request| request.record == record);
        of.fold(Amounts::default(), |sum, request| sum.plus(request.amounts))
    }

    /// Does `order` undisturbed.
    fn obey(&mut self, at: usize, order: Order) {
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

    /// A worker wrote a counter: a window may have turned, but only one that somebody has who is asking.
    fn stored(&mut self, at: usize, key: &str, value: &[u8]) {
        let index = RECORDS.iter().position(|record| *record == key).unwrap();
        let Op { order, now, .. } = self.workers[at].op.as_ref().unwrap();
        let (record, window) = (&mut self.records[index], read(value).1);
        let asked = record.views[at].asked;
        if window > record.window {
            (record.window, record.spent) = (window, Amounts::default());
            self.seen.turned += 1;
            let spec = match order {
                Order::Grow { id, .. } | Order::Settle { id, .. } | Order::Release { id } => {
                    Some(self.requests[id].spec)
                }
                _ => asked,
            };
            assert_eq!(
                Some(window),
                spec.map(|spec| Calendar::utc(spec.window).begins_at(*now).0),
                "{order:?}"
            );
        }
        if let (Order::Tick, Some(spec)) = (order, asked) {
            record.wrote(at, spec.limits);
        }
    }

    fn done(&mut self, at: usize, op: &Op, outcome: Outcome) {
        if outcome == Outcome::Died {
            self.seen.died += 1;
            self.workers[at].config = None;
            self.requests.retain(|_, request| request.worker != at);
            return self.records.iter_mut().for_each(|record| record.died(at));
        }
        self.seen.failed += u64::from(outcome == Outcome::Failed);
        match (&op.order, outcome) {
            (&Order::Hold { id, record, amounts }, Outcome::Held(leased)) => {
                let spec = self.workers[at].config.unwrap().of(record);
                let charge = charge(self.style, amounts, &mut self.chance);
                let request = Request { worker: at, record, spec, amounts, charge, leased, since: op.now };
                self.requests.insert(id, request);
                self.seen.admitted += 1;
                self.seen.leased += u64::from(!op.put);
                self.let_in(at, op, id, amounts);
            }
            (&Order::Hold { record, amounts, .. }, Outcome::Short) => {
                self.seen.refused += 1;
                self.refused(record, at, op, amounts);
            }
            (&Order::Grow { id, amounts, forced }, Outcome::Held(leased)) => {
                let request = self.requests.get_mut(&id).unwrap();
                let more = amounts.minus(core::mem::replace(&mut request.amounts, amounts));
                assert_eq!(request.leased, leased);
                if forced {
                    let (record, limits) = (&mut self.records[request.record], request.spec.limits);
                    record.passed(at, leased, more);
                    if op.put && leased {
                        record.wrote(at, limits);
                    }
                } else {
                    self.let_in(at, op, id, more);
                }
            }
            (&Order::Settle { id, charge }, Outcome::Done) => {
                let Request { record, amounts, leased, spec, .. } = self.requests.remove(&id).unwrap();
                let record = &mut self.records[record];
                (record.spent, record.charged) = (record.spent.plus(charge), record.charged.plus(charge));
                record.passed(at, leased, charge.minus(amounts));
                if leased && op.put {
                    record.wrote(at, spec.limits);
                } else if leased {
                    let view = &mut record.views[at];
                    view.owed = view.owed.plus(charge);
                }
            }
            (&Order::Release { id }, _) => {
                let Request { record, spec, .. } = self.requests.remove(&id).unwrap();
                if op.put {
                    self.records[record].wrote(at, spec.limits);
                }
            }
            (_, Outcome::Failed) => assert!(self.style.fails, "failed though the store answered"),
            _ => {}
        }
    }

    /// A request was let in or let grow.
    fn let_in(&mut self, at: usize, op: &Op, id: u64, more: Amounts) {
        let Request { record, spec, leased, .. } = self.requests[&id];
        let held = self.held(record);
        if !self.style.epochs {
            self.records[record].admitted((at, leased, op.put), spec, more, held);
        }
        if op.put && leased {
            self.records[record].wrote(at, spec.limits);
        }
    }

    /// A refusal is right by what the store said last, or by what it must have said since the last tick.
    fn refused(&mut self, record: usize, at: usize, op: &Op, amounts: Amounts) {
        let spec = self.workers[at].config.unwrap().of(record);
        assert_eq!(spec.at_limit, AtLimit::Deny);
        self.seen.known += u64::from(op.got.is_none());
        if spec.mode == Mode::Check {
            return;
        }
        if let Some(counter) = op.got {
            // What the store forgot this worker may still know of.
            let fits = fits(counter.used(), counter.held().requests, amounts, &spec.limits);
            assert!(!fits || self.style.epochs, "there was room");
        } else if !self.style.turns {
            assert!(!fits(self.counter(record).spent(), 0, amounts, &spec.limits), "there is room");
        }
    }

    /// What is true at every moment.
    fn check(&self) {
        for (at, record) in self.records.iter().enumerate().filter(|_| !self.style.epochs) {
            let stored = self.shared.of(RECORDS[at]);
            let mut counter = stored.map_or_else(Counter::default, |(stored, _)| read(&stored).0);
            counter.roll(0, self.now.0 - self.now.0 % EPOCH_MS, EPOCH_MS);
            record.check(&counter, self.held(at));
            if self.style.strict {
                let spec = self.config.of(at);
                assert!(
                    fits(counter.spent(), 0, Amounts::default(), &spec.limits),
                    "a strict budget is overspent"
                );
            }
        }
    }
}
