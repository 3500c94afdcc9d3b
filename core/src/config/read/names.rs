//! Decides whether a name that one part of the document uses is one that another part defines.
//!
//! Names are collected before anything is judged, so a mistake inside a provider does not make every
//! model that names it look wrong too. If a whole part is missing, nothing that refers to it is judged.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::cursor::Cursor;
use super::document::{Node, Shape};
use crate::budget::ledger::{Listed, PROVEN_BY};
use crate::config::Pattern;
use crate::config::suggestion::{did_you_mean, nearest};
use crate::request::route::DIRECT;

/// The names a document defines. `None`: the part that would define them is missing.
#[derive(Debug)]
pub(super) struct Names<'a> {
    providers: Option<BTreeSet<&'a str>>,
    models: Option<BTreeSet<&'a str>>,
    ids: Option<BTreeSet<&'a str>>,
    teams: Option<BTreeSet<&'a str>>,
    labels: Option<BTreeSet<&'a str>>,
    /// What is listed, if others than those who are may call.
    listed: Option<Rc<Listed>>,
    /// Keys may be made while it runs.
    has_registry: bool,
}

impl<'a> Names<'a> {
    /// Collects every name.
    pub(super) fn of(root: &'a Node) -> Self {
        Self {
            providers: members(root.member("providers")),
            models: members(root.member("models")),
            ids: each(root.member("keys"), "id"),
            teams: each(root.member("keys"), "team"),
            labels: labels(root.member("keys")).map(|mut names| {
                names.extend(sources(root).filter_map(|source| members(source.member("labels"))).flatten());
                names
            }),
            listed: listed(root).map(Rc::new),
            has_registry: registry(root).is_some(),
        }
    }

    /// What is listed of what callers are counted by, if there may be others.
    pub(super) fn listed(&self) -> Option<Rc<Listed>> {
        self.listed.clone()
    }

    /// Whether a provider has the name `name`, which stands at `at`.
    pub(super) fn provider(&self, at: &Cursor<'_>, name: &str) -> bool {
        found(self.providers.as_ref(), at, name, "no provider has this name")
    }

    /// Whether a key has the id `name`, which stands at `at`.
    pub(super) fn id(&self, at: &Cursor<'_>, name: &str) -> bool {
        // Who is proven is a caller too: `jwt:alice@example.com`.
        self.has_registry
            || (self.listed.is_some() && name.contains(PROVEN_BY))
            || found(self.ids.as_ref(), at, name, "no key has this id")
    }

    /// Whether a caller may have the team `name`, which stands at `at`.
    pub(super) fn team(&self, at: &Cursor<'_>, name: &str) -> bool {
        // Others may be of any team.
        self.listed.is_some() || found(self.teams.as_ref(), at, name, "no key has this team")
    }

    /// Whether a key has a label `name`, which stands at `at` after the word that says so.
    pub(super) fn label(&self, at: &Cursor<'_>, name: &str) -> bool {
        let Some(known) = &self.labels else { return true };
        if self.has_registry || known.contains(name) {
            return true;
        }
        let meant = nearest(name, known.iter().copied());
        let meant = meant.map(|meant| format!(" (did you mean \"label:{meant}\"?)"));
        at.fail(format!("no key has this label{}", meant.unwrap_or_default()));
        false
    }

    /// Whether some request's model is counted as `name`, which stands at `at`: an alias or pattern, or the
    /// one word for every `provider/model`.
    pub(super) fn counted_model(&self, at: &Cursor<'_>, name: &str) -> bool {
        name == DIRECT || found(self.models.as_ref(), at, name, "no model has this name")
    }

