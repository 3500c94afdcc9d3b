//! Failover between providers: what makes a request go on to the next target, and what does not.
//!
//! The table in `docs/failover.md` names the test of each row.

mod addressing;
mod endings;
mod faults;
mod hosts;
mod money;
mod numbers;
mod options;
mod pools;

use farebox_tests::answers::Answers;
use farebox_tests::client::chat_body;
use farebox_tests::config;
use farebox_tests::fleet::{self, Fleet, error};
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What the default answer costs at `b`: 11 tokens in, 5 out.
const COST_AT_B: &str = "0.000122";

/// Asks for `model`, plain or streamed, and sees the answer of the default [`Answers`].
async fn asks(fleet: &Fleet, model: &str, path: &str, streamed: bool) {
    let mut body = chat_body(model);
    body["max_tokens"] = json!(50);
    body["stream"] = json!(streamed);
    let mut events = fleet.client.stream(path, &body).await;
    let all = events.all().await;
    let text = String::from_utf8_lossy(&events.body).into_owned();
    assert_eq!((events.status, events.broken), (200, false), "{path} {streamed}: {text}");
    assert!(text.contains("東京"), "the answer of the next target: {text}");
    assert!(!text.contains("rror"), "and nothing of the first: {text}");
    assert_eq!(all.is_empty(), !streamed, "{text}");
}

