//! Decides what one worker knows of the registry: the limits and teams as a whole, and of the keys those that called
//! lately.
//!
//! It looks at the head with each tick. What it made of records is looked at anew when something has changed: a record of
//! the same version is taken as it was. A key that is not remembered is one read of shared data; that there is none
//! is not remembered, so whoever guesses takes no memory.

use core::cmp::Reverse;
use std::rc::Rc;

use super::head::Head;
use super::record::{Part, Record};
use super::registered::{Refused, RegisteredKey};
use super::store_names::{PARTS, Parted, StoreNames};
use super::{Entry, EntryName, KeyEntry, LimitEntry, TeamEntry};
use crate::base::hash::HashMap;
use crate::base::window::Millis;
use crate::budget::ledger::{RegisteredLimits, Store};
use crate::config::{Config, Key, Overrides, Pattern};

/// Keys and callers that one worker remembers of each.
const MOST: usize = 8_192;

/// See above.
#[derive(Debug, Default)]
pub(super) struct View {
    names: StoreNames,
    head: Option<Head>,
    limits: Vec<Vec<Limit>>,
    teams: Vec<Vec<(Box<str>, Team)>>,
    /// Where each team is.
    team_index: HashMap<Box<str>, (usize, usize)>,
    groups: HashMap<Box<str>, Rc<str>>,
    /// What subjects have now, if any has something.
    now: Option<Rc<RegisteredLimits>>,
    /// When some of it ends.
    ends: Option<Millis>,
    /// Grows whenever what was made of records may be other.
    stamp: u64,
    /// The configuration that callers were made by.
    config: u64,
    keys: HashMap<Box<str>, (u64, Rc<RegisteredKey>)>,
    callers: HashMap<Box<str>, Caller>,
}

/// The limits of a subject.
#[derive(Debug)]
struct Limit {
    budget: Box<str>,
    subject: Box<str>,
    entry: LimitEntry,
}

/// A team.
#[derive(Debug)]
struct Team {
    entry: TeamEntry,
    models: Vec<Pattern>,
}

/// What was made of a caller.
#[derive(Debug)]
struct Caller {
    stamp: u64,
    of: Rc<Key>,
    is: Result<Rc<Key>, Refused>,
}

impl View {
    /// The registry is the one with these names.
    pub(super) fn switch_to(&mut self, names: &StoreNames) {
        if self.names != *names {
            *self = Self { names: names.clone(), stamp: self.stamp + 1, ..Self::default() };
        }
    }

    /// Looks at what changed. Says whether limits are other than before.
    pub(super) fn refresh<S: Store>(&mut self, store: &S, now: Millis) -> bool {
        let head = store.get(&self.names.head()).ok().flatten().and_then(|(bytes, _)| Head::read(&bytes));
        let Some(head) = head else { return false };
        if self.head.as_ref().is_some_and(|known| known.changes == head.changes) {
            self.head = Some(head);
            return self.pass(now);
        }
        self.stamp += 1;
        let before = self.head.clone();
        let known = before.as_ref();
        let changed = |counts: fn(&Head) -> &[u32; PARTS], at: usize| {
            counts(&head).get(at) != known.and_then(|known| counts(known).get(at))
        };
        let (mut limits, mut teams, mut whole) = (false, false, true);
        for at in 0..PARTS {
            if changed(|head| &head.limits, at) || self.limits.len() <= at {
                let found = self.read_limits(store, &head, at);
                whole &= found.is_some();
                let had = self.limits.get(at).is_some_and(|before| !before.is_empty());
                limits |= had || found.as_ref().is_some_and(|found| !found.is_empty());
                put(&mut self.limits, at, found);
            }
            if changed(|head| &head.teams, at) || self.teams.len() <= at {
                teams = true;
                let found = self.read_teams(store, &head, at);
                whole &= found.is_some();
                put(&mut self.teams, at, found);
            }
        }
        // A part that could not be read stays as it was, and is read with the next look; before the first one there is
        // no head, so nobody is let in for want of a limit or of a team that is off.
        if whole {
            self.head = Some(head);
        }
        if teams {
            self.index_teams();
        }
        if limits {
            self.resolve(now);
        } else {
            self.pass(now);
        }
        limits
    }

