//! Decides where a request goes: which model is meant and which providers serve it, first choice first.
//!
//! A name is looked up as an alias, then among the patterns (the longest first), then as
//! `provider/model`. A key's allow-list is about the name that was asked for; a rule that then sends the
//! request elsewhere is the operator's decision and needs no permission of the caller. But a rule that holds for what
//! a request says of itself (its agent, a header) is one that any caller can make hold: it leads only to models that
//! the key may use, and to others it is no rule.
//!
//! Of targets with a weight one is first, by weight; the others follow in the order in which they were
//! written. What is only for prompts that are too long for the others is kept apart.
//!
//! Does not try a second target when the first fails, and does not balance the endpoints of a provider: Envoy does.

mod listed;

use core::fmt;
use std::borrow::Cow;
use std::rc::Rc;

use crate::base::hash;
use crate::base::headers::RequestHead;
use crate::base::text::leaves_its_place;
use crate::config::{After, Config, Credential, Key, Model, Pattern, Provider, Rule, Target, When};
use crate::dialect::{Api, Endpoint};
use crate::request::attribution::Attribution;
use crate::request::llm_request::LlmRequest;

pub use listed::{listed_models, places, usable_models};

/// What metrics call a model that was named as `provider/model` and not by the configuration.
pub const DIRECT: &str = "other";

/// Names listed in an error, so that it stays readable.
const LISTED_NAMES: usize = 50;

/// Where a request goes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What metrics call the model: an alias or pattern of the configuration, or [`DIRECT`].
    pub label: Box<str>,
    /// The name that was looked up: the one asked for, the default, or the one of a rule.
    pub model: String,
    /// Where it is served, first choice first; never empty.
    pub targets: Vec<Destination>,
    /// Where it is served if the prompt was too long for one of those, first choice first.
    pub long: Vec<Destination>,
}

/// One place to send a request to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The provider.
    pub provider: Rc<Provider>,
    /// Its name for the model.
    pub model: String,
}

impl fmt::Display for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.provider.name, self.model)
    }
}

impl Destination {
    /// Whether both are the same model of the same provider.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.provider.name == other.provider.name && self.model == other.model
    }
}

/// Why a request goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// It names no model and there is no default.
    NoModel,
    /// The key may not use this model.
    NotAllowed {
        /// The model asked for.
        model: String,
        /// Names the key may use.
        allowed: Vec<String>,
    },
    /// There is no such model.
    Unknown {
        /// The model asked for.
        model: String,
        /// Names the key may use.
        allowed: Vec<String>,
    },
    /// None of the model's providers serves the API of the request's path.
    NotServed {
        /// The model that was looked up.
        model: String,
    },
    /// The providers that could serve it have no credential.
    Unavailable {
        /// The model that was looked up.
        model: String,
    },
}

/// Finds where a request goes. `draw` is a hash of what tells this request from others: it decides among
/// targets that have a weight, the same way whenever it is the same.
///
/// # Errors
/// [`RouteError`], to be shown to the caller.
pub fn route(
    config: &Config,
    key: &Key,
    attribution: &Attribution,
    head: &RequestHead,
    api: Api,
    request: &LlmRequest,
    draw: u64,
) -> Result<Plan, RouteError> {
    let asked = &*asked(config, request).ok_or(RouteError::NoModel)?;
    let known = find(config, asked);
    if !may_use(key, asked) {
        return Err(not_allowed(config, key, asked, known.is_some()));
    }
    let rule = config.rules.iter().find(|rule| {
        // What leads chats elsewhere is not meant for images, unless it says so.
        (request.endpoint.makes_text() || rule.when.path.is_some() || rule.when.model.is_some())
            && applies(rule, key, attribution, head, request, asked)
            && (!rule.when.is_claim() || may_use(key, &rule.model))
    });
    let model = rule.map_or(asked, |rule| &*rule.model);
    match known {
        Some(found) if rule.is_none() => destinations(&found, model, api, draw),
        _ => route_to(config, key, model, api, draw),
    }
}

/// The model that OpenAI moderates with if none is named.
const MODERATION: &str = "omni-moderation-latest";

