//! What the streams of one VM share, whatever configuration they began with: the metrics, charges that
//! could not be written yet, and the streams whose body is still on its way.
//!
//! Counters are not here: they are shared by all workers, in shared data. What this worker has leased of them is.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use farebox_core::base::hash::HashMap;
use farebox_core::base::window::Millis;
use farebox_core::budget::counting::Counting;
use farebox_core::budget::fleet::Turn;
use farebox_core::budget::hold::Unsettled;
use farebox_core::budget::ledger::{Leases, Ledger};
use farebox_core::budget::live::LiveBudgets;
use farebox_core::budget::pending::Pending;
use farebox_core::budget::recent::Recent;
use farebox_core::config::Config;
use farebox_core::denial::Denial;
use farebox_core::exchange::closing::Closing;
use farebox_core::exchange::waiting::{GivenUp, Waiting};
use farebox_core::failover::reach::Behind;
use farebox_core::request::proof::Callers;

use farebox_hostcalls::shared_store::SharedStore;
use farebox_hostcalls::{self as host, ProcessMetrics};

use crate::fleet::Fleet;
use crate::registry::RegistryCalls;

/// How often waiting streams and kept charges are looked at, in milliseconds.
const TICK_MS: u32 = 500;

/// What the filter does at the place where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Before the router: once for every request.
    #[default]
    Gateway,
    /// Behind the router: once for every attempt.
    Attempt,
}

impl Role {
    /// Reads `vm_config.configuration`. It is the VM's and not the filter's because the two roles must not share a
    /// VM: an attempt may begin while the gateway is at work.
    pub(crate) fn read(configuration: &[u8]) -> Option<Self> {
        match configuration.trim_ascii() {
            b"" => Some(Self::Gateway),
            b"attempt" => Some(Self::Attempt),
            _ => None,
        }
    }
}

/// Shared by the streams of one VM.
#[derive(Debug, Default)]
pub(crate) struct Vm {
    pub(crate) role: Cell<Role>,
    pub(crate) metrics: ProcessMetrics,
    /// What models have answered lately.
    pub(crate) recent: RefCell<Recent>,
    pub(crate) budgets: LiveBudgets,
    leases: Leases,
    /// What is owed to counters could not be written at the last tick.
    behind: Cell<bool>,
    /// Whether a held stream has ever seen its body here.
    pub(crate) body_seen: Cell<bool>,
    waiting: RefCell<HashMap<u32, Rc<Waiting>>>,
    /// The bytes of bodies that are not complete.
    pub(crate) pending: RefCell<Pending>,
    /// What there is behind the router.
    pub(crate) attempts: RefCell<Behind>,
    /// The counts of tokens that keys have asked for.
    pub(crate) counting: RefCell<Counting>,
    /// Callers that were proven lately.
    pub(crate) callers: RefCell<Callers>,
    unsettled: RefCell<Vec<Unsettled>>,
    pub(crate) closing: Closing,
    /// What there is to do with the ledger of the fleet.
    pub(crate) fleet: Fleet,
    /// The same of the registry in it.
    pub(crate) registry: RegistryCalls,
}

