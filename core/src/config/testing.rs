//! A small complete configuration for the tests of the pipeline.

use serde_json::{Value, json};

use super::Config;
use crate::base::window::Millis;
use crate::request::identity::digest;

/// 2026-11-21T12:00:00Z, a Saturday.
pub(crate) const NOW: Millis = Millis(1_795_262_400_000);

/// The key text of a caller: `fb_<id>_secret-of-<id>`.
pub(crate) fn key_text(id: &str) -> String {
    format!("fb_{id}_secret-of-{id}")
}

/// The configuration after `change`: callers `a` (team `red`), `off`, `old` and `b` (team `blue`); the
/// providers `one` (OpenAI), `two` (Anthropic) and `dead` (no credential); the models `small`, `big`,
/// `claude`, `gone` and `gpt-*`. Variables of the environment are set if they begin with `KEY_`.
pub(crate) fn config(change: impl FnOnce(&mut Value)) -> Config {
    let key = |id: &str, team: &str| {
        let hash: String = digest(key_text(id).as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"id": id, "sha256": hash, "team": team})
    };
    let mut json = json!({
        "version": "v1",
        "keys": [key("a", "red"), key("off", "red"), key("old", "red"), key("b", "blue")],
        "providers": {
            "one": {"dialect": "openai", "cluster": "one"},
            "two": {"dialect": "anthropic", "cluster": "two"},
            "dead": {"dialect": "openai", "cluster": "dead", "credentials": [{"env": "UNSET", "optional": true}]},
        },
        "models": {
            "small": [{"provider": "one", "model": "s-1"}],
            "big": [{"provider": "dead", "model": "b-0"}, {"provider": "one", "model": "b-1"}],
            "claude": [{"provider": "two", "model": "c-1"}],
            "gone": [{"provider": "dead"}],
            "gpt-*": [{"provider": "one"}],
        },
        "prices": {"one/*": {"input": 1, "output": 2}, "two/*": {"input": 3, "output": 15}},
    });
    change(&mut json);
    let environment = |name: &str| name.starts_with("KEY_").then(|| format!("the-secret-of-{name}"));
    Config::parse(json.to_string().as_bytes(), environment).unwrap_or_else(|errors| panic!("{errors}"))
}
