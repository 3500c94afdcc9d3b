//! Long bodies that never end: refused before they come, or kept within bounds.

use farebox_tests::client::chat_body;
use farebox_tests::config::{self, DEMO};
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::patience::until;
use farebox_tests::raw::Raw;
use serde_json::json;

const MIB: usize = 1024 * 1024;

/// A connection on which a body of so many bytes has been announced.
async fn announce(gateway: &Gateway, bytes: usize) -> Raw {
    let mut raw = Raw::connect(&gateway.envoy).await;
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DEMO}\r\n");
    raw.send(format!("{head}content-type: application/json\r\ncontent-length: {bytes}\r\n\r\n").as_bytes())
        .await;
    raw
}

async fn refused(raw: &mut Raw, reason: &str) {
    let status = raw.status().await;
    let head = String::from_utf8_lossy(&raw.received).into_owned();
    assert!(head.contains(&format!("x-farebox-denied: {reason}\r\n")), "{status}: {head}");
    assert!(head.contains("retry-after: ") || head.contains("x-should-retry: false"), "{head}");
    assert_eq!(status, 429);
}

/// Waits until so many bytes of bodies have arrived.
async fn arrived(gateway: &Gateway, bytes: usize) {
    gateway.envoy.stat_reaches("http.farebox.downstream_cx_rx_bytes_total$", bytes as u64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_at_its_limit_of_running_requests_cannot_fill_the_memory_with_long_bodies() {
    let budgets = json!([{"name": "lane", "per": "key", "window": "day", "limit_concurrent": 2}]);
    let plugin = config::with_budgets(budgets);
    // Over both workers: what runs is counted for all of them.
    let gateway = Gateway::run(Setup::new(&plugin).workers(2)).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut raw = announce(&gateway, 30 * MIB).await;
        raw.send(&vec![b' '; MIB]).await;
        open.push(raw);
    }
    let held = async || gateway.client.usage("lane").await["held"]["requests"].clone();
    until("both to run", async || (held().await == 2).then_some(())).await;
    arrived(&gateway, 2 * MIB).await;
    for _ in 0..18 {
        refused(&mut announce(&gateway, 30 * MIB).await, "budget_concurrency").await;
    }
    open.into_iter().for_each(Raw::reset);
    until("nothing to run", async || (held().await == 0).then_some(())).await;
    assert_eq!(gateway.client.chat("fast").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_nothing_left_is_refused_before_it_sends_a_long_body() {
    let budgets = json!([{"name": "org", "window": "lifetime", "limit_requests": 1}]);
    let gateway = Gateway::run(Setup::new(&config::with_budgets(budgets)).workers(2)).await;
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    gateway.envoy.record(1).await;
    for _ in 0..8 {
        refused(&mut announce(&gateway, 30 * MIB).await, "budget").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_complete_are_kept_within_bounds_and_harm_nobody_else() {
    let limits = json!({"pending_body_bytes": 80 * MIB, "pending_body_bytes_per_key": 64 * MIB});
    let gateway = Gateway::run(Setup::new(&config::with(json!({"limits": limits}))).own_process()).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut raw = announce(&gateway, 30 * MIB).await;
        raw.send(&vec![b' '; 29 * MIB]).await;
        open.push(raw);
    }
    arrived(&gateway, 2 * 29 * MIB).await;
    let before = gateway.envoy.resident_kib();
    for _ in 0..18 {
        refused(&mut announce(&gateway, 30 * MIB).await, "pending_bodies_of_key").await;
    }
    // One that does not say how long it is gets no further.
    let mut raw = Raw::connect(&gateway.envoy).await;
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {DEMO}\r\n");
    raw.send(format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n", 8 * MIB).as_bytes()).await;
    raw.send(&vec![b' '; 5 * MIB]).await;
    refused(&mut raw, "pending_bodies_of_key").await;
    if let (Some(before), Some(after)) = (before, gateway.envoy.resident_kib()) {
        assert!(after < before + 32 * 1024, "{before} KiB, then {after} KiB");
    }

    assert_eq!(gateway.client.chat("fast").await.status, 200, "a body that comes at once waits for nothing");
    let denied = [("reason", "pending_bodies_of_key")];
    assert_eq!(gateway.envoy.metrics().await.sum("farebox_denied_total", &denied) as u64, 19);
    open.into_iter().for_each(Raw::reset);
    // 19 refusals, the chat, and the two that left.
    gateway.envoy.records(22).await;
    let words = " ".repeat(31 * MIB);
    let body = chat_body("fast").to_string() + &words;
    assert_eq!(
        gateway.client.send("POST", "/v1/chat/completions", body).await.status,
        200,
        "there is room again"
    );
}
