//! Keys, limits and teams that change while Envoys run.

mod figures;
mod keys;
mod limits;
mod outages;
mod proven;

use farebox_tests::client::Client;
use farebox_tests::envoy::Setup;
use farebox_tests::envoys::{Envoys, plugin};
use farebox_tests::patience::until;
use farebox_tests::valkey::Valkey;
use serde_json::{Value, json};

/// Two Envoys of two workers each that have read the registry of `valkey`: before that they let nobody in.
async fn fleet(valkey: &Valkey, budgets: Value) -> Envoys {
    let fleet = Envoys::start(2, setup(valkey, &with(budgets, json!({})))).await;
    for client in &fleet.clients {
        until("the registry to be read", async || {
            (client.get("/v1/models").await.status != 503).then_some(())
        })
        .await;
    }
    fleet
}

/// The configuration of a fleet that has a registry, with these members of that.
fn with(budgets: Value, mut registry: Value) -> Value {
    if registry["interval_ms"].is_null() {
        registry["interval_ms"] = json!(200);
    }
    plugin(budgets, json!({"registry": registry}))
}

fn setup(valkey: &Valkey, plugin: &Value) -> Setup {
    Setup::new(plugin).ledger(valkey.address())
}

/// Waits until requests with `key` are answered like that by every worker of every Envoy.
async fn everywhere(fleet: &Envoys, key: &str, status: u16, reason: Option<&str>) {
    for envoy in &fleet.envoys {
        until(&format!("{status} for {key}"), async || {
            for _ in 0..8 {
                // Each over a connection of its own.
                let answer = Client::new(envoy, key).chat("fast").await;
                (answer.status == status && answer.header("x-farebox-denied") == reason).then_some(())?;
            }
            Some(())
        })
        .await;
    }
}
