//! Answers that are on their way while a budget is used up: they finish, or they end early with an event that
//! every client understands.

use farebox_tests::answers::Answers;
use farebox_tests::client::{Client, Events, chat_body};
use farebox_tests::config::{self, DEMO};
use farebox_tests::gateway::Gateway;
use farebox_tests::raw::Raw;
use farebox_tests::script::{Gate, Reply, Step};
use farebox_tests::sdk;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What the answers below are made of: by its length one token, and one event.
const WORD: &str = "tram";

/// A budget of 100 output tokens for each session. Ten are held at first.
fn budget(running: &str) -> Value {
    let mut config = config::with_budgets(json!([{
        "name": "money", "per": "session", "window": "lifetime", "limit_usd": "0.001", "running": running,
    }]));
    config["prices"] = json!({"local/*": {"input": 0, "output": 10}});
    config["hold"] = json!({"output_tokens": 10});
    config
}

fn long(tokens: usize) -> Answers {
    Answers { completion: tokens as u64, text: vec![WORD; tokens], ..Answers::default() }
}

/// Path and body of a streamed request in each dialect that the simulator speaks.
fn streamed(dialect: &str) -> (&'static str, Value) {
    let mut body = chat_body("fast");
    body["stream"] = json!(true);
    match dialect {
        "chat" => ("/v1/chat/completions", body),
        "messages" => {
            body["max_tokens"] = json!(10); // of which the simulator takes no notice
            ("/v1/messages", body)
        }
        _ => ("/v1/responses", json!({"model": "fast", "input": "Where to?", "stream": true})),
    }
}

/// The events of a long answer in a dialect.
fn events_of(dialect: &str, answers: &Answers) -> Vec<Vec<u8>> {
    match dialect {
        "chat" => answers.chat_events(true),
        "messages" => answers.message_events(),
        _ => answers.response_events(),
    }
}

async fn session_usage(client: &Client, session: &str) -> Value {
    client.with("x-farebox-session", session).usage("money").await
}

