//! Several keys of one provider, and targets by weight: who is used, who rests, and for how long.

use farebox_tests::answers::Answers;
use farebox_tests::client::Client;
use farebox_tests::config::DEMO;
use farebox_tests::envoy::Setup;
use farebox_tests::fleet::{self, Fleet, error};
use farebox_tests::patience::until;
use farebox_tests::script::Reply;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const KEYS: [&str; 2] = ["sk-the-first-key", "sk-the-second-key"];

/// The provider `a` with two keys of these weights.
async fn start(weights: [u64; 2], change: impl FnOnce(&mut Value)) -> Fleet {
    let mut plugin = fleet::plugin();
    plugin["providers"]["a"]["credentials"] =
        json!([{"env": "FIRST_KEY", "weight": weights[0]}, {"env": "SECOND_KEY", "weight": weights[1]}]);
    change(&mut plugin);
    let setup = Setup::new(&plugin).workers(2);
    Fleet::run(setup.env("FIRST_KEY", KEYS[0]).env("SECOND_KEY", KEYS[1])).await
}

/// How often `a` was asked with each key.
fn used(fleet: &Fleet) -> [usize; 2] {
    let requests = fleet.a().requests();
    KEYS.map(|key| {
        requests.iter().filter(|request| request.header("authorization") == [format!("Bearer {key}")]).count()
    })
}

/// Refuses the first key like this and accepts the second.
fn refuse_first(fleet: &Fleet, refusal: Reply) {
    let answers = Answers::default();
    fleet.a().answer(move |request| {
        let first = request.header("authorization") == [format!("Bearer {}", KEYS[0])];
        if first { refusal.clone() } else { answers.reply(request) }
    });
}

/// The first key rests for two seconds after this refusal, for all workers, and the second is used in its place.
async fn first_key_cools_down(refusal: Reply, reason: &str, change: impl FnOnce(&mut Value)) {
    let fleet = start([1, 1], change).await;
    refuse_first(&fleet, refusal);
    let ask = async || {
        // Another connection is another worker, every now and then.
        let answer = Client::new(&fleet.envoy, DEMO).chat("fast").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    until("the first key to be refused", async || {
        ask().await;
        (used(&fleet)[0] == 1).then_some(())
    })
    .await;
    let refused = Instant::now();
    for _ in 0..30 {
        ask().await;
    }
    assert!(refused.elapsed() < Duration::from_millis(1_900), "too slow a machine to see it rest");
    assert_eq!(used(&fleet)[0], 1, "it rests");
    until("the first key to be used again", async || {
        ask().await;
        (used(&fleet)[0] == 2).then_some(())
    })
    .await;
    let rested = refused.elapsed();
    assert!((1_900..20_000).contains(&rested.as_millis()), "{rested:?}");
    assert_eq!(fleet.b().count(), 0, "the other key was there");
    let records = fleet.envoy.records(fleet.a().count() - 2).await;
    let of_two = records.iter().filter(|record| record["attempts"].as_array().unwrap().len() == 2);
    for record in of_two {
        let attempts = &record["attempts"];
        assert_eq!(
            (&attempts[0]["credential"], &attempts[0]["reason"]),
            (&json!("FIRST_KEY"), &json!(reason))
        );
        assert_eq!(
            (&attempts[1]["credential"], &attempts[1]["provider"]),
            (&json!("SECOND_KEY"), &json!("a"))
        );
    }
    assert!(!fleet.envoy.log().contains("sk-the-"));
    fleet.failed_attempts("a", reason, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cools_down_as_long_as_retry_after_says_and_the_other_one_is_used() {
    first_key_cools_down(error(429, &[("retry-after", "2")]), "rate_limited", |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cools_down_as_long_as_the_body_of_google_says() {
    let body =
        json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "2s"}]}});
    first_key_cools_down(Reply::json(429, &body), "rate_limited", |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cools_down_as_long_as_the_configuration_says_if_the_provider_does_not() {
    let change = |plugin: &mut Value| plugin["failover"] = json!({"pause_seconds": {"rate_limited": 2}});
    first_key_cools_down(error(429, &[]), "rate_limited", change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_accepted_cools_down_as_long_as_the_configuration_says() {
    let change = |plugin: &mut Value| plugin["failover"] = json!({"pause_seconds": {"unauthorized": 2}});
    first_key_cools_down(error(401, &[]), "unauthorized", change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_keys_cool_down_requests_go_to_the_next_target_at_once() {
    let fleet = start([1, 1], |_| {}).await;
    fleet.a().reply(error(429, &[("retry-after", "60")]));
    for count in 1..=6 {
        let answer = fleet.client.chat("fast").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(used(&fleet), [1, 1]);
        let record = fleet.envoy.record(count).await;
        assert_eq!(record["provider"], "b", "{record}");
        let reasons: Vec<_> = record["attempts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|attempt| attempt["reason"].as_str().unwrap())
            .collect();
        assert_eq!(reasons, if count == 1 { vec!["rate_limited", "rate_limited", "ok"] } else { vec!["ok"] });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_key_cools_down_too_if_there_is_another_target_and_is_tried_if_there_is_none() {
    let only = |plugin: &mut Value| {
        plugin["providers"]["a"]["credentials"] = json!([{"env": "FIRST_KEY"}]);
        plugin["models"]["alone"] = json!([{"provider": "a", "model": "model-a"}]);
    };
    let fleet = start([1, 1], only).await;
    fleet.a().reply(error(429, &[("retry-after", "60")]));
    for _ in 0..3 {
        assert_eq!(fleet.client.chat("fast").await.status, 200);
    }
    assert_eq!(fleet.counts(), [1, 3, 0], "it is not asked in vain every time");
    assert_eq!(fleet.client.chat("alone").await.status, 429);
    assert_eq!(fleet.counts(), [2, 3, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_targets_are_used_by_their_weight() {
    let weighted = |plugin: &mut Value| {
        plugin["models"]["fast"][0]["weight"] = json!(3);
        plugin["models"]["fast"][1]["weight"] = json!(1);
    };
    let fleet = start([3, 1], weighted).await;
    for _ in 0..300 {
        assert_eq!(fleet.client.chat("fast").await.status, 200);
    }
    let ([a, b, _], [first, second]) = (fleet.counts(), used(&fleet));
    println!(
        "of 300 requests by weights 3 and 1: {a} and {b}; of those of the first, by keys: {first} and {second}"
    );
    assert!((190..=260).contains(&a) && a + b == 300, "{a} and {b}");
    let part = first as f64 / (first + second) as f64;
    assert!((0.65..0.85).contains(&part), "{first} and {second}");
}