    /// Whether `name`, which stands at `at`, leads to a model: an alias, a name that fits a pattern, or
    /// `provider/model`.
    pub(super) fn model(&self, at: &Cursor<'_>, name: &str) -> bool {
        if Pattern::is_pattern(name) {
            at.fail("must be the name of one model, not a pattern");
            return false;
        }
        let (Some(models), Some(providers)) = (&self.models, &self.providers) else { return true };
        if models.iter().any(|known| *known == name || Pattern::new(known).matches(name)) {
            return true;
        }
        match name.split_once('/') {
            Some((provider, model)) if !model.is_empty() => {
                let providers = Some(providers);
                found(providers, at, provider, &format!("no provider is named \"{provider}\""))
            }
            _ => {
                let aliases = models.iter().copied().filter(|known| !Pattern::is_pattern(known));
                at.fail(format!("no model has this name{}", did_you_mean(name, aliases)));
                false
            }
        }
    }
}

fn found(known: Option<&BTreeSet<&str>>, at: &Cursor<'_>, name: &str, otherwise: &str) -> bool {
    let Some(known) = known else { return true };
    if known.contains(name) {
        return true;
    }
    at.fail(format!("{otherwise}{}", did_you_mean(name, known.iter().copied())));
    false
}

fn members(node: Option<&Node>) -> Option<BTreeSet<&str>> {
    let Shape::Object(members) = &node?.shape else { return None };
    Some(members.iter().map(|(key, _)| key.as_str()).collect())
}

/// The names of all labels that the keys at `node` have.
fn labels(node: Option<&Node>) -> Option<BTreeSet<&str>> {
    let Shape::List(keys) = &node?.shape else { return None };
    Some(keys.iter().filter_map(|key| members(key.member("labels"))).flatten().collect())
}

/// The sources of an identity that are no header.
fn sources(root: &Node) -> impl Iterator<Item = &Node> {
    let items = match root.member("identity") {
        Some(Node { shape: Shape::List(items), .. }) => items.as_slice(),
        Some(one) => core::slice::from_ref(one),
        None => &[],
    };
    items.iter().filter(|item| item.member("from").is_some())
}

fn registry(root: &Node) -> Option<&Node> {
    root.member("ledger")?.member("registry")
}

/// The teams and labels that the document names; `None`: there can be no others.
fn listed(root: &Node) -> Option<Listed> {
    if registry(root).is_none() && sources(root).next().is_none() {
        return None;
    }
    let mut listed = Listed::default();
    let teams = each(root.member("keys"), "team").unwrap_or_default();
    listed.teams.extend(teams.into_iter().map(Box::from));
    for source in sources(root) {
        let rule = source.member("team");
        let table = rule.and_then(|rule| rule.member("teams"));
        let otherwise = rule.and_then(|rule| rule.member("otherwise"));
        let absent = source.member("when_absent").and_then(|absent| absent.member("team"));
        listed
            .teams
            .extend(texts(table).into_iter().chain(text(otherwise)).chain(text(absent)).map(Box::from));
    }
    let Some(Node { shape: Shape::List(keys), .. }) = root.member("keys") else { return Some(listed) };
    for labels in keys.iter().filter_map(|key| key.member("labels")) {
        let Shape::Object(members) = &labels.shape else { continue };
        for (name, value) in members {
            let values = listed.labels.entry(name.as_str().into()).or_default();
            values.extend(text(Some(value)).map(Box::from));
        }
    }
    Some(listed)
}

fn text(node: Option<&Node>) -> Option<&str> {
    if let Shape::Text(text) = &node?.shape { Some(text) } else { None }
}

/// The teams of a table: the values of an object's members, or what the items of a list say.
fn texts(node: Option<&Node>) -> Vec<&str> {
    match node.map(|node| &node.shape) {
        Some(Shape::Object(members)) => members.iter().filter_map(|(_, value)| text(Some(value))).collect(),
        Some(Shape::List(items)) => items.iter().filter_map(|item| text(item.member("team"))).collect(),
        _ => Vec::new(),
    }
}

fn each<'a>(node: Option<&'a Node>, key: &str) -> Option<BTreeSet<&'a str>> {
    let Shape::List(items) = &node?.shape else { return None };
    let texts = items.iter().filter_map(|item| match &item.member(key)?.shape {
        Shape::Text(text) => Some(text.as_str()),
        _ => None,
    });
    Some(texts.collect())
}
