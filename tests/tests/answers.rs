//! Answers of every kind: large, compressed, of known length, broken, or none at all. They pass as they
//! are, and what they cost is known or estimated.

use farebox_tests::answers::Answers;
use farebox_tests::client::chat_body;
use farebox_tests::config::{self, nothing};
use farebox_tests::gateway::Gateway;
use farebox_tests::script::{Reply, Step};
use serde_json::{Value, json};

fn counted() -> Value {
    config::with_budgets(json!([{"name": "org", "window": "lifetime", "limit_usd": 100}]))
}

async fn held(gateway: &Gateway) -> Value {
    gateway.client.usage("org").await["held"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_ten_megabytes_passes_and_its_usage_at_the_end_is_read() {
    let gateway = Gateway::new(counted()).await;
    let mut answer = Answers::default().chat();
    answer["choices"][0]["message"]["content"] = json!("Der Zug fährt. \"usage\": {} ".repeat(350_000));
    let usage = answer["usage"].take();
    let text = answer.to_string();
    let text =
        format!(r#"{},"usage":{usage}}}"#, text.replace(r#","usage":null"#, "").strip_suffix('}').unwrap());
    assert!(text.len() > 9_900_000);
    gateway.provider.reply(Reply::whole(200, "application/json", text.as_bytes()));
    let received = gateway.client.chat("fast").await;
    assert!(received.status == 200 && received.body == text.as_bytes(), "the answer arrived as it was sent");
    let record = gateway.envoy.record(1).await;
    assert_eq!((&record["usage_source"], &record["cost_usd"]), (&json!("provider"), &json!("0.000061")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_known_length_is_shortened_by_what_is_hidden() {
    let gateway = Gateway::new(counted()).await;
    let events = Answers::default().chat_events(true);
    gateway.provider.reply(Reply::whole(200, "text/event-stream; charset=utf-8", &events.concat()));
    let mut stream = gateway.client.stream_chat("fast", json!({})).await;
    let received = stream.all().await;
    assert!(!stream.broken, "the length fits what was sent");
    assert_eq!(received.len(), events.len() - 1);
    assert_eq!(received.last().map(String::as_str), Some("[DONE]"));
    assert_eq!(gateway.envoy.record(1).await["cost_usd"], "0.000061");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_megabyte_passes() {
    let gateway = Gateway::new(counted()).await;
    let mut events = Answers::default().chat_events(true);
    let large =
        json!({"choices": [{"index": 0, "delta": {"content": "tram ".repeat(200_000)}}], "usage": null});
    events.insert(2, format!("data: {large}\n\n").into_bytes());
    gateway.provider.reply(Reply::events(&events));
    let mut stream = gateway.client.stream_chat("fast", json!({})).await;
    stream.all().await;
    events.remove(events.len() - 2);
    assert!(stream.body == events.concat() && !stream.broken, "only the usage chunk is missing");
    assert_eq!(gateway.envoy.record(1).await["usage_source"], "provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_read_passes_and_is_charged_what_was_held() {
    let gateway = Gateway::new(counted()).await;
    let answers: [(&str, &str, &[u8]); 4] = [
        ("application/json", "gzip", b"\x1f\x8b\x08\x00whatever"),
        ("application/json", "identity", br#"{"choices":[{"message":{"content":"unfinis"#),
        ("text/html", "identity", b"<html>200</html>"),
        ("application/json", "identity", b"{}"),
    ];
    for (count, (kind, encoding, body)) in (1..).zip(answers) {
        let length = body.len().to_string();
        let headers =
            [("content-type", kind), ("content-encoding", encoding), ("content-length", length.as_str())];
        gateway.provider.reply(Reply::head(200, &headers).write(body));
        let answer = gateway.client.chat("fast").await;
        assert_eq!(
            (answer.status, &*answer.body, answer.header("content-encoding")),
            (200, body, Some(encoding))
        );
        let record = gateway.envoy.record(count).await;
        // Of what broke off in the middle of a text, the text was seen.
        assert!(matches!(record["usage_source"].as_str(), Some("unread" | "estimated")), "{record}");
        assert_eq!(record["outcome"], "ok", "{record}");
        assert!(record["output_tokens"].as_u64() > Some(0), "{record}");
        assert_ne!(record["cost_usd"], "0.00", "{record}");
    }
    assert_eq!(held(&gateway).await, nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_be_reached_costs_nothing() {
    let gateway = Gateway::new(counted()).await;
    let Gateway { envoy, provider, client } = gateway;
    drop(provider);
    let answer = client.chat("fast").await;
    assert_eq!(answer.status, 503);
    let record = envoy.record(1).await;
    assert_eq!(
        (&record["outcome"], &record["cost_usd"]),
        (&json!("not_answered"), &json!("0.00")),
        "{record}"
    );
    assert_eq!(client.usage("org").await["held"], nothing());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_answer_that_breaks_off_is_charged_and_seen_to_be_broken() {
    // Until a kilobyte is here it may be nothing but an error, and is held: then Envoy says that it broke off.
    for (words, held_back) in [(1, true), (400, false)] {
        let gateway = Gateway::new(counted()).await;
        let mut body = Answers::default().chat();
        body["choices"][0]["message"]["content"] = json!("tram ".repeat(words));
        let headers = [("content-type", "application/json"), ("content-length", "5000")];
        gateway
            .provider
            .reply(Reply::head(200, &headers).write(body.to_string().as_bytes()).then(Step::Close));
        let asked = chat_body("fast").to_string();
        let answer = gateway.client.try_send("POST", "/v1/chat/completions", asked).await;
        match answer {
            Ok(answer) => assert!(held_back && answer.status == 502, "{answer:?}"),
            Err(_) => assert!(!held_back),
        }
        let record = gateway.envoy.record(1).await;
        assert_eq!(record["outcome"], "upstream_reset", "{record}");
        assert_ne!(record["cost_usd"], "0.00", "{record}");
        assert_eq!(held(&gateway).await, nothing());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_make_envoy_ask_more_often_than_it_is_charged() {
    let gateway = Gateway::new(counted()).await;
    gateway
        .provider
        .reply(Reply::json(500, &json!({"error": {"message": "broken", "type": "server_error"}})));
    let greedy = gateway.client.with("x-envoy-retry-on", "5xx").with("x-envoy-max-retries", "5");
    let greedy =
        greedy.with("x-envoy-upstream-rq-timeout-ms", "1").with("x-envoy-hedge-on-per-try-timeout", "true");
    assert_eq!(greedy.chat("fast").await.status, 500);
    gateway.envoy.record(1).await;
    assert_eq!(gateway.provider.count(), 1);
    let asked = gateway.provider.last();
    let of_envoy: Vec<_> = asked.headers.iter().filter(|(name, _)| name.starts_with("x-envoy-")).collect();
    assert!(of_envoy.is_empty(), "{of_envoy:?}");
}
