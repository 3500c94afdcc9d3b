//! Several Envoys in front of one provider that share a ledger, and callers of each.
//!
//! Does not decide what becomes of the ledger: see `valkey.rs` and `faults.rs`.

use crate::answers::Answers;
use crate::client::Client;
use crate::config::{self, DEMO};
use crate::envoy::{Envoy, Setup};
use crate::patience::until;
use crate::provider::Provider;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What one request costs in millionths of a dollar: eleven tokens in at $1 and five out at $10 a million.
pub const COST_MICRO_USD: u64 = 61;

/// A fleet. Dropping it kills its Envoys.
pub struct Envoys {
    /// One after the other as they were started.
    pub envoys: Vec<Envoy>,
    /// A caller of each.
    pub clients: Vec<Client>,
    /// What serves all of them.
    pub provider: Provider,
    /// The ledger is away, so some may be told to come again.
    pub is_away: bool,
    setup: Setup,
}

/// The configuration of a fleet whose requests hold no more than twenty tokens of output.
#[must_use]
pub fn plugin(budgets: Value, ledger: Value) -> Value {
    config::with(json!({"budgets": budgets, "ledger": ledger, "hold": {"output_tokens": 20}}))
}

/// A budget `day` of so many requests.
#[must_use]
pub fn requests(limit: u64) -> Value {
    json!([{"name": "day", "window": "day", "limit_requests": limit}])
}

impl Envoys {
    /// So many of them with two workers each.
    pub async fn start(count: usize, setup: Setup) -> Self {
        let provider = Provider::start().await;
        let answers = Answers::default();
        provider.answer(move |request| answers.reply(request));
        let setup = setup.workers(2);
        let mut fleet = Self { envoys: Vec::new(), clients: Vec::new(), provider, is_away: false, setup };
        for _ in 0..count {
            fleet.add().await;
        }
        fleet
    }

    /// Starts one more.
    pub async fn add(&mut self) {
        let envoy = self.setup.clone().start(&self.provider).await;
        self.clients.push(Client::new(&envoy, DEMO));
        self.envoys.push(envoy);
    }

    /// Ends one as a crash does.
    ///
    /// # Panics
    /// If its process is not its own: see [`Setup::own_process`].
    pub fn kill(&mut self, at: usize) {
        self.clients.remove(at);
        self.envoys.remove(at).kill();
    }

    /// Asks each to exit and starts as many anew.
    ///
    /// # Panics
    /// If their processes are not their own: see [`Setup::own_process`].
    pub async fn restart(&mut self) {
        self.clients.clear();
        let before = std::mem::take(&mut self.envoys);
        let count = before.len();
        for mut envoy in before {
            envoy.terminate().await;
        }
        for _ in 0..count {
            self.add().await;
        }
    }

    /// Sends so many requests at once over all Envoys; says how many were let through.
    ///
    /// # Panics
    /// If one is answered otherwise than a budget answers.
    pub async fn crowd(&self, count: usize) -> usize {
        let mut crowd = JoinSet::new();
        for number in 0..count {
            let client = self.clients[number % self.clients.len()].clone();
            crowd.spawn(async move { client.chat("fast").await.status });
        }
        let statuses = crowd.join_all().await;
        let known = if self.is_away { &[200, 429, 503][..] } else { &[200, 429] };
        assert!(statuses.iter().all(|status| known.contains(status)), "{statuses:?}");
        statuses.iter().filter(|status| **status == 200).count()
    }

    /// Waits until the usage page of every Envoy says that so many requests are spent.
    pub async fn settled(&self, budget: &str, requests: u64) {
        for client in &self.clients {
            until(&format!("{requests} requests of {budget}"), async || {
                let usage = client.usage(budget).await;
                (usage["spent"]["requests"] == requests).then_some(())
            })
            .await;
        }
    }
}
