//! Streams that the gateway's own Envoy ends: it exits, or what they came in by is replaced.

use farebox_tests::answers::Answers;
use farebox_tests::config::{self, DEMO};
use farebox_tests::envoy::{Envoy, Setup};
use farebox_tests::gateway::Gateway;
use farebox_tests::raw::Raw;
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::{Value, json};

/// A stream of which two events are here, and that says nothing more.
async fn running_stream(gateway: &Gateway) -> Raw {
    let events = Answers::default().chat_events(true);
    let reply = events[..2].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
    gateway.provider.reply(reply.then(Step::Await(Gate::closed())));
    let body = json!({"model": "fast", "stream": true, "messages": []});
    let mut raw = Raw::connect(&gateway.envoy).await;
    raw.chat(format!("authorization: Bearer {DEMO}\r\n").as_bytes(), body.to_string().as_bytes()).await;
    raw.sees(&events[1]).await;
    raw
}

fn is_cut_by_the_gateway(record: &Value) {
    assert_eq!(record["outcome"], "gateway_disconnect", "{record}");
    assert_eq!((&record["usage_source"], &record["status"]), (&json!("estimated"), &json!(200)), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_sigterm_cuts_is_not_the_clients_doing() {
    let mut gateway = Gateway::run(Setup::new(&config::basic()).own_process()).await;
    let mut raw = running_stream(&gateway).await;
    gateway.envoy.terminate().await;
    raw.ends().await;
    is_cut_by_the_gateway(&gateway.envoy.record(1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_listeners_update_cuts_is_not_the_clients_doing() {
    // Only the chain of filters is replaced, or all of the listener.
    let changes: [fn(&mut Value); 2] = [
        |listener| Envoy::manager_of(listener)["stat_prefix"] = json!("another"),
        |listener| listener["per_connection_buffer_limit_bytes"] = json!(65_536),
    ];
    for change in changes {
        let gateway = Gateway::run(Setup::new(&config::basic()).listener_discovered()).await;
        let mut raw = running_stream(&gateway).await;
        gateway.envoy.push_listener(change);
        raw.ends().await;
        is_cut_by_the_gateway(&gateway.envoy.record(1).await);
    }
}
