//! Decides what in a configuration that is accepted cannot be what its operator wanted: targets that are never tried,
//! names that lead nowhere, callers that are not let in.
//!
//! The filter accepts all of this, and has to: what has expired today was good yesterday, and an Envoy that starts again
//! must not refuse what it has run with. So it is told here, where somebody reads it. Nothing is told that might be
//! meant: no advice is better than one that has to be ignored.

mod budgets;
mod downgrades;
mod failover;
mod registry;

use std::collections::BTreeMap;

use farebox_core::base::window::Millis;
use farebox_core::config::{Config, ConfigError, Key, Model, Pattern, Provider, Unpriced, path};
use farebox_core::request::route;
use serde_json::{Map, Value};

pub(crate) use failover::without_failover;

/// Names listed in one piece of advice, so that it stays readable.
const LISTED: usize = 5;

/// All that is odd about `config`, which was read from `json`, at the moment `now`.
pub(crate) fn of(config: &Config, json: &str, now: Millis) -> Vec<ConfigError> {
    let document = serde_json::from_str(json).unwrap_or_default();
    let mut advisor = Advisor { config, document, now, said: Vec::new() };
    advisor.keys();
    advisor.models();
    advisor.defaults();
    advisor.rules();
    advisor.budgets();
    advisor.prices();
    advisor.registry();
    advisor.said
}

struct Advisor<'a> {
    config: &'a Config,
    document: Value,
    now: Millis,
    said: Vec<ConfigError>,
}

impl<'a> Advisor<'a> {
    fn say(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.said.push(ConfigError { path: path.into(), message: message.into() });
    }

