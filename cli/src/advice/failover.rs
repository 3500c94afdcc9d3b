//! Decides what a configuration loses where no request is sent a second time.

use farebox_core::config::{After, Config, ConfigError, Model, path};
use serde_json::Value;

/// Everything in `config`, which was read from `json`, that asks for a second attempt.
pub(crate) fn without_failover(config: &Config, json: &str) -> Vec<ConfigError> {
    // Where bodies are not read, nothing is ever sent a second time.
    if config.headers_only.is_some() {
        return Vec::new();
    }
    let document: Value = serde_json::from_str(json).unwrap_or_default();
    let mut lost = Vec::new();
    let mut say = |path: String, message: String| lost.push(ConfigError { path, message });
    let names = |member: &str| {
        let entries = document.get(member).and_then(Value::as_object);
        entries.into_iter().flatten().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    for name in names("providers") {
        let Some(provider) = config.providers.get(name.as_str()) else { continue };
        let (at, keys) = (path::member("providers", &name), provider.keys().len());
        if keys > 1 {
            say(
                path::member(&at, "credentials"),
                format!(
                    "each request is sent with one of {keys} keys; when that one fails, no other is tried and it does not go into cooldown"
                ),
            );
        }
        let hosts = provider.hosts();
        if hosts > 1 {
            say(
                path::member(&at, "endpoints"),
                format!(
                    "each request is sent to one of {hosts} hosts; when that one fails, no other is tried"
                ),
            );
        }
    }
    for name in names("models") {
        let patterns = config.patterns.iter().map(|(_, model)| model);
        let model = config.aliases.values().chain(patterns).find(|model| *model.name == *name);
        if let Some(model) = model {
            targets(model, &path::member("models", &name), &mut say);
        }
    }
    let failover = document.get("failover").and_then(Value::as_object);
    let is_set = |name: &str| failover.is_some_and(|failover| failover.contains_key(name));
    let mut unused = |name: &str, message: &str| say(path::member("failover", name), message.to_owned());
    if is_set("attempts") && config.failover.attempts != 1 {
        unused("attempts", "every request is sent once");
    }
    if is_set("first_token_seconds") {
        unused(
            "first_token_seconds",
            "a stream without a first token is waited for as long as silence_seconds says",
        );
    }
    if is_set("pause_seconds") {
        unused("pause_seconds", "no key and no model ever goes into cooldown");
    }
    lost
}

fn targets(model: &Model, at: &str, say: &mut impl FnMut(String, String)) {
    let is_first = |after: After| after != After::ContextLength;
    let first = model.targets.iter().filter(|target| is_first(target.after));
    let (count, weighted) = first
        .fold((0, 0), |(count, weighted), target| (count + 1, weighted + u32::from(target.weight.is_some())));
    if count > 1 {
        let which =
            if weighted > 1 { "the one that is drawn by weight" } else { "the first that can take it" };
        let message =
            format!("has {count} targets: a request is sent to {which}, and to no other when that fails");
        say(at.to_owned(), message);
    }
    for (index, target) in model.targets.iter().enumerate() {
        if !is_first(target.after) {
            let message =
                "is for prompts that are too long elsewhere, which are not sent again: it is never tried";
            say(path::item(at, index), message.to_owned());
        }
    }
}
