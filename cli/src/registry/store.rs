//! Decides how entries are fetched from the ledger's server and put there.
//!
//! Needs of the server no more than the scripts do, and `HGET`, `HSCAN` and `XREVRANGE`.

use std::collections::BTreeMap;

use farebox_core::base::window::Millis;
use farebox_core::config::Config;
use farebox_core::registry::script::WRITE;
use farebox_core::registry::{Entry, EntryName, Expected, Keys};
use redis::{Cmd, cmd};

use super::RegistryError;
use crate::ledger::{Address, LedgerError, Place, Where};

/// Entries that a server looks at before it serves somebody else.
const STEP: usize = 1_000;

/// The registry of a fleet.
pub(crate) struct Store<'a> {
    place: Place<'a>,
    keys: Keys,
    /// The node that has it.
    at: Address,
    /// The server's clock when this began.
    pub(crate) now: Millis,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) entry: Entry,
}

/// Entries whose names begin alike.
#[derive(Debug, Default)]
pub(crate) struct All {
    /// By the rest of their names.
    pub(crate) entries: BTreeMap<String, Stored>,
    /// Whole names of those that are not understood.
    pub(crate) unreadable: Vec<String>,
}

/// One change as the audit has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its place in the stream: milliseconds, `-`, a number.
    pub(crate) id: String,
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) name: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) name: &'a str,
    pub(crate) expected: Expected,
    /// Empty: it is removed.
    pub(crate) json: String,
}

impl<'a> Store<'a> {
    /// The registry of `config`.
    ///
    /// # Errors
    /// If there is no ledger, or it cannot be reached.
    pub(crate) fn of(config: &'a Config, place: &Where) -> Result<Self, RegistryError> {
        let mut place = Place::of(config, place)?;
        let prefix = config.ledger.as_ref().map_or("", |ledger| &ledger.settings.prefix);
        let keys = Keys::of(prefix);
        let (at, _): (Address, Option<String>) = place.follow(cmd("HGET").arg(&keys.entries).arg("none"))?;
        let (seconds, micros): (u64, u64) = place.ask(&cmd("TIME"))?;
        let now = Millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000));
        Ok(Self { place, keys, at, now })
    }

    fn ask<T: redis::FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RegistryError> {
        let server = |error| RegistryError::Ledger(LedgerError::Server(self.at.text(), error));
        self.place.ask_at(&self.at, command).map_err(server)
    }

    /// The entry `name`, if there is one.
    ///
    /// # Errors
    /// What the server refuses, or an entry that is not understood.
    pub(crate) fn get(&mut self, name: EntryName<'_>) -> Result<Option<Stored>, RegistryError> {
        let name = name.to_string();
        let key = self.keys.entries.clone();
        let text: Option<String> = self.ask(cmd("HGET").arg(key).arg(&name))?;
        text.map(|text| Stored::parse(&name, &text)).transpose()
    }

    /// The entries whose names begin with `start`.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) fn all(&mut self, start: &str) -> Result<All, RegistryError> {
        let (mut all, mut cursor) = (All::default(), "0".to_owned());
        loop {
            let mut scan = cmd("HSCAN");
            scan.arg(&self.keys.entries).arg(&cursor).arg("MATCH").arg(format!("{start}*"));
            scan.arg("COUNT").arg(STEP);
            let (next, found): (String, Vec<(String, String)>) = self.ask(&scan)?;
            for (name, text) in found {
                let Some(rest) = name.strip_prefix(start) else { continue };
                match Stored::parse(&name, &text) {
                    Ok(stored) => drop(all.entries.insert(rest.to_owned(), stored)),
                    Err(_) => all.unreadable.push(name),
                }
            }
            if next == "0" {
                all.unreadable.sort();
                all.unreadable.dedup();
                return Ok(all);
            }
            cursor = next;
        }
    }

    /// Makes all of `changes` or none; the version of the last one.
    ///
    /// # Errors
    /// If somebody was faster, or the server refuses.
    pub(crate) fn write(
        &mut self,
        who: &str,
        what: &str,
        changes: &[Change<'_>],
    ) -> Result<u64, RegistryError> {
        let mut call = cmd("EVAL");
        let Keys { entries, changes: changed, meta, audit } = &self.keys;
        call.arg(WRITE.text).arg(4).arg(entries).arg(changed).arg(meta).arg(audit).arg(who).arg(what);
        for change in changes {
            let expected = match change.expected {
                Expected::Anything => "-".to_owned(),
                Expected::Nothing => "0".to_owned(),
                Expected::Version(version) => version.to_string(),
            };
            call.arg(change.name).arg(expected).arg(&change.json);
        }
        let answer: Result<Vec<String>, redis::RedisError> = self.place.ask_at(&self.at, &call);
        let answer = answer.map_err(|error| {
            let is_lost = error.is_timeout() || error.is_connection_dropped() || error.is_io_error();
            let error = LedgerError::Server(self.at.text(), error);
            if is_lost { RegistryError::Unknown(error) } else { RegistryError::Ledger(error) }
        })?;
        let words: Vec<&str> = answer.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["done", version] => Ok(version.parse().unwrap_or_default()),
            ["changed", name, ..] => Err(RegistryError::Changed((*name).to_owned())),
            ["refused", name, why] => Err(RegistryError::Refused(format!("{name}: {why}"))),
            _ => Err(RegistryError::Refused("the script's answer is not understood".to_owned())),
        }
    }

    /// The newest `count` changes before the one with the id `before`, the newest first.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) fn told(&mut self, before: Option<&str>, count: usize) -> Result<Vec<Told>, RegistryError> {
        let end = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let mut range = cmd("XREVRANGE");
        range.arg(&self.keys.audit).arg(end).arg("-").arg("COUNT").arg(count);
        let found: Vec<(String, Vec<(String, String)>)> = self.ask(&range)?;
        Ok(found.into_iter().map(|(id, fields)| Told::of(id, fields)).collect())
    }
}

impl Stored {
    fn parse(name: &str, text: &str) -> Result<Self, RegistryError> {
        let (version, json) = text.split_once(' ').unwrap_or((text, ""));
        let entry = Entry::parse(name, json.as_bytes());
        let entry = entry.map_err(|errors| RegistryError::Unreadable(name.to_owned(), errors))?;
        Ok(Self { version: version.parse().unwrap_or_default(), entry })
    }

    /// When it was changed last: a version is at least the server's clock, in microseconds.
    pub(crate) fn changed_at(&self) -> Millis {
        Millis(self.version / 1_000)
    }
}

impl Told {
    fn of(id: String, fields: Vec<(String, String)>) -> Self {
        let mut told = Self { id, ..Self::default() };
        for (field, value) in fields {
            match field.as_str() {
                "who" => told.who = value,
                "what" => told.what = value,
                "name" => told.name = value,
                "before" => told.before = value,
                "after" => told.after = value,
                _ => {}
            }
        }
        told
    }

    /// When it was made.
    pub(crate) fn at(&self) -> Millis {
        Millis(self.id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default())
    }
}
