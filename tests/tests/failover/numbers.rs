//! Failover under load, and what it costs in time. `--nocapture` shows the figures.

use farebox_tests::client::Client;
use farebox_tests::config::{self, DEMO};
use farebox_tests::envoy::Setup;
use farebox_tests::fleet::{self, Fleet, error};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_requests_at_once_all_succeed_on_the_second_target() {
    let fleet = Fleet::run(Setup::new(&fleet::plugin()).workers(2)).await;
    fleet.a().reply(error(529, &[]));
    let clients: Vec<Client> =
        (0..16)
            .map(|at| {
                if at % 2 == 0 { Client::new(&fleet.envoy, DEMO) } else { Client::http2(&fleet.envoy, DEMO) }
            })
            .collect();
    let mut requests = JoinSet::new();
    for at in 0..300 {
        let client = clients[at % clients.len()].clone();
        requests.spawn(async move {
            if at % 3 == 0 {
                let mut events = client.stream_chat("fast", json!({})).await;
                let all = events.all().await;
                return events.status == 200
                    && !events.broken
                    && all.last().is_some_and(|last| last == "[DONE]");
            }
            let answer = client.chat("fast").await;
            answer.status == 200 && answer.json()["choices"][0]["message"]["content"].is_string()
        });
    }
    let succeeded = requests.join_all().await.into_iter().filter(|succeeded| *succeeded).count();
    println!("{succeeded} of 300 requests at once succeeded while the first target answered 529");
    assert_eq!(succeeded, 300);
    assert_eq!(fleet.counts(), [300, 300, 0]);
    for record in fleet.envoy.records(300).await {
        let attempts = record["attempts"].as_array().unwrap();
        let seen: Vec<_> =
            attempts.iter().map(|attempt| (&attempt["provider"], &attempt["reason"])).collect();
        assert_eq!(seen, [(&json!("a"), &json!("status")), (&json!("b"), &json!("ok"))], "{record}");
        assert_eq!(record["cost_usd"], super::COST_AT_B, "{record}");
    }
    fleet.failed_attempts("a", "status", 300).await;
    let usage = fleet.client.usage("org").await;
    assert_eq!((&usage["held"], &usage["spent"]["requests"]), (&config::nothing(), &json!(300)));
    assert_eq!(usage["spent"]["usd"], "0.0366");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failover_takes_little_time() {
    let fleet = Fleet::new(fleet::plugin()).await;
    fleet.a().reply(error(529, &[]));
    let (mut direct, mut after) = (Vec::new(), Vec::new());
    for round in 0..220 {
        for (model, times) in [("b/model-b", &mut direct), ("fast", &mut after)] {
            let started = Instant::now();
            assert_eq!(fleet.client.chat(model).await.status, 200);
            if round >= 20 {
                times.push(started.elapsed());
            }
        }
    }
    let [direct, after] = [direct, after].map(|mut times| {
        times.sort_unstable();
        [times[times.len() / 2], times[times.len() * 9 / 10]]
    });
    println!(
        "a request to the second target: median {:?}, p90 {:?}; after a 529 of the first: median {:?}, p90 {:?}; \
         one failover adds {:?}",
        direct[0],
        direct[1],
        after[0],
        after[1],
        after[0].saturating_sub(direct[0])
    );
    assert!(after[0] < direct[0] + Duration::from_millis(100), "{direct:?} {after:?}");
}
