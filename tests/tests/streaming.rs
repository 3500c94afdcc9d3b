//! Streams: however they are cut into pieces, and wherever they break off, they are metered and charged.

use farebox_tests::answers::Answers;
use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, DEMO, nothing};
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::raw::Raw;
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn counted() -> Value {
    config::with_budgets(json!([{"name": "org", "window": "lifetime", "limit_usd": 100}]))
}

async fn send_streamed_chat(gateway: &Gateway) -> Raw {
    let mut body = chat_body("fast");
    body["stream"] = json!(true);
    let mut raw = Raw::connect(&gateway.envoy).await;
    raw.chat(format!("authorization: Bearer {DEMO}\r\n").as_bytes(), body.to_string().as_bytes()).await;
    raw
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_split_anywhere_gives_the_same_usage_and_the_same_text() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(true);
    let mut visible = events.clone();
    visible.remove(events.len() - 2);
    let (sent, visible) = (events.concat(), visible.concat());
    let with_crlf = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\n', "\r\n").into_bytes();

    let mut count = 0;
    for (sent, visible) in [(sent.clone(), visible.clone()), (with_crlf(&sent), with_crlf(&visible))] {
        let usage_at = sent.windows(13).position(|bytes| bytes == br#""choices":[],"#).unwrap();
        let character_at = sent.iter().position(|byte| !byte.is_ascii()).unwrap();
        let rocket_at = sent.windows(4).position(|bytes| bytes == "🚋".as_bytes()).unwrap();
        let mut offsets: Vec<usize> = (1..sent.len()).step_by(sent.len() / 16).collect();
        offsets.extend([
            character_at + 1,
            rocket_at + 1,
            rocket_at + 2,
            rocket_at + 3,
            usage_at,
            usage_at + 5,
        ]);
        offsets.extend((sent.len() - 24)..sent.len()); // the end of the usage chunk, its framing, [DONE]
        for offset in offsets {
            gateway.provider.reply(Reply::pieces([&sent[..offset], &sent[offset..]]));
            let mut received = gateway.client.stream_chat("fast", json!({})).await;
            received.all().await;
            let received = String::from_utf8_lossy(&received.body).into_owned();
            assert_eq!(received, String::from_utf8_lossy(&visible), "split at {offset}");
            count += 1;
        }
        gateway.provider.reply(Reply::pieces(sent.chunks(5)));
        let mut received = gateway.client.stream_chat("fast", json!({})).await;
        received.all().await;
        assert_eq!(String::from_utf8_lossy(&received.body), String::from_utf8_lossy(&visible));
        count += 1;
    }
    for record in gateway.envoy.records(count).await {
        assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(11), &json!(5)), "{record}");
        assert_eq!(
            (&record["usage_source"], &record["outcome"]),
            (&json!("provider"), &json!("ok")),
            "{record}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_after_any_event_is_charged_for_what_was_seen() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(true);
    let last_text = events.len() - 4; // before the finish reason, the usage and [DONE]
    for seen in 1..=last_text {
        let reply = events[..=seen].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
        gateway.provider.reply(reply.then(Step::Await(Gate::closed())));
        let before = gateway.client.usage("org").await["spent"].clone();

        let mut raw = send_streamed_chat(&gateway).await;
        raw.sees(&events[seen]).await;
        raw.reset();

        gateway.provider.hung_up_on(seen).await;
        let record = gateway.envoy.records(seen).await.into_iter().next_back().unwrap();
        assert_eq!(record["outcome"], "client_disconnect", "after event {seen}: {record}");
        assert_eq!(record["usage_source"], "estimated", "after event {seen}: {record}");
        assert!(record["input_tokens"].as_u64() > Some(0), "after event {seen}: {record}");
        assert!(record["output_tokens"].as_u64() > Some(0), "after event {seen}: {record}");
        assert_ne!(record["cost_usd"], "0.00", "after event {seen}: {record}");
        let usage = gateway.client.usage("org").await;
        assert_eq!(usage["held"], nothing(), "after event {seen}");
        assert!(usage["spent"]["tokens"].as_u64() > before["tokens"].as_u64(), "after event {seen}: {usage}");
        assert_eq!(usage["spent"]["requests"].as_u64(), before["requests"].as_u64().map(|count| count + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_after_the_usage_is_charged_exactly_that() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(true);
    let (done, rest) = events.split_last().unwrap();
    assert!(done.ends_with(b"[DONE]\n\n"));
    let reply = rest.iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
    gateway.provider.reply(reply.chunk(b": still here\n\n").then(Step::Await(Gate::closed())));

    let mut raw = send_streamed_chat(&gateway).await;
    raw.sees(b": still here").await;
    assert!(!String::from_utf8_lossy(&raw.received).contains("prompt_tokens"));
    raw.reset();

    let record = gateway.envoy.record(1).await;
    assert_eq!(record["outcome"], "client_disconnect");
    assert_eq!((&record["usage_source"], &record["cost_usd"]), (&json!("provider"), &json!("0.000061")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_answer_begins_is_charged_its_prompt() {
    let gateway = Gateway::new(counted()).await;
    gateway.provider.reply(Reply::default().then(Step::Await(Gate::closed())));
    let raw = send_streamed_chat(&gateway).await;
    gateway.provider.requested(1).await;
    assert_ne!(gateway.client.usage("org").await["held"], nothing());
    raw.reset();

    let record = gateway.envoy.record(1).await;
    assert_eq!(
        (&record["outcome"], &record["usage_source"]),
        (&json!("client_disconnect"), &json!("estimated"))
    );
    assert!(record["input_tokens"].as_u64() > Some(0), "{record}");
    assert_eq!(record["output_tokens"].as_u64().unwrap_or(0), 0, "{record}");
    assert_eq!(gateway.client.usage("org").await["held"], nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disconnect_costs_is_the_operators_choice() {
    // At most 1,000 tokens of output are asked for: the hold is 1,000 × $10 a million and the prompt.
    for (policy, at_least, at_most) in
        [("bill_hold", 0.01, 0.011), ("bill_seen", 0.000_02, 0.001), ("bill_input_only", 0.000_001, 0.000_1)]
    {
        let mut config = counted();
        config["on_disconnect"] = json!(policy);
        let gateway = Gateway::run(Setup::new(&config)).await;
        let events = Answers::default().chat_events(true);
        let reply = events[..5].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
        gateway.provider.reply(reply.then(Step::Await(Gate::closed())));
        let mut stream = gateway.client.stream_chat("fast", json!({"max_tokens": 1000})).await;
        for _ in 0..5 {
            stream.next().await.unwrap();
        }
        drop(stream);

        let record = gateway.envoy.record(1).await;
        let cost: f64 = record["cost_usd"].as_str().unwrap().parse().unwrap();
        assert!((at_least..=at_most).contains(&cost), "{policy}: {record}");
        assert_eq!(gateway.client.usage("org").await["spent"]["usd"], record["cost_usd"], "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_breaks_off_is_paid_for_what_it_sent() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(true);
    for (count, seen) in (1..).zip([1, 3, events.len() - 3]) {
        let gate = Gate::closed();
        let reply = events[..=seen].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
        gateway.provider.reply(reply.then(Step::Await(gate.clone())).then(Step::Reset));
        let mut stream = gateway.client.stream_chat("fast", json!({})).await;
        for _ in 0..=seen {
            stream.next().await.unwrap();
        }
        gate.open();
        assert_eq!((stream.next().await, stream.broken), (None, true), "after event {seen}");

        let record = gateway.envoy.record(count).await;
        assert_eq!(record["outcome"], "upstream_reset", "after event {seen}: {record}");
        assert_eq!(record["usage_source"], "estimated", "after event {seen}: {record}");
        assert!(record["output_tokens"].as_u64() > Some(0), "after event {seen}: {record}");
        assert_eq!(gateway.client.usage("org").await["held"], nothing(), "after event {seen}");
    }
    gateway.provider.reply(Reply::default().then(Step::Reset));
    let answer = gateway.client.chat("fast").await;
    assert_eq!(answer.status, 503);
    let record = gateway.envoy.record(4).await;
    assert_eq!(
        (&record["outcome"], &record["cost_usd"]),
        (&json!("not_answered"), &json!("0.00")),
        "{record}"
    );
    assert_eq!(gateway.client.usage("org").await["held"], nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_usage_is_estimated_and_never_free() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(false);
    let unfinished = &events[..events.len() - 1];
    gateway.provider.reply(Reply::events(unfinished));
    let mut stream = gateway.client.stream_chat("fast", json!({})).await;
    stream.all().await;

    assert_eq!(stream.body, unfinished.concat());
    let record = gateway.envoy.record(1).await;
    assert_eq!(record["usage_source"], "estimated");
    assert!(
        record["output_tokens"].as_u64() > Some(0) && record["input_tokens"].as_u64() > Some(0),
        "{record}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_comes_with_a_choice_is_read_and_stays_visible() {
    let gateway = Gateway::new(counted()).await;
    let mut events = Answers::default().chat_events(false);
    let done = events.pop().unwrap();
    let last = String::from_utf8(events.pop().unwrap()).unwrap();
    let mut last: Value = serde_json::from_str(last.trim().strip_prefix("data: ").unwrap()).unwrap();
    last["usage"] = Answers::default().chat_usage();
    events.push(format!("data: {last}\n\n").into_bytes());
    events.push(done);
    gateway.provider.reply(Reply::events(&events));
    let mut stream = gateway.client.stream_chat("fast", json!({})).await;
    stream.all().await;

    assert_eq!(stream.body, events.concat());
    assert_eq!(gateway.envoy.record(1).await["cost_usd"], "0.000061");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_passed_on_event_by_event() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(true);
    let gates: Vec<Gate> = events.iter().map(|_| Gate::closed()).collect();
    let steps = events.iter().zip(&gates);
    let reply = steps.fold(Reply::event_stream(), |reply, (event, gate)| {
        reply.then(Step::Await(gate.clone())).chunk(event)
    });
    gateway.provider.reply(reply.end());
    gates[0].open();
    let mut stream = gateway.client.stream_chat("fast", json!({})).await;
    for seen in 0..events.len() - 2 {
        let event = stream.next().await.unwrap(); // would wait for ever if it were held back
        assert!(events[seen].windows(event.len()).any(|bytes| bytes == event.as_bytes()));
        gates[seen + 1].open();
    }
    gates.iter().for_each(Gate::open);
    assert_eq!(stream.all().await, ["[DONE]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_reset_over_http_2_is_charged_and_ends_nobody_elses() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(true);
    let gate = Gate::closed();
    let begun = events[..4].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
    let reply = begun.then(Step::Await(gate.clone()));
    gateway.provider.reply(events[4..].iter().fold(reply, |reply, event| reply.chunk(event)).end());
    let client = Client::http2(&gateway.envoy, DEMO);
    let mut leaving = client.stream_chat("fast", json!({})).await;
    let mut staying = client.stream_chat("fast", json!({})).await;
    for stream in [&mut leaving, &mut staying] {
        for _ in 0..4 {
            stream.next().await.unwrap();
        }
    }
    drop(leaving);
    let record = gateway.envoy.record(1).await;
    assert_eq!(
        (&record["outcome"], &record["usage_source"]),
        (&json!("client_disconnect"), &json!("estimated"))
    );
    assert!(record["output_tokens"].as_u64() > Some(0), "{record}");

    gate.open();
    staying.all().await;
    assert!(!staying.broken);
    let record = gateway.envoy.record(2).await;
    assert_eq!((&record["outcome"], &record["cost_usd"]), (&json!("ok"), &json!("0.000061")));
    assert_eq!(gateway.client.usage("org").await["held"], nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_drops_a_stream_is_seen_to_do_so_at_once() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(true);
    for end in [Step::Reset, Step::Close] {
        let gate = Gate::closed();
        let reply = events[..3].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
        gateway.provider.reply(reply.then(Step::Await(gate.clone())).then(end.clone()));
        let mut raw = send_streamed_chat(&gateway).await;
        raw.sees(b"Gr").await;
        let dropped = Instant::now();
        gate.open();
        raw.ends().await;
        let waited = dropped.elapsed();
        assert!(waited < Duration::from_millis(700), "{end:?}: {waited:?}");
    }
}
