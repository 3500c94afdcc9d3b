//! Budgets that a fleet shares: several real Envoys, one real Valkey, and what may go wrong between them.

use farebox_tests::answers::Answers;
use farebox_tests::client::Client;
use farebox_tests::config::{self, DEMO};
use farebox_tests::envoy::{Envoy, Setup};
use farebox_tests::faults::Faults;
use farebox_tests::patience::until;
use farebox_tests::provider::Provider;
use farebox_tests::resp::Resp;
use farebox_tests::script::Gate;
use farebox_tests::valkey::{self, Valkey};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What one request costs: eleven tokens in at $1 and five out at $10 a million.
const COST_MICRO_USD: u64 = 61;

/// Several Envoys in front of one provider, with one ledger.
struct Shared {
    envoys: Vec<Envoy>,
    clients: Vec<Client>,
    provider: Provider,
    plugin: Value,
    ledger: SocketAddr,
    /// The ledger is away, so some may be told to come again.
    is_away: bool,
}

fn plugin(budgets: Value, ledger: Value) -> Value {
    config::with(json!({"budgets": budgets, "ledger": ledger, "hold": {"output_tokens": 20}}))
}

impl Shared {
    async fn start(count: usize, plugin: &Value, ledger: SocketAddr) -> Self {
        let provider = Provider::start().await;
        let answers = Answers::default();
        provider.answer(move |request| answers.reply(request));
        let (envoys, clients) = (Vec::new(), Vec::new());
        let mut shared = Self { envoys, clients, provider, plugin: plugin.clone(), ledger, is_away: false };
        for _ in 0..count {
            shared.add().await;
        }
        shared
    }

    async fn add(&mut self) {
        let setup = Setup::new(&self.plugin).workers(2).ledger(self.ledger);
        let envoy = setup.start(&self.provider).await;
        self.clients.push(Client::new(&envoy, DEMO));
        self.envoys.push(envoy);
    }

    /// Sends so many requests at once over all Envoys; says how many were let through.
    async fn crowd(&self, count: usize) -> usize {
        let mut crowd = JoinSet::new();
        for number in 0..count {
            let client = self.clients[number % self.clients.len()].clone();
            crowd.spawn(async move { client.chat("fast").await.status });
        }
        let statuses = crowd.join_all().await;
        let known = if self.is_away { &[200, 429, 503][..] } else { &[200, 429] };
        assert!(statuses.iter().all(|status| known.contains(status)), "{statuses:?}");
        statuses.iter().filter(|status| **status == 200).count()
    }

    /// Waits until the usage page of every Envoy says that so many requests are spent and none is held.
    async fn settled(&self, budget: &str, requests: u64) {
        for client in &self.clients {
            until(&format!("{requests} requests of {budget}"), async || {
                let usage = client.usage(budget).await;
                (usage["spent"]["requests"] == requests).then_some(())
            })
            .await;
        }
    }
}

