//! Decides what an answer of the server changes in what the workers of a process share: of each entry the newer version
//! counts, whoever brings it and in whatever order.

use super::head::Head;
use super::page::Changed;
use super::record::{Part, Record};
use super::store_names::{PARTS, Parted, StoreNames, part_of};
use super::{Entry, EntryName};
use crate::budget::ledger::{Put, Store, StoreError};

/// Compare-and-set attempts on one record.
const TRIES: usize = 8;

/// A change, and whether it is not understood.
type Judged<'a> = (&'a Changed, bool);

/// What was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// Anything.
    pub(super) any: bool,
    pub(super) limits: [bool; PARTS],
    pub(super) teams: [bool; PARTS],
    /// Entries that are not understood: how many more, and how many fewer.
    pub(super) more_unreadable: u64,
    pub(super) less_unreadable: u64,
    /// Which they are, and why.
    pub(super) unreadable: Vec<(String, String)>,
}

/// Takes in what changed, as `head` has it.
pub(super) fn merge<S: Store>(
    store: &S,
    names: &StoreNames,
    head: &Head,
    changed: &[Changed],
) -> Result<Merged, StoreError> {
    let mut merged = Merged::default();
    let mut parts: Vec<(Parted, usize, Vec<Judged<'_>>)> = Vec::new();
    for change in changed {
        let Ok(name) = core::str::from_utf8(&change.name) else {
            merged
                .unreadable
                .push((String::from_utf8_lossy(&change.name).into_owned(), "its name is no text".into()));
            continue;
        };
        let mistake = Some(&change.json)
            .filter(|json| !json.is_empty())
            .and_then(|json| Entry::parse(name, json).err());
        let is_unreadable = mistake.is_some();
        merged
            .unreadable
            .extend(mistake.map(|mistake| (name.to_owned(), mistake.to_string().replace('\n', "; "))));
        let kind = match EntryName::parse(name) {
            Some(EntryName::Key(id)) => {
                merge_key(store, &names.key(id), head, (change, is_unreadable), &mut merged)?;
                continue;
            }
            Some(EntryName::Limit { .. }) => Parted::Limit,
            Some(EntryName::Team(_)) => Parted::Team,
            None => continue,
        };
        let at = part_of(name);
        match parts.iter_mut().find(|(other, part, _)| (*other, *part) == (kind, at)) {
            Some((.., changes)) => changes.push((change, is_unreadable)),
            None => parts.push((kind, at, vec![(change, is_unreadable)])),
        }
    }
    for (kind, at, changes) in parts {
        if merge_part(store, &names.part(kind, at), head, &changes, &mut merged)? {
            let counts = match kind {
                Parted::Limit => &mut merged.limits,
                Parted::Team => &mut merged.teams,
            };
            counts.get_mut(at).into_iter().for_each(|changed| *changed = true);
        }
    }
    Ok(merged)
}

fn merge_key<S: Store>(
    store: &S,
    name: &str,
    head: &Head,
    change: Judged<'_>,
    merged: &mut Merged,
) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let stored = store.get(name)?;
        let old = stored.as_ref().and_then(|(bytes, _)| Record::read(bytes));
        let new = newer(old, change, head);
        if Some(new) == old {
            return Ok(());
        }
        let version = stored.as_ref().map(|(_, version)| *version);
        if store.put(name, &new.write(), version)? == Put::Stored {
            merged.count(old, new, head);
            return Ok(());
        }
    }
    Err(StoreError::Contended)
}

/// Says whether the part has changed.
fn merge_part<S: Store>(
    store: &S,
    name: &str,
    head: &Head,
    changes: &[Judged<'_>],
    merged: &mut Merged,
) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let stored = store.get(name)?;
        let mut part = stored.as_ref().map(|(bytes, _)| Part::read(bytes)).unwrap_or_default();
        let mut pairs = Vec::new();
        for &(change, is_unreadable) in changes {
            let old = part.0.get(&*change.name).copied();
            let new = newer(old, (change, is_unreadable), head);
            if Some(new) != old {
                part.0.insert(&change.name, new);
                pairs.push((old, new));
            }
        }
        if pairs.is_empty() {
            return Ok(false);
        }
        let version = stored.as_ref().map(|(_, version)| *version);
        if store.put(name, &part.write(), version)? == Put::Stored {
            pairs.into_iter().for_each(|(old, new)| merged.count(old, new, head));
            return Ok(true);
        }
    }
    Err(StoreError::Contended)
}

/// What is kept of an entry that was `old`.
fn newer<'a>(old: Option<Record<'a>>, (change, is_unreadable): Judged<'a>, head: &Head) -> Record<'a> {
    let Changed { version, json, .. } = change;
    match old {
        Some(old) if old.version > *version => Record { round: old.round.max(head.listing()), ..old },
        _ => Record { version: *version, round: head.listing(), is_unreadable, json },
    }
}

impl Merged {
    fn count(&mut self, old: Option<Record<'_>>, new: Record<'_>, head: &Head) {
        self.any = true;
        let counted = |record: &Record<'_>| record.is_unreadable && !head.drops(record.version, record.round);
        self.less_unreadable += u64::from(old.as_ref().is_some_and(counted));
        self.more_unreadable += u64::from(counted(&new));
    }
}
