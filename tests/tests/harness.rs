//! The harness itself, without the filter: what it dictates arrives, what arrives is recorded.

use farebox_tests::answers::Answers;
use farebox_tests::client::{Client, chat_body};
use farebox_tests::envoy::Setup;
use farebox_tests::provider::Provider;
use farebox_tests::raw::Raw;
use farebox_tests::script::{Gate, Reply, Step};
use farebox_tests::{http2, sdk};
use serde_json::json;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn envoy_without_the_filter_passes_everything_through() {
    let provider = Provider::start().await;
    let envoy = Setup::without_filter().start(&provider).await;
    let client = Client::anonymous(&envoy);

    let answer = client.chat("any").await;
    assert_eq!((answer.status, answer.json()), (200, Answers::default().chat()));
    assert_eq!(provider.last().body, chat_body("any").to_string().as_bytes());

    let mut events = client.stream_chat("any", json!({"stream_options": {"include_usage": true}})).await;
    events.all().await;
    assert_eq!(events.body, Answers::default().chat_events(true).concat());

    let gate = Gate::closed();
    provider
        .reply(Reply::event_stream().chunk(b"data: 1\n\n").then(Step::Await(gate.clone())).then(Step::Reset));
    let mut events = client.stream_chat("any", json!({})).await;
    assert_eq!(events.next().await.as_deref(), Some("1"));
    gate.open();
    assert_eq!((events.next().await, events.broken), (None, true));

    provider.reply(Reply::event_stream().chunk(b"data: 1\n\n").then(Step::Await(Gate::closed())));
    let mut events = client.stream_chat("any", json!({})).await;
    events.next().await;
    drop(events);
    provider.hung_up_on(1).await;
    assert_eq!(provider.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdks_understand_the_simulated_provider() {
    let provider = Provider::start().await;
    let envoy = Setup::without_filter().start(&provider).await;
    let text = json!(Answers::default().text.concat());
    let (openai, anthropic) = tokio::join!(
        sdk::run("openai_chat", &envoy, "any-key"),
        sdk::run("anthropic_chat", &envoy, "any-key")
    );
    assert_eq!((&openai["plain"], &openai["streamed"], &openai["response"]), (&text, &text, &text));
    assert_eq!((&openai["usage_chunks"], &openai["asked_usage"]), (&json!(0), &json!([16])));
    assert_eq!((&anthropic["plain"], &anthropic["streamed"]), (&text, &text));
    assert_eq!((&anthropic["streamed_usage"], &anthropic["counted"]), (&json!([11, 5]), &json!(11)));
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_hold_back_a_thousand_answers_and_hostile_bytes_arrive() {
    let provider = Provider::start().await;
    let envoy = Setup::without_filter().workers(2).start(&provider).await;
    let (gate, answers) = (Gate::closed(), Answers::default());
    let held_back = gate.clone();
    provider.answer(move |request| answers.reply(request).after(&held_back));
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let client = Client::anonymous(&envoy);
        requests.spawn(async move { client.chat("any").await.status });
    }
    provider.requested(1000).await;
    assert!(requests.try_join_next().is_none());
    gate.open();
    assert!(requests.join_all().await.iter().all(|status| *status == 200));

    let mut raw = Raw::connect(&envoy).await;
    raw.chat(b"x-trace: \xff\xfe\r\n", b"{}").await;
    assert_eq!(raw.status().await, 200);
    assert!(provider.last().headers.contains(&("x-trace".into(), b"\xff\xfe".to_vec())));
    let pieces = [b"{".as_slice(), b"}"];
    let answer =
        http2::post_with_trailers(&envoy, "/v1/chat/completions", &[], &pieces, &[("x-end", "1")]).await;
    assert_eq!((answer.0, provider.last().body), (200, b"{}".to_vec()));
}