impl Vm {
    /// The counters, with holds kept as long as `config` says.
    pub(crate) fn ledger(&self, config: &Config) -> Ledger<'_, SharedStore> {
        self.ledger_in(config, Turn::First)
    }

    /// The same for a request that has waited so long for the ledger of the fleet.
    pub(crate) fn ledger_in(&self, config: &Config, turn: Turn) -> Ledger<'_, SharedStore> {
        let ledger = Ledger::new(&SharedStore, config.hold.epoch_ms).with_leases(&self.leases);
        ledger.with_fleet(&self.fleet.ledger, turn)
    }

    /// Streams may have this configuration from now on.
    pub(crate) fn add(&self, config: &Rc<Config>) {
        self.budgets.add(config);
        if let Some(ledger) = config.ledger.as_ref().filter(|_| self.role.get() == Role::Gateway) {
            self.fleet.obey(ledger, &config.budgets, host::now());
            self.registry.obey(ledger);
        }
    }

    /// A tick of the root context, for what it alone may call.
    pub(crate) fn call(&self, now: Millis) {
        if self.registry.tick(&self.metrics, now) {
            self.obey_limits(now);
        }
        self.fleet.tick(&self.metrics, now);
    }

    /// An answer of the ledger or the registry came.
    pub(crate) fn on_answer(&self, token: u32, body_size: usize, now: Millis) {
        match self.registry.on_answer(token, body_size, &self.metrics, now) {
            Some(changes) => {
                if changes {
                    self.obey_limits(now);
                }
                if changes || self.registry.registry.calls_at_once() {
                    self.fleet.call_me();
                }
            }
            None => self.fleet.on_answer(token, body_size, &self.metrics, now),
        }
    }

    /// A turn that was called for.
    pub(crate) fn on_queue_ready(&self, queue: u32, now: Millis) {
        self.registry.turn(now);
        self.fleet.on_queue_ready(queue, now);
    }

    /// How often ticks are wanted, in milliseconds.
    pub(crate) fn tick_ms(&self) -> u32 {
        let registry = self.registry.registry.tick_ms().and_then(|ms| u32::try_from(ms).ok());
        self.fleet.interval_ms().into_iter().chain(registry).fold(TICK_MS, u32::min)
    }

    fn obey_limits(&self, now: Millis) {
        self.fleet.ledger.obey(self.registry.registry.limits().as_deref(), now);
    }

    /// Registers the budgets of `config` before it is first used here.
    pub(crate) fn register(&self, config: &Config, now: Millis) {
        if self.budgets.switch_to(config) {
            self.register_all(config, now);
        }
    }

    fn register_all(&self, config: &Config, now: Millis) {
        match self.budgets.register(&self.ledger(config), now) {
            Ok(0) => {}
            Ok(freed) => {
                log::info!("{freed} counters of budgets were freed that no configuration has any more")
            }
            Err(error) => log::error!("budgets could not be registered: {error}"),
        }
    }

    /// The stream `context` waits for its body.
    pub(crate) fn wait(&self, context: u32, waiting: Waiting) -> Rc<Waiting> {
        let waiting = Rc::new(waiting);
        self.waiting.borrow_mut().insert(context, Rc::clone(&waiting));
        waiting
    }

    /// The stream `context` waits no longer.
    pub(crate) fn stop_waiting(&self, context: u32) {
        self.waiting.borrow_mut().remove(&context);
    }

    /// Keeps a charge that could not be written.
    pub(crate) fn keep(&self, unsettled: Unsettled) {
        self.metrics.count("farebox_unsettled_total", 1);
        self.unsettled.borrow_mut().push(unsettled);
    }

    /// The stream `context` has ended.
    pub(crate) fn forget(&self, context: u32) {
        self.stop_waiting(context);
        self.closing.forget(context);
        self.fleet.forget(context);
    }

    /// Writes kept charges and what is owed, tells Envoy what was counted, closes streams that got their last event,
    /// registers budgets, and gives up on streams that wait for too long.
    pub(crate) fn tick(&self, config: &Config, now: Millis) {
        if !self.unsettled.borrow().is_empty() {
            let ledger = self.ledger(config);
            self.unsettled.borrow_mut().retain_mut(|unsettled| !unsettled.retry(&ledger, now));
        }
        self.write_owed(config, now);
        self.metrics.tell();
        self.close(now);
        self.register_all(config, now);
        self.look_behind(config, now);
        self.waiting.borrow_mut().retain(|&context, waiting| {
            let Some(denial) = waiting.overdue(self.body_seen.get(), now) else { return true };
            if denial == Denial::HostUnsupported {
                self.host_unsupported(
                    "a held request did not get its body: is `allow_on_headers_stop_iteration` set?",
                );
            }
            self.give_up(context, waiting, denial, now);
            false
        });
    }

    /// Writes what is owed to counters. That it cannot be written is said once and not with every tick.
    fn write_owed(&self, config: &Config, now: Millis) {
        let written = self.ledger(config).tick(now);
        let was_behind = self.behind.replace(written.is_err());
        if let Err(error) = written
            && !was_behind
        {
            log::error!("what requests used could not be written and is kept: {error}");
            self.metrics.count("farebox_unsettled_total", 1);
        }
    }

    /// Closes streams that got their last event and whose providers have said nothing since.
    fn close(&self, now: Millis) {
        for context in self.closing.due(now) {
            if host::enter(context).is_ok() {
                host::close_response();
            }
        }
    }

    /// Says that this Envoy does not do what the filter needs.
    pub(crate) fn host_unsupported(&self, why: &str) {
        self.metrics.count("farebox_host_unsupported_total", 1);
        log::error!("this Envoy does not do what the filter needs, so the request was refused: {why}");
    }

    fn give_up(&self, context: u32, waiting: &Waiting, denial: Denial, now: Millis) {
        let reply = waiting.reply(&denial, now);
        let told = host::enter(context)
            .and_then(|()| host::reply(reply.status, "farebox_gave_up", &reply.headers, &reply.body));
        if let Err(error) = &told {
            log::error!("a reply could not be sent: {error}");
        }
        waiting.given_up.replace(Some(GivenUp { denial, told: told.is_ok() }));
    }
}
