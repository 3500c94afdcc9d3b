//! Decides for whom a budget has other limits: by the name of a subject, or by a pattern over names.
//!
//! A name that the configuration could know and does not know is a mistake: the limit that was meant would
//! silently not hold. What callers name is not known before they call, so only its form is judged.

use core::cmp::Reverse;

use super::cursor::Cursor;
use super::measures::{self, MEASURES};
use super::names::Names;
use crate::config::{Dimension, Limits, Overrides, Pattern};

/// The overrides of a budget that is counted by `per`; `None` if that is a mistake itself.
pub(super) fn read(at: &Cursor<'_>, per: Option<&[Dimension]>, names: &Names<'_>) -> Overrides {
    let mut overrides = Overrides::default();
    if let Some(refusal) = per.and_then(has_none) {
        at.fail(refusal);
        return overrides;
    }
    let mut patterns: Vec<(&str, Limits)> = Vec::new();
    for (subject, entry) in at.entries().unwrap_or_default() {
        let is_pattern = Pattern::is_pattern(subject);
        if let Some(per) = per.filter(|_| !is_pattern) {
            check_subject(&entry, subject, per, names);
        }
        let Some(fields) = entry.fields(&MEASURES) else { continue };
        measures::need_one(&fields);
        let limits = measures::read(&fields);
        if is_pattern {
            patterns.push((subject, limits));
        } else {
            overrides.exact.insert(subject.into(), limits);
        }
    }
    patterns.sort_by_key(|(subject, _)| Reverse(subject.len()));
    overrides.patterns = patterns.into_iter().map(|(text, limits)| (Pattern::new(text), limits)).collect();
    overrides
}

/// Why a budget that is counted by `per` cannot have overrides; `None` if it can.
fn has_none(per: &[Dimension]) -> Option<&'static str> {
    if per.is_empty() {
        return Some(
            "a budget for the whole organisation has no overrides; say in \"per\" who has a counter of their own",
        );
    }
    per.contains(&Dimension::Request)
        .then_some("a budget that is counted by the request has no overrides: requests have no names")
}

/// Tells if nobody can have the name `subject`, which `at` stands under.
fn check_subject(at: &Cursor<'_>, subject: &str, per: &[Dimension], names: &Names<'_>) {
    match per {
        [Dimension::Team] => drop(names.team(at, subject)),
        [Dimension::Key] => drop(names.id(at, subject)),
        [Dimension::Model] => drop(names.counted_model(at, subject)),
        [Dimension::Provider] => drop(names.provider(at, subject)),
        [_] => {}
        // More parts than dimensions are fine: the names of models, say, may have slashes.
        several if subject.split('/').count() < several.len() => {
            let parts: Vec<String> = several.iter().map(Dimension::text).collect();
            at.fail(format!("the name must be {}, or a pattern of that", parts.join("/")));
        }
        _ => {}
    }
}
