//! Decides what a proof says: which team pays, who asks, with which labels and for which models.
//!
//! A team is never found by the order of the claim: identity providers put groups into any order, and who pays must not
//! depend on it. A table that is a list has an order. All others, and values without a table, must come to one team.

use std::borrow::Cow;
use std::rc::Rc;

use super::claim::{self, Claim};
use super::template;
use crate::config::{CertificateNames, Source, TeamRule, UserRule};
use crate::request::identity::IdentityError;

/// Who a caller is proven to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proven {
    /// Who pays.
    pub(super) team: Box<str>,
    /// Who asks.
    pub(super) user: Option<Box<str>>,
    /// Labels by name.
    pub(super) labels: Vec<(Box<str>, Box<str>)>,
    /// Patterns of the models that may be asked for; empty: every one.
    pub(super) models: Vec<Box<str>>,
}

/// Most values of a claim that are looked at.
const MAX_VALUES: usize = 1_024;
/// Longest name of a team, as in the configuration.
const TEAM_BYTES: usize = 64;
/// Longest name of a user, and longest value of a label.
const NAME_BYTES: usize = 128;
/// Most patterns of models.
const MAX_MODELS: usize = 64;

/// Teams by group that are not the configuration's.
pub(super) type Groups<'g> = dyn Fn(&str) -> Option<Rc<str>> + 'g;

/// The payload that counts of those that were checked: the one of this `name`, or the only one by one of the `issuers`.
pub(super) fn payload<'a>(
    payloads: &'a [u8],
    name: Option<&str>,
    issuers: &[Box<str>],
) -> Result<Option<&'a [u8]>, IdentityError> {
    let mut found = None;
    for (key, value) in claim::members(payloads) {
        let Claim::Object(object) = value else { continue };
        if name.is_some_and(|name| key != name.as_bytes()) {
            continue;
        }
        let Some(Claim::Text(issuer)) = claim::member(object, "iss") else { continue };
        if !issuers.iter().any(|known| **known == *issuer) {
            continue;
        }
        if found.is_some() {
            return Err(IdentityError::SeveralProofs);
        }
        found = Some(object);
    }
    Ok(found)
}

/// Whether some payload says who issued it.
pub(super) fn has_issuer(payloads: &[u8]) -> bool {
    claim::members(payloads)
        .any(|(_, value)| matches!(value, Claim::Object(object) if claim::member(object, "iss").is_some()))
}

/// Whether a payload is meant for one of the `audiences`.
pub(super) fn is_meant(payload: &[u8], audiences: &[Box<str>]) -> bool {
    let is_one =
        |claim: Claim<'_>| matches!(claim, Claim::Text(text) if audiences.iter().any(|one| **one == *text));
    match claim::member(payload, "aud") {
        Some(Claim::List(list)) => claim::items(list).any(is_one),
        Some(one) => is_one(one),
        None => false,
    }
}

/// What a payload says.
pub(super) fn of_payload(
    source: &Source,
    payload: &[u8],
    groups: &Groups<'_>,
) -> Result<Proven, IdentityError> {
    let values = texts(payload, &source.team.claim, "team")?;
    let team = team(&source.team, &values, groups)?;
    let user = match &source.user {
        Some(rule) => user(rule, &texts(payload, &rule.claim, "user")?)?,
        None => None,
    };
    let mut labels = Vec::with_capacity(source.labels.len());
    for (name, path) in &source.labels {
        // Of several the first: a label is no proof of a group.
        if let Some(value) = texts(payload, path, "label")?.first() {
            labels.push((name.clone(), bounded(value, "label")?.into()));
        }
    }
    let models = match &source.models {
        Some(path) => models(&texts(payload, path, "models")?)?,
        None => Vec::new(),
    };
    Ok(Proven { team, user, labels, models })
}

/// What the name of a certificate says.
pub(super) fn of_name(
    source: &Source,
    names: &CertificateNames,
    name: &[u8],
    groups: &Groups<'_>,
) -> Result<Proven, IdentityError> {
    let name = core::str::from_utf8(name).map_err(|_| IdentityError::Untrusted)?;
    let parts = template::read(&names.template, names.field, name).ok_or(IdentityError::Untrusted)?;
    let part = |wanted: &str| parts.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    if let Some(domain) = part("trust_domain")
        && !names.trust_domains.iter().any(|known| **known == *domain)
    {
        return Err(IdentityError::Untrusted);
    }
    let values: Vec<Cow<'_, str>> = part("team").map(Cow::Borrowed).into_iter().collect();
    let team = team(&source.team, &values, groups)?;
    let user = part("user").map(|user| bounded(user, "user")).transpose()?.map(Into::into);
    let mut labels = Vec::new();
    for (name, value) in &parts {
        if let Some(label) = name.strip_prefix("label:") {
            labels.push((label.into(), bounded(value, "label")?.into()));
        }
    }
    Ok(Proven { team, user, labels, models: Vec::new() })
}

