//! What may go wrong between a fleet and its ledger.

use farebox_tests::answers::Answers;
use farebox_tests::client::Client;
use farebox_tests::config::DEMO;
use farebox_tests::envoy::Setup;
use farebox_tests::envoys::{COST_MICRO_USD, Envoys, plugin, requests};
use farebox_tests::faults::Faults;
use farebox_tests::patience::until;
use farebox_tests::provider::Provider;
use farebox_tests::resp::Resp;
use farebox_tests::valkey::{self, Valkey};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_killed_or_emptied_in_mid_traffic_loses_no_charge() {
    let mut valkey = valkey::Setup::default().append_only("always").start().await;
    let mut shared =
        Envoys::start(2, Setup::new(&plugin(requests(100_000), json!({}))).ledger(valkey.address())).await;
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
    let shared = Envoys::start(
        2,
        Setup::new(&plugin(requests(150), json!({"wait_ms": 10_000}))).ledger(faults.address()),
    )
    .await;
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
        let shared =
            Envoys::start(1, Setup::new(&plugin(requests(100), ledger)).ledger(valkey.address())).await;
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
    let shared = Envoys::start(1, Setup::new(&plugin).ledger(valkey.address())).await;
    assert_eq!(shared.clients[0].chat("fast").await.status, 503);
    assert_eq!(valkey.command(&["GET", "farebox:{all}:org/:0"]).await, Resp::text("somebody else's"));
    assert!(shared.envoys[0].log().contains("farebox:{all}:org/:0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_the_ledger_was_not_told_of_by_all_workers_and_for_how_long() {
    let mut valkey = Valkey::start().await;
    let budgets = json!([{"name": "team", "per": "team", "window": "month", "limit_usd": 1000}]);
    let mut shared = Envoys::start(1, Setup::new(&plugin(budgets, json!({}))).ledger(valkey.address())).await;
    // Both workers are lent something for further requests.
    shared.crowd(40).await;
    // The usage page counts what an Envoy has yet to say. When the ledger dies, all of that has to be said and answered.
    until("the ledger to have been told of all", async || {
        let mut spent = 0;
        for key in valkey.keys("farebox:{team}:team/*").await {
            spent += valkey.account(&key).await.unwrap_or_default().spent.nano_usd;
        }
        let waiting = shared.envoys[0].stat("^cluster.ledger.upstream_rq_active$").await;
        (spent == 40 * COST_MICRO_USD * 1_000 && waiting == 0).then_some(())
    })
    .await;
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
