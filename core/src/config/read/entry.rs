//! Decides what an entry of the registry says: read as the configuration is, with every mistake named.
//!
//! Strict: what is not understood is an error, and who reads it lets nobody in by it. A newer version may write what
//! this one does not know, and that may be a reason to refuse.

use super::callers::{from_hex, read_labels};
use super::cursor::{Cursor, Fields};
use super::mistakes::Mistakes;
use super::syntax::{GROUP, ID, NAME, PATTERN, Syntax};
use super::{
    document,
    measures::{self, MEASURES},
};
use crate::base::window::Millis;
use crate::config::ConfigErrors;
use crate::registry::{Entry, EntryName, KeyEntry, KeyHash, LimitEntry, Raised, TeamEntry};

/// Most secrets of one key: two at a time are usual.
const MAX_HASHES: usize = 4;
/// Most groups of a team.
const MAX_GROUPS: usize = 64;

impl Entry {
    /// Reads the entry `name`.
    ///
    /// # Errors
    /// Every mistake found, each with its JSON path.
    pub fn parse(name: &str, json: &[u8]) -> Result<Self, ConfigErrors> {
        let errors = Mistakes::default();
        let node = document::read(json, &errors);
        let entry = node.and_then(|node| read(name, &Cursor::root(&node, &errors)));
        errors.unless_any(entry)?.ok_or_else(ConfigErrors::unexplained)
    }
}

fn read(name: &str, at: &Cursor<'_>) -> Option<Entry> {
    let fits = |syntax: Syntax, name: &str| {
        if !syntax.fits(name) {
            at.fail(format!("its name must be {}", syntax.wanted));
        }
        syntax.fits(name)
    };
    match EntryName::parse(name) {
        Some(EntryName::Key(id)) if fits(ID, id) => read_key(at).map(Entry::Key),
        Some(EntryName::Limit { budget, .. }) if fits(NAME, budget) => read_limit(at).map(Entry::Limit),
        Some(EntryName::Team(team)) if fits(NAME, team) => read_team(at).map(Entry::Team),
        Some(_) => None,
        None => {
            at.fail("its name must be key/<id>, limit/<budget>/<subject> or team/<team>");
            None
        }
    }
}

fn read_key(at: &Cursor<'_>) -> Option<KeyEntry> {
    let fields = at.fields(&["sha256", "team", "labels", "models", "expires", "enabled", "revoked_at"])?;
    Some(KeyEntry {
        hashes: fields.get("sha256").map(|at| read_hashes(&at)).unwrap_or_default(),
        team: fields.get("team").and_then(|at| at.text_as(NAME)).map(Into::into),
        labels: fields.get("labels").map(|at| read_labels(&at)).unwrap_or_default(),
        models: read_models(&fields),
        expires: read_moment(&fields, "expires"),
        enabled: read_enabled(&fields),
        revoked_at: read_moment(&fields, "revoked_at"),
    })
}

fn read_limit(at: &Cursor<'_>) -> Option<LimitEntry> {
    let known: Vec<&'static str> = MEASURES.into_iter().chain(["until", "raised"]).collect();
    let fields = at.fields(&known)?;
    let raised = fields.get("raised");
    if raised.is_none() {
        measures::need_one(&fields);
    }
    Some(LimitEntry {
        limits: measures::read(&fields),
        until: read_moment(&fields, "until"),
        raised: raised.and_then(|at| read_raised(&at)),
    })
}

fn read_raised(at: &Cursor<'_>) -> Option<Raised> {
    let known: Vec<&'static str> = MEASURES.into_iter().chain(["until"]).collect();
    let fields = at.fields(&known)?;
    measures::need_one(&fields);
    fields.need("until")?;
    Some(Raised { limits: measures::read(&fields), until: read_moment(&fields, "until")? })
}

fn read_team(at: &Cursor<'_>) -> Option<TeamEntry> {
    let fields = at.fields(&["groups", "enabled", "models"])?;
    let groups = fields.get("groups").and_then(|at| {
        let items = at.items()?;
        if items.len() > MAX_GROUPS {
            at.fail(format!("must have at most {MAX_GROUPS} groups"));
        }
        Some(items)
    });
    Some(TeamEntry {
        groups: groups.iter().flatten().filter_map(|at| at.text_as(GROUP)).map(Into::into).collect(),
        enabled: read_enabled(&fields),
        models: read_models(&fields),
    })
}