fn team(rule: &TeamRule, values: &[Cow<'_, str>], groups: &Groups<'_>) -> Result<Box<str>, IdentityError> {
    const WHAT: IdentityError = IdentityError::Unmapped("team");
    let mut values: Vec<&str> =
        values.iter().filter_map(|value| value.strip_prefix(&*rule.strip_prefix)).collect();
    values.retain(|value| !value.is_empty());
    let mut known =
        rule.teams.iter().flatten().filter(|(value, _)| values.contains(&&**value)).map(|(_, team)| team);
    if let Some(team) = known.next() {
        return if rule.is_ordered || known.all(|other| other == team) {
            Ok(team.clone())
        } else {
            Err(WHAT)
        };
    }
    let mut others: Vec<Rc<str>> = values.iter().filter_map(|value| groups(value)).collect();
    others.sort_unstable();
    others.dedup();
    match (others.as_slice(), &rule.teams) {
        ([team], _) => return Ok((**team).into()),
        ([_, _, ..], _) => return Err(WHAT),
        ([], Some(_)) => return rule.otherwise.clone().ok_or(WHAT),
        ([], None) => {}
    }
    values.sort_unstable();
    values.dedup();
    match values.as_slice() {
        [team] if is_team(team) => Ok((*team).into()),
        _ => Err(WHAT),
    }
}

/// What a team may be called: as in the configuration.
fn is_team(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=TEAM_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

fn user(rule: &UserRule, values: &[Cow<'_, str>]) -> Result<Option<Box<str>>, IdentityError> {
    let name = match values {
        [] if rule.optional => return Ok(None),
        [one] => one,
        _ => return Err(IdentityError::Unmapped("user")),
    };
    let name = name.strip_prefix(&*rule.strip_prefix).unwrap_or(name);
    let name = name.strip_suffix(&*rule.strip_suffix).unwrap_or(name);
    bounded(name, "user").map(|name| Some(name.into()))
}

fn models(values: &[Cow<'_, str>]) -> Result<Vec<Box<str>>, IdentityError> {
    if !(1..=MAX_MODELS).contains(&values.len()) {
        return Err(IdentityError::Unmapped("models"));
    }
    values.iter().map(|value| Ok(bounded(value, "models")?.into())).collect()
}

/// What is cut would be somebody else's name, so what is too long is refused.
fn bounded<'t>(text: &'t str, what: &'static str) -> Result<&'t str, IdentityError> {
    let fits = (1..=NAME_BYTES).contains(&text.len()) && !text.contains(char::is_control);
    if fits { Ok(text) } else { Err(IdentityError::Unmapped(what)) }
}

/// The values of a claim as texts, each once; none if it is not there.
fn texts<'a>(
    payload: &'a [u8],
    path: &[Box<str>],
    what: &'static str,
) -> Result<Vec<Cow<'a, str>>, IdentityError> {
    let text = |claim: Claim<'a>| match claim {
        Claim::Text(text) => Ok(Cow::Borrowed(text)),
        // As JSON has it: whole numbers up to 2^53 have one form.
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
        Claim::Number(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
            Ok(Cow::Owned((number as i64).to_string()))
        }
        Claim::Flag(flag) => Ok(Cow::Borrowed(if flag { "true" } else { "false" })),
        _ => Err(IdentityError::Unmapped(what)),
    };
    match claim::at(payload, path) {
        None => Ok(Vec::new()),
        Some(Claim::List(list)) => {
            let mut found: Vec<Cow<'a, str>> = Vec::new();
            for (index, item) in claim::items(list).filter(|item| *item != Claim::Null).enumerate() {
                if index == MAX_VALUES {
                    return Err(IdentityError::Unmapped(what));
                }
                found.push(text(item)?);
            }
            Ok(found)
        }
        Some(one) => Ok(vec![text(one)?]),
    }
}
