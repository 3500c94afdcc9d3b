//! Decides how an Envoy asks what changed in the registry, and how it reads the answer.
//!
//! A page that is cut, or has anything in it that is not expected, is no page: what follows a hole would be skipped for
//! ever.

use super::script::{Keys, READ};
use crate::budget::fleet::{Access, Failure, failure};
use crate::resp::{Replies, Value};

/// Entries of one page.
const ENTRIES: usize = 500;
/// Bytes of one page, about. Envoy half-closes the connection behind the call, and a server that reads that drops what it
/// has not written yet. What fits into the buffer of a new connection is written at once.
pub(super) const BYTES: usize = 32 * 1024;

/// What changed after a version, or the beginning of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The last version that was given.
    pub version: u64,
    /// The highest one of which the removal was forgotten.
    pub floor: u64,
    /// Whether there is more.
    pub more: bool,
    /// How many entries there are.
    pub entries: u64,
    /// Those that changed, oldest change first.
    pub changed: Vec<Changed>,
}

/// An entry that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name, as it is stored: nobody has judged it.
    pub name: Vec<u8>,
    /// The version of the change.
    pub version: u64,
    /// What it is now; empty: it was removed.
    pub json: Vec<u8>,
}

impl Page {
    /// Asks for what changed after `since`, for about so many bytes of it. `loads`: with the script's text.
    pub(super) fn request(access: &Access, keys: &Keys, since: u64, bytes: usize, loads: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        access.push_to(&mut out);
        if loads {
            READ.push_load(&mut out);
        }
        let [since, entries, bytes] = [since, ENTRIES as u64, bytes as u64].map(|number| number.to_string());
        let args = [since.as_bytes(), entries.as_bytes(), bytes.as_bytes()];
        READ.push_call(&mut out, &[&keys.changes, &keys.entries, &keys.meta], &args);
        out
    }

    /// Reads what came back.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let mut loaded = false;
        for value in Replies::of(bytes) {
            match value {
                // Of AUTH and SELECT; of SCRIPT LOAD its hash.
                Value::Text(text) => loaded |= text == READ.sha.as_bytes(),
                Value::Array(values) => {
                    // A hole at the end is not seen in what is left: the script says first how many there are.
                    return Self::of(&values).ok_or(Failure::Unknown(String::new()));
                }
                Value::Error(error) => return Err(failure(error, loaded)),
                Value::Number(_) | Value::Null => break,
            }
        }
        Err(Failure::Unknown(String::new()))
    }

    fn of(values: &[Value<'_>]) -> Option<Self> {
        let [version, floor, more, entries, count, rest @ ..] = values else { return None };
        let whole = usize::try_from(number(count)?).ok()? == rest.len();
        let changed = rest.chunks(3).map(|entry| {
            let [Value::Text(name), version, Value::Text(json)] = entry else { return None };
            Some(Changed { name: name.to_vec(), version: number(version)?, json: json.to_vec() })
        });
        let changed: Vec<Changed> = changed.collect::<Option<_>>().filter(|_| whole)?;
        Some(Self {
            version: number(version)?,
            floor: number(floor)?,
            more: number(more)? > 0,
            entries: number(entries)?,
            changed,
        })
    }
}

fn number(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Number(number) => u64::try_from(*number).ok(),
        Value::Text(text) => core::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}
