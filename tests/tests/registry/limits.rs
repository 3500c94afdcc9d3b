//! Limits that are raised and lowered, with counters kept.

use super::{everywhere, fleet};
use farebox_core::base::window::Millis;
use farebox_tests::client::Client;
use farebox_tests::config::DEMO;
use farebox_tests::patience::until;
use farebox_tests::registry::Registry;
use farebox_tests::valkey::Valkey;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn budgets() -> Value {
    json!([
        {"name": "team", "per": "team", "window": "lifetime", "limit_requests": 10},
        {"name": "lane", "per": "user", "window": "lifetime", "limit_requests": 2},
    ])
}

fn after(duration: Duration) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + duration;
    Millis(u64::try_from(since.as_millis()).unwrap()).to_rfc3339()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_raised_and_lowered_and_what_was_spent_stays_spent() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let fleet = fleet(&valkey, budgets()).await;
    assert_eq!(fleet.crowd(14).await, 10);
    everywhere(&fleet, DEMO, 429, Some("budget")).await;
    registry.set("limit/team/search", json!({"limit_requests": 13})).await;
    until("three more", async || {
        fleet.crowd(2).await;
        (fleet.provider.count() == 13).then_some(())
    })
    .await;
    everywhere(&fleet, DEMO, 429, Some("budget")).await;
    assert_eq!(fleet.provider.count(), 13);
    until("the usage page to say so", async || {
        let usage = fleet.clients[1].usage("team").await;
        (usage["limit"]["requests"] == 13 && usage["spent"]["requests"] == 13).then_some(())
    })
    .await;

    // What is raised for a while falls back to the rest, by the clock of the request.
    let raised = json!({"limit_requests": 1_000, "until": after(Duration::from_secs(10))});
    registry.set("limit/team/search", json!({"limit_requests": 11, "raised": raised})).await;
    everywhere(&fleet, DEMO, 200, None).await;
    everywhere(&fleet, DEMO, 429, Some("budget")).await;
    let usage = fleet.clients[0].usage("team").await;
    assert_eq!(usage["limit"]["requests"], 11, "{usage}");
    registry.remove("limit/team/search").await;
    until("the limit of the configuration", async || {
        (fleet.clients[0].usage("team").await["limit"]["requests"] == 10).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_given_to_a_subject_that_callers_name_and_to_all_that_a_pattern_fits() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let mut budgets = budgets();
    budgets[0]["limit_requests"] = json!(10_000);
    let fleet = fleet(&valkey, budgets).await;
    let ask = async |user: &str| {
        Client::new(&fleet.envoys[0], DEMO).with("x-farebox-user", user).chat("fast").await.status
    };
    for user in ["alice", "bob"] {
        assert_eq!([ask(user).await, ask(user).await, ask(user).await], [200, 200, 429]);
    }
    registry.set("limit/lane/*", json!({"limit_requests": 1_000})).await;
    registry.set("limit/lane/alice", json!({"limit_requests": 2})).await;
    until("more for bob", async || (ask("bob").await == 200).then_some(())).await;
    assert_eq!([ask("carol").await, ask("carol").await, ask("carol").await], [200; 3]);
    until("no more for alice", async || (ask("alice").await == 429).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_a_process_is_raised_as_well() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let mut budgets = budgets();
    budgets[0]["scope"] = json!("process");
    let fleet = fleet(&valkey, budgets).await;
    assert_eq!(fleet.crowd(30).await, 20, "ten for each");
    registry.set("limit/team/search", json!({"limit_requests": 1_000})).await;
    everywhere(&fleet, DEMO, 200, None).await;
    registry.set("limit/team/search", json!({"limit_requests": 1})).await;
    everywhere(&fleet, DEMO, 429, Some("budget")).await;
}
