//! Decides how entries are changed: all of them or none, each only if nobody was faster.

use super::script::{Keys, WRITE};
use crate::resp::Value;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The name of the entry.
    pub name: String,
    /// What must be there.
    pub expected: Expected,
    /// Its new JSON; `None` removes it.
    pub json: Option<String>,
}

/// What must be there for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// Nothing.
    Nothing,
    /// The entry with this version.
    Version(u64),
}

/// What became of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// They are there. The version of the last one.
    Done(u64),
    /// Somebody has changed this entry meanwhile; it has this version now, 0 if it is gone. Nothing was written.
    Changed(String, u64),
    /// This entry cannot be written, and why. Nothing was written.
    Refused(String, String),
}

/// Calls the script that writes. `who` does it, and with which command.
pub fn push_write(out: &mut Vec<u8>, keys: &Keys, who: &str, what: &str, changes: &[Change]) {
    let expected = |change: &Change| match change.expected {
        Expected::Anything => "-".to_owned(),
        Expected::Nothing => "0".to_owned(),
        Expected::Version(version) => version.to_string(),
    };
    let expected: Vec<String> = changes.iter().map(expected).collect();
    let mut args = vec![who.as_bytes(), what.as_bytes()];
    for (change, expected) in changes.iter().zip(&expected) {
        let json = change.json.as_deref().unwrap_or_default();
        args.extend([change.name.as_bytes(), expected.as_bytes(), json.as_bytes()]);
    }
    WRITE.push_call(out, &[&keys.entries, &keys.changes, &keys.meta, &keys.audit], &args);
}

/// Reads the answer of the script that writes; `None` if it is none.
#[must_use]
pub fn written(answer: &Value<'_>) -> Option<Written> {
    let Value::Array(values) = answer else { return None };
    let text = |at: usize| match values.get(at)? {
        Value::Text(text) => core::str::from_utf8(text).ok(),
        _ => None,
    };
    match text(0)? {
        "done" => Some(Written::Done(text(1)?.parse().ok()?)),
        "changed" => Some(Written::Changed(text(1)?.to_owned(), text(2)?.parse().ok()?)),
        "refused" => Some(Written::Refused(text(1)?.to_owned(), text(2)?.to_owned())),
        _ => None,
    }
}
