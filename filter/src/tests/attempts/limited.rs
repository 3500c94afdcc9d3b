//! Envoys that cannot send a request on, or not to another provider: without the filter behind the router, with a router
//! that keeps to one cluster, of an old version.

use super::*;
use crate::fake_host::be_envoy;

/// As [`two`], with two keys at `paid`.
fn pool() -> String {
    let mut json: Value = serde_json::from_str(&two()).unwrap();
    json["providers"]["paid"]["credentials"] =
        json!([json["providers"]["paid"]["credentials"][0], {"env": SECOND_SECRET_NAME}]);
    json.to_string()
}

fn retries(stream: &Stream) -> Vec<String> {
    stream.sent().unwrap().header("x-envoy-max-retries")
}

fn limited(reason: &str) -> Option<u64> {
    counter(&format!("farebox_failover_limited_total{{reason:{reason}}}"))
}

#[test]
fn a_request_is_sent_once_where_nobody_has_said_that_there_is_a_filter_behind_the_router() {
    let gateway = FakeVm::start(&two());
    for count in 1..=3 {
        let mut stream = admitted(&gateway, ASKED);
        assert_eq!(retries(&stream), [""; 0]);
        assert_eq!(stream.sent().unwrap().header("x-envoy-upstream-rq-per-try-timeout-ms"), [""; 0]);
        // The first one finds out.
        assert_eq!(stream.property("wasm.farebox.plan").is_some(), count == 1);
        stream.answer(529, JSON, true);
        assert_eq!(stream.response().unwrap().status, 529);
        assert_eq!(stream.log()["attempts"], json!([]));
    }
    assert_eq!(limited("no_filter"), None, "nobody has promised it");
    // Once it is there, it counts from the next tick on.
    let behind = FakeVm::behind_the_router(&two());
    gateway.tick();
    let mut stream = admitted(&gateway, ASKED);
    let mut attempt = behind.attempt(&stream);
    attempt.request(&stream.sent().unwrap().body.clone(), false);
    attempt.answer(529, JSON, true);
    assert_eq!(attempt.answer_header(":status"), ["529"], "nobody sends it again");
    stream.answer(529, JSON, true);
    stream.log();
    assert_eq!(retries(&admitted(&gateway, ASKED)), ["1"]);
}

#[test]
fn a_tick_before_the_filter_behind_the_router_is_configured_makes_no_request_be_sent_once() {
    // As a listener that is pushed: filter by filter, with the timers of the worker in between.
    let gateway = FakeVm::start(&two());
    gateway.tick();
    let _behind = FakeVm::behind_the_router(&two());
    assert_eq!(retries(&admitted(&gateway, ASKED)), ["1"]);
}