fn read_enabled(fields: &Fields<'_>) -> bool {
    fields.get("enabled").and_then(|at| at.flag()).unwrap_or(true)
}

fn read_models(fields: &Fields<'_>) -> Vec<Box<str>> {
    let items = fields.get("models").and_then(|at| at.items()).unwrap_or_default();
    items.iter().filter_map(|at| at.text_as(PATTERN)).map(Into::into).collect()
}

fn read_moment(fields: &Fields<'_>, key: &str) -> Option<Millis> {
    let at = fields.get(key)?;
    let moment = Millis::parse(at.text()?);
    if moment.is_none() {
        at.fail("must be a date like 2027-01-01 or a time like 2027-01-01T12:00:00Z");
    }
    moment
}

fn read_hashes(at: &Cursor<'_>) -> Vec<KeyHash> {
    let items = at.items().unwrap_or_default();
    if !(1..=MAX_HASHES).contains(&items.len()) {
        at.fail(format!("must have 1 to {MAX_HASHES} hashes"));
    }
    let hash = |at: &Cursor<'_>| {
        let fields = at.fields(&["sha256", "until"])?;
        let at = fields.need("sha256")?;
        let sha256 = from_hex(at.text()?);
        if sha256.is_none() {
            at.fail("must be 64 hexadecimal digits: the SHA-256 of the whole key text");
        }
        Some(KeyHash { sha256: sha256?, until: read_moment(&fields, "until") })
    };
    items.iter().filter_map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(name: &str, json: &str) -> String {
        let entry = Entry::parse(name, json.as_bytes()).unwrap_or_else(|errors| panic!("{json}: {errors}"));
        let written = entry.to_json();
        assert_eq!(Entry::parse(name, written.as_bytes()), Ok(entry), "{written}");
        written
    }

    #[test]
    fn an_entry_is_written_as_it_was_read() {
        let hash = "0a".repeat(32);
        for (name, json) in [
            ("key/a", r#"{"enabled":false}"#.to_owned()),
            ("key/a", "{}".to_owned()),
            (
                "key/a",
                format!(
                    r#"{{"expires":"2027-01-01T00:00:00Z","labels":{{"app":"chat"}},"models":["gpt-*"],"revoked_at":"2026-11-28T12:00:00Z","sha256":[{{"sha256":"{hash}","until":"2026-12-01T00:00:00Z"}}],"team":"red"}}"#
                ),
            ),
            (
                "limit/user/alice",
                r#"{"limit_concurrent":3,"limit_tokens":9,"limit_usd":"0.000000000001"}"#.to_owned(),
            ),
            (
                "limit/user/alice",
                r#"{"raised":{"limit_usd":"30.00","until":"2026-11-29T00:00:00Z"}}"#.to_owned(),
            ),
            ("team/red", r#"{"enabled":false,"groups":["eng-search"],"models":["small"]}"#.to_owned()),
        ] {
            assert_eq!(again(name, &json), json);
        }
        assert_eq!(again("limit/user/alice", r#"{"limit_usd":50}"#), r#"{"limit_usd":"50.00"}"#);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (name, json) in [
            ("key/a", ""),
            ("key/a", "[]"),
            ("key/a", r#"{"enabled":"no"}"#),
            ("key/a", r#"{"admin":true}"#),
            ("key/a", r#"{"disabled":true}"#),
            ("key/a", r#"{"sha256":[]}"#),
            ("key/a", r#"{"sha256":[{"sha256":"00"}]}"#),
            ("key/a", r#"{"sha256":"00"}"#),
            ("key/a", r#"{"enabled":false,"enabled":true}"#),
            ("key/a", r#"{"expires":"tomorrow"}"#),
            ("key/A_b", "{}"),
            ("limit/user/alice", "{}"),
            ("limit/user/alice", r#"{"until":"2027-01-01"}"#),
            ("limit/user/alice", r#"{"limit_usd":-1}"#),
            ("limit/user/alice", r#"{"raised":{"limit_usd":1}}"#),
            ("limit/user/alice", r#"{"raised":{"until":"2027-01-01"}}"#),
            ("limit/user", r#"{"limit_usd":1}"#),
            ("team/red", r#"{"groups":"eng"}"#),
            ("team/r d", "{}"),
            ("other/a", "{}"),
        ] {
            assert!(Entry::parse(name, json.as_bytes()).is_err(), "{name} {json}");
        }
    }
}
