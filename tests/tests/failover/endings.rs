//! How requests end that have nowhere else to go, or had something to say already.

use super::{BOTH, CHAT, COST_AT_B, MESSAGES, too_long, with_long_target};
use farebox_tests::answers::Answers;
use farebox_tests::client::chat_body;
use farebox_tests::config;
use farebox_tests::envoy::Setup;
use farebox_tests::fleet::{self, Fleet, error};
use farebox_tests::script::{Reply, Step};
use serde_json::{Value, json};
use std::time::Duration;

fn message(value: &Value) -> &str {
    value["error"]["message"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_last_target_the_caller_gets_what_that_one_said() {
    let fleet = Fleet::new(fleet::plugin()).await;
    fleet.a().reply(error(503, &[("retry-after", "99")]));
    for (count, status) in (1..).zip([500, 529, 408, 429]) {
        fleet.b().reply(error(status, &[("retry-after", "7")]));
        let answer = fleet.client.chat("fast").await;
        assert_eq!((answer.status, message(&answer.json())), (status, &*format!("says {status}")));
        assert_eq!((answer.header("retry-after"), answer.header("x-envoy-ratelimited")), (Some("7"), None));
        assert_eq!(fleet.counts(), [count, count, 0], "each was asked once");
        let record = fleet.envoy.record(count).await;
        assert_eq!(
            (&record["outcome"], &record["cost_usd"]),
            (&json!("upstream_error"), &json!("0.00")),
            "{record}"
        );
        assert_eq!(record["attempts"][1]["status"], status, "{record}");
    }
    assert_eq!(fleet.client.usage("org").await["held"], config::nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_last_target_does_not_accept_is_not_the_callers_fault() {
    let fleet = Fleet::new(fleet::plugin()).await;
    fleet.a().reply(error(529, &[]));
    for (count, (status, path)) in (1..).zip([(401, CHAT), (403, MESSAGES)]) {
        fleet.b().reply(error(status, &[]));
        let answer = fleet.client.post(path, &chat_body("fast")).await;
        assert_eq!((answer.status, answer.header("x-farebox-denied")), (502, Some("provider_refused")));
        let body = answer.json();
        assert!(!message(&body).contains("says"), "{body}");
        let anthropic = body["type"] == "error";
        assert_eq!(anthropic, path == MESSAGES, "{body}");
        let record = fleet.envoy.record(count).await;
        assert_eq!(
            (&record["status"], &record["provider_status"]),
            (&json!(502), &json!(status)),
            "{record}"
        );
        assert_eq!(fleet.counts(), [count, count, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_at_the_last_target_is_passed_on_as_it_is() {
    let fleet = Fleet::new(fleet::plugin()).await;
    fleet.a().reply(error(529, &[]));
    let event = b"data: {\"error\":{\"message\":\"no luck\",\"type\":\"server_error\"}}\n\n".to_vec();
    fleet.b().reply(Reply::events(&[event]));
    let mut events = fleet.client.stream_chat("fast", json!({})).await;
    assert_eq!(events.status, 200);
    let all = events.all().await;
    assert!(all.concat().contains("no luck") && !events.broken, "{all:?}");
    assert_eq!(fleet.counts(), [1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_begun_is_not_asked_for_again() {
    let fleet = Fleet::new(fleet::plugin()).await;
    let events = Answers::default().chat_events(true);
    let begun = events[..3].iter().fold(Reply::event_stream(), |reply, event| {
        reply.chunk(event).then(Step::Pause(Duration::from_millis(5)))
    });
    fleet.a().reply(begun.then(Step::Reset));
    let mut stream = fleet.client.stream_chat("fast", json!({})).await;
    let all = stream.all().await;
    assert!(stream.broken, "{all:?}");
    assert!(String::from_utf8_lossy(&stream.body).contains("Grüße"), "what came is passed on");
    assert_eq!(fleet.counts(), [1, 0, 0]);
    let record = fleet.envoy.record(1).await;
    assert_eq!(
        (&record["provider"], &record["outcome"]),
        (&json!("a"), &json!("upstream_reset")),
        "{record}"
    );
    // Two pieces of text were seen, at $10 a million; the input is estimated.
    let input = record["input_tokens"].as_u64().unwrap();
    let output = record["output_tokens"].as_u64().unwrap();
    assert!(input > 0 && (2..5).contains(&output), "{record}");
    let usage = fleet.client.usage("org").await;
    assert_eq!((&usage["spent"]["usd"], &usage["held"]), (&record["cost_usd"], &config::nothing()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_not_asked_twice_because_nobody_is_left() {
    let mut pool = fleet::with_keys();
    pool["models"]["fast"] = json!([{"provider": "a", "model": "model-a"}]);
    pool["providers"]["a"]["credentials"] =
        json!([{"env": "FAREBOX_TEST_KEY_A"}, {"env": "FAREBOX_TEST_KEY_B"}]);
    let mut long = with_long_target();
    long["models"]["fast"].as_array_mut().unwrap().pop();
    for plugin in [pool, long] {
        let fleet = Fleet::run(fleet::set_keys(Setup::new(&plugin))).await;
        for (count, (fault, status)) in
            (1..).zip([(Reply::default().then(Step::Reset), 503), (error(529, &[]), 529)])
        {
            fleet.a().reply(fault);
            let answer = fleet.client.chat("fast").await;
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(fleet.counts(), [count, 0, 0]);
            let record = fleet.envoy.record(count).await;
            assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{record}");
            assert_eq!(record["cost_usd"], "0.00", "{record}");
        }
        fleet.failed_attempts("a", "no_answer", 1).await;
        fleet.failed_attempts("a", "status", 1).await;
        assert_eq!(fleet.client.usage("org").await["held"], config::nothing());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_sent_often_enough_keeps_the_status_of_its_last_answer() {
    let mut plugin = with_long_target();
    plugin["failover"] = json!({"attempts": 2});
    let fleet = Fleet::new(plugin).await;
    fleet.a().reply(error(500, &[]));
    fleet.b().reply(too_long());
    let answer = fleet.client.chat("fast").await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("context_length_exceeded")));
    assert_eq!(fleet.counts(), [1, 1, 0], "a third attempt is not allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_attempt_is_no_failover() {
    let mut plugin = fleet::plugin();
    plugin["failover"] = json!({"attempts": 1});
    let fleet = Fleet::new(plugin).await;
    fleet.a().reply(error(529, &[]));
    assert_eq!(fleet.client.chat("fast").await.status, 529);
    assert_eq!(fleet.counts(), [1, 0, 0]);
    assert_eq!(fleet.envoy.record(1).await["attempts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_without_the_filter_behind_its_router_asks_the_first_target_only() {
    let fleet = Fleet::run(Setup::new(&fleet::plugin()).without_attempts()).await;
    for (count, streamed) in (1..).zip(BOTH) {
        super::asks(&fleet, "fast", CHAT, streamed).await;
        assert_eq!(fleet.envoy.record(count).await["provider"], "a");
    }
    fleet.a().reply(error(529, &[]));
    let answer = fleet.client.chat("fast").await;
    assert_eq!((answer.status, message(&answer.json())), (529, "says 529"));
    assert_eq!(fleet.client.chat("doomed").await.status, 503);
    assert_eq!(fleet.counts(), [3, 0, 0]);
    let log = fleet.envoy.log();
    assert!(!log.contains("[error]") && !log.contains("[critical]"), "{log}");
    assert_eq!(fleet.client.usage("org").await["held"], config::nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_a_host_ends_the_request_because_envoy_does_not_retry_that() {
    let fleet = Fleet::new(fleet::plugin()).await;
    assert_eq!(fleet.client.chat("lost").await.status, 503);
    assert_eq!(fleet.counts(), [0, 0, 0]);
    let record = fleet.envoy.record(1).await;
    assert_eq!(
        (&record["outcome"], &record["cost_usd"]),
        (&json!("not_answered"), &json!("0.00")),
        "{record}"
    );
    assert_eq!(fleet.client.usage("org").await["held"], config::nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_a_row_are_all_served_while_one_provider_is_down_for_good() {
    let fleet = Fleet::new(fleet::plugin()).await;
    fleet.a().reply(error(503, &[]));
    for count in 1..=20 {
        super::asks(&fleet, "fast", CHAT, count % 2 == 0).await;
        assert_eq!(fleet.envoy.record(count).await["cost_usd"], COST_AT_B);
    }
}
