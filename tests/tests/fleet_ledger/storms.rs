//! Storms over four Envoys and their ledger: whatever happens, no limit is passed, and each request is charged once.
//!
//! One storm in `make e2e`; `make ledger-storms SEEDS=100` for more, which says what each came to.

use farebox_tests::client::Client;
use farebox_tests::envoy::{Envoy, Setup};
use farebox_tests::faults::Faults;
use farebox_tests::ledger_storm::{self as storm, Event, Plan, SEED_HEADER, SEEDS, TAKES_HEADER};
use farebox_tests::patience::until;
use farebox_tests::provider::Provider;
use farebox_tests::script::Step;
use farebox_tests::valkey::{self, Valkey};
use farebox_tests::{answers::Answers, resp::Resp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

const ENVOYS: usize = 4;
/// What the ledger counts for one answer: nano-dollars, tokens in, tokens out, requests.
const CHARGE: [u64; 4] = [61_000, 11, 5, 1];

/// When the requests of each seed arrived at the provider and when they were answered, in milliseconds.
type Served = Arc<Mutex<BTreeMap<u64, Vec<(u64, u64)>>>>;

struct Scene {
    envoys: Vec<Envoy>,
    provider: Provider,
    served: Served,
    setup: Setup,
    plugin: Value,
    faults: Faults,
    /// The first one is the ledger, the other one its replica.
    servers: [Valkey; 2],
}

/// What a seed came to.
#[derive(Debug, Default)]
struct Outcome {
    sent: usize,
    through: u64,
    served: u64,
    /// Beyond the limit, and beyond the requests that may run at one time.
    over: u64,
    over_lanes: u64,
    /// Requests that the ledger does not have, or has twice.
    lost: u64,
    twice: u64,
    for_silent: u64,
    for_unknown: u64,
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

impl Scene {
    async fn start(seeds: std::ops::Range<u64>) -> Self {
        let server = || valkey::Setup::default().append_only("everysec").start();
        let servers = [server().await, server().await];
        follow(&servers[1], &servers[0]).await;
        let faults = Faults::before(servers[0].address()).await;
        let (provider, served) = (Provider::start().await, Served::default());
        let seen = Arc::clone(&served);
        provider.answer(move |request| {
            let word = |name| request.header(name).first().and_then(|word| word.parse().ok()).unwrap_or(0);
            let (seed, takes_ms) = (word(SEED_HEADER), word(TAKES_HEADER));
            let now = now_ms();
            seen.lock().unwrap().entry(seed).or_default().push((now, now + takes_ms));
            let mut reply = Answers::default().reply(request);
            reply.0.insert(0, Step::Pause(Duration::from_millis(takes_ms)));
            reply
        });
        let plugin = storm::plugin(seeds, ENVOYS);
        let setup = Setup::new(&plugin).workers(2).ledger(faults.address()).own_process();
        let setup = setup.listener_discovered().without_access_log();
        let mut scene = Self { envoys: Vec::new(), provider, served, setup, plugin, faults, servers };
        for _ in 0..ENVOYS {
            let envoy = scene.start_envoy().await;
            scene.envoys.push(envoy);
        }
        scene
    }

    async fn start_envoy(&self) -> Envoy {
        self.setup.clone().start(&self.provider).await
    }

    async fn happens(&mut self, event: Event) {
        let pause = async |ms| tokio::time::sleep(Duration::from_millis(ms)).await;
        match event {
            Event::Kill(ms) => {
                self.servers[0].kill();
                pause(ms).await;
                self.servers[0].restart().await;
            }
            Event::Pause(ms) => {
                self.servers[0].pause();
                pause(ms).await;
                self.servers[0].go_on();
            }
            Event::Empty => {
                self.servers[0].command(&["FLUSHALL"]).await;
            }
            Event::FailOver(ms) => {
                self.servers[1].command(&["REPLICAOF", "NO", "ONE"]).await;
                pause(ms).await;
                self.servers[0].kill();
                self.faults.lead_to(self.servers[1].address());
                self.servers.swap(0, 1);
                self.servers[1].restart().await;
                follow(&self.servers[1], &self.servers[0]).await;
            }
            Event::Network(percent, delay_ms) => self.faults.seeded(percent + delay_ms, percent, delay_ms),
            Event::Restart(at) => {
                self.envoys[at].terminate().await;
                self.envoys[at] = self.start_envoy().await;
            }
            Event::Replace(at) => {
                let text = with_another_mark(&self.plugin).to_string();
                self.envoys[at].push_listener(|listener| {
                    let filters = Envoy::manager_of(listener)["http_filters"].as_array_mut().unwrap();
                    filters[0]["typed_config"]["config"]["configuration"]["value"] = json!(text);
                });
            }
        }
    }

    async fn rage(&mut self, plan: &Plan) -> Outcome {
        if plan.has_edge {
            // Requests are sent over the turn of a minute.
            let left = 60_000 - now_ms() % 60_000;
            tokio::time::sleep(Duration::from_millis(left.saturating_sub(1_200))).await;
        }
        let began = tokio::time::Instant::now();
        let mut running = JoinSet::new();
        let callers: Vec<Client> = self.envoys.iter().map(|envoy| caller(envoy, plan.seed)).collect();
        for (at, takes_ms, envoy) in &plan.requests {
            let client = callers[*envoy].with(TAKES_HEADER, &takes_ms.to_string());
            let at = began + Duration::from_millis(*at);
            running.spawn(async move {
                tokio::time::sleep_until(at).await;
                let body = farebox_tests::client::chat_body("fast").to_string();
                let client = client.with("content-type", "application/json");
                let answer = client.try_send("POST", "/v1/chat/completions", body).await;
                answer.map_or(0, |answer| answer.status)
            });
        }
        for (at, event) in &plan.events {
            tokio::time::sleep_until(began + Duration::from_millis(*at)).await;
            self.happens(*event).await;
        }
        let statuses = running.join_all().await;
        if plan.replaces() {
            // What the old listener took is cut when it goes, and must not be of the next storm.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        let through = statuses.iter().filter(|status| **status == 200).count() as u64;
        let known =
            |status: &u16| matches!(status, 200 | 429 | 503) || (plan.breaks_requests() && *status == 0);
        assert!(statuses.iter().all(known), "{plan:?}: {statuses:?}");
        self.faults.heal();
        let served = self.served.lock().unwrap().get(&plan.seed).map_or(0, |all| all.len() as u64);
        assert!(served >= through, "{plan:?}: {served} of {through}");
        let mut outcome = Outcome { sent: plan.requests.len(), through, ..Outcome::default() };
        // All is said within a few intervals; what a dead one was lent is charged after its epochs.
        let deadline = Instant::now() + Duration::from_secs(12);
        loop {
            self.look(plan, &mut outcome).await;
            if (outcome.lost, outcome.twice) == (0, 0) || Instant::now() > deadline {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Compares what was served with what the ledger has.
    async fn look(&self, plan: &Plan, outcome: &mut Outcome) {
        let served = self.served.lock().unwrap().get(&plan.seed).cloned().unwrap_or_default();
        let count = served.len() as u64;
        let team = format!("team/s{}", plan.seed);
        let all = self.servers[0].account(&format!("farebox:{{all}}:{team}:0")).await.unwrap_or_default();
        let (mut pace, mut most) = (0, 0);
        for key in self.servers[0].keys(&format!("farebox:{{pace}}:{team}:*")).await {
            let account = self.servers[0].account(&key).await.unwrap_or_default();
            pace += account.spent.requests;
            most = most.max(account.spent.requests);
        }
        let (silent, spent) = (all.for_silent.requests, all.spent.requests);
        (outcome.served, outcome.for_silent, outcome.for_unknown) = (count, silent, all.for_unknown.requests);
        outcome.over = count.saturating_sub(plan.limit);
        // What was in doubt when data was lost may count twice.
        if !plan.loses() {
            outcome.over += spent.saturating_sub(plan.limit).max(most.saturating_sub(plan.pace));
        }
        outcome.over_lanes = peak(&served).saturating_sub(plan.lanes);
        // What is charged for an Envoy that ended may be more than it used, but not more than it was lent.
        outcome.lost = count.saturating_sub(spent) + count.saturating_sub(pace);
        outcome.twice = (spent - silent).saturating_sub(count);
        if !plan.ends_an_envoy() {
            outcome.twice += pace.saturating_sub(count);
            let whole = all.spent.numbers() == CHARGE.map(|each| each * spent);
            assert!(whole || plan.breaks_requests(), "{plan:?}: {all:?}");
        }
    }
}

fn caller(envoy: &Envoy, seed: u64) -> Client {
    Client::new(envoy, &storm::key(seed)).with(SEED_HEADER, &seed.to_string())
}

/// The most intervals that have a moment in common.
fn peak(intervals: &[(u64, u64)]) -> u64 {
    let mut moments: Vec<(u64, i64)> =
        intervals.iter().flat_map(|(begin, end)| [(*begin, 1), (*end, -1)]).collect();
    // Ends come before beginnings of the same moment.
    moments.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, change) in moments {
        now += change;
        most = most.max(now);
    }
    u64::try_from(most).unwrap_or(0)
}

/// Has `replica` follow `primary`, and waits until it has all of it.
async fn follow(replica: &Valkey, primary: &Valkey) {
    let port = primary.address().port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    until("the replica to follow", async || {
        let Ok(Resp::Bulk(Some(info))) = replica.try_command(&["INFO", "replication"]).await else {
            return None;
        };
        info.contains("master_link_status:up").then_some(())
    })
    .await;
}

/// The same configuration, and yet another one.
fn with_another_mark(plugin: &Value) -> Value {
    let mut plugin = plugin.clone();
    plugin["models"][format!("mark-{}", now_ms())] = json!([{"provider": "local"}]);
    plugin
}

#[tokio::test(flavor = "multi_thread")]
async fn storms_neither_pass_a_limit_nor_lose_nor_double_a_charge() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = number("FAREBOX_STORM").unwrap_or(1);
    let seeds = first..first + number("FAREBOX_STORMS").unwrap_or(1);
    assert!(seeds.end - seeds.start <= SEEDS, "each seed has a key: {SEEDS} at most");
    let mut scene = Scene::start(seeds.clone()).await;
    let mut all = Vec::new();
    for seed in seeds {
        let plan = Plan::of(seed, ENVOYS);
        let began = Instant::now();
        let outcome = scene.rage(&plan).await;
        println!("{:.1} s {plan:?}\n   {outcome:?}", began.elapsed().as_secs_f64());
        all.push((plan, outcome));
    }
    let sum = |of: fn(&Outcome) -> u64| all.iter().map(|(_, outcome)| of(outcome)).sum::<u64>();
    let sent: usize = all.iter().map(|(_, outcome)| outcome.sent).sum();
    println!(
        "{} storms, {} with a loss of data: {sent} sent, {} through, {} served; beyond a limit {} and beyond the lanes {}; lost {}, twice {}; \
         charged for Envoys that ended {}",
        all.len(),
        all.iter().filter(|(plan, _)| plan.loses()).count(),
        sum(|of| of.through),
        sum(|of| of.served),
        sum(|of| of.over),
        sum(|of| of.over_lanes),
        sum(|of| of.lost),
        sum(|of| of.twice),
        sum(|of| of.for_silent),
    );
    // After a loss of data what was in doubt then may count twice, and what only an Envoy knew that is gone is lost.
    let wrong = |(plan, outcome): &&(Plan, Outcome)| {
        let lost = if plan.loses() && plan.ends_an_envoy() { 0 } else { outcome.lost };
        let (lanes, twice) = if plan.loses() { (0, 0) } else { (outcome.over_lanes, outcome.twice) };
        outcome.over + lanes + lost + twice > 0
    };
    let wrong: Vec<_> = all.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
