//! Several hosts of one provider: what one of them fails at another one does, before anybody else is asked.

use super::asks;
use farebox_tests::client::chat_body;
use farebox_tests::config;
use farebox_tests::envoy::Setup;
use farebox_tests::fleet::{self, Fleet, error};
use farebox_tests::script::{Reply, Step};
use serde_json::{Value, json};
use std::net::SocketAddr;

const CALLS: usize = 12;
/// What the default answer costs at the pool, 11 tokens in and 5 out, and what all of them do.
const COST: &str = "0.000061";
const SUM: &str = "0.000732";

/// The model `pooled` is at `pool`, which has two hosts, and `guarded` at `pool` and then at `c`.
fn plugin() -> Value {
    let mut plugin = fleet::plugin();
    plugin["providers"]["pool"] = json!({
        "dialect": ["openai", "anthropic"], "cluster": "pool",
        "endpoints": ["http://10.0.0.1:8000", "http://10.0.0.2:8000"],
    });
    let pool = json!({"provider": "pool", "model": "model-pool"});
    plugin["models"]["pooled"] = json!([pool]);
    plugin["models"]["guarded"] = json!([pool, {"provider": "c", "model": "model-c"}]);
    plugin["prices"]["pool/*"] = json!({"input": 1, "output": 10});
    plugin
}

async fn start(plugin: &Value, hosts: impl FnOnce([SocketAddr; 3]) -> [SocketAddr; 2]) -> Fleet {
    Fleet::run_with(Setup::new(plugin), |setup, providers| setup.pool("pool", &hosts(providers))).await
}

/// The providers and reasons of a record's attempts.
fn attempts(record: &Value) -> Vec<(&str, &str)> {
    let attempts = record["attempts"].as_array().unwrap().iter();
    attempts
        .map(|attempt| (attempt["provider"].as_str().unwrap(), attempt["reason"].as_str().unwrap()))
        .collect()
}

/// Of twelve requests none sees that one of two hosts fails, and each is charged once.
async fn goes_on(fleet: &Fleet, reason: &str) {
    for call in 0..CALLS {
        asks(fleet, "pooled", "/v1/chat/completions", call % 2 == 1).await;
    }
    let records = fleet.envoy.records(CALLS).await;
    let retried = records.iter().filter(|record| attempts(record).len() > 1).count();
    assert!(retried > 0, "nobody met the host that fails: {records:?}");
    for record in &records {
        assert_eq!((&record["provider"], &record["cost_usd"]), (&json!("pool"), &json!(COST)));
        let all = attempts(record);
        assert_eq!(all.last(), Some(&("pool", "ok")), "{record}");
        assert!(all.len() == 1 || all == [("pool", reason), ("pool", "ok")], "{record}");
    }
    fleet.failed_attempts("pool", reason, retried).await;
    let usage = fleet.client.usage("org").await;
    let spent = &usage["spent"];
    assert_eq!((&spent["requests"], &spent["usd"]), (&json!(CALLS), &json!(SUM)), "{usage}");
    assert_eq!(usage["held"], config::nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_answers_500_is_passed_over_for_another_one_of_its_provider() {
    let fleet = start(&plugin(), |[a, b, _]| [a, b]).await;
    fleet.a().reply(error(500, &[]));
    goes_on(&fleet, "status").await;
    assert_eq!(fleet.b().count(), CALLS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_resets_or_refuses_connections_is_passed_over_too() {
    let fleet = start(&plugin(), |[a, b, _]| [a, b]).await;
    fleet.a().reply(Reply::default().then(Step::Reset));
    goes_on(&fleet, "no_answer").await;
    let fleet = start(&plugin(), |[_, b, _]| [fleet::nobody(), b]).await;
    goes_on(&fleet, "no_answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_full_or_lacks_the_model_cools_nothing_down() {
    for (refusal, reason) in [
        (error(429, &[("retry-after", "60")]), "rate_limited"),
        (Reply::json(404, &json!({"error": {"message": "x", "code": "model_not_found"}})), "model_not_found"),
    ] {
        let fleet = start(&plugin(), |[a, b, _]| [a, b]).await;
        fleet.a().reply(refusal);
        goes_on(&fleet, reason).await;
        assert_eq!(fleet.envoy.metrics().await.sum("farebox_resting_models_total", &[]), 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_target_is_asked_after_the_hosts_and_within_the_attempts() {
    for (limit, expected) in [
        (3, vec![("pool", "status"), ("pool", "status"), ("c", "ok")]),
        (2, vec![("pool", "status"), ("c", "ok")]),
    ] {
        let mut plugin = plugin();
        plugin["failover"] = json!({"attempts": limit});
        let fleet = start(&plugin, |[a, b, _]| [a, b]).await;
        fleet.a().reply(error(500, &[]));
        fleet.b().reply(error(503, &[]));
        for call in 1..=4 {
            asks(&fleet, "guarded", "/v1/chat/completions", call % 2 == 1).await;
            assert_eq!(attempts(&fleet.envoy.record(call).await), expected);
            let [a, b, c] = fleet.counts();
            assert_eq!((a + b, c), (call * (limit - 1), call));
            assert!(limit == 2 || a == b, "{a} and {b}: never one host twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_host_says_what_the_caller_gets() {
    let fleet = start(&plugin(), |[a, b, _]| [a, b]).await;
    fleet.a().reply(error(500, &[]));
    fleet.b().reply(error(500, &[]));
    let answer = fleet.client.chat("pooled").await;
    assert_eq!((answer.status, fleet.counts()), (500, [1, 1, 0]));
    assert_eq!(attempts(&fleet.envoy.record(1).await), [("pool", "status"), ("pool", "status")]);
    let usage = fleet.client.usage("org").await;
    assert_eq!((&usage["spent"]["usd"], &usage["held"]), (&json!("0.00"), &config::nothing()), "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_host_has_begun_is_never_asked_for_at_another_one() {
    let fleet = start(&plugin(), |[a, b, _]| [a, b]).await;
    let token = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
    for provider in [fleet.a(), fleet.b()] {
        provider.reply(Reply::event_stream().chunk(token).then(Step::Reset));
    }
    let mut body = chat_body("pooled");
    body["stream"] = json!(true);
    let mut events = fleet.client.stream("/v1/chat/completions", &body).await;
    events.all().await;
    assert!(events.broken, "{:?}", String::from_utf8_lossy(&events.body));
    let [a, b, c] = fleet.counts();
    assert_eq!((a + b, c), (1, 0));
}
