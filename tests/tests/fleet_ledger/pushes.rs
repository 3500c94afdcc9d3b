//! A configuration that is pushed to a fleet while requests run.

use farebox_tests::answers::Answers;
use farebox_tests::client::Client;
use farebox_tests::config::DEMO;
use farebox_tests::envoy::Setup;
use farebox_tests::envoys::{Envoys, plugin};
use farebox_tests::patience::until;
use farebox_tests::script::Gate;
use farebox_tests::valkey::Valkey;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const MARK: &str = "in-force";

fn budgets(concurrent: Option<u64>) -> Value {
    let mut budgets = json!([{"name": "day", "window": "lifetime", "limit_requests": 1_000}]);
    if let Some(limit) = concurrent {
        budgets[0]["limit_concurrent"] = json!(limit);
    }
    plugin(budgets, json!({}))
}

/// Pushes `plugin` to all, and waits until it is in force in each worker.
async fn push(fleet: &Envoys, mut plugin: Value) {
    plugin["models"][MARK] = json!([{"provider": "local"}]);
    for envoy in &fleet.envoys {
        envoy.push(&plugin.to_string());
        until("the pushed configuration", async || {
            for _ in 0..12 {
                // Each over a connection of its own.
                let models = Client::new(envoy, DEMO).get("/v1/models").await.json();
                models.to_string().contains(MARK).then_some(())?;
            }
            Some(())
        })
        .await;
    }
}

/// Has the provider answer when the gate is opened.
fn hold(fleet: &Envoys) -> Gate {
    let (gate, answers) = (Gate::closed(), Answers::default());
    let held = gate.clone();
    fleet.provider.answer(move |request| answers.reply(request).after(&held));
    gate
}

fn send(crowd: &mut JoinSet<u16>, client: &Client, count: usize) {
    for _ in 0..count {
        let client = client.clone();
        crowd.spawn(async move { client.chat("fast").await.status });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_run_when_a_limit_of_these_is_pushed_to_a_fleet_count_everywhere() {
    let valkey = Valkey::start().await;
    let fleet = Envoys::start(2, Setup::new(&budgets(None)).discovered().ledger(valkey.address())).await;
    assert_eq!(fleet.crowd(2).await, 2);
    let gate = hold(&fleet);
    let mut before = JoinSet::new();
    send(&mut before, &fleet.clients[0], 4);
    fleet.provider.requested(6).await;

    push(&fleet, budgets(Some(5))).await;
    until("what runs to be in the ledger, before any other request comes", async || {
        let lanes = valkey.account("farebox:{day}:org/:running").await?;
        (lanes.allotted.requests >= 4).then_some(())
    })
    .await;
    let mut after = JoinSet::new();
    for client in &fleet.clients {
        send(&mut after, client, 4);
    }
    for _ in 0..7 {
        assert_eq!(after.join_next().await.unwrap().unwrap(), 429);
    }
    fleet.provider.requested(7).await;
    gate.open();
    assert_eq!((before.join_all().await, after.join_all().await), (vec![200; 4], vec![200]));

    // None of them is counted any longer.
    let gate = hold(&fleet);
    let mut again = JoinSet::new();
    until("five that run", async || {
        send(&mut again, &fleet.clients[0], 1);
        send(&mut again, &fleet.clients[1], 1);
        (fleet.provider.count() == 7 + 5).then_some(())
    })
    .await;
    gate.open();
    // Those that waited meanwhile may find a turn that is free now.
    let statuses = again.join_all().await;
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
}
