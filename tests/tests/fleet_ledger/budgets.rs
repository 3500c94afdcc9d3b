//! Budgets that a fleet shares: several real Envoys and one real Valkey.

use farebox_tests::answers::Answers;
use farebox_tests::envoy::Setup;
use farebox_tests::envoys::{COST_MICRO_USD, Envoys, plugin, requests};
use farebox_tests::patience::until;
use farebox_tests::script::Gate;
use farebox_tests::valkey::Valkey;
use serde_json::json;
use std::sync::Arc;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn money_of_a_fleet_budget_is_counted_to_the_last_nano_dollar() {
    let valkey = Valkey::start().await;
    let budgets = json!([{"name": "team", "per": "team", "window": "month", "limit_usd": 10}]);
    let shared = Envoys::start(2, Setup::new(&plugin(budgets, json!({}))).ledger(valkey.address())).await;
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
        let shared =
            Envoys::start(envoys, Setup::new(&plugin(requests(10), json!({}))).ledger(valkey.address()))
                .await;
        assert_eq!(shared.crowd(200).await, 10, "{envoys} Envoys");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_budget_that_only_checks_refuses_at_once_when_it_is_spent() {
    let valkey = Valkey::start().await;
    let budgets = json!([{"name": "day", "window": "day", "limit_tokens": 16, "mode": "check"}]);
    let shared = Envoys::start(2, Setup::new(&plugin(budgets, json!({}))).ledger(valkey.address())).await;
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
    let shared = Envoys::start(2, Setup::new(&plugin(budgets, json!({}))).ledger(valkey.address())).await;
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
async fn far_from_a_limit_the_ledger_is_called_a_few_times_a_second_and_nobody_waits() {
    let valkey = Valkey::start().await;
    let shared =
        Envoys::start(1, Setup::new(&plugin(requests(1_000_000), json!({}))).ledger(valkey.address())).await;
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
