//! The harness itself, without the filter: what it dictates arrives, what arrives is recorded.

use farebox_tests::answers::Answers;
use farebox_tests::client::{Client, chat_body};
use farebox_tests::envoy::Setup;
use farebox_tests::provider::Provider;
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::json;

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
