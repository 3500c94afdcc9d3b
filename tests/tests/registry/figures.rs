//! What the registry costs and how fast it is: `make registry-figures` plays more of it and shows the numbers.

use super::{setup, with};
use farebox_tests::client::Client;
use farebox_tests::config::{DEMO, sha256};
use farebox_tests::envoy::Envoy;
use farebox_tests::envoys::{Envoys, plugin, requests};
use farebox_tests::patience::until;
use farebox_tests::registry::{Registry, key};
use farebox_tests::valkey::Valkey;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Revocations where nobody asks for a figure.
const FEW: usize = 2;
/// How long a caller waits before it asks again.
const PAUSE: Duration = Duration::from_millis(10);
/// Refusals after which no worker lets a key in any more, each over a connection of its own.
const REFUSALS: usize = 24;

#[allow(clippy::disallowed_methods, reason = "how many is no secret")]
fn wanted(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

fn text(number: usize) -> String {
    format!("fb_k{number}_{number:032x}")
}

/// How long after `since` the key was let in for the last time, at the latest.
async fn refused(envoy: Client, since: Instant) -> Duration {
    let (mut refusals, mut first) = (0, Duration::ZERO);
    while refusals < REFUSALS {
        let status = envoy.get("/v1/models").await.status;
        match status {
            200 => refusals = 0,
            401 => {
                if refusals == 0 {
                    first = since.elapsed();
                }
                refusals += 1;
            }
            other => panic!("{other}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    first
}

fn percentile(sorted: &[Duration], percent: usize) -> u128 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_by_four_envoys_within_two_intervals() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let count = wanted("FAREBOX_REVOCATIONS", FEW);
    for number in 0..count {
        registry.set(&format!("key/k{number}"), key(&[&text(number)], "search")).await;
    }
    let plugin = plugin(requests(1_000_000), json!({"registry": {}}));
    let fleet = Envoys::start(4, setup(&valkey, &plugin)).await;
    let mut times = Vec::new();
    for number in 0..count {
        let clients: Vec<Client> =
            fleet.envoys.iter().map(|envoy| Client::new(envoy, &text(number))).collect();
        for client in &clients {
            until("the key", async || (client.get("/v1/models").await.status == 200).then_some(())).await;
        }
        // Not always at the same moment of an interval.
        tokio::time::sleep(Duration::from_millis(number as u64 * 137 % 1_000)).await;
        let mut entry = key(&[&text(number)], "search");
        entry["revoked_at"] = json!("2026-11-28T00:00:00Z");
        registry.set(&format!("key/k{number}"), entry).await;
        let since = Instant::now();
        let mut crowd = JoinSet::new();
        clients.into_iter().for_each(|client| drop(crowd.spawn(refused(client, since))));
        times.extend(crowd.join_all().await);
    }
    times.sort_unstable();
    let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
    let worst = times.last().unwrap().as_millis();
    println!("{count} revocations, 4 Envoys: p50 {p50} ms, p99 {p99} ms, the slowest {worst} ms");
    // On a machine that does other things too a time says nothing: there it is enough that all have refused.
    assert!(count <= FEW || worst < 2_000 + 500, "{worst} ms");
}

async fn allocated(envoy: &Envoy) -> u64 {
    let memory: Value = serde_json::from_str(&envoy.admin("/memory").await).unwrap();
    memory["allocated"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_are_read_page_by_page_and_any_of_them_calls() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let count = wanted("FAREBOX_KEYS", 3_000);
    let entry = |number: usize| json!({"sha256": [{"sha256": sha256(&text(number))}], "team": format!("team-{}", number % 100), "labels": {"app": "chat"}});
    let plugin = with(requests(1_000_000), json!({"interval_ms": 1_000}));
    let fleet = Envoys::start(1, setup(&valkey, &plugin).own_process()).await;
    let envoy = &fleet.envoys[0];
    until("the registry", async || envoy.log().contains("the registry was read: 0").then_some(())).await;
    let (before, resident) = (allocated(envoy).await, envoy.resident_kib());
    for first in (0..count).step_by(200) {
        let names: Vec<String> =
            (first..(first + 200).min(count)).map(|number| format!("key/k{number}")).collect();
        let entries: Vec<String> =
            (first..first + names.len()).map(|number| entry(number).to_string()).collect();
        registry.set_all(&names, &entries).await;
    }
    let since = Instant::now();
    let last = Client::new(envoy, &text(count - 1));
    until("the last key", async || (last.get("/v1/models").await.status == 200).then_some(())).await;
    let (after, resident_after) = (allocated(envoy).await, envoy.resident_kib());
    println!(
        "{count} keys: known {} ms after the last was written; Envoy has {} MiB more allocated, {} MiB more resident; {} bytes a key",
        since.elapsed().as_millis(),
        (after.saturating_sub(before)) >> 20,
        resident_after.zip(resident).map_or(0, |(after, before)| after.saturating_sub(before) >> 10),
        after.saturating_sub(before) / count as u64,
    );
    let since = Instant::now();
    let samples = 300.min(count);
    for number in (0..count).step_by(count / samples) {
        let status = Client::new(envoy, &text(number)).get("/v1/models").await.status;
        assert_eq!(status, 200, "{number}");
    }
    println!(
        "{samples} of them called once: {} us each, over a connection of its own",
        since.elapsed().as_micros() / samples as u128
    );
    let first = Instant::now();
    let own = Client::new(envoy, DEMO);
    for _ in 0..samples {
        own.get("/v1/models").await;
    }
    println!(
        "a key of the configuration: {} us each, over one connection",
        first.elapsed().as_micros() / samples as u128
    );
    // A process that begins with all of them.
    let since = Instant::now();
    let cold = fleet_of_one(&valkey, &plugin).await;
    until("the last key", async || {
        (Client::new(&cold.envoys[0], &text(count - 1)).get("/v1/models").await.status == 200).then_some(())
    })
    .await;
    println!(
        "an Envoy that begins knows the last of {count} keys {} ms after its start",
        since.elapsed().as_millis()
    );
}

async fn fleet_of_one(valkey: &Valkey, plugin: &Value) -> Envoys {
    Envoys::start(1, setup(valkey, plugin).own_process()).await
}
