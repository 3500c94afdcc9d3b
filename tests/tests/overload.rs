//! An Envoy whose memory is nearly full.

use farebox_tests::config::{self, DEMO};
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::http2::Endless;
use farebox_tests::patience::until;
use farebox_tests::raw::Raw;
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;
const CHAT: &str = "/v1/chat/completions";

/// A gateway with so much more memory than it needs, that lets one key take all of it.
async fn with_spare_heap(spare: usize) -> Gateway {
    let idle = Gateway::basic().await;
    let memory: Value = serde_json::from_str(&idle.envoy.admin("/memory").await).unwrap();
    let number = |name: &str| memory[name].as_str().unwrap().parse::<usize>().unwrap();
    let heap = number("heap_size") - number("pageheap_unmapped") - number("pageheap_free") + spare;
    let limits = json!({"pending_body_bytes": 512 * MIB, "pending_body_bytes_per_key": 512 * MIB});
    let plugin = config::with(json!({"limits": limits}));
    Gateway::run(Setup::new(&plugin).heap(heap as u64)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_heap_lets_nothing_new_in_until_there_is_room() {
    let gateway = with_spare_heap(80 * MIB).await;
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut raw = Raw::connect(&gateway.envoy).await;
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DEMO}\r\n");
        raw.send(format!("{head}content-length: {}\r\n\r\n", 30 * MIB).as_bytes()).await;
        // Refused, perhaps, while it sends.
        let _ = raw.try_send(&vec![b' '; 29 * MIB]).await;
        open.push(raw);
    }
    until("a refusal", async || (gateway.client.chat("fast").await.status == 503).then_some(())).await;
    let overloaded = |line: &Value| {
        (&line["details"], &line["farebox"]) == (&json!("overload"), &json!({"outcome": "not_seen"}))
    };
    until("its line", async || gateway.envoy.log_lines().iter().any(overloaded).then_some(())).await;
    open.into_iter().for_each(Raw::reset);
    until("room", async || (gateway.client.chat("fast").await.status == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_heap_ends_the_largest_streams_and_the_record_says_that_the_gateway_did() {
    let gateway = with_spare_heap(80 * MIB).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(Endless::post(&gateway.envoy, CHAT, DEMO, 29 * MIB).await);
    }
    gateway.envoy.stat_reaches("^envoy.overload_actions.reset_high_memory_stream.count", 1).await;
    let record = gateway.envoy.record(1).await;
    assert_eq!(record["outcome"], "gateway_disconnect", "{record} {:?}", gateway.envoy.log_lines());
    drop(open);
    until("room", async || (gateway.client.chat("fast").await.status == 200).then_some(())).await;
}
