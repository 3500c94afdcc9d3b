//! A server, two processes of two workers each, and what is under way between them.

use std::collections::BTreeMap;
use std::rc::Rc;

use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::{Call, Settings};
use farebox_core::budget::ledger::{Limits, MemoryStore};
use farebox_core::config::Config;
use farebox_core::registry::{
    Change, Expected, Keys, Registered, Registry, RegistrySettings, push_write, written,
};
use farebox_core::resp::Replies;

use super::server::{Data, Server};

/// A Saturday.
const START: u64 = 1_795_262_400_000;
const WEEK: u64 = 7 * 86_400_000;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    WriteKey(usize),
    RemoveKey(usize),
    WriteLimit(usize),
    RemoveLimit(usize),
    Pass(u64),
    /// A worker ticks.
    Tick(usize),
    /// Its call reaches the server, and it gets the answer.
    Arrive(usize),
    /// Its call reaches the server, and the answer comes much later.
    Late(usize),
    /// It never hears of its call.
    Lose(usize),
    /// The answer to it is cut.
    Cut(usize, usize),
    Empty,
    Save,
    Restore,
    ForgetScript,
    /// Two weeks pass in which nobody calls, and something is written.
    Weeks,
}

struct Worker {
    registry: Registry,
    process: usize,
    call: Option<Call>,
    /// Answers that are still under way.
    late: Vec<(u64, Vec<u8>)>,
}

pub(crate) struct World {
    server: Server,
    stores: [MemoryStore; 2],
    workers: Vec<Worker>,
    config: Config,
    now: u64,
    /// How often something was written: each write says it.
    writes: u64,
    saved: Option<Data>,
    /// What each process has last known of each key: which write it was.
    seen: BTreeMap<(usize, usize), u64>,
}

