//! What a seed does to a fleet and its ledger while requests run, and what it asks of them.
//!
//! Does not say what is right afterwards: the test does.

use crate::config;
use farebox_readers::dice::Dice;
use serde_json::{Value, json};
use std::fmt;

/// Something that happens while requests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The ledger's server is killed, and started again after so many milliseconds on what it wrote to its disk.
    Kill(u64),
    /// It stands still for so many milliseconds.
    Pause(u64),
    /// It is emptied.
    Empty,
    /// Its replica takes its place, and has not heard of what it was told in the last so many milliseconds.
    FailOver(u64),
    /// Of a hundred calls of the ledger so many meet a fault, with delays of up to so many milliseconds.
    Network(u64, u64),
    /// An Envoy is asked to exit, and another one starts.
    Restart(usize),
    /// An Envoy's listener is replaced by one with another configuration; what runs on the old one has a second.
    Replace(usize),
}

impl Event {
    /// Whether the ledger forgets something.
    #[must_use]
    pub fn loses(self) -> bool {
        matches!(self, Self::Kill(_) | Self::Empty | Self::FailOver(_))
    }
}

/// What a seed brings.
#[derive(Clone)]
pub struct Plan {
    /// Which one.
    pub seed: u64,
    /// What happens, after how many milliseconds each.
    pub events: Vec<(u64, Event)>,
    /// When each request is sent, in milliseconds, how long its answer takes, and at which Envoy it is.
    pub requests: Vec<(u64, u64, usize)>,
    /// How many requests may be sent.
    pub limit: u64,
    /// How many of them in a minute.
    pub pace: u64,
    /// How many may run at one time.
    pub lanes: u64,
    /// A minute turns while it lasts.
    pub has_edge: bool,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, events, requests, limit, pace, lanes, has_edge } = self;
        let count = requests.len();
        write!(f, "{seed}: {count} requests, limits {limit} {pace} {lanes}, edge {has_edge}, {events:?}")
    }
}

/// How long requests are sent, in milliseconds.
const SPAN_MS: u64 = 2_500;
/// Limits that are out of reach.
const FAR: u64 = 1_000_000;
/// Seeds that have keys of their own.
pub const SEEDS: u64 = 1_000;

impl Plan {
    /// What `seed` brings to so many Envoys.
    #[must_use]
    pub fn of(seed: u64, envoys: usize) -> Self {
        let mut dice = Dice::new(seed);
        let count = 60 + dice.below(140);
        let any_envoy = |dice: &mut Dice| usize::try_from(dice.below(envoys as u64)).expect("a few");
        let requests = (0..count)
            .map(|_| (dice.below(SPAN_MS), dice.below(4) * dice.below(100), any_envoy(&mut dice)))
            .collect();
        // Half of the seeds are short of money, a quarter of requests in a minute, and a third of lanes.
        let limit = if dice.below(2) == 0 { count / 4 + dice.below(count) } else { FAR };
        let pace = if dice.below(4) == 0 { count / 4 + dice.below(count / 2) } else { FAR };
        let lanes = if dice.below(3) == 0 { 4 + dice.below(20) } else { FAR };
        let mut events = Vec::new();
        for _ in 0..=dice.below(3) {
            let event = match dice.below(16) {
                0..=1 => Event::Kill(dice.below(800)),
                2..=3 => Event::Pause(100 + dice.below(2_000)),
                4..=5 => Event::Empty,
                6..=7 => Event::FailOver(dice.below(500)),
                8..=11 => Event::Network(5 + dice.below(40), 1 + dice.below(800)),
                12 => Event::Restart(any_envoy(&mut dice)),
                _ => Event::Replace(any_envoy(&mut dice)),
            };
            events.push((dice.below(SPAN_MS), event));
        }
        events.sort_unstable_by_key(|(at, _)| *at);
        Self { seed, events, requests, limit, pace, lanes, has_edge: dice.below(10) == 0 }
    }

    /// Whether the ledger forgets something meanwhile.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.events.iter().any(|(_, event)| event.loses())
    }

    /// Whether Envoys break requests off meanwhile.
    #[must_use]
    pub fn breaks_requests(&self) -> bool {
        self.events.iter().any(|(_, event)| matches!(event, Event::Restart(_))) || self.replaces()
    }

    /// Whether a listener is replaced meanwhile.
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.events.iter().any(|(_, event)| matches!(event, Event::Replace(_)))
    }

    /// Whether an Envoy ends meanwhile.
    #[must_use]
    pub fn ends_an_envoy(&self) -> bool {
        self.events.iter().any(|(_, event)| matches!(event, Event::Restart(_)))
    }
}

/// The header that says which seed a request is of.
pub const SEED_HEADER: &str = "x-storm";
/// The header that says how long its answer takes, in milliseconds.
pub const TAKES_HEADER: &str = "x-takes-ms";

/// The key of a seed's caller; its team is `s<seed>`.
#[must_use]
pub fn key(seed: u64) -> String {
    format!("fb_s{seed}_c1Jq7nVx0pZt4KdWm8RyLs2Hg5Fb9Ea3")
}

/// The configuration for the seeds `from..to`: each has a team of its own with its limits.
#[must_use]
pub fn plugin(seeds: std::ops::Range<u64>, envoys: usize) -> Value {
    let keys: Vec<Value> = seeds.clone().map(|seed| config::key(&key(seed), &format!("s{seed}"))).collect();
    let overrides = |measure: &str, of: fn(&Plan) -> u64| {
        let each =
            seeds.clone().map(|seed| (format!("s{seed}"), json!({measure: of(&Plan::of(seed, envoys))})));
        Value::Object(each.collect())
    };
    config::with(json!({
        "keys": keys,
        "hold": {"output_tokens": 20},
        "headers": {"pass": [SEED_HEADER, TAKES_HEADER]},
        "budgets": [
            {"name": "all", "per": "team", "window": "lifetime", "overrides": overrides("limit_requests", |plan| plan.limit)},
            {"name": "pace", "per": "team", "window": "minute", "overrides": overrides("limit_requests", |plan| plan.pace)},
            {"name": "lanes", "per": "team", "window": "lifetime",
                "overrides": overrides("limit_concurrent", |plan| plan.lanes)},
        ],
        "ledger": {"interval_ms": 100, "epoch_seconds": 4, "grace_ms": 1_000},
    }))
}