/// The model that a request asks for, or gets if it names none. A default is for what any model that writes can do; what
/// moderates has a default of its own.
fn asked<'a>(config: &'a Config, request: &'a LlmRequest) -> Option<Cow<'a, str>> {
    match &request.model {
        Some(model) => Some(Cow::Borrowed(model)),
        None if request.endpoint == Endpoint::Moderations => moderation(config),
        None if request.endpoint.makes_text() => config.default_model.as_deref().map(Cow::Borrowed),
        // A body that is not read may name another one.
        None if request.is_unread() => None,
        None => {
            let of_endpoint =
                config.default_models.iter().find(|(endpoint, _)| *endpoint == request.endpoint);
            of_endpoint.map(|(_, model)| Cow::Borrowed(&**model))
        }
    }
}

/// The name under which a request goes to somebody who moderates.
fn moderation(config: &Config) -> Option<Cow<'_, str>> {
    if find(config, MODERATION).is_some() {
        return Some(Cow::Borrowed(MODERATION));
    }
    let moderates = |provider: &&Rc<Provider>| provider.preset == Some("openai") && is_available(provider);
    let provider =
        config.providers.values().filter(moderates).min_by(|one, other| one.name.cmp(&other.name))?;
    Some(Cow::Owned([&provider.name, "/", MODERATION].concat()))
}

/// Whether `key` may ask for `model`, and there is one of this name.
///
/// # Errors
/// [`RouteError`].
pub fn may_ask_for(config: &Config, key: &Key, model: &str) -> Result<(), RouteError> {
    match find(config, model) {
        Some(_) if may_use(key, model) => Ok(()),
        found => Err(not_allowed(config, key, model, found.is_some())),
    }
}

fn not_allowed(config: &Config, key: &Key, model: &str, known: bool) -> RouteError {
    let (model, allowed) = (model.to_owned(), allowed_names(config, key));
    if known { RouteError::NotAllowed { model, allowed } } else { RouteError::Unknown { model, allowed } }
}

/// Finds where a request goes that is sent to `model`, whatever it asked for and may ask for. `draw` as in
/// [`route`].
///
/// # Errors
/// [`RouteError`].
pub fn route_to(config: &Config, key: &Key, model: &str, api: Api, draw: u64) -> Result<Plan, RouteError> {
    match find(config, model) {
        Some(found) => destinations(&found, model, api, draw),
        None => Err(RouteError::Unknown { model: model.to_owned(), allowed: allowed_names(config, key) }),
    }
}

fn destinations(found: &Found<'_, '_>, model: &str, api: Api, draw: u64) -> Result<Plan, RouteError> {
    let (label, mut candidates) = found.candidates(model);
    // What never comes first does not make a model served or available.
    let usual = |candidate: &Candidate| candidate.after == After::Anything;
    candidates.retain(|candidate| serves(&candidate.destination.provider, api));
    if !candidates.iter().any(usual) {
        return Err(RouteError::NotServed { model: model.to_owned() });
    }
    candidates.retain(|candidate| is_available(&candidate.destination.provider));
    let (mut targets, long): (Vec<_>, Vec<_>) = candidates.into_iter().partition(usual);
    if targets.is_empty() {
        return Err(RouteError::Unavailable { model: model.to_owned() });
    }
    put_first_by_weight(&mut targets, draw);
    let destinations =
        |candidates: Vec<Candidate>| candidates.into_iter().map(|candidate| candidate.destination).collect();
    Ok(Plan { label, model: model.to_owned(), targets: destinations(targets), long: destinations(long) })
}

/// Moves the candidate that `draw` falls on to the front; nothing is moved if none has a weight.
fn put_first_by_weight(candidates: &mut [Candidate], draw: u64) {
    let total = candidates.iter().map(|candidate| candidate.weight).sum();
    let mut left = hash::part(draw, total);
    let chosen = candidates.iter().position(|candidate| {
        let falls_here = left < candidate.weight;
        left = left.saturating_sub(candidate.weight);
        falls_here
    });
    if let Some(chosen) = chosen
        && let Some(until_chosen) = candidates.get_mut(..=chosen)
    {
        until_chosen.rotate_right(1);
    }
}

/// Whether `name` means anything: what the configuration checks of the names it uses itself.
#[must_use]
pub fn is_known(config: &Config, name: &str) -> bool {
    find(config, name).is_some()
}