impl World {
    pub(crate) fn new() -> Self {
        let config = r#"{"version": "v1", "keys": [], "providers": {}, "models": {},
            "ledger": {"registry": {}}, "budgets": [{"name": "b", "per": "team", "window": "day", "limit_requests": 1}]}"#;
        let config = Config::parse(config.as_bytes(), |_| None).unwrap();
        let settings = Rc::new(Settings::default());
        let worker = |at: usize| {
            let registry = Registry::default();
            registry.configure(&settings, RegistrySettings::default(), || at as u64 + 1);
            Worker { registry, process: at / 2, call: None, late: Vec::new() }
        };
        let workers = (0..4).map(worker).collect();
        let (server, stores) = (Server::new(), Default::default());
        let seen = BTreeMap::new();
        let mut world = Self { server, stores, workers, config, now: START, writes: 0, saved: None, seen };
        world.server.set_time(START);
        world
    }

    pub(crate) fn play(&mut self, step: Step) {
        match step {
            Step::WriteKey(key) => {
                let json = format!(
                    r#"{{"sha256":[{{"sha256":"{}"}}],"team":"w{}"}}"#,
                    "00".repeat(32),
                    self.writes + 1
                );
                self.write(&format!("key/k{key}"), Some(json));
            }
            Step::RemoveKey(key) => self.write(&format!("key/k{key}"), None),
            Step::WriteLimit(limit) => {
                let json = format!(r#"{{"limit_requests":{}}}"#, self.writes + 1);
                self.write(&format!("limit/b/s{limit}"), Some(json));
            }
            Step::RemoveLimit(limit) => self.write(&format!("limit/b/s{limit}"), None),
            Step::Pass(ms) => self.pass(ms),
            Step::Tick(worker) => self.tick(worker),
            Step::Arrive(worker) => {
                let Some(call) = self.workers[worker].call.take() else { return };
                let answer = self.server.call(&call.bytes);
                self.answer(worker, call.id, Some(&answer));
            }
            Step::Late(worker) => {
                let Some(call) = self.workers[worker].call.take() else { return };
                let answer = self.server.call(&call.bytes);
                self.workers[worker].late.push((call.id, answer));
            }
            Step::Lose(worker) => {
                let Some(call) = self.workers[worker].call.take() else { return };
                self.answer(worker, call.id, None);
            }
            Step::Cut(worker, at) => {
                let Some(call) = self.workers[worker].call.take() else { return };
                let answer = self.server.call(&call.bytes);
                let cut = answer[..at.min(answer.len().saturating_sub(1))].to_vec();
                self.answer(worker, call.id, Some(&cut));
            }
            // Nothing is lost and written anew within a microsecond.
            Step::Empty => {
                self.server.set_data(Data::default());
                self.pass(1);
            }
            Step::Save => self.saved = Some(self.server.data()),
            Step::Restore => {
                if let Some(saved) = self.saved.clone() {
                    self.server.set_data(saved);
                    self.pass(1);
                }
            }
            Step::ForgetScript => self.server.forget_script(),
            Step::Weeks => {
                for worker in 0..4 {
                    self.play(Step::Lose(worker));
                    // Whoever made a call gives it up in time.
                    for (id, _) in core::mem::take(&mut self.workers[worker].late) {
                        self.answer(worker, id, None);
                    }
                }
                self.pass(2 * WEEK);
                self.play(Step::WriteKey(5));
            }
        }
        self.look();
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.server.set_time(self.now);
    }

    fn write(&mut self, name: &str, json: Option<String>) {
        self.writes += 1;
        let change = Change { name: name.to_owned(), expected: Expected::Anything, json };
        let mut bytes = Vec::new();
        push_write(&mut bytes, &Keys::of("farebox"), "test", "write", &[change]);
        let reply = self.server.call(&bytes);
        written(&Replies::of(&reply).next().unwrap()).unwrap();
    }

    pub(crate) fn fill(&mut self, keys: usize) {
        for key in 0..keys {
            self.play(Step::WriteKey(key + 6));
        }
    }

    pub(crate) fn reads(&self) -> usize {
        self.server.reads
    }

    fn tick(&mut self, worker: usize) {
        let Worker { registry, process, call, .. } = &mut self.workers[worker];
        let store = &self.stores[*process];
        if let Some(next) = registry.tick(store, Millis(self.now)) {
            assert!(call.replace(next).is_none(), "one call at a time");
        }
        registry.refresh(store, Millis(self.now));
    }

    fn answer(&mut self, worker: usize, id: u64, reply: Option<&[u8]>) {
        let Worker { registry, process, call, .. } = &mut self.workers[worker];
        let store = &self.stores[*process];
        registry.answered(id, reply, store, Millis(self.now));
        registry.refresh(store, Millis(self.now));
        assert!(!(registry.calls_at_once() && call.is_some()));
        if let Some(next) = registry.next(store, Millis(self.now)) {
            *call = Some(next);
        }
    }

    /// Nothing goes wrong for a while.
    pub(crate) fn calm(&mut self) {
        for _ in 0..40 {
            self.pass(250);
            for worker in 0..4 {
                self.tick(worker);
            }
            for worker in 0..4 {
                for (id, answer) in core::mem::take(&mut self.workers[worker].late) {
                    self.answer(worker, id, Some(&answer));
                }
                while self.workers[worker].call.is_some() {
                    self.play(Step::Arrive(worker));
                }
            }
        }
        (0..4).for_each(|worker| self.tick(worker));
        self.look();
    }

    /// Which write of a key a process knows, as its first worker does; `None`: there is no such key.
    fn known(&self, process: usize, key: usize) -> Option<u64> {
        let worker = &self.workers[2 * process];
        let at = worker.registry.at(&self.stores[process], &self.config, Millis(self.now)).unwrap();
        let found = at.key(&format!("k{key}"))?;
        Some(found.key.as_ref().unwrap().team[1..].parse().unwrap())
    }

    /// No process goes back to an older version of a key.
    fn look(&mut self) {
        for (process, key) in [0, 1].into_iter().flat_map(|process| (0..6).map(move |key| (process, key))) {
            if let Some(write) = self.known(process, key) {
                let before = self.seen.insert((process, key), write).unwrap_or(0);
                assert!(before <= write, "process {process}, key {key}: {before} and then {write}");
            }
        }
    }

    fn limit(&self, worker: usize, subject: &str) -> Option<u64> {
        let limits = self.workers[worker].registry.limits()?;
        limits.over(Limits::default(), "b", subject).requests
    }

    /// What the server has each process has, or something newer.
    pub(crate) fn knows_all(&self) {
        let entries = self.server.entries();
        for (name, json) in &entries {
            let number = |mark: &str| {
                let digits =
                    json.split_once(mark)?.1.chars().take_while(char::is_ascii_digit).collect::<String>();
                digits.parse::<u64>().ok()
            };
            for process in 0..2 {
                if let Some(key) = name.strip_prefix("key/k").and_then(|key| key.parse().ok()) {
                    // What is newer here may have been a removal, which is no key.
                    let known = self.known(process, key);
                    assert!(
                        known.is_none_or(|known| Some(known) >= number("\"team\":\"w")),
                        "{name}: {known:?}, {json}"
                    );
                }
            }
        }
    }

    /// Each process has what the server has, and nothing else.
    pub(crate) fn agrees(&self) {
        let entries = self.server.entries();
        for process in 0..2 {
            for key in 0..1_706 {
                let json = entries.get(&format!("key/k{key}"));
                let known = self.known(process, key);
                assert_eq!(known.is_some(), json.is_some(), "process {process}, key {key}: {json:?}");
                assert!(
                    known.is_none_or(|known| json.unwrap().contains(&format!("\"w{known}\""))),
                    "{known:?}, {json:?}"
                );
            }
        }
        for worker in 0..4 {
            for limit in 0..4 {
                let json = entries.get(&format!("limit/b/s{limit}"));
                let known = self
                    .limit(worker, &format!("s{limit}"))
                    .map(|known| format!(r#"{{"limit_requests":{known}}}"#));
                assert_eq!(known.as_ref(), json, "worker {worker}, limit {limit}");
            }
        }
    }
}
