//! Decides whether what workers did was right: each write, each outcome, and what is left in the end.

use farebox_core::base::window::Calendar;
use farebox_core::budget::ledger::{Amounts, AtLimit, Counter, Mode};

use crate::plan::{amounts, charge};
use crate::record::{fits, read};
use crate::worker::{Order, Outcome, RECORDS};
use crate::world::{EPOCH_MS, Op, Request, World};

impl World {
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

    /// A worker wrote a counter: a window may have turned, but only one that somebody has who is asking.
    pub(crate) fn stored(&mut self, at: usize, key: &str, value: &[u8]) {
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

    pub(crate) fn done(&mut self, at: usize, op: &Op, outcome: Outcome) {
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
    pub(crate) fn check(&self) {
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
