//! A registry that is away, is empty, or never was there.

use super::{everywhere, fleet, setup, with};
use farebox_tests::client::Client;
use farebox_tests::config::DEMO;
use farebox_tests::envoys::{Envoys, requests};
use farebox_tests::patience::until;
use farebox_tests::registry::{Registry, key};
use farebox_tests::valkey::{self, Valkey};
use serde_json::json;

const NEW: &str = "fb_new_8fJ2kQ";

#[tokio::test(flavor = "multi_thread")]
async fn while_the_registry_is_away_it_holds_as_it_was_last_read() {
    let mut valkey = valkey::Setup::default().append_only("always").start().await;
    let budgets = json!([{"name": "own", "scope": "process", "window": "day", "limit_requests": 10_000}]);
    Registry(&valkey).set("key/new", key(&[NEW], "search")).await;
    Registry(&valkey).set("key/demo", json!({"enabled": false})).await;
    let fleet = fleet(&valkey, budgets).await;
    everywhere(&fleet, NEW, 200, None).await;
    valkey.kill();
    until("the log to say so", async || {
        fleet.envoys[0].log().contains("the registry is out of reach").then_some(())
    })
    .await;
    everywhere(&fleet, NEW, 200, None).await;
    everywhere(&fleet, DEMO, 401, Some("key_disabled")).await;
    let age = fleet.envoys[0].metrics().await.sum("farebox_registry_age_ms", &[]);
    assert!(age >= 2_000.0, "{age}");
    valkey.restart().await;
    let mut off = key(&[NEW], "search");
    off["enabled"] = json!(false);
    Registry(&valkey).set("key/new", off).await;
    everywhere(&fleet, NEW, 401, Some("key_disabled")).await;
    let log = fleet.envoys[0].log();
    assert_eq!(log.matches("the registry is out of reach").count(), 1, "{log}");
    assert_eq!(log.matches("the registry answers again").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_was_emptied_holds_as_it_was_while_an_envoy_runs_and_what_is_written_then_counts() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    registry.set("key/new", key(&[NEW], "search")).await;
    registry.set("key/demo", json!({"enabled": false})).await;
    let fleet = fleet(&valkey, requests(10_000)).await;
    everywhere(&fleet, NEW, 200, None).await;
    valkey.command(&["FLUSHALL"]).await;
    for envoy in &fleet.envoys {
        until("the loss to be noticed", async || {
            envoy.log().contains("the registry has lost something").then_some(())
        })
        .await;
    }
    everywhere(&fleet, NEW, 200, None).await;
    everywhere(&fleet, DEMO, 401, Some("key_disabled")).await;
    registry.set("key/demo", json!({})).await;
    everywhere(&fleet, DEMO, 200, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_has_never_read_the_registry_does_what_the_configuration_says() {
    for (on_cold_start, demo, new) in [("deny", 503, 503), ("configured", 200, 503)] {
        let mut valkey = valkey::Setup::default().append_only("always").start().await;
        Registry(&valkey).set("key/new", key(&[NEW], "search")).await;
        valkey.kill();
        let budgets = json!([{"name": "own", "scope": "process", "window": "day", "limit_requests": 10_000}]);
        let plugin = with(budgets, json!({"on_cold_start": on_cold_start}));
        let fleet = Envoys::start(1, setup(&valkey, &plugin)).await;
        let reason = (demo == 503).then_some("registry_unavailable");
        everywhere(&fleet, DEMO, demo, reason).await;
        everywhere(&fleet, NEW, new, Some("registry_unavailable")).await;
        assert_eq!(Client::anonymous(&fleet.envoys[0]).get("/farebox/health").await.status, 200);
        valkey.restart().await;
        everywhere(&fleet, NEW, 200, None).await;
        everywhere(&fleet, DEMO, 200, None).await;
    }
}
