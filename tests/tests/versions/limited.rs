//! What an Envoy is told that cannot do it, or that is not told all of it: a retry policy without the filter behind the router,
//! a router that keeps to one cluster, versions before 1.39 that take what is written for 1.40.
//!
//! Through a static file these versions refuse the options that they do not know. Through discovery they drop them.

use farebox_tests::client::{Client, chat_body};
use farebox_tests::config;
use farebox_tests::envoy::Setup;
use farebox_tests::fleet::{self, Fleet, error};
use farebox_tests::script::{Reply, Step};
use serde_json::json;

/// What is written for 1.40, in an older Envoy that drops what it does not know.
fn told_too_much(plugin: &serde_json::Value, binary: &'static str) -> Setup {
    Setup::new(plugin).envoy(Some(binary)).listener_discovered()
}

/// Calls at the first target, which fails in three ways: each is sent once, costs nothing, and what that target said
/// goes on.
async fn sends_once(fleet: &Fleet) {
    let client = fleet.client.with("x-envoy-max-retries", "3").with("x-envoy-retry-on", "5xx,reset");
    for (count, status) in (1..).zip([503, 429, 500]) {
        fleet.a().reply(error(status, &[]));
        let answer = client.chat("fast").await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["message"]),
            (status, &json!(format!("says {status}")))
        );
        assert_eq!(fleet.counts(), [count, 0, 0]);
        let record = fleet.envoy.record(count).await;
        assert_eq!((&record["provider"], &record["cost_usd"]), (&json!("a"), &json!("0.00")), "{record}");
    }
    // Nobody knows what became of this one, so it is the one that must not be sent again.
    fleet.a().reply(Reply::default().then(Step::Reset));
    assert_eq!(client.chat("fast").await.status, 503);
    assert_eq!(fleet.counts(), [4, 0, 0]);
    fleet.envoy.records(4).await;
    assert_eq!(fleet.client.usage("org").await["held"], config::nothing());
}

async fn limited(fleet: &Fleet, reason: &str) -> f64 {
    fleet.envoy.metrics().await.sum("farebox_failover_limited_total", &[("reason", reason)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_policy_without_the_filter_behind_the_router_sends_nothing_twice() {
    let fleet = Fleet::run(Setup::new(&fleet::plugin()).without_attempt_filter()).await;
    sends_once(&fleet).await;
    assert_eq!(limited(&fleet, "no_filter").await, 0.0, "nobody has said that there is one");
}

/// A caller without a connection so far.
fn newcomer(fleet: &Fleet) -> Client {
    Client::new(&fleet.envoy, config::DEMO)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_behind_the_router_that_is_taken_away_is_missed_and_nothing_more_is_sent_twice() {
    let fleet = Fleet::run(Setup::new(&fleet::plugin()).listener_discovered()).await;
    fleet.a().reply(error(503, &[]));
    assert_eq!(fleet.client.chat("fast").await.status, 200);
    assert_eq!(fleet.counts(), [1, 1, 0]);
    fleet.envoy.push_listener(|listener| {
        let manager = farebox_tests::envoy::Envoy::manager_of(listener);
        let router = manager["http_filters"].as_array_mut().unwrap().last_mut().unwrap();
        router["typed_config"].as_object_mut().unwrap().remove("upstream_http_filters").unwrap();
    });
    fleet.envoy.stat_reaches(r"^listener_manager\.lds\.update_success$", 2).await;
    farebox_tests::patience::until("the listener without it", async || {
        // By a connection of its own: those to the listener before are closed at some moment.
        newcomer(&fleet).chat("fast").await;
        (limited(&fleet, "no_filter").await >= 1.0).then_some(())
    })
    .await;
    let (client, before) = (newcomer(&fleet), fleet.counts());
    for count in 1..=3 {
        let answer = client.chat("fast").await;
        assert_eq!((answer.status, fleet.counts()), (503, [before[0] + count, before[1], 0]));
    }
    assert_eq!(limited(&fleet, "no_filter").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_keeps_to_one_cluster_is_noticed_and_the_providers_own_answer_goes_on() {
    let fleet = Fleet::run(Setup::new(&fleet::plugin()).without_refresh()).await;
    fleet.a().reply(error(503, &[]));
    for (count, sent) in (1..).zip([2, 3, 4]) {
        let answer = fleet.client.chat("fast").await;
        assert_eq!((answer.status, &answer.json()["error"]["message"]), (503, &json!("says 503")));
        assert_eq!(fleet.counts(), [sent, 0, 0], "the first one finds out");
        assert_eq!(fleet.envoy.record(count).await["cost_usd"], "0.00");
    }
    assert_eq!(limited(&fleet, "same_cluster").await, 1.0);
    assert_eq!(fleet.envoy.log().matches("refresh_cluster_on_retry").count(), 1, "it is said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_before_1_39_that_drops_the_option_sends_to_one_cluster_from_the_first_call_on() {
    for binary in ["1.37.0", "1.38.2"] {
        let fleet = Fleet::run(told_too_much(&fleet::plugin(), binary)).await;
        sends_once(&fleet).await;
        assert_eq!(limited(&fleet, "version").await, 1.0, "{binary}");
        assert_eq!(fleet.envoy.log().matches("is older than 1.39").count(), 1, "{binary}: it is said once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_before_1_39_that_drops_the_option_tries_another_key_of_the_same_provider() {
    let mut plugin = fleet::plugin();
    plugin["providers"]["a"]["credentials"] = json!([{"env": "FIRST_OF_A"}, {"env": "SECOND_OF_A"}]);
    let setup = |binary| {
        let setup = told_too_much(&plugin, binary);
        setup.env("FIRST_OF_A", "sk-first-of-a").env("SECOND_OF_A", "sk-second-of-a")
    };
    for binary in ["1.37.0", "1.38.2"] {
        let fleet = Fleet::run(setup(binary)).await;
        let answers = farebox_tests::answers::Answers::default();
        fleet.a().answer(move |request| match request.header("authorization")[0].as_str() {
            "Bearer sk-first-of-a" => error(429, &[]),
            _ => answers.reply(request),
        });
        for _ in 0..6 {
            assert_eq!(fleet.client.chat("fast").await.status, 200, "{binary}");
        }
        // The key that was refused rests: it was tried at most once.
        assert!(fleet.counts()[0] <= 7 && fleet.counts()[1] == 0, "{binary}: {:?}", fleet.counts());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_1_36_that_is_told_too_much_sends_once_and_stays_up() {
    let mut plugin = fleet::plugin();
    plugin["providers"]["a"]["credentials"] = json!([{"env": "FIRST_OF_A"}, {"env": "SECOND_OF_A"}]);
    let setup = told_too_much(&plugin, "1.36.4")
        .env("FIRST_OF_A", "sk-first-of-a")
        .env("SECOND_OF_A", "sk-second-of-a");
    let fleet = Fleet::run(setup.written_for("1.36").newest_attempts()).await;
    sends_once(&fleet).await;
    let mut body = chat_body("fast");
    body["stream"] = json!(true);
    fleet.a().reply(error(429, &[]));
    for count in 5..25 {
        assert_eq!(fleet.client.post("/v1/chat/completions", &body).await.status, 429);
        assert_eq!(fleet.counts(), [count, 0, 0]);
    }
    assert_eq!(limited(&fleet, "version").await, 1.0);
}