/// The first target fails like this, plain or streamed or both: the second one answers, and is charged.
async fn goes_on(fault: Reply, reason: &str, status: Value, path: &str, modes: &[bool]) {
    let fleet = Fleet::new(fleet::plugin()).await;
    fleet.a().reply(fault);
    for (count, streamed) in (1..).zip(modes) {
        asks(&fleet, "fast", path, *streamed).await;
        let record = fleet.envoy.record(count).await;
        assert_eq!(
            (&record["provider"], &record["model_sent"]),
            (&json!("b"), &json!("model-b")),
            "{record}"
        );
        assert_eq!((&record["outcome"], &record["status"]), (&json!("ok"), &json!(200)), "{record}");
        assert_eq!(record["cost_usd"], COST_AT_B, "{record}");
        let attempts = &record["attempts"];
        let first = [&attempts[0]["provider"], &attempts[0]["reason"], &attempts[0]["status"]];
        assert_eq!(first, [&json!("a"), &json!(reason), &status], "{record}");
        let second = [&attempts[1]["provider"], &attempts[1]["reason"], &attempts[1]["status"]];
        assert_eq!(second, [&json!("b"), &json!("ok"), &json!(200)], "{record}");
        assert_eq!(fleet.counts(), [count, count, 0]);
        fleet.failed_attempts("a", reason, count).await;
    }
    assert_eq!(fleet.client.usage("org").await["held"], config::nothing());
}

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const BOTH: [bool; 2] = [false, true];

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_nobody_can_connect_to_is_passed_over() {
    let fleet = Fleet::new(fleet::plugin()).await;
    for (count, streamed) in (1..).zip(BOTH) {
        asks(&fleet, "doomed", CHAT, streamed).await;
        let record = fleet.envoy.record(count).await;
        assert_eq!((&record["provider"], &record["cost_usd"]), (&json!("b"), &json!(COST_AT_B)), "{record}");
        assert_eq!(record["attempts"][0]["reason"], "no_answer", "{record}");
        fleet.failed_attempts("dead", "no_answer", count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_before_the_answer_goes_on() {
    goes_on(Reply::default().then(Step::Reset), "no_answer", Value::Null, CHAT, &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_before_the_answer_goes_on() {
    goes_on(Reply::default().then(Step::Close), "no_answer", Value::Null, CHAT, &BOTH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_a_first_token_in_time_goes_on() {
    let mut plugin = fleet::plugin();
    plugin["failover"] = json!({"first_token_seconds": 1});
    let fleet = Fleet::new(plugin).await;
    let first = Answers::default().chat_events(true).swap_remove(0);
    let silent = Reply::default().then(Step::Await(Gate::closed()));
    let no_token = Reply::event_stream().chunk(&first).then(Step::Await(Gate::closed()));
    for (count, fault) in (1..).zip([silent, no_token]) {
        fleet.a().reply(fault);
        let started = Instant::now();
        asks(&fleet, "fast", CHAT, true).await;
        assert!((1..20).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
        let record = fleet.envoy.record(count).await;
        assert_eq!(record["attempts"][0]["reason"], "no_answer", "{record}");
        assert_eq!((&record["provider"], &record["cost_usd"]), (&json!("b"), &json!(COST_AT_B)), "{record}");
    }
    fleet.failed_attempts("a", "no_answer", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_token_in_time_may_be_followed_by_a_long_answer_and_a_plain_answer_may_take_long() {
    let mut plugin = fleet::plugin();
    plugin["failover"] = json!({"first_token_seconds": 1});
    let fleet = Fleet::new(plugin).await;
    let longer = Step::Pause(Duration::from_millis(1_500));
    let events = Answers::default().chat_events(true);
    let begun = events[..2].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
    fleet
        .a()
        .reply(events[2..].iter().fold(begun.then(longer.clone()), |reply, event| reply.chunk(event)).end());
    asks(&fleet, "fast", CHAT, true).await;
    let mut slow = Reply::json(200, &Answers::default().chat());
    slow.0.insert(0, longer);
    fleet.a().reply(slow);
    asks(&fleet, "fast", CHAT, false).await;
    assert_eq!(fleet.counts(), [2, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_says_nothing_of_the_request_goes_on() {
    for (fault, reason, status) in [
        (error(500, &[]), "status", 500),
        (error(503, &[]), "status", 503),
        (error(529, &[]), "status", 529),
        (error(408, &[]), "status", 408),
        (error(429, &[]), "rate_limited", 429),
        (error(429, &[("retry-after", "7")]), "rate_limited", 429),
        (Reply::head(429, &[("content-length", "0")]), "rate_limited", 429),
        // Of a provider behind an Envoy of its own.
        (error(429, &[("x-envoy-ratelimited", "true")]), "rate_limited", 429),
        (error(401, &[]), "unauthorized", 401),
        (error(403, &[]), "forbidden", 403),
    ] {
        println!("{reason} {status}");
        goes_on(fault, reason, json!(status), CHAT, &BOTH).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_a_stream_of_openai_before_the_first_token_goes_on() {
    let error = b"data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":null}}\n\n";
    let first = Answers::default().chat_events(true).swap_remove(0);
    goes_on(Reply::events(&[error.to_vec()]), "stream_error", json!(200), CHAT, &[true]).await;
    goes_on(Reply::events(&[first, error.to_vec()]), "stream_error", json!(200), CHAT, &[true]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_a_stream_of_anthropic_before_the_first_token_goes_on() {
    let error = b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"\xe2\x80\xa6\"}}\n\n";
    goes_on(Reply::events(&[error.to_vec()]), "stream_error", json!(200), MESSAGES, &[true]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_a_token_goes_on() {
    goes_on(Reply::events(&[]), "empty_stream", json!(200), CHAT, &[true]).await;
    let ping = b"event: ping\ndata: {\"type\":\"ping\"}\n\n".to_vec();
    goes_on(Reply::events(&[ping]), "empty_stream", json!(200), MESSAGES, &[true]).await;
    let bodiless = Reply::head(200, &[("content-type", "text/event-stream"), ("content-length", "0")]);
    goes_on(bodiless, "empty_stream", json!(200), CHAT, &[true]).await;
}

fn too_long() -> Reply {
    let message = "This model's maximum context length is 8 tokens.";
    Reply::json(400, &json!({"error": {"message": message, "code": "context_length_exceeded"}}))
}

fn with_long_target() -> Value {
    let mut plugin = fleet::plugin();
    let long = json!({"provider": "c", "model": "model-c", "after": "context_length"});
    plugin["models"]["fast"].as_array_mut().unwrap().insert(1, long);
    plugin
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_too_long_goes_on_to_the_target_for_long_ones() {
    let fleet = Fleet::new(with_long_target()).await;
    fleet.a().reply(too_long());
    for (count, streamed) in (1..).zip(BOTH) {
        asks(&fleet, "fast", CHAT, streamed).await;
        let record = fleet.envoy.record(count).await;
        assert_eq!((&record["provider"], &record["cost_usd"]), (&json!("c"), &json!("0.000244")), "{record}");
        let first = &record["attempts"][0];
        assert_eq!((&first["reason"], &first["status"]), (&json!("context_length"), &json!(400)), "{record}");
        assert_eq!(fleet.counts(), [count, 0, count]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_for_long_prompts_is_not_asked_when_another_one_is_down() {
    let fleet = Fleet::new(with_long_target()).await;
    for provider in [fleet.a(), fleet.b()] {
        provider.reply(error(529, &[]));
    }
    let answer = fleet.client.chat("fast").await;
    assert_eq!((answer.status, answer.json()["error"]["message"].as_str()), (529, Some("says 529")));
    assert_eq!(fleet.counts(), [1, 1, 0], "none of them twice either");
    assert_eq!(answer.header("x-envoy-ratelimited"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_fault_of_the_request_does_not_go_on() {
    let fleet = Fleet::new(fleet::plugin()).await;
    for (count, (status, streamed)) in
        (1..).zip([400, 404, 422].into_iter().flat_map(|status| BOTH.map(|streamed| (status, streamed))))
    {
        fleet.a().reply(error(status, &[]));
        let mut body = chat_body("fast");
        body["stream"] = json!(streamed);
        let answer = fleet.client.post(CHAT, &body).await;
        assert_eq!(
            (answer.status, answer.json()["error"]["message"].as_str().unwrap()),
            (status, &*format!("says {status}"))
        );
        assert_eq!(fleet.counts(), [count, 0, 0]);
        let record = fleet.envoy.record(count).await;
        let only = &record["attempts"][0];
        assert_eq!((&only["reason"], &only["status"]), (&json!("refused"), &json!(status)), "{record}");
        assert_eq!(record["cost_usd"], "0.00", "{record}");
    }
}