fn requests(limit: u64) -> Value {
    json!([{"name": "day", "window": "day", "limit_requests": limit}])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_budget_is_one_over_all_envoys_and_over_a_restart_of_all() {
    let valkey = Valkey::start().await;
    let plugin = plugin(requests(10), json!({}));
    let shared = Shared::start(2, &plugin, valkey.address()).await;
    assert_eq!(shared.crowd(40).await, 10, "two Envoys with two workers each");
    shared.settled("day", 10).await;
    assert_eq!(shared.crowd(4).await, 0);
    drop(shared);
    let again = Shared::start(2, &plugin, valkey.address()).await;
    assert_eq!(again.crowd(4).await, 0, "a restart gives nobody a fresh budget");
    again.settled("day", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_of_a_fleet_budget_is_counted_to_the_last_nano_dollar() {
    let valkey = Valkey::start().await;
    let budgets = json!([{"name": "team", "per": "team", "window": "month", "limit_usd": 10}]);
    let shared = Shared::start(2, &plugin(budgets, json!({})), valkey.address()).await;
    assert_eq!(shared.crowd(60).await, 60);
    shared.settled("team", 60).await;
    let usage = shared.clients[0].usage("team").await;
    assert_eq!(usage["spent"]["usd"], format!("0.00{}", 6 * COST_MICRO_USD), "{usage}");
    assert_eq!(usage["spent"]["tokens"], 60 * 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_at_once_with_money_for_ten_get_ten_through() {
    let valkey = Valkey::start().await;
    for envoys in [1, 4] {
        valkey.command(&["FLUSHALL"]).await;
        let shared = Shared::start(envoys, &plugin(requests(10), json!({})), valkey.address()).await;
        assert_eq!(shared.crowd(200).await, 10, "{envoys} Envoys");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_budget_that_only_checks_refuses_at_once_when_it_is_spent() {
    let valkey = Valkey::start().await;
    let budgets = json!([{"name": "day", "window": "day", "limit_tokens": 16, "mode": "check"}]);
    let shared = Shared::start(2, &plugin(budgets, json!({})), valkey.address()).await;
    assert_eq!(shared.clients[0].chat("fast").await.status, 200);
    shared.settled("day", 1).await;
    for client in &shared.clients {
        let began = std::time::Instant::now();
        assert_eq!(client.chat("fast").await.status, 429);
        assert!(began.elapsed().as_millis() < 1_500, "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn running_requests_are_limited_over_all_envoys() {
    let valkey = Valkey::start().await;
    let budgets = json!([{"name": "lanes", "window": "day", "limit_concurrent": 3}]);
    let shared = Shared::start(2, &plugin(budgets, json!({})), valkey.address()).await;
    shared.provider.answer(|request| Answers::default().reply(request));
    // A ledger that is new lends nothing for a while.
    assert_eq!(shared.clients[0].chat("fast").await.status, 200);
    let gate = Arc::new(Gate::closed());
    let (held, answers) = (Arc::clone(&gate), Answers::default());
    shared.provider.answer(move |request| answers.reply(request).after(&held));
    let mut crowd = JoinSet::new();
    for number in 0..12 {
        let client = shared.clients[number % 2].clone();
        crowd.spawn(async move { client.chat("fast").await.status });
    }
    until("three requests at the provider", async || (shared.provider.count() == 4).then_some(())).await;
    let mut refused = 0;
    while refused < 9 {
        assert_eq!(crowd.join_next().await.unwrap().unwrap(), 429);
        refused += 1;
    }
    gate.open();
    assert_eq!(crowd.join_all().await, [200, 200, 200]);
    until("a turn that is free again", async || {
        (shared.clients[0].chat("fast").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_killed_or_emptied_in_mid_traffic_loses_no_charge() {
    let mut valkey = valkey::Setup::default().append_only("always").start().await;
    let mut shared = Shared::start(2, &plugin(requests(100_000), json!({})), valkey.address()).await;
    let mut sent = shared.crowd(100).await;
    valkey.kill();
    shared.is_away = true;
    sent += shared.crowd(20).await;
    valkey.restart().await;
    sent += shared.crowd(50).await;
    shared.settled("day", sent as u64).await;
    valkey.command(&["FLUSHALL"]).await;
    sent += shared.crowd(50).await;
    shared.settled("day", sent as u64).await;
    valkey.pause();
    sent += shared.crowd(20).await;
    valkey.go_on();
    shared.settled("day", sent as u64).await;
    let usage = shared.clients[1].usage("day").await;
    assert_eq!(usage["spent"]["requests"], sent, "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_budget_holds_over_a_bad_network() {
    let valkey = Valkey::start().await;
    let faults = Faults::before(valkey.address()).await;
    faults.seeded(11, 20, 300);
    let shared = Shared::start(2, &plugin(requests(150), json!({"wait_ms": 10_000})), faults.address()).await;
    let mut through = 0;
    for _ in 0..6 {
        through += shared.crowd(50).await;
    }
    assert!(through <= 150, "{through}");
    faults.heal();
    until("the limit to be reached", async || {
        through += shared.crowd(20).await;
        (through >= 150).then_some(())
    })
    .await;
    assert_eq!(through, 150);
    shared.settled("day", 150).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_ledger_an_envoy_does_what_the_configuration_says() {
    for (on_outage, status) in [("deny", 503), ("allotment", 503), ("local", 200)] {
        let ledger = json!({"on_outage": on_outage, "wait_ms": 200});
        let mut valkey = Valkey::start().await;
        valkey.kill();
        let shared = Shared::start(1, &plugin(requests(100), ledger), valkey.address()).await;
        let answer = shared.clients[0].chat("fast").await;
        assert_eq!(answer.status, status, "{on_outage}: {answer:?}");
        valkey.restart().await;
        until("the ledger to answer again", async || {
            (shared.clients[0].chat("fast").await.status == 200).then_some(())
        })
        .await;
        let log = shared.envoys[0].log();
        assert!(log.matches("out of reach").count() <= 2, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_wants_a_password_is_told_it_and_one_that_does_not_believe_it_is_named() {
    let valkey = valkey::Setup::default().password("s3cret").start().await;
    let ledger = json!({"password": {"env": "LEDGER_PASSWORD"}});
    let plugin = plugin(requests(100), ledger);
    let provider = Provider::start().await;
    provider.answer(|request| Answers::default().reply(request));
    for (password, status) in [("s3cret", 200), ("wrong", 503)] {
        let setup = Setup::new(&plugin).ledger(valkey.address()).env("LEDGER_PASSWORD", password);
        let envoy = setup.start(&provider).await;
        let client = Client::new(&envoy, DEMO);
        assert_eq!(client.chat("fast").await.status, status);
        if status == 503 {
            until("the log to name the setting", async || {
                client.chat("fast").await;
                envoy.log().contains("`ledger.password`").then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_keep_under_the_name_of_an_account_is_left_alone() {
    let valkey = Valkey::start().await;
    let plugin =
        plugin(json!([{"name": "all", "window": "lifetime", "limit_requests": 9}]), json!({"wait_ms": 300}));
    valkey.command(&["SET", "farebox:{all}:org/:0", "somebody else's"]).await;
    let shared = Shared::start(1, &plugin, valkey.address()).await;
    assert_eq!(shared.clients[0].chat("fast").await.status, 503);
    assert_eq!(valkey.command(&["GET", "farebox:{all}:org/:0"]).await, Resp::text("somebody else's"));
    assert!(shared.envoys[0].log().contains("farebox:{all}:org/:0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn far_from_a_limit_the_ledger_is_called_a_few_times_a_second_and_nobody_waits() {
    let valkey = Valkey::start().await;
    let shared = Shared::start(1, &plugin(requests(1_000_000), json!({})), valkey.address()).await;
    shared.crowd(20).await;
    let calls = async || {
        let info = valkey.command(&["INFO", "commandstats"]).await;
        let text = format!("{info:?}");
        let at = text.find("cmdstat_evalsha:calls=").map(|at| at + "cmdstat_evalsha:calls=".len()).unwrap();
        text[at..].split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let (before, began) = (calls().await, std::time::Instant::now());
    let mut sent = 0;
    while began.elapsed().as_secs() < 3 {
        shared.clients[0].chat("fast").await;
        sent += 1;
    }
    let a_second = (calls().await - before) as f64 / began.elapsed().as_secs_f64();
    println!("{sent} requests, {a_second:.1} calls a second");
    assert!(a_second < 10.0, "{a_second} calls a second for {sent} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_the_ledger_was_not_told_of_by_all_workers_and_for_how_long() {
    let mut valkey = Valkey::start().await;
    let budgets = json!([{"name": "team", "per": "team", "window": "month", "limit_usd": 1000}]);
    let mut shared = Shared::start(1, &plugin(budgets, json!({})), valkey.address()).await;
    // Both workers are lent something for further requests.
    shared.crowd(40).await;
    shared.settled("team", 40).await;
    valkey.kill();
    shared.is_away = true;
    let through = shared.crowd(8).await as f64;
    assert!(through > 0.0);
    let unsaid = through * COST_MICRO_USD as f64 * 1_000.0;
    let of = async |name: &str| shared.envoys[0].metrics().await.sum(name, &[]);
    until("all that is unsaid to be shown", async || {
        let away = of("farebox_ledger_outage_seconds_total").await;
        let (lag, money) = (of("farebox_ledger_lag_ms").await, of("farebox_ledger_unsent_nano_usd").await);
        (away >= 2.0 && lag >= 2_000.0 && money == unsaid).then_some(())
    })
    .await;
    valkey.restart().await;
    until("all to be said", async || {
        let (lag, money) = (of("farebox_ledger_lag_ms").await, of("farebox_ledger_unsent_nano_usd").await);
        (lag < 1_000.0 && money == 0.0).then_some(())
    })
    .await;
    shared.settled("team", 40 + through as u64).await;
}
