//! Follows Envoys, a network and a ledger in virtual time, and checks each admission against what is true.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use farebox_core::base::money::PicoUsd;
use farebox_core::base::window::{Calendar, Millis, Window};
use farebox_core::budget::fleet::{Call, FleetLedger, Settings, Turn};
use farebox_core::budget::ledger::{Account, Amounts, Budget, Ledger, Limits, MemoryStore, Room, Scope};

mod faults;
mod network;
mod requests;
mod truth;

use crate::server::{Saved, Server};
use crate::style::{ServerFault, Style};
use farebox_readers::dice::Dice;

const TICK_MS: u64 = 250;
const EPOCH_MS: u64 = 3_000;
const START: u64 = 1_900_000_020_000;

/// What is to happen at a moment.
#[derive(Debug)]
enum Event {
    Request,
    End {
        request: usize,
    },
    Tick {
        vm: usize,
    },
    Wake {
        vm: usize,
    },
    /// A call is at the server.
    Arrives {
        vm: usize,
        id: u64,
        bytes: Vec<u8>,
    },
    /// An answer is at the VM.
    Answer {
        vm: usize,
        id: u64,
        bytes: Vec<u8>,
    },
    TimesOut {
        vm: usize,
        id: u64,
    },
    ServerFault,
    Snapshot,
    Crash,
    Sleep,
    Push,
    Start {
        envoy: usize,
    },
}

struct Vm {
    envoy: usize,
    fleet: FleetLedger,
    store: MemoryStore,
    skew: i64,
    alive: bool,
    sleeps_until: u64,
    /// Whether a wake is on its way.
    woken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Runs,
    Done,
    Gone,
    Refused,
}

struct Request {
    account: usize,
    hold: Amounts,
    charge: Amounts,
    lasts: u64,
    vm: usize,
    window: u64,
    state: State,
}

/// What is true of one account in one window.
#[derive(Default)]
struct Truth {
    /// Held by what runs, and charged, each charge cut to its hold.
    covered: Amounts,
    charged: Amounts,
    /// How far the limit may be passed: what only the dead knew.
    allowance: Amounts,
    /// What may be missing from the sum in the end.
    missing: Amounts,
    /// What may be counted twice in the end.
    twice: Amounts,
    is_past_loss: bool,
}

/// What came of a storm.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    pub(crate) waited: u64,
    pub(crate) calls: u64,
    pub(crate) lost_calls: u64,
    pub(crate) bytes: u64,
    pub(crate) out_of_reach: u64,
}

pub(crate) struct World {
    style: Style,
    dice: Dice,
    now: u64,
    count: u64,
    events: BinaryHeap<(Reverse<(u64, u64)>, usize)>,
    bodies: Vec<Option<Event>>,
    server: Server,
    vms: Vec<Vm>,
    instances: u64,
    requests: Vec<Request>,
    /// Each budget as it was and is: the last one is pushed to one Envoy after the other.
    budgets: Vec<Vec<(u64, Rc<Budget>)>>,
    truth: BTreeMap<(usize, u64), Truth>,
    stopped_until: u64,
    backlog: Vec<Event>,
    saved: Vec<Saved>,
    is_calm: bool,
    ends_at: u64,
    pub(crate) tally: Tally,
}

fn usd(nano: u64) -> PicoUsd {
    PicoUsd(nano * 1_000)
}

impl World {
    pub(crate) fn new(seed: u64, style: Style) -> Self {
        let mut dice = Dice::new(seed);
        let budgets = (0..2).map(|number| {
            let scale = [1, 4, 12, 40][dice.below(4) as usize];
            let mut limits = Limits::default();
            if style.lanes {
                limits.concurrent = Some([5, 20, 60][dice.below(3) as usize]);
            } else {
                limits.usd = (dice.below(10) < 7).then(|| usd((2_000 + dice.below(7_000)) * scale));
                limits.output_tokens = (dice.below(10) < 4).then(|| (2_000 + dice.below(7_000)) * scale);
                limits.requests = (dice.below(10) < 5).then(|| (20 + dice.below(70)) * scale);
                limits.tokens = (dice.below(10) < 3).then(|| (3_000 + dice.below(6_000)) * scale);
                if !limits.any() {
                    limits.usd = Some(usd(3_000 * scale));
                }
            }
            let window = Calendar::utc(if style.windows { Window::Minute } else { Window::Lifetime });
            let budget =
                Budget { scope: Scope::Fleet, ..Budget::new(&format!("a{number}"), [], window, limits) };
            vec![(0, Rc::new(budget))]
        });
        let budgets: Vec<_> = budgets.collect();
        let mut world = Self {
            style,
            dice,
            now: START,
            count: 0,
            events: BinaryHeap::new(),
            bodies: Vec::new(),
            server: Server::new(),
            vms: Vec::new(),
            instances: 0,
            requests: Vec::new(),
            budgets,
            truth: BTreeMap::new(),
            stopped_until: 0,
            backlog: Vec::new(),
            saved: Vec::new(),
            is_calm: false,
            ends_at: START + style.seconds * 1_000,
            tally: Tally::default(),
        };
        (0..style.envoys).for_each(|envoy| world.start(envoy));
        world
    }

