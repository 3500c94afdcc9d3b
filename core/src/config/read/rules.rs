//! Decides which requests are sent to another model than the one they ask for.
//!
//! Does not evaluate a rule: see `route.rs`.

use super::cursor::Cursor;
use super::names::Names;
use super::policy::MAX_COUNT;
use super::syntax::{HEADER, PATTERN, SERVED_MODEL};
use crate::config::{Pattern, Rule, When};

const CONDITIONS: [&str; 7] = ["agent", "team", "key", "model", "path", "headers", "prompt_tokens_over"];

/// The rules in the order of the document.
pub(super) fn read(at: &Cursor<'_>, names: &Names<'_>) -> Vec<Rule> {
    let items = at.items().unwrap_or_default();
    items.iter().filter_map(|item| read_rule(item, names)).collect()
}

fn read_rule(at: &Cursor<'_>, names: &Names<'_>) -> Option<Rule> {
    let fields = at.fields(&["when", "model"])?;
    let when = fields.need("when").and_then(|at| read_when(&at, names));
    let model = fields.need("model").and_then(|at| {
        let name = at.text_as(SERVED_MODEL)?;
        names.model(&at, name).then_some(name)
    });
    Some(Rule { when: when?, model: model?.into() })
}

fn read_when(at: &Cursor<'_>, names: &Names<'_>) -> Option<When> {
    let fields = at.fields(&CONDITIONS)?;
    if CONDITIONS.iter().all(|condition| fields.get(condition).is_none()) {
        at.fail("must have at least one condition");
    }
    let text = |key| {
        let at = fields.get(key)?;
        at.text_as(PATTERN).map(|text| (at, text))
    };
    // A plain name that nobody has would make a rule that never holds.
    let (team, key) = (text("team"), text("key"));
    for (at, name) in team.iter().filter(|(_, name)| !Pattern::is_pattern(name)) {
        names.team(at, name);
    }
    for (at, name) in key.iter().filter(|(_, name)| !Pattern::is_pattern(name)) {
        names.id(at, name);
    }
    let pattern = |found: Option<(Cursor<'_>, &str)>| found.map(|(_, text)| Pattern::new(text));
    Some(When {
        agent: pattern(text("agent")),
        team: pattern(team),
        key: pattern(key),
        model: pattern(text("model")),
        path: pattern(text("path")),
        headers: fields.get("headers").map(|at| read_headers(&at)).unwrap_or_default(),
        prompt_tokens_over: fields.get("prompt_tokens_over").and_then(|at| at.count(0..=MAX_COUNT)),
    })
}

fn read_headers(at: &Cursor<'_>) -> Vec<(Box<str>, Pattern)> {
    let entries = at.entries();
    if entries.as_ref().is_some_and(Vec::is_empty) {
        at.fail("must name at least one header");
    }
    let mut headers: Vec<(Box<str>, Pattern)> = Vec::new();
    for (name, value) in entries.unwrap_or_default() {
        let lower: Box<str> = name.to_ascii_lowercase().into();
        if value.key_is(name, HEADER) && headers.iter().any(|(other, _)| *other == lower) {
            value.fail("this header is named twice; the case of a header name means nothing");
        }
        if let Some(pattern) = value.text_as(PATTERN) {
            headers.push((lower, Pattern::new(pattern)));
        }
    }
    headers
}