/// Whether the operator has named the model of this place; else a caller has.
#[must_use]
pub fn is_named(config: &Config, destination: &Destination) -> bool {
    let names = |model: &Rc<Model>, own: Option<&str>| {
        model.targets.iter().any(|target| {
            target.provider.name == destination.provider.name
                && target.model.as_deref().or(own).is_some_and(|name| name == destination.model)
        })
    };
    config.aliases.values().any(|model| names(model, Some(&model.name)))
        || config.patterns.iter().any(|(_, model)| names(model, None))
}

/// What a name means.
enum Found<'c, 'n> {
    Configured(&'c Rc<Model>),
    Direct(&'c Rc<Provider>, &'n str),
}

/// A place that a request may go to, and when.
struct Candidate {
    destination: Destination,
    /// Zero: never drawn.
    weight: u64,
    after: After,
}

impl Found<'_, '_> {
    fn candidates(&self, asked: &str) -> (Box<str>, Vec<Candidate>) {
        match self {
            Found::Configured(model) => {
                let candidate = |target: &Target| Candidate {
                    destination: Destination {
                        provider: Rc::clone(&target.provider),
                        model: target.model.as_deref().unwrap_or(asked).to_owned(),
                    },
                    weight: target.weight.unwrap_or(0).into(),
                    after: target.after,
                };
                (model.name.clone(), model.targets.iter().map(candidate).collect())
            }
            Found::Direct(provider, model) => {
                let destination = Destination { provider: Rc::clone(provider), model: (*model).to_owned() };
                (DIRECT.into(), vec![Candidate { destination, weight: 0, after: After::Anything }])
            }
        }
    }
}

fn find<'c, 'n>(config: &'c Config, name: &'n str) -> Option<Found<'c, 'n>> {
    // Some APIs have the name in their path.
    if leaves_its_place(name) {
        return None;
    }
    if let Some(model) = config.aliases.get(name) {
        return Some(Found::Configured(model));
    }
    if let Some((_, model)) = config.patterns.iter().find(|(pattern, _)| pattern.matches(name)) {
        return Some(Found::Configured(model));
    }
    let (provider, model) = name.split_once('/')?;
    config
        .providers
        .get(provider)
        .filter(|_| !model.is_empty())
        .map(|provider| Found::Direct(provider, model))
}

fn may_use(key: &Key, model: &str) -> bool {
    key.may_use(model)
}

/// The names a key may ask for, for an error message: aliases, then patterns.
fn allowed_names(config: &Config, key: &Key) -> Vec<String> {
    let mut names = usable_models(config, key);
    let served = config.patterns.iter().filter(|(_, model)| may_use(key, &model.name) && is_served(model));
    names.extend(served.map(|(_, model)| model.name.to_string()));
    names.truncate(LISTED_NAMES);
    names
}

/// Whether a provider serves the paths of an API. Those of Vertex name a project, which has to be the provider's own.
fn serves(provider: &Provider, api: Api) -> bool {
    provider.apis.contains(&api) && (api != Api::Vertex || provider.project.is_some())
}

fn is_served(model: &Model) -> bool {
    let serves = |target: &Target| target.after == After::Anything && is_available(&target.provider);
    model.targets.iter().any(serves)
}

fn is_available(provider: &Provider) -> bool {
    !matches!(provider.credential, Credential::Missing(_))
}

fn applies(
    rule: &Rule,
    key: &Key,
    attribution: &Attribution,
    head: &RequestHead,
    request: &LlmRequest,
    model: &str,
) -> bool {
    let When { agent, team, key: id, model: asked, path, headers, prompt_tokens_over } = &rule.when;
    let fits = |pattern: &Option<Pattern>, text: Option<&str>| match pattern {
        Some(pattern) => text.is_some_and(|text| pattern.matches(text)),
        None => true,
    };
    fits(agent, attribution.agent.as_ref().map(|agent| agent.as_str()))
        && fits(team, Some(&key.team))
        && fits(id, Some(&key.id))
        && fits(asked, Some(model))
        && fits(path, core::str::from_utf8(head.path()).ok())
        && prompt_tokens_over.is_none_or(|limit| request.input_tokens > limit)
        && headers.iter().all(|(name, pattern)| {
            head.iter().any(|(candidate, value)| {
                candidate == name.as_bytes()
                    && core::str::from_utf8(value).is_ok_and(|value| pattern.matches(value))
            })
        })
}

#[cfg(test)]
mod tests;
