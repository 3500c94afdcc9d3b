//! Decides when the ledger of the fleet is called and when requests that wait for it go on.
//!
//! ```text
//! a request     waits: headers and body are held; its worker calls itself
//! next turn     one call for all that wait, made by the root context
//! answer        each that waits no longer is entered and goes on; the worker calls itself if others wait
//! tick          calls that were lost ▸ what is to be sent ▸ the same as a turn
//! ```
//!
//! A call of a stream's own would end with the stream, so the root context makes it. It is never made in the callback
//! of an answer: Envoy would use that answer's connection for it, which the ledger is about to close. In each callback
//! calls come first and streams after: what is called once a stream was entered belongs to that stream.
//!
//! Does not know what is sent and what it means: see `budget/fleet/` of the core.

use core::cell::{Cell, RefCell};
use core::fmt::Debug;
use std::rc::Rc;

use farebox_core::base::hash::HashMap;
use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::told::{Line, Told};
use farebox_core::budget::fleet::{Call, FleetLedger, Ready, Turn};
use farebox_core::budget::hold::Asks;
use farebox_core::budget::ledger::Budget;
use farebox_core::config;

use farebox_hostcalls::queue::{self, Queue};
use farebox_hostcalls::shared_store::SharedStore;
use farebox_hostcalls::{self as host, ProcessMetrics};

use crate::ledger_calls::LedgerCalls;

/// What one VM has to do with the ledger.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    /// What it was lent, and what it owes.
    pub(crate) ledger: FleetLedger,
    /// How often it is told; `None` if there is none.
    interval_ms: Cell<Option<u32>>,
    calls: LedgerCalls,
    /// Streams that wait.
    waiting: RefCell<HashMap<u32, Rc<RefCell<dyn Waits>>>>,
    queue: Queue,
    /// It was said that this worker cannot call itself.
    complained: Cell<bool>,
    told: Told,
}

/// A stream that may wait.
pub(crate) trait Waits: Debug {
    /// Does what was put off, after it has waited since a moment for its turn; what is called concerns the stream. Says
    /// whether it waits once more.
    fn resume_from_ledger(&mut self, turn: Turn, since: Millis) -> bool;
}

impl Fleet {
    /// The ledger is there from now on, and these budgets hold.
    pub(crate) fn obey(&self, ledger: &config::FleetLedger, budgets: &[Rc<Budget>], now: Millis) {
        self.ledger.identify(|| {
            let name = host::random().map(|number| format!("{number:016x}"));
            name.inspect_err(|_| log::error!("there is no random number to tell this worker from others by"))
                .unwrap_or_default()
        });
        self.ledger.configure(&ledger.settings);
        self.ledger.begin(budgets, now);
        self.calls.go_to(ledger);
        self.interval_ms.set(Some(u32::try_from(ledger.settings.interval_ms).unwrap_or(u32::MAX)));
    }

    /// How often ticks are wanted, in milliseconds, if there is a ledger.
    pub(crate) fn interval_ms(&self) -> Option<u32> {
        self.interval_ms.get()
    }

    /// The request `context` has to ask for this, and has waited since that moment.
    pub(crate) fn ask(&self, context: u32, asks: &Asks, since: Millis, now: Millis) {
        self.ledger.wait(context, asks, since, now);
    }

    /// The stream `context` waits.
    pub(crate) fn wait(&self, context: u32, stream: Rc<RefCell<dyn Waits>>) {
        self.waiting.borrow_mut().insert(context, stream);
        self.call_me();
    }

    /// The stream `context` has ended.
    pub(crate) fn forget(&self, context: u32) {
        if self.waiting.borrow_mut().remove(&context).is_some() {
            self.ledger.forget(context);
        }
    }

    /// The next turn, in the root context.
    pub(crate) fn on_queue_ready(&self, id: u32, now: Millis) {
        queue::empty(id);
        self.turn(now);
    }

    /// An answer of `body_size` bytes came, in the root context.
    pub(crate) fn on_answer(&self, token: u32, body_size: usize, metrics: &ProcessMetrics, now: Millis) {
        let Some((call, answer)) = self.calls.answer(token, body_size) else { return };
        self.ledger.answered(call, answer.as_deref(), now);
        self.tell(metrics);
        self.go_on(now);
        if !self.waiting.borrow().is_empty() {
            self.call_me();
        }
    }

    /// A tick, in the root context.
    pub(crate) fn tick(&self, metrics: &ProcessMetrics, now: Millis) {
        if self.interval_ms.get().is_none() {
            return;
        }
        self.told.count_workers(&self.ledger, &SharedStore, metrics, now);
        self.calls.lost(now).into_iter().for_each(|call| self.ledger.answered(call, None, now));
        for call in self.ledger.tick(now) {
            self.dispatch(&call, now);
        }
        self.tell(metrics);
        self.told.count_absence(&self.ledger, metrics, now);
        if self.go_on(now) {
            self.call_me();
        }
    }

    fn turn(&self, now: Millis) {
        for call in self.ledger.wake(now) {
            self.dispatch(&call, now);
        }
        if self.go_on(now) {
            self.call_me();
        }
    }

    fn dispatch(&self, call: &Call, now: Millis) {
        if !self.calls.make(call, now) {
            self.ledger.answered(call.id, None, now);
        }
    }

    fn tell(&self, metrics: &ProcessMetrics) {
        for Line { is_error, text } in self.told.notices(&self.ledger, metrics) {
            log::log!(if is_error { log::Level::Error } else { log::Level::Warn }, "{text}");
        }
    }

    /// Lets those go on that wait no longer; says whether one waits once more. From here on what is called concerns a
    /// stream.
    fn go_on(&self, now: Millis) -> bool {
        let mut asks_again = false;
        for Ready { context, since, turn } in self.ledger.ready(now) {
            let Some(stream) = self.waiting.borrow_mut().remove(&context) else { continue };
            // One that cannot be entered has left, and its end is on its way.
            if host::enter(context).is_err() {
                continue;
            }
            let waits = stream.borrow_mut().resume_from_ledger(turn, since);
            if waits {
                self.waiting.borrow_mut().insert(context, stream);
                asks_again = true;
            }
        }
        asks_again
    }

    /// Has the next turn come at once. Without it those who wait go on with a tick.
    pub(crate) fn call_me(&self) {
        let called = self.queue.call_me();
        if let Err(error) = called
            && !self.complained.replace(true)
        {
            log::error!("this worker cannot call itself, so requests wait for its ticks: {error}");
        }
    }
}