    fn members(&self, name: &str) -> Map<String, Value> {
        self.document.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    fn items(&self, name: &str) -> Vec<Value> {
        self.document.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    fn has_expired(&self, key: &Key) -> bool {
        key.expires.is_some_and(|expires| expires <= self.now)
    }

    /// The keys that somebody can call with now, by their ids.
    fn working(&self) -> BTreeMap<&'a str, &'a Key> {
        let keys = self.config.keys.values().filter(|key| key.enabled && !self.has_expired(key));
        keys.map(|key| (&*key.id, &**key)).collect()
    }

    fn keys(&mut self) {
        for (index, entry) in self.items("keys").iter().enumerate() {
            let id = entry.get("id").and_then(Value::as_str).unwrap_or_default();
            let Some(key) = self.config.keys.get(id) else { continue };
            let at = path::item("keys", index);
            if !key.enabled {
                self.say(path::member(&at, "enabled"), "the key is switched off: whoever uses it is refused");
            }
            if self.has_expired(key) {
                self.say(path::member(&at, "expires"), "the key has expired: whoever uses it is refused");
            }
            let models = entry.get("models").and_then(Value::as_array);
            for (index, name) in models.into_iter().flatten().enumerate() {
                let name = name.as_str().unwrap_or_default();
                if !leads_somewhere(self.config, name) {
                    let at = path::item(&path::member(&at, "models"), index);
                    self.say(at, format!("nothing serves {}", quoted(name)));
                }
            }
        }
        if !self.config.keys.is_empty() && self.working().is_empty() && !self.has_registry() {
            self.say("keys", "every key has expired or is switched off: nobody can call");
        }
    }

    fn models(&mut self) {
        for name in self.members("models").keys() {
            let patterns = self.config.patterns.iter().map(|(_, model)| model);
            let mut models = self.config.aliases.values().chain(patterns);
            if let Some(model) = models.find(|model| *model.name == **name) {
                self.model(model, &path::member("models", name));
            }
        }
    }

    fn model(&mut self, model: &Model, at: &str) {
        let own = Some(&*model.name).filter(|name| !Pattern::is_pattern(name));
        let mut unpriced = Vec::new();
        for (index, target) in model.targets.iter().enumerate() {
            let twin = model.targets.iter().take(index).position(|other| {
                other.provider.name == target.provider.name
                    && other.model.as_deref().or(own) == target.model.as_deref().or(own)
            });
            if let Some(twin) = twin {
                let first = path::item(at, twin);
                self.say(path::item(at, index), format!("is the same as {first}, which was tried before it"));
            }
            if let Some(name) = target.model.as_deref().or(own)
                && self.is_refused(&target.provider, name)
            {
                unpriced.push((index, no_price(&target.provider, name)));
            }
        }
        let none_left = unpriced.len() == model.targets.len();
        for (index, what) in unpriced {
            let then = if none_left { "every request for this model is refused" } else { "it is skipped" };
            self.say(path::item(at, index), format!("{what}: {then}"));
        }
    }

    /// Whether requests to this place are refused because nobody knows what they cost.
    fn is_refused(&self, provider: &Provider, model: &str) -> bool {
        self.config.unpriced == Unpriced::Deny
            && self.config.prices.price(provider, model, self.now).is_none()
    }

    /// Tells if `name`, where the configuration itself sends requests, is a place that has no price. What is a model of
    /// its own is told there.
    fn direct(&mut self, at: &str, name: &str) {
        let is_model = self.config.aliases.contains_key(name)
            || self.config.patterns.iter().any(|(pattern, _)| pattern.matches(name));
        let Some((provider, model)) = name.split_once('/').filter(|_| !is_model) else { return };
        if let Some(provider) = self.config.providers.get(provider)
            && self.is_refused(provider, model)
        {
            self.say(at, format!("{}: what is sent there is refused", no_price(provider, model)));
        }
    }

    fn defaults(&mut self) {
        let own = self.config.default_models.iter();
        let own = own.map(|(endpoint, model)| (path::member("default_models", endpoint.name()), model));
        let all =
            self.config.default_model.iter().map(|model| ("default_model".to_owned(), model)).chain(own);
        for (at, model) in all.collect::<Vec<_>>() {
            self.direct(&at, model);
            let refused: Vec<&str> =
                self.working().into_values().filter(|key| !may_use(key, model)).map(|key| &*key.id).collect();
            if !refused.is_empty() {
                let who = listed(&refused);
                self.say(
                    at,
                    format!("is none of the models of {who}: what they ask for without a model is refused"),
                );
            }
        }
    }

    fn rules(&mut self) {
        for (index, rule) in self.config.rules.iter().enumerate() {
            let at = path::member(&path::item("rules", index), "model");
            self.direct(&at, &rule.model);
        }
    }

    fn prices(&mut self) {
        for name in self.members("prices").keys() {
            let lower = name.to_ascii_lowercase();
            let start = literal(&lower);
            let mut providers = self.config.providers.keys();
            let is_used = match start.split_once('/') {
                Some((provider, _)) => self.config.providers.contains_key(provider),
                None => providers.any(|provider| provider.starts_with(start)),
            };
            if !is_used {
                self.say(path::member("prices", name), "is for no provider of this configuration");
            }
        }
    }
}

/// Whether some model can be asked for by a name that fits `pattern`.
pub(crate) fn leads_somewhere(config: &Config, pattern: &str) -> bool {
    if !Pattern::is_pattern(pattern) {
        return route::is_known(config, pattern);
    }
    let start = literal(pattern);
    let overlaps = |other: &str| other.starts_with(start) || start.starts_with(other);
    let fits = Pattern::new(pattern);
    config.aliases.keys().any(|name| fits.matches(name))
        || config.patterns.iter().any(|(_, model)| overlaps(literal(&model.name)))
        || config.providers.keys().any(|provider| overlaps(&format!("{provider}/")))
}

/// What every name begins with that fits a pattern.
fn literal(pattern: &str) -> &str {
    pattern.split(['*', '?']).next().unwrap_or_default()
}

fn may_use(key: &Key, model: &str) -> bool {
    key.may_use(model)
}

fn no_price(provider: &Provider, model: &str) -> String {
    let place = quoted(&format!("{}/{model}", provider.name));
    format!("there is no price for {place}, and \"unpriced\" is \"deny\"")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The keys with these ids, or the first of many.
fn listed(ids: &[&str]) -> String {
    let first: Vec<&str> = ids.iter().take(LISTED).copied().collect();
    let noun = if ids.len() == 1 { "key" } else { "keys" };
    match ids.len() - first.len() {
        0 => format!("{noun} {}", first.join(", ")),
        more => format!("{noun} {} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
