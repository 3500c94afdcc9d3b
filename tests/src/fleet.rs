//! Several providers behind one gateway, each with a host, a base path, a name for the model and prices of its own,
//! so that whatever reaches one of them shows whom it was meant for.
//!
//! Does not say what goes wrong there: the test does.

use crate::client::Client;
use crate::config::{self, DEMO, OTHER};
use crate::envoy::{Envoy, Setup};
use crate::provider::{Provider, Request};
use crate::script::Reply;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};

/// The providers' names, which are those of their clusters as well.
pub const NAMES: [&str; 3] = ["a", "b", "c"];

/// A gateway in front of several providers.
pub struct Fleet {
    /// Envoy with the filter in both places.
    pub envoy: Envoy,
    /// The simulators `a`, `b` and `c`.
    pub providers: [Provider; 3],
    /// A caller with the key [`DEMO`].
    pub client: Client,
}

impl Fleet {
    /// With this plugin configuration and one worker.
    pub async fn new(plugin: Value) -> Self {
        Self::run(Setup::new(&plugin)).await
    }

    /// As set up. There are a cluster `dead` too, at which nothing listens, and a cluster `empty` without hosts.
    pub async fn run(setup: Setup) -> Self {
        Self::run_with(setup, |setup, _| setup).await
    }

    /// As set up, and changed once it is known where `a`, `b` and `c` listen.
    pub async fn run_with(setup: Setup, change: impl FnOnce(Setup, [SocketAddr; 3]) -> Setup) -> Self {
        let providers = [Provider::start().await, Provider::start().await, Provider::start().await];
        let setup = change(setup, providers.each_ref().map(Provider::address));
        let named = NAMES.iter().zip(&providers);
        let setup = named.fold(setup, |setup, (name, provider)| setup.cluster(name, provider.address()));
        let envoy = setup.cluster("dead", nobody()).empty_cluster("empty").start(&providers[0]).await;
        let client = Client::new(&envoy, DEMO);
        Self { envoy, providers, client }
    }

    /// The provider `a`.
    #[must_use]
    pub fn a(&self) -> &Provider {
        &self.providers[0]
    }

    /// The provider `b`.
    #[must_use]
    pub fn b(&self) -> &Provider {
        &self.providers[1]
    }

    /// The provider `c`.
    #[must_use]
    pub fn c(&self) -> &Provider {
        &self.providers[2]
    }

    /// How many requests each provider was sent.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        self.providers.each_ref().map(Provider::count)
    }

    /// What `farebox_failed_attempts_total` says of a provider and a reason, once it is at `count`.
    pub async fn failed_attempts(&self, provider: &str, reason: &str, count: usize) {
        crate::patience::until(&format!("{count} failed attempts: {reason}"), async || {
            let labels = [("provider", provider), ("reason", reason)];
            let metrics = self.envoy.metrics().await;
            (metrics.sum("farebox_failed_attempts_total", &labels) == count as f64).then_some(())
        })
        .await;
    }
}

/// The configuration of a fleet: the model `fast` is at `a` and then at `b`, `abc` at all three, `doomed` at a
/// provider that nobody can connect to and then at `b`, `lost` at one whose cluster has no host and then at `b`. A million tokens of input and output cost $1 and $10 at `a`,
/// $2 and $20 at `b`, $4 and $40 at `c`.
#[must_use]
pub fn plugin() -> Value {
    let provider = |name: &str, base: &str| {
        json!({
            "dialect": ["openai", "anthropic"], "cluster": name, "host": format!("{name}.example"), "base_path": base,
        })
    };
    let target = |name: &str| json!({"provider": name, "model": format!("model-{name}")});
    json!({
        "version": "v1",
        "keys": [config::key(DEMO, "search"), config::key(OTHER, "ads")],
        "providers": {
            "a": provider("a", "/alpha/v1"), "b": provider("b", "/b"), "c": provider("c", "/v1"),
            "dead": provider("dead", "/v1"), "empty": provider("empty", "/v1"),
        },
        "models": {
            "fast": [target("a"), target("b")],
            "abc": [target("a"), target("b"), target("c")],
            "doomed": [target("dead"), target("b")],
            "lost": [target("empty"), target("b")],
        },
        "prices": {
            "a/*": {"input": 1, "output": 10}, "b/*": {"input": 2, "output": 20}, "c/*": {"input": 4, "output": 40},
            "dead/*": {"input": 1, "output": 10}, "empty/*": {"input": 1, "output": 10},
        },
        "budgets": [{"name": "org", "window": "lifetime", "limit_usd": 100}],
    })
}

/// [`plugin`] with a key of its own at each provider.
#[must_use]
pub fn with_keys() -> Value {
    let mut plugin = plugin();
    for name in NAMES {
        plugin["providers"][name]["credentials"] = json!([{"env": variable(name)}]);
    }
    plugin
}

/// The environment for [`with_keys`].
#[must_use]
pub fn set_keys(setup: Setup) -> Setup {
    NAMES.iter().fold(setup, |setup, name| setup.env(&variable(name), &secret(name)))
}

/// The key of a provider.
#[must_use]
pub fn secret(name: &str) -> String {
    format!("sk-the-secret-of-{name}")
}

fn variable(name: &str) -> String {
    format!("FAREBOX_TEST_KEY_{}", name.to_uppercase())
}

/// An address at which nothing listens.
#[must_use]
pub fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket has an address")
}

/// Whether a request wants its answer streamed.
#[must_use]
pub fn is_streamed(request: &Request) -> bool {
    serde_json::from_slice::<Value>(&request.body).is_ok_and(|body| body["stream"] == true)
}

/// An error in OpenAI's form, with more headers.
#[must_use]
pub fn error(status: u16, headers: &[(&str, &str)]) -> Reply {
    let body =
        json!({"error": {"message": format!("says {status}"), "type": "error", "code": null}}).to_string();
    let length = body.len().to_string();
    let own = [("content-type", "application/json"), ("content-length", &*length)];
    Reply::head(status, &[&own[..], headers].concat()).write(body.as_bytes())
}
