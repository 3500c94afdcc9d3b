//! Decides whether a budget has a subject of a name, so that a limit that was meant is not silently nobody's.
//!
//! As in the configuration's `overrides`: what can be known and is not is a mistake. Teams may come from keys and from an
//! identity provider, so one that nobody has heard of is told and not refused.

use std::rc::Rc;

use farebox_core::base::money::PicoUsd;
use farebox_core::base::text::Label;
use farebox_core::budget::ledger::PROVEN_BY;
use farebox_core::config::{Budget, Config, Dimension, Limits, Pattern, Scope, suggestion};
use farebox_core::registry::{Entry, EntryName};
use farebox_core::request::route;

use crate::registry::{RegistryError, Store, refused};

/// More than this in a window the ledger of a fleet cannot count exactly: nine million dollars.
const MOST_OF_FLEET: PicoUsd = PicoUsd(9_000_000 * 1_000_000_000_000);

/// The budget `name`.
pub(super) fn budget<'a>(config: &'a Config, name: &str) -> Result<&'a Rc<Budget>, RegistryError> {
    let found = config.budgets.iter().find(|budget| *budget.name == *name);
    found.ok_or_else(|| {
        let names = config.budgets.iter().map(|budget| &*budget.name);
        RegistryError::Refused(format!(
            "no budget is named \"{name}\"{}",
            suggestion::did_you_mean(name, names)
        ))
    })
}

/// What is odd about `subject` in `budget`.
///
/// # Errors
/// If nobody can have that name.
pub(super) fn check(
    config: &Config,
    store: &mut Store<'_>,
    budget: &Budget,
    subject: &str,
) -> Result<Option<String>, RegistryError> {
    let per = budget.per_text();
    let name = &budget.name;
    let of_model = budget.per.contains(&Dimension::Model);
    if budget.per.is_empty() && subject != "*" {
        return refused(format!("the budget \"{name}\" is one for everyone; its subject is *"));
    }
    if budget.per.contains(&Dimension::Request) {
        return refused(format!("the budget \"{name}\" is counted by the request: requests have no names"));
    }
    if !budget.per.is_empty() && !of_model && Pattern::is_pattern(subject) {
        return refused(format!(
            "\"{subject}\" is a pattern: name one {per}; patterns are for the \"overrides\" of the configuration"
        ));
    }
    match &*budget.per {
        [] => Ok(None),
        [Dimension::Team] => team(config, store, budget, subject),
        // Whom an identity provider names has no key.
        [Dimension::Key] if budget.listed.is_some() && subject.contains(PROVEN_BY) => Ok(None),
        [Dimension::Key] => key(config, store, subject),
        [Dimension::Model] => {
            let patterns = config.patterns.iter().map(|(_, model)| &*model.name);
            let models = config.aliases.keys().map(AsRef::as_ref).chain(patterns).chain([route::DIRECT]);
            one_of(subject, models.collect(), "no model has this name")
        }
        [Dimension::Provider] => {
            one_of(subject, config.providers.keys().map(AsRef::as_ref).collect(), "no provider has this name")
        }
        [Dimension::Label(_)] => Ok(None),
        [_] if Label::from_bytes(subject.as_bytes()).is_none_or(|label| label.as_str() != subject) => {
            refused(format!("\"{subject}\": a {per} has 1 to 128 printable ASCII characters"))
        }
        // More parts than dimensions are fine: the names of models, say, may have slashes.
        several if subject.split('/').count() < several.len() => {
            let parts: Vec<String> = several.iter().map(Dimension::text).collect();
            refused(format!("\"{subject}\": the subject must be {}", parts.join("/")))
        }
        _ => Ok(None),
    }
}

fn one_of(name: &str, known: Vec<&str>, otherwise: &str) -> Result<Option<String>, RegistryError> {
    if known.contains(&name) {
        return Ok(None);
    }
    refused(format!("\"{name}\": {otherwise}{}", suggestion::did_you_mean(name, known)))
}

fn key(config: &Config, store: &mut Store<'_>, id: &str) -> Result<Option<String>, RegistryError> {
    if config.keys.contains_key(id) || store.get(EntryName::Key(id))?.is_some() {
        return Ok(None);
    }
    let all = store.all("key/")?.entries;
    let own = config.keys.keys().map(AsRef::as_ref);
    one_of(id, own.chain(all.keys().map(String::as_str)).collect(), "no key has this id")
}

fn team(
    config: &Config,
    store: &mut Store<'_>,
    budget: &Budget,
    team: &str,
) -> Result<Option<String>, RegistryError> {
    let listed = budget.listed.iter().flat_map(|listed| &listed.teams).map(AsRef::as_ref);
    let own: Vec<&str> = config.teams().into_iter().chain(listed).collect();
    if own.contains(&team) || store.get(EntryName::Team(team))?.is_some() {
        return Ok(None);
    }
    let all = store.all("key/")?.entries;
    let of_keys = all.values().filter_map(|stored| match &stored.entry {
        Entry::Key(key) => key.team.as_deref(),
        _ => None,
    });
    let known: Vec<&str> = own.into_iter().chain(of_keys).collect();
    let meant = suggestion::did_you_mean(team, known.iter().copied());
    let is_known = known.contains(&team);
    // With an identity provider there are others, and only what is nearly one is odd.
    let is_odd = !is_known && (budget.listed.is_none() || !meant.is_empty());
    Ok(is_odd.then(|| format!("no key is of the team \"{team}\", and no mapping names it{meant}")))
}

/// Tells a limit that `budget` cannot count.
pub(super) fn check_countable(budget: &Budget, limits: &Limits) -> Result<(), RegistryError> {
    if budget.scope == Scope::Fleet && limits.usd.is_some_and(|usd| usd > MOST_OF_FLEET) {
        return refused("--usd: the ledger of a fleet counts exactly up to $9000000 in a window");
    }
    Ok(())
}