    /// Runs the storm to its end, and checks what is left then.
    pub(crate) fn run(mut self) -> Tally {
        self.after(1, Event::Request);
        if self.style.herd {
            for _ in 0..400 {
                let at = 1_500 + self.dice.below(30);
                self.after(at, Event::Request);
            }
        }
        match self.style.fault {
            Some(ServerFault::FailsOver | ServerFault::IsRestored) => {
                self.after(0, Event::Snapshot);
                self.after(6_000, Event::ServerFault);
            }
            Some(_) => self.after(5_000, Event::ServerFault),
            None => {}
        }
        if self.style.crashes {
            self.after(4_000, Event::Crash);
        }
        if self.style.sleepy {
            self.after(4_000, Event::Sleep);
        }
        if self.style.pushes {
            self.after(3_000, Event::Push);
        }
        self.until(self.ends_at);
        // Faults cease; all requests end; all is said.
        self.is_calm = true;
        self.until(self.ends_at.max(self.stopped_until) + 6_000);
        while self.requests.iter().any(|request| request.state == State::Runs) {
            self.until(self.now + 1_000);
        }
        // What there is to spare is given back a minute after the last request.
        self.until(self.now + if self.style.sleepy { 160 * EPOCH_MS } else { 63_000 });
        self.check_sums();
        self.check_nothing_is_kept();
        self.check_who_fits();
        self.tally
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.count += 1;
        self.bodies.push(Some(event));
        self.events.push((Reverse((self.now + ms, self.count)), self.bodies.len() - 1));
    }

    fn until(&mut self, end: u64) {
        while let Some((Reverse((at, _)), body)) = self.events.peek().copied() {
            if at > end {
                break;
            }
            self.events.pop();
            self.now = at;
            if let Some(event) = self.bodies[body].take() {
                self.happen(event);
            }
        }
        self.now = end;
    }

    fn start(&mut self, envoy: usize) {
        let skew = if self.style.skewed { self.dice.below(8_001) as i64 - 4_000 } else { 0 };
        for _ in 0..self.style.workers {
            self.instances += 1;
            let fleet = FleetLedger::new(format!("i{}", self.instances));
            fleet.configure(&Rc::new(Settings {
                epoch_ms: EPOCH_MS,
                grace_ms: 2_000,
                forgives: self.style.forgives,
                ..Settings::default()
            }));
            fleet.set_workers(1);
            self.vms.push(Vm {
                envoy,
                fleet,
                store: MemoryStore::default(),
                skew,
                alive: true,
                sleeps_until: 0,
                woken: false,
            });
            let at = self.dice.below(TICK_MS);
            self.after(at, Event::Tick { vm: self.vms.len() - 1 });
        }
    }

    fn clock(&self, vm: usize) -> Millis {
        Millis(self.now.saturating_add_signed(self.vms[vm].skew))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Request => {
                if self.now < self.ends_at {
                    if !self.style.herd || self.dice.below(2) == 0 {
                        let gap = 1 + self.dice.below(2_000 / self.style.rate);
                        self.after(gap, Event::Request);
                    }
                    self.request();
                }
            }
            Event::End { request } => self.end(request),
            Event::Tick { vm } => {
                if self.vms[vm].alive {
                    let next = TICK_MS - 5 + self.dice.below(11);
                    self.after(next, Event::Tick { vm });
                    if self.vms[vm].sleeps_until <= self.now {
                        let calls = self.vms[vm].fleet.tick(self.clock(vm));
                        self.send(vm, calls);
                        self.go_on(vm);
                    }
                }
            }
            Event::Wake { vm } => {
                self.vms[vm].woken = false;
                if self.vms[vm].alive {
                    let calls = self.vms[vm].fleet.wake(self.clock(vm));
                    self.send(vm, calls);
                }
            }
            Event::Arrives { vm, id, bytes } => self.arrives(vm, id, bytes),
            Event::Answer { vm, id, bytes } => self.answer(vm, id, Some(&bytes)),
            Event::TimesOut { vm, id } => self.answer(vm, id, None),
            Event::ServerFault => self.server_fault(),
            Event::Snapshot => {
                let saved = self.server.save();
                self.saved.push(saved);
                if self.now < self.ends_at {
                    self.after(1_000, Event::Snapshot);
                }
            }
            Event::Crash => self.crash(),
            Event::Sleep => self.sleep(),
            Event::Push => self.push(),
            Event::Start { envoy } => self.start(envoy),
        }
    }
}
