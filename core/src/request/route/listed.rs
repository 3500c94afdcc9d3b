//! Decides which models a key is told that it may ask for.
//!
//! Those that the configuration names are listed under their names. A pattern is a promise about names that nobody has
//! written down: it is listed as those of its providers' models that the price list knows and that lead to it. So a
//! list is never complete, and what it lacks can be asked for nevertheless.

use super::Found;
use super::{Destination, find, is_available, is_served, may_use};
use crate::config::{After, Config, Key, Model, Pattern, Target};
use crate::pricing::known_models;

/// Most names that a pattern is listed as: a hub has a thousand models, and clients show a menu of them.
const NAMES_OF_PATTERN: usize = 200;

/// The aliases that `key` may ask for and that some available provider serves, sorted.
#[must_use]
pub fn usable_models(config: &Config, key: &Key) -> Vec<String> {
    let mut names: Vec<String> = config
        .aliases
        .values()
        .filter(|model| may_use(key, &model.name) && is_served(model))
        .map(|model| model.name.to_string())
        .collect();
    names.sort_unstable();
    names
}

/// The same with the models that the patterns of the configuration lead to, sorted.
#[must_use]
pub fn listed_models(config: &Config, key: &Key) -> Vec<String> {
    let mut names = usable_models(config, key);
    for (pattern, model) in &config.patterns {
        let leads_here = |name: &&String| {
            let found = find(config, name);
            matches!(found, Some(Found::Configured(found)) if found.name == model.name)
        };
        let known = names_of(pattern, model);
        let allowed = known.iter().filter(|name| may_use(key, name)).filter(leads_here);
        let allowed: Vec<String> = allowed.take(NAMES_OF_PATTERN).cloned().collect();
        names.extend(allowed);
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Where `name` is served before anything went wrong, first choice first, whether it is available or not.
#[must_use]
pub fn places(config: &Config, name: &str) -> Vec<Destination> {
    let candidates = find(config, name).map(|found| found.candidates(name).1).unwrap_or_default();
    let usual = candidates.into_iter().filter(|candidate| candidate.after == After::Anything);
    usual.map(|candidate| candidate.destination).collect()
}

/// The names that fit a pattern, of models that one of its targets serves under the name that is asked for.
fn names_of(pattern: &Pattern, model: &Model) -> Vec<String> {
    let serves = |target: &&Target| {
        target.model.is_none() && target.after == After::Anything && is_available(&target.provider)
    };
    let targets = model.targets.iter().filter(serves);
    let catalogues: Vec<&str> = targets.map(|target| &*target.provider.catalogue).collect();
    known_models(&catalogues, &|name| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;
    use serde_json::{Value, json};

    fn listed(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let config = testing::config(|json| {
            json["providers"]["two"]["catalogue"] = "anthropic".into();
            json["providers"]["hub"] =
                json!({"dialect": "openai", "cluster": "hub", "catalogue": "openrouter"});
            json["models"] = json!({"small": [{"provider": "one"}], "claude-*": [{"provider": "two"}]});
            change(json);
        });
        listed_models(&config, &config.keys["a"])
    }

    #[test]
    fn a_pattern_is_listed_as_the_models_that_the_price_list_knows_of_its_provider() {
        let names = listed(|_| {});
        for name in ["small", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-4-8"] {
            assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains('*')), "{names:?}");
    }

    #[test]
    fn only_what_the_key_may_ask_for_is_listed() {
        let names = listed(|json| json["keys"][0]["models"] = json!(["claude-opus-5*"]));
        assert_eq!(names, ["claude-opus-5", "claude-opus-5-5", "claude-opus-5-latest"]);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_listed_for_a_pattern_that_it_fits() {
        let names = listed(|json| {
            json["models"]["claude-opus-*"] = json!([{"provider": "dead"}]);
            json["models"]["claude-sonnet-5"] = json!([{"provider": "dead"}]);
        });
        assert!(names.contains(&"claude-haiku-5-5".to_owned()));
        let elsewhere = |name: &&String| name.starts_with("claude-opus-") || *name == "claude-sonnet-5";
        assert_eq!(names.iter().filter(elsewhere).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn a_pattern_of_which_every_name_gets_the_same_model_is_not_listed() {
        let names = listed(|json| {
            json["models"] = json!({"claude-*": [{"provider": "two", "model": "claude-opus-5-5"}]});
        });
        assert_eq!(names, [""; 0]);
    }

    #[test]
    fn a_list_stays_short_whatever_a_pattern_fits() {
        let names = listed(|json| json["models"] = json!({"*": [{"provider": "hub"}]}));
        assert_eq!(names.len(), NAMES_OF_PATTERN);
    }
}