#[test]
fn a_filter_behind_the_router_that_says_nothing_is_seen_at_work() {
    let gateway = FakeVm::start(&two());
    // Its store is another one.
    fail(Call::SetShared, BAD_ARGUMENT);
    let behind = FakeVm::behind_the_router(&two());
    heal();
    let mut stream = admitted(&gateway, ASKED);
    assert_eq!(retries(&stream), [""; 0]);
    let mut attempt = behind.attempt(&stream);
    attempt.request(&stream.sent().unwrap().body.clone(), false);
    attempt.answer(503, JSON, true);
    stream.answer(503, JSON, true);
    assert_eq!(stream.log()["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(retries(&admitted(&gateway, ASKED)), ["1"]);
}

#[test]
fn an_answer_that_came_by_without_the_filter_behind_the_router_ends_retries_until_it_is_seen_again() {
    let mut setting = Setting::new(ASKED);
    assert_eq!(retries(&setting.stream), ["1"]);
    // Another listener has one, this one has not.
    setting.stream.answer(503, JSON, true);
    setting.stream.log();
    assert_eq!(limited("no_filter"), Some(1));
    assert!(logs().iter().any(|line| line.contains("paid-cluster came without the filter")), "{:?}", logs());
    for _ in 0..3 {
        let mut stream = admitted(&setting.gateway, ASKED);
        assert_eq!(retries(&stream), [""; 0]);
        stream.answer(503, JSON, true);
        stream.log();
    }
    assert_eq!(limited("no_filter"), Some(1), "it is said once");
    setting.stream = admitted(&setting.gateway, ASKED);
    assert_eq!(retries(&setting.stream), [""; 0]);
    setting.sent().answer(200, JSON, true);
    setting.stream.answer(200, JSON, true);
    setting.stream.log();
    assert_eq!(retries(&admitted(&setting.gateway, ASKED)), ["1"]);
}

#[test]
fn what_envoy_says_itself_tells_nothing_about_the_filter_behind_the_router() {
    let mut setting = Setting::new(ASKED);
    setting.stream.envoy_answers(503, "no_healthy_upstream", 2);
    setting.stream.log();
    assert_eq!(limited("no_filter"), None);
    assert_eq!(retries(&admitted(&setting.gateway, ASKED)), ["1"]);
}

#[test]
fn a_router_that_keeps_to_the_first_cluster_brings_that_ones_own_answer_and_no_other_providers_key() {
    let mut setting = Setting::new(ASKED);
    let mut first = setting.sent();
    assert_eq!(first.answer(500, JSON, true), Action::Continue);
    // Next is `second`, as the filter state says; an Envoy before 1.39 sends it where the first one went.
    let mut next = setting.attempt();
    next.reroute("paid-cluster");
    next.request(&setting.body(), false);
    assert_meant(&next);
    assert!(next.sent().unwrap().ended);
    assert_eq!(next.answer(500, JSON, true), Action::Continue);
    assert_eq!(
        (next.answer_header(":status"), next.answer_header("x-envoy-ratelimited")),
        (vec!["500".into()], vec!["true".into()])
    );
    setting.stream.answer(500, JSON, true);
    let record = setting.stream.log();
    assert_eq!(record["provider"], "paid", "{record}");
    let attempts: Vec<&Value> =
        record["attempts"].as_array().unwrap().iter().map(|one| &one["provider"]).collect();
    assert_eq!(attempts, ["paid", "paid"]);
    assert_eq!((limited("same_cluster"), counter("farebox_host_unsupported_total")), (Some(1), None));

    // Known from then on, in every worker from its next tick on, and said once.
    for vm in [&setting.gateway, &setting.behind] {
        vm.tick();
    }
    setting.stream = admitted(&setting.gateway, ASKED);
    assert_eq!(retries(&setting.stream), [""; 0]);
    let mut only = setting.sent();
    assert_eq!(only.answer(500, JSON, true), Action::Continue);
    assert_eq!(only.answer_header(":status"), ["500"]);
    assert_eq!(limited("same_cluster"), Some(1));
}

#[test]
fn a_router_that_keeps_to_the_first_cluster_still_tries_another_key() {
    let plugin = pool();
    let (gateway, behind) = (FakeVm::start(&plugin), FakeVm::empty());
    be_envoy(Some((1, 38)));
    assert!(behind.take_role(b"attempt") && behind.push(&plugin));
    assert_eq!(limited("version"), Some(1));
    let stream = admitted(&gateway, ASKED);
    assert_eq!(retries(&stream), ["1"], "there are two keys and no other cluster");
    let body = stream.sent().unwrap().body.clone();
    let mut keys = Vec::new();
    for status in [429, 200] {
        let mut attempt = behind.attempt(&stream);
        attempt.reroute("paid-cluster");
        attempt.request(&body, false);
        keys.extend(attempt.sent().unwrap().header("authorization"));
        attempt.answer(status, JSON, false);
        attempt.answer_body(b"{}", true);
    }
    keys.sort_unstable();
    let mut both = [PROVIDER_SECRET, SECOND_SECRET].map(|secret| format!("Bearer {secret}"));
    both.sort_unstable();
    assert_eq!(keys, both);
    let second = FakeVm::empty();
    assert!(second.take_role(b"attempt") && second.push(&plugin));
    assert_eq!(limited("version"), Some(1), "it is said once for all workers");
}

#[test]
fn an_envoy_that_would_end_when_a_held_answer_is_retried_holds_none() {
    let (gateway, behind) = (FakeVm::start(&two()), FakeVm::empty());
    be_envoy(Some((1, 36)));
    assert!(behind.take_role(b"attempt") && behind.push(&two()));
    assert_eq!(limited("version"), Some(1));
    let stream = admitted(&gateway, ASKED);
    assert_eq!(retries(&stream), [""; 0]);
    assert_eq!(stream.property("wasm.farebox.plan"), None);
    let mut attempt = behind.attempt(&stream);
    attempt.request(&stream.sent().unwrap().body.clone(), false);
    assert_eq!(attempt.answer(200, EVENTS, false), Action::Continue);
}

#[test]
fn what_a_client_sends_makes_nobody_send_again() {
    let gateway = FakeVm::start(&two());
    let mut stream = gateway.stream();
    let mut headers = chat();
    let names = [
        "x-envoy-max-retries",
        "x-envoy-retry-on",
        "x-envoy-retriable-status-codes",
        "x-envoy-hedge-on-per-try-timeout",
    ];
    headers.extend(names.map(|name| (name.into(), b"5".to_vec())));
    stream.request(headers, false);
    stream.body(ASKED.as_bytes(), true);
    for name in names {
        assert_eq!(stream.sent().unwrap().header(name), [""; 0], "{name}");
    }
}