    /// Time has passed: some limits may have ended. Says whether some have.
    pub(super) fn pass(&mut self, now: Millis) -> bool {
        let ends = self.ends.is_some_and(|ends| now >= ends);
        if ends {
            self.resolve(now);
        }
        ends
    }

    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// What subjects have now, if any has something.
    pub(super) fn limits(&self) -> Option<&Rc<RegisteredLimits>> {
        self.now.as_ref()
    }

    pub(super) fn team_of_group(&self, group: &str) -> Option<Rc<str>> {
        self.groups.get(group).map(Rc::clone)
    }

    /// What the registry says of the key `id`.
    pub(super) fn key<S: Store>(
        &mut self,
        id: &str,
        store: &S,
        config: &Config,
    ) -> Option<Rc<RegisteredKey>> {
        self.serve(config);
        let known = self.keys.get(id);
        if let Some((_, key)) = known.filter(|(stamp, _)| *stamp == self.stamp) {
            return Some(Rc::clone(key));
        }
        // What cannot be read may be that the key is revoked.
        let Ok(stored) = store.get(&self.names.key(id)) else {
            return Some(Rc::new(RegisteredKey::unread()));
        };
        let Some((bytes, _)) = stored else {
            self.keys.remove(id);
            return None;
        };
        let Some(record) = Record::read(&bytes) else { return Some(Rc::new(RegisteredKey::unread())) };
        if record.json.is_empty()
            || self.head.as_ref().is_some_and(|head| head.drops(record.version, record.round))
        {
            self.keys.remove(id);
            return None;
        }
        let key = match known {
            Some((_, key)) if key.version == record.version => Rc::clone(key),
            _ => Rc::new(registered_key(id, &record, config)),
        };
        if self.keys.len() >= MOST {
            self.keys.clear();
        }
        self.keys.insert(id.into(), (self.stamp, Rc::clone(&key)));
        Some(key)
    }

    /// The caller as its team and its limits have it.
    pub(super) fn caller(&mut self, key: &Rc<Key>, config: &Config, now: Millis) -> Result<Rc<Key>, Refused> {
        self.pass(now);
        if self.now.is_none() && self.team_index.is_empty() {
            return Ok(Rc::clone(key));
        }
        self.serve(config);
        if let Some(known) = self.callers.get(&*key.id)
            && known.stamp == self.stamp
            && Rc::ptr_eq(&known.of, key)
        {
            return known.is.clone();
        }
        let is = self.make(key, config);
        if self.callers.len() >= MOST {
            self.callers.clear();
        }
        let caller = Caller { stamp: self.stamp, of: Rc::clone(key), is: is.clone() };
        self.callers.insert(key.id.clone(), caller);
        is
    }

    fn make(&self, key: &Rc<Key>, config: &Config) -> Result<Rc<Key>, Refused> {
        let team = self.team_index.get(&key.team);
        let team = team.and_then(|&(part, at)| self.teams.get(part)?.get(at)).map(|(_, team)| team);
        if team.is_some_and(|team| !team.entry.enabled) {
            return Err(Refused::Team);
        }
        let team_models = team.map(|team| team.models.clone()).unwrap_or_default();
        if self.now.is_none() && team_models.is_empty() {
            return Ok(Rc::clone(key));
        }
        let key = Key { team_models, limits: self.now.clone(), ..Key::clone(key) };
        Ok(Rc::new(key.counted_by(&config.budgets)))
    }

    /// Accounts are those of a configuration's budgets: with another one all callers are made anew.
    fn serve(&mut self, config: &Config) {
        if core::mem::replace(&mut self.config, config.hash) != config.hash {
            self.keys.clear();
            self.callers.clear();
        }
    }

    fn read_limits<S: Store>(&self, store: &S, head: &Head, at: usize) -> Option<Vec<Limit>> {
        let of = |name: &str, entry: Option<Entry>| match (EntryName::parse(name)?, entry?) {
            (EntryName::Limit { budget, subject }, Entry::Limit(entry)) => {
                Some(Limit { budget: budget.into(), subject: subject.into(), entry })
            }
            _ => None,
        };
        self.read_part(store, head, Parted::Limit, at, of)
    }