/// How many words of the answer a client has received.
fn words(stream: &Events) -> usize {
    String::from_utf8_lossy(&stream.body).matches(WORD).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_answer_finishes_and_is_charged_in_full_while_others_find_the_room_gone() {
    let gateway = Gateway::new(budget("finish")).await;
    let client = gateway.client.with("x-farebox-session", "one");
    let gate = Gate::closed();
    let events = long(300).chat_events(true);
    let begun = events[..=120].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
    let reply = begun.then(Step::Await(gate.clone()));
    gateway.provider.reply(events[121..].iter().fold(reply, |reply, event| reply.chunk(event)).end());
    let mut stream = client.stream_chat("fast", json!({})).await;
    while words(&stream) < 120 {
        stream.next().await.unwrap();
    }

    let usage = session_usage(&gateway.client, "one").await;
    assert!(usage["held"]["output_tokens"].as_u64() >= Some(120), "the hold grew: {usage}");
    assert_eq!(usage["left"]["usd"], "0.00");
    let refused = client.chat("fast").await;
    assert_eq!((refused.status, refused.header("x-farebox-budget")), (429, Some("money")));
    let other = gateway.client.with("x-farebox-session", "two");
    gateway.answers(Answers::default());
    assert_eq!(other.chat("fast").await.status, 200, "another session has its own room");

    gate.open();
    assert_eq!(stream.all().await.last().map(String::as_str), Some("[DONE]"));
    assert!(!stream.broken);
    assert_eq!(words(&stream), 300);
    let records = gateway.envoy.records(3).await;
    let record = records.iter().find(|record| record["stream"] == true).unwrap();
    assert_eq!((&record["outcome"], &record["cost_usd"]), (&json!("ok"), &json!("0.003")), "{record}");
    let usage = session_usage(&gateway.client, "one").await;
    assert_eq!((&usage["spent"]["usd"], &usage["held"]["usd"]), (&json!("0.003"), &json!("0.00")));
}

/// The last event of a cut answer says so in the caller's dialect.
fn assert_says_why(dialect: &str, events: &[String]) {
    let error = match dialect {
        "chat" => {
            assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "{events:?}");
            serde_json::from_str::<Value>(&events[events.len() - 2]).unwrap()["error"].take()
        }
        "messages" => {
            let mut event: Value = serde_json::from_str(events.last().unwrap()).unwrap();
            assert_eq!((&event["type"], event["request_id"].is_string()), (&json!("error"), true), "{event}");
            assert_eq!(event["error"]["type"], "rate_limit_error");
            event["error"].take()
        }
        _ => {
            let event: Value = serde_json::from_str(events.last().unwrap()).unwrap();
            assert_eq!((&event["type"], &event["code"]), (&json!("error"), &json!("insufficient_quota")));
            event
        }
    };
    assert!(error["message"].as_str().is_some_and(|text| text.contains("money")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_ends_with_an_event_that_says_why_and_the_provider_is_stopped() {
    let gateway = Gateway::new(budget("cut")).await;
    let mut count = 0;
    for dialect in ["chat", "messages", "responses"] {
        let events = events_of(dialect, &long(2_000));
        gateway.provider.reply(Reply::pieces(events.iter().map(Vec::as_slice)));
        for client in [gateway.client.clone(), Client::http2(&gateway.envoy, DEMO)] {
            count += 1;
            let session = format!("session-{count}");
            let (path, body) = streamed(dialect);
            let started = Instant::now();
            let mut stream = client.with("x-farebox-session", &session).stream(path, &body).await;
            let events = stream.all().await;
            assert_says_why(dialect, &events);
            assert!(stream.body.ends_with(b"\n\n"), "the last event is whole");
            assert!((50..=100).contains(&words(&stream)), "{dialect}: {}", words(&stream));
            assert!(started.elapsed() < Duration::from_secs(4), "2,000 words would take longer");
            gateway.provider.hung_up_on(count).await;

            let record = gateway.envoy.record(count).await;
            assert_eq!(
                (&record["outcome"], &record["budget"]),
                (&json!("budget_cut"), &json!("money")),
                "{record}"
            );
            assert_eq!(
                record["usage_source"],
                if dialect == "messages" { "provider_partial" } else { "estimated" }
            );
            let usage = session_usage(&gateway.client, &session).await;
            assert_eq!(usage["spent"]["usd"], record["cost_usd"], "{dialect}: {usage} {record}");
            // What comes until the provider is stopped is charged too: it charges for that itself.
            let seen = record["output_tokens"].as_u64().unwrap();
            assert!((words(&stream) as u64..1_000).contains(&seen), "{dialect}: {record}");
            assert_eq!(usage["held"], config::nothing(), "{dialect}");
        }
    }
    let metrics = gateway.envoy.metrics().await;
    let cut = metrics.sum("farebox_budget_events_total", &[("budget", "money"), ("event", "cut")]);
    assert_eq!(cut, count as f64);
    assert_eq!(metrics.sum("farebox_requests_total", &[("outcome", "budget_cut")]), count as f64);
}

/// Streams `pieces` as they are, each a chunk that arrives apart, and then nothing more until the client has gone.
fn stays_open(pieces: &[&[u8]]) -> Reply {
    let reply = pieces.iter().fold(Reply::event_stream(), |reply, piece| {
        reply.chunk(piece).then(Step::Pause(Duration::from_millis(2)))
    });
    reply.then(Step::Await(Gate::closed()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_falls_silent_after_the_cut_is_stopped_too() {
    let gateway = Gateway::new(budget("cut")).await;
    for (count, client) in (1..).zip([gateway.client.clone(), Client::http2(&gateway.envoy, DEMO)]) {
        let client = client.with("x-farebox-session", &format!("session-{count}"));
        let events = long(120).chat_events(true);
        let pieces: Vec<&[u8]> = events[..110].iter().map(Vec::as_slice).collect();
        gateway.provider.reply(stays_open(&pieces));
        let mut stream = client.stream_chat("fast", json!({})).await;
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.all()).await;
        assert_says_why("chat", &ended.expect("the stream is closed though the provider says nothing more"));
        gateway.provider.hung_up_on(count).await;
        assert_eq!(gateway.envoy.record(count).await["outcome"], "budget_cut");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_pieces_of_any_size_is_cut_between_two_events() {
    let gateway = Gateway::new(budget("cut")).await;
    // Of 200 words; the last pieces come when there is nothing left to be cut, or never.
    for dialect in ["chat", "messages", "responses"] {
        let sent = events_of(dialect, &long(200)).concat();
        let whole = events_of(dialect, &long(200));
        let mut streams = JoinSet::new();
        for size in [7, 61, 230, 1_000, 4_096] {
            let pieces: Vec<&[u8]> = sent.chunks(size).collect();
            let step = Duration::from_micros(if size < 100 { 200 } else { 2_000 });
            let reply = pieces
                .iter()
                .fold(Reply::event_stream(), |reply, piece| reply.chunk(piece).then(Step::Pause(step)));
            gateway.provider.reply(reply.end());
            let client = gateway.client.with("x-farebox-session", &format!("{dialect}-{size}"));
            let (path, body) = streamed(dialect);
            // The simulator is told what to answer by the moment in which it is asked.
            let mut stream = client.stream(path, &body).await;
            let whole = whole.clone();
            streams.spawn(async move {
                let events = stream.all().await;
                assert_says_why(dialect, &events);
                // Every event before the last one is one that the provider sent, whole and in order.
                let passed = stream.body.windows(2).filter(|pair| pair == b"\n\n").count();
                let own = if dialect == "chat" { 2 } else { 1 };
                let passed = whole[..passed - own].concat();
                assert!(stream.body.starts_with(&passed), "{dialect} in pieces of {size}");
                assert!(words(&stream) <= 200, "{dialect} in pieces of {size}");
            });
        }
        while let Some(ended) = streams.join_next().await {
            ended.unwrap();
        }
    }
    for record in gateway.envoy.records(15).await {
        assert_eq!(record["outcome"], "budget_cut", "{record}");
        let usage = session_usage(&gateway.client, record["session"].as_str().unwrap()).await;
        assert_eq!(
            (&usage["spent"]["usd"], &usage["held"]),
            (&record["cost_usd"], &config::nothing()),
            "{record}"
        );
    }
}

/// Lets the piece that uses the budget up be the one in which the answer ends; the connection ends a moment later.
async fn ends_as_it_is(dialect: &str) {
    let gateway = Gateway::new(budget("cut")).await;
    let events = events_of(dialect, &long(150));
    let mut shown = events.clone();
    if dialect == "chat" {
        shown.remove(events.len() - 2); // the usage, which only the gateway asked for
    }
    let shown = shown.concat();
    let (all, found_room) = (events.concat(), events[..40].concat().len());
    for (count, pieces) in (1..).zip([vec![&all[..]], vec![&all[..found_room], &all[found_room..]]]) {
        gateway.provider.reply(Reply::pieces(pieces));
        let client = gateway.client.with("x-farebox-session", &format!("session-{count}"));
        let (path, body) = streamed(dialect);
        let mut stream = client.stream(path, &body).await;
        stream.all().await;
        assert!(!stream.broken, "{dialect}");
        assert_eq!(String::from_utf8_lossy(&stream.body), String::from_utf8_lossy(&shown), "{dialect}");
        let record = gateway.envoy.record(count).await;
        assert_eq!((&record["outcome"], &record["output_tokens"]), (&json!("ok"), &json!(150)), "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_ends_in_the_very_piece_that_uses_the_budget_up_ends_as_it_is() {
    ends_as_it_is("chat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_ends_in_the_very_piece_that_uses_the_budget_up_ends_as_it_is() {
    ends_as_it_is("messages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_ends_in_the_very_piece_that_uses_the_budget_up_ends_as_it_is() {
    ends_as_it_is("responses").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_slowly_still_gets_the_last_event() {
    let gateway = Gateway::new(budget("cut")).await;
    let events = long(2_000).chat_events(true);
    gateway.provider.reply(Reply::pieces(events.iter().map(Vec::as_slice)));
    let mut body = chat_body("fast");
    body["stream"] = json!(true);
    let mut raw = Raw::connect(&gateway.envoy).await;
    let headers = format!("authorization: Bearer {DEMO}\r\nx-farebox-session: slow\r\n");
    raw.chat(headers.as_bytes(), body.to_string().as_bytes()).await;
    // Reads nothing until everything is over.
    gateway.provider.hung_up_on(1).await;
    assert_eq!(gateway.envoy.record(1).await["outcome"], "budget_cut");
    raw.ends().await;
    let received = String::from_utf8_lossy(&raw.received);
    assert!(received.contains("insufficient_quota") && received.contains("data: [DONE]\n\n"), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_raise_an_error_after_the_text_so_far() {
    let gateway = Gateway::new(budget("cut")).await;
    let whole = |request: &farebox_tests::provider::Request| {
        let dialect = match &*request.path {
            "/v1/messages" => "messages",
            "/v1/responses" => "responses",
            _ => "chat",
        };
        let events = events_of(dialect, &long(2_000));
        Reply::pieces(events.iter().map(Vec::as_slice))
    };
    gateway.provider.answer(whole);
    let (openai, anthropic) = tokio::join!(
        sdk::run("openai_cut", &gateway.envoy, DEMO),
        sdk::run("anthropic_cut", &gateway.envoy, DEMO)
    );
    for (seen, class) in [
        (&openai["chat"], json!("APIError")),
        (&openai["responses"], json!("error")), // an event of its own, as with OpenAI itself
        (&anthropic["raw"], json!("APIStatusError")),
        (&anthropic["helper"], json!("APIStatusError")),
    ] {
        assert_eq!(seen["class"], class, "{seen}");
        assert!(seen["message"].as_str().is_some_and(|text| text.contains("'money'")), "{seen}");
        assert!(seen["words"].as_u64().is_some_and(|words| (50..=100).contains(&words)), "{seen}");
        assert!(seen["seconds"].as_f64().is_some_and(|seconds| seconds < 5.0), "at once: {seen}");
    }
    assert_eq!(gateway.provider.count(), 4, "nothing is tried again");
    // The event is not raised by this SDK; reading on is.
    assert_eq!(openai["responses"]["after"], "APIConnectionError", "{openai}");
    for record in gateway.envoy.records(4).await {
        assert_eq!(record["outcome"], "budget_cut", "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_of_holds_does_not_keep_a_running_answer_from_being_cut() {
    let mut config = budget("cut");
    config["hold"] = json!({"output_tokens": 10_000, "ceiling_usd": "0.0001"});
    let gateway = Gateway::new(config).await;
    let events = long(400).chat_events(true);
    gateway.provider.reply(Reply::pieces(events.iter().map(Vec::as_slice)));
    let client = gateway.client.with("x-farebox-session", "one");
    let mut stream = client.stream_chat("fast", json!({})).await;
    assert_says_why("chat", &stream.all().await);
    assert!(words(&stream) <= 100, "{}", words(&stream));
}
