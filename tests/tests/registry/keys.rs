//! Keys that are made, exchanged, switched off and revoked, and teams that are.

use super::{everywhere, fleet, setup, with};
use farebox_tests::answers::Answers;
use farebox_tests::client::Client;
use farebox_tests::config::{DEMO, OTHER, sha256};
use farebox_tests::envoys::requests;
use farebox_tests::patience::until;
use farebox_tests::provider::Provider;
use farebox_tests::registry::{Registry, key};
use farebox_tests::script::Gate;
use farebox_tests::valkey::Valkey;
use serde_json::json;

const NEW: &str = "fb_new_8fJ2kQ";
const NEXT: &str = "fb_new_Zq0Ww1";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_exchanged_switched_off_and_revoked_without_a_push() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let fleet = fleet(&valkey, requests(10_000)).await;
    everywhere(&fleet, NEW, 401, Some("invalid_key")).await;
    everywhere(&fleet, DEMO, 200, None).await;

    registry.set("key/new", key(&[NEW], "search")).await;
    everywhere(&fleet, NEW, 200, None).await;
    let answer = Client::new(&fleet.envoys[0], "fb_new_wrong").chat("fast").await;
    assert_eq!((answer.status, answer.header("x-farebox-denied")), (401, Some("invalid_key")));

    // Both are good while one takes the other's place.
    let mut both = key(&[NEW, NEXT], "search");
    both["sha256"][0]["until"] = json!("2100-01-01T00:00:00Z");
    registry.set("key/new", both.clone()).await;
    everywhere(&fleet, NEXT, 200, None).await;
    everywhere(&fleet, NEW, 200, None).await;
    both["sha256"][0]["until"] = json!("2026-01-01T00:00:00Z");
    registry.set("key/new", both.clone()).await;
    everywhere(&fleet, NEW, 401, Some("invalid_key")).await;
    everywhere(&fleet, NEXT, 200, None).await;

    both["enabled"] = json!(false);
    registry.set("key/new", both.clone()).await;
    everywhere(&fleet, NEXT, 401, Some("key_disabled")).await;
    both["enabled"] = json!(true);
    both["expires"] = json!("2026-01-01");
    registry.set("key/new", both.clone()).await;
    everywhere(&fleet, NEXT, 401, Some("key_expired")).await;
    both["expires"] = json!("2100-01-01");
    both["models"] = json!(["nothing-*"]);
    registry.set("key/new", both.clone()).await;
    everywhere(&fleet, NEXT, 403, Some("model_not_allowed")).await;
    both["revoked_at"] = json!("2026-11-28T00:00:00Z");
    registry.set("key/new", both).await;
    everywhere(&fleet, NEXT, 401, Some("key_revoked")).await;

    registry.remove("key/new").await;
    everywhere(&fleet, NEXT, 401, Some("invalid_key")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_key_of_the_configuration_the_registry_only_takes_away() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let fleet = fleet(&valkey, requests(10_000)).await;
    // Another secret, another team: neither counts.
    registry
        .set(
            "key/demo",
            json!({"sha256": [{"sha256": sha256("fb_demo_mine")}], "team": "ads", "enabled": false}),
        )
        .await;
    everywhere(&fleet, DEMO, 401, Some("key_disabled")).await;
    everywhere(&fleet, "fb_demo_mine", 401, Some("invalid_key")).await;
    everywhere(&fleet, OTHER, 200, None).await;
    registry.set("key/demo", json!({"enabled": true})).await;
    everywhere(&fleet, DEMO, 200, None).await;
    // What is not understood lets nobody in.
    registry.set("key/demo", json!({"enabled": true, "only_on": "tuesdays"})).await;
    everywhere(&fleet, DEMO, 401, Some("key_disabled")).await;
    let log = fleet.envoys[0].log();
    assert!(log.contains("entry 'key/demo' of the registry is not understood"), "{log}");
    assert!(log.contains("only_on: unknown key"), "{log}");
    registry.remove("key/demo").await;
    everywhere(&fleet, DEMO, 200, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_switched_off_and_narrowed_with_all_its_callers() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let fleet = fleet(&valkey, requests(10_000)).await;
    registry.set("key/new", key(&[NEW], "search")).await;
    registry.set("team/search", json!({"enabled": false})).await;
    everywhere(&fleet, DEMO, 403, Some("team_disabled")).await;
    everywhere(&fleet, NEW, 403, Some("team_disabled")).await;
    everywhere(&fleet, OTHER, 200, None).await;
    registry.set("team/search", json!({"models": ["claude-*"]})).await;
    everywhere(&fleet, DEMO, 403, Some("model_not_allowed")).await;
    registry.set("team/search", json!({"models": ["fa*"]})).await;
    everywhere(&fleet, NEW, 200, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_runs_when_its_key_is_revoked_comes_to_its_end_and_is_charged() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    registry.set("key/new", key(&[NEW], "search")).await;
    let fleet = fleet(&valkey, requests(10_000)).await;
    everywhere(&fleet, NEW, 200, None).await;
    let (gate, answers) = (Gate::closed(), Answers::default());
    let held = gate.clone();
    let before = fleet.provider.count();
    fleet.provider.answer(move |request| answers.reply(request).after(&held));
    let client = Client::new(&fleet.envoys[0], NEW);
    let running = tokio::spawn(async move { client.chat("fast").await.status });
    fleet.provider.requested(before + 1).await;
    let mut revoked = key(&[NEW], "search");
    revoked["revoked_at"] = json!("2026-11-28T00:00:00Z");
    registry.set("key/new", revoked).await;
    // Nothing else is sent to the provider, which answers nobody now.
    for envoy in &fleet.envoys {
        until("the key to be refused", async || {
            (Client::new(envoy, NEW).get("/v1/models").await.status == 401).then_some(())
        })
        .await;
    }
    gate.open();
    assert_eq!(running.await.unwrap(), 200);
    fleet.settled("day", before as u64 + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_pushed_meanwhile_changes_nothing_for_keys_of_the_registry() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    registry.set("key/new", key(&[NEW], "search")).await;
    let mut plugin = with(requests(10_000), json!({}));
    let provider = Provider::start().await;
    provider.answer(|request| Answers::default().reply(request));
    let envoy = setup(&valkey, &plugin).discovered().workers(2).start(&provider).await;
    until("the key", async || (Client::new(&envoy, NEW).chat("fast").await.status == 200).then_some(()))
        .await;
    plugin["models"]["in-force"] = json!([{"provider": "local"}]);
    envoy.push(&plugin.to_string());
    until("the pushed configuration", async || {
        let answer = Client::new(&envoy, NEW).get("/v1/models").await;
        assert_eq!(answer.status, 200);
        answer.json().to_string().contains("in-force").then_some(())
    })
    .await;
    assert_eq!(Client::new(&envoy, NEW).chat("fast").await.status, 200);
    registry.set("key/new", json!({"enabled": false})).await;
    until("the key to be off", async || {
        (Client::new(&envoy, NEW).chat("fast").await.status == 401).then_some(())
    })
    .await;
}
