//! Decides which plugin configuration a test runs with unless it says otherwise: one provider that
//! speaks both dialects, one key, one alias, a price.
//!
//! The text of every key is known here, because the tests look for it where it must not be.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The key `demo` of team `search`, used by most tests.
pub const DEMO: &str = "fb_demo_c1Jq7nVx0pZt4KdWm8RyLs2Hg5Fb9Ea3";
/// The key `other` of team `ads`.
pub const OTHER: &str = "fb_other_Zx3Vb6Nm1Qw4Er7Ty0Ui2Op5As8Df9Gh";

/// The model name the provider `local` is asked for when a caller asks for `fast`.
pub const UPSTREAM_MODEL: &str = "smollm2";

/// What the configuration says about a key.
///
/// # Panics
/// If `key` is not of the form `fb_<id>_<secret>`.
#[must_use]
pub fn key(key: &str, team: &str) -> Value {
    let id = key.split('_').nth(1).expect("a key names its id");
    json!({"id": id, "sha256": sha256(key), "team": team})
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The configuration most tests start from. Input costs $1, cached input $0.50, output $10 a million
/// tokens at provider `local`.
#[must_use]
pub fn basic() -> Value {
    json!({
        "version": "v1",
        "keys": [key(DEMO, "search"), key(OTHER, "ads")],
        "providers": {
            "local": {"dialect": ["openai", "anthropic"], "cluster": "local"},
            "openai": {"dialect": "openai", "cluster": "openai", "host": "api.openai.com",
                "credentials": [{"env": "OPENAI_API_KEY", "optional": true}]},
            "anthropic": {"dialect": "anthropic", "cluster": "anthropic", "host": "api.anthropic.com",
                "credentials": [{"env": "ANTHROPIC_API_KEY", "optional": true}]},
        },
        "models": {
            "fast": [{"provider": "local", "model": UPSTREAM_MODEL}],
            UPSTREAM_MODEL: [{"provider": "local"}],
        },
        // Sums that are easy, and one status whoever asks: `a_budget_that_is_spent_is_told_to_each_client_in_its_way` takes it out.
        "hold": {"output_tokens": 1_024},
        "denial": {"budget_status": 429},
        "prices": {
            "local/*": {"input": 1, "cache_read": 0.5, "output": 10},
            "openai/*": {"input": 1, "output": 10},
            "anthropic/*": {"input": 1, "output": 10},
        },
    })
}

/// [`basic`] with top-level members put in place of, or beside, its own.
///
/// # Panics
/// If `changes` is not an object.
#[must_use]
pub fn with(changes: Value) -> Value {
    let mut config = basic();
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    config.as_object_mut().expect("the configuration is an object").extend(changes);
    config
}

/// [`basic`] with these budgets.
#[must_use]
pub fn with_budgets(budgets: Value) -> Value {
    with(json!({"budgets": budgets}))
}

/// What the usage page says of amounts of which nothing is used.
#[must_use]
pub fn nothing() -> Value {
    json!({"usd": "0.00", "tokens": 0, "input_tokens": 0, "output_tokens": 0, "requests": 0})
}
