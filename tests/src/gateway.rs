//! What most tests need: a provider, Envoy with the filter in front of it, and a caller with a key.

use crate::answers::Answers;
use crate::client::Client;
use crate::config::{self, DEMO};
use crate::envoy::{Envoy, Setup};
use crate::provider::Provider;
use serde_json::Value;

/// A gateway in use.
pub struct Gateway {
    /// Envoy with the filter.
    pub envoy: Envoy,
    /// The simulator behind every cluster.
    pub provider: Provider,
    /// A caller with the key [`DEMO`].
    pub client: Client,
}

impl Gateway {
    /// With [`config::basic`].
    pub async fn basic() -> Self {
        Self::new(config::basic()).await
    }

    /// With this plugin configuration and one worker.
    pub async fn new(plugin: Value) -> Self {
        Self::run(Setup::new(&plugin)).await
    }

    /// As set up.
    pub async fn run(setup: Setup) -> Self {
        let provider = Provider::start().await;
        let envoy = setup.start(&provider).await;
        let client = Client::new(&envoy, DEMO);
        Self { envoy, provider, client }
    }

    /// A caller with another key.
    #[must_use]
    pub fn caller(&self, key: &str) -> Client {
        Client::new(&self.envoy, key)
    }

    /// Lets the provider give these answers.
    pub fn answers(&self, answers: Answers) {
        self.provider.answer(move |request| answers.reply(request));
    }
}