    fn read_teams<S: Store>(&self, store: &S, head: &Head, at: usize) -> Option<Vec<(Box<str>, Team)>> {
        let of = |name: &str, entry: Option<Entry>| {
            let EntryName::Team(team) = EntryName::parse(name)? else { return None };
            let entry = match entry {
                Some(Entry::Team(entry)) => entry,
                // What is not understood lets nobody in.
                _ => TeamEntry { enabled: false, ..TeamEntry::default() },
            };
            let models = entry.models.iter().map(|model| Pattern::new(model)).collect();
            Some((team.into(), Team { entry, models }))
        };
        self.read_part(store, head, Parted::Team, at, of)
    }

    /// What a part has; `None` if the host does not say.
    fn read_part<S: Store, T>(
        &self,
        store: &S,
        head: &Head,
        kind: Parted,
        at: usize,
        of: impl Fn(&str, Option<Entry>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some((bytes, _)) = store.get(&self.names.part(kind, at)).ok()? else { return Some(Vec::new()) };
        let part = Part::read(&bytes);
        let live = |record: &Record<'_>| !record.json.is_empty() && !head.drops(record.version, record.round);
        let read = |(name, record): (&&[u8], &Record<'_>)| {
            let name = core::str::from_utf8(name).ok()?;
            of(name, Entry::parse(name, record.json).ok())
        };
        Some(part.0.iter().filter(|(_, record)| live(record)).filter_map(read).collect())
    }

    fn index_teams(&mut self) {
        self.team_index.clear();
        self.groups.clear();
        for (part, teams) in self.teams.iter().enumerate() {
            for (at, (name, team)) in teams.iter().enumerate() {
                self.team_index.insert(name.clone(), (part, at));
                let own: Rc<str> = (**name).into();
                self.groups.extend(team.entry.groups.iter().map(|group| (group.clone(), Rc::clone(&own))));
            }
        }
    }

    /// What of the limits holds at `now`, and until when.
    fn resolve(&mut self, now: Millis) {
        let mut budgets: HashMap<Box<str>, Overrides> = HashMap::default();
        let mut patterns: Vec<&Limit> = Vec::new();
        let mut ends: Option<Millis> = None;
        for limit in self.limits.iter().flatten() {
            let next = limit.entry.next_end(now);
            ends = ends.into_iter().chain(next).min();
            if let Some(limits) = limit.entry.at(now) {
                let overrides = budgets.entry(limit.budget.clone()).or_default();
                overrides.exact.insert(limit.subject.clone(), limits);
                if Pattern::is_pattern(&limit.subject) {
                    patterns.push(limit);
                }
            }
        }
        patterns.sort_by_key(|limit| Reverse(limit.subject.len()));
        for limit in patterns {
            if let (Some(overrides), Some(limits)) = (budgets.get_mut(&limit.budget), limit.entry.at(now)) {
                overrides.patterns.push((Pattern::new(&limit.subject), limits));
            }
        }
        self.ends = ends;
        self.stamp += 1;
        self.now = Some(RegisteredLimits::new(budgets)).filter(|limits| !limits.is_empty()).map(Rc::new);
    }
}

/// Puts a part in its place; one that was not read leaves what is there.
fn put<T>(parts: &mut Vec<Vec<T>>, at: usize, part: Option<Vec<T>>) {
    match (parts.get_mut(at), part) {
        (Some(before), Some(part)) => *before = part,
        (Some(_), None) => {}
        (None, part) => parts.push(part.unwrap_or_default()),
    }
}

fn registered_key(id: &str, record: &Record<'_>, config: &Config) -> RegisteredKey {
    let name = EntryName::Key(id).to_string();
    let Ok(Entry::Key(entry)) = Entry::parse(&name, record.json) else {
        return RegisteredKey { version: record.version, ..RegisteredKey::unread() };
    };
    let KeyEntry { hashes, team, labels, models, expires, enabled, revoked_at } = entry;
    let refused = match revoked_at {
        // For good, whatever the clocks say.
        Some(_) => Some(Refused::Revoked),
        None => (!enabled).then_some(Refused::Disabled),
    };
    let key = team.map(|team| {
        let key = Key {
            labels,
            models: models.iter().map(|model| Pattern::new(model)).collect(),
            expires,
            ..Key::proven(id, &team, None)
        };
        Rc::new(key.counted_by(&config.budgets))
    });
    RegisteredKey { key, hashes, refused, expires, version: record.version }
}
