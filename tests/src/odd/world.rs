//! Decides whom the odd cases are sent to: a provider for every API, a cheap model and one ten times as dear at
//! each, a key that may use the cheap one alone and one that may use both.

use crate::config::{key, sha256};
use crate::envoy::Setup;
use serde_json::{Value, json};

/// A key of team `red` that may use [`CHEAP`] alone.
pub const RED: &str = "fb_red_Xw8KpQ2mVt5Zr7Ns4Ly9Ga3Hc6Jd1Bf0";
/// A key of team `blue` that may use everything.
pub const BLUE: &str = "fb_blue_Mz4Rk8Wq1Tx6Vb3Np7Ys2Lc9Fd5Gh0Ja";
/// What callers call the cheap model.
pub const CHEAP: &str = "tiny";
/// What callers call the dear one.
pub const DEAR: &str = "huge";
/// What every provider calls the cheap one.
pub const CHEAP_SENT: &str = "tiny-sent";
/// What every provider calls the dear one.
pub const DEAR_SENT: &str = "huge-sent";
/// What a strict budget allows each session, in pico-dollars: a case that says its session is alone in it.
pub const STRICT_PICO: u64 = 50_000_000_000;
/// What a token of [`CHEAP`] costs in and out, in pico-dollars; one of [`DEAR`] ten times as much.
pub const CHEAP_PICO: (u64, u64) = (1_000_000, 10_000_000);

/// A provider: its name and API, the host that it must be asked at, the header of its credential with what is before it.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    /// Its name, and that of its cluster.
    pub name: &'static str,
    /// Its dialect in the configuration.
    pub dialect: &'static str,
    /// Its host.
    pub host: &'static str,
    /// The header of its credential.
    pub header: &'static str,
    /// What stands before the secret.
    pub scheme: &'static str,
}

const fn home(name: &'static str, host: &'static str, header: &'static str, scheme: &'static str) -> Home {
    Home { name, dialect: name, host, header, scheme }
}

/// Every provider.
pub const HOMES: [Home; 8] = [
    home("openai", "openai.example.com", "authorization", "Bearer "),
    home("azure", "azure.example.com", "api-key", ""),
    home("anthropic", "anthropic.example.com", "x-api-key", ""),
    home("gemini", "gemini.example.com", "x-goog-api-key", ""),
    home("vertex", "vertex.example.com", "authorization", "Bearer "),
    home("bedrock", "bedrock.example.com", "authorization", "Bearer "),
    home("cohere", "cohere.example.com", "authorization", "Bearer "),
    home("ollama", "ollama.example.com", "authorization", "Bearer "),
];

impl Home {
    /// Its secret.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("secret-of-{}-7f3a9c", self.name)
    }

    /// The environment variable that has it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ODD_{}_KEY", self.name.to_uppercase())
    }

    /// The provider of this API.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn of(name: &str) -> &'static Self {
        HOMES.iter().find(|home| home.name == name).expect("a provider")
    }
}

/// The plugin configuration.
#[must_use]
pub fn config() -> Value {
    let mut red = key(RED, "red");
    red["models"] = json!([CHEAP]);
    let (mut providers, mut prices) = (json!({}), json!({}));
    for home in &HOMES {
        providers[home.name] = json!({
            "dialect": home.dialect, "cluster": home.name, "host": home.host,
            "credentials": [{"env": home.variable()}],
        });
        if home.name == "vertex" {
            providers[home.name]["project"] = json!(PROJECT);
            providers[home.name]["location"] = json!(LOCATION);
        }
        prices[format!("{}/{CHEAP_SENT}", home.name)] = json!({"input": 1, "output": 10});
        prices[format!("{}/{DEAR_SENT}", home.name)] = json!({"input": 10, "output": 100});
    }
    let targets = |model: &str| {
        HOMES.iter().map(|home| json!({"provider": home.name, "model": model})).collect::<Vec<_>>()
    };
    json!({
        "version": "v1",
        "keys": [red, {"id": "blue", "sha256": sha256(BLUE), "team": "blue"}],
        "providers": providers,
        "models": {CHEAP: targets(CHEAP_SENT), DEAR: targets(DEAR_SENT)},
        "default_model": CHEAP,
        "prices": prices,
        "rules": [{"when": {"agent": "vip-*"}, "model": DEAR}],
        "budgets": [
            {"name": "all", "window": "month", "limit_usd": 9_000_000, "at_limit": "shadow"},
            {"name": "strict", "per": "session", "window": "month", "limit_usd": "0.05", "mode": "strict",
             "slots": 4_096},
        ],
    })
}

/// The project that Vertex is paid by.
pub const PROJECT: &str = "own-project";
/// Where Vertex is.
pub const LOCATION: &str = "eu-west9";

/// Envoy with this configuration before a provider that plays all of them.
#[must_use]
pub fn setup(plugin: &Value, provider: std::net::SocketAddr) -> Setup {
    let base = Setup::new(plugin).workers(2);
    HOMES.iter().fold(base, |setup, home| {
        let known = ["openai", "anthropic"].contains(&home.name);
        let setup = if known { setup } else { setup.cluster(home.name, provider) };
        setup.env(&home.variable(), &home.secret())
    })
}
