//! Decides when a worker asks what changed in the registry, and what an answer means.
//!
//! ```text
//! ## tick     => a call, if this worker has the lease and it is time
//! ## answer   => merged; the head moves on. A page that is not the last: the next one is asked for at once
//! ## nothing  => asked again, later each time, up to the interval
//! ```
//!
//! A server that has given fewer versions than were seen has lost something: an older backup, a failover, or it was emptied.
//! All is read anew then, and what it lost stands here as long as this process runs. A server that has forgotten removals
//! that were not seen here lists all, and what it does not list is dropped.

use std::rc::Rc;

use super::head::{Anew, Head};
use super::merge::{Merged, merge};
use super::page::{self, Page};
use super::script::Keys;
use super::store_names::StoreNames;
use super::{RegistrySettings, lease};
use crate::base::window::Millis;
use crate::budget::fleet::{Call, Failure, Settings};
use crate::budget::ledger::{Put, Store, StoreError};

/// Bytes that a page has at least where longer ones are cut.
const LEAST_BYTES: usize = 4 * 1024;
/// The first pause after a failed call, in milliseconds.
const PAUSE_MS: u64 = 20;
/// How long the server may be silent before it counts as out of reach, in milliseconds.
const SILENCE_MS: u64 = 2_000;
/// How much longer than a call its lease is, in milliseconds.
const SPARE_MS: u64 = 300;
/// Compare-and-set attempts on the head.
const TRIES: usize = 8;
/// Lines about entries that are not understood, of one page.
const LINES: usize = 8;

/// Something that an operator wants to know, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryNotice {
    /// It was read to its end for the first time: how many entries it has.
    Complete(u64),
    /// It is out of reach, and why.
    OutOfReach(String),
    /// It answers again.
    Back,
    /// The server has lost something.
    Lost,
    /// The server has forgotten removals that were not seen here.
    Forgot,
    /// This entry is not understood, and why.
    Unreadable(String, String),
    /// What it says cannot be kept.
    Store(StoreError),
}

/// What one worker knows of the way to the registry.
#[derive(Debug, Default)]
pub(super) struct Sync {
    place: Option<Place>,
    /// Tells this worker from others.
    holder: u64,
    last_id: u64,
    in_flight: Option<InFlight>,
    /// The next call need not wait for a tick.
    at_once: bool,
    /// How much less than a page is asked for, in bytes: longer answers were cut.
    less_bytes: usize,
    /// The next call brings the script along.
    loads: bool,
    /// The node that has it, if another one said so.
    shard: Option<Box<str>>,
    failing_since: Option<Millis>,
    failures: u32,
    why: String,
    is_out: bool,
    notices: Vec<RegistryNotice>,
}

/// Where it is.
#[derive(Debug)]
struct Place {
    settings: Rc<Settings>,
    registry: RegistrySettings,
    keys: Keys,
    names: StoreNames,
}

/// A call without an answer so far.
#[derive(Debug)]
struct InFlight {
    id: u64,
    since: u64,
    begun: Millis,
    shard: Option<Box<str>>,
}

impl Sync {
    /// It is there from now on. `holder` tells this worker from others.
    pub(super) fn configure(
        &mut self,
        settings: &Rc<Settings>,
        registry: RegistrySettings,
        holder: impl FnOnce() -> u64,
    ) {
        if self.holder == 0 {
            self.holder = holder();
        }
        let is_same = |place: &Place| place.settings == *settings && place.registry == registry;
        if !self.place.as_ref().is_some_and(is_same) {
            let (keys, names) = (Keys::of(&settings.prefix), StoreNames::of(&settings.prefix));
            self.place = Some(Place { settings: Rc::clone(settings), registry, keys, names });
            (self.shard, self.in_flight) = (None, None);
        }
    }

    /// It is not there any more.
    pub(super) fn stop(&mut self) {
        (self.place, self.in_flight, self.at_once, self.failing_since) = (None, None, false, None);
    }

    /// Milliseconds between two looks at what changed.
    pub(super) fn interval_ms(&self) -> Option<u64> {
        self.place.as_ref().map(|place| place.registry.interval_ms)
    }

    pub(super) fn names(&self) -> Option<&StoreNames> {
        self.place.as_ref().map(|place| &place.names)
    }

    pub(super) fn notices(&mut self) -> Vec<RegistryNotice> {
        core::mem::take(&mut self.notices)
    }

    /// Whether [`Self::next`] would call.
    pub(super) fn calls_at_once(&self) -> bool {
        self.at_once && self.in_flight.is_none()
    }

    /// What is due at a tick.
    pub(super) fn tick<S: Store>(&mut self, store: &S, now: Millis) -> Option<Call> {
        self.look_after(now);
        let place = self.place.as_ref().filter(|_| self.in_flight.is_none() && self.holder != 0)?;
        let until = now.plus(timeout_ms(place) + SPARE_MS);
        if lease::take(store, &place.names.lease(), self.holder, until, now) != Ok(true) {
            return None;
        }
        self.call(store, now)
    }

    /// The next page, or the same call once more.
    pub(super) fn next<S: Store>(&mut self, store: &S, now: Millis) -> Option<Call> {
        if !self.calls_at_once() {
            return None;
        }
        self.at_once = false;
        self.keep(store, |place| now.plus(timeout_ms(place) + SPARE_MS)).then_some(())?;
        self.call(store, now)
    }

    fn call<S: Store>(&mut self, store: &S, now: Millis) -> Option<Call> {
        let place = self.place.as_ref()?;
        let since = read_head(store, &place.names).ok()?.0.since;
        self.last_id += 1;
        let (id, shard) = (self.last_id, self.shard.clone());
        let bytes = page::BYTES - self.less_bytes;
        let bytes = Page::request(&place.settings.access, &place.keys, since, bytes, self.loads);
        self.in_flight = Some(InFlight { id, since, begun: now, shard: shard.clone() });
        Some(Call { id, bytes, shard, timeout_ms: timeout_ms(place) })
    }

    /// The call `id` was answered with these bytes, or came to nothing.
    pub(super) fn answered<S: Store>(&mut self, id: u64, reply: Option<&[u8]>, store: &S, now: Millis) {
        let Some(call) = self.in_flight.take_if(|call| call.id == id) else { return };
        match reply.ok_or(Failure::Unknown(String::new())).and_then(Page::read) {
            Ok(page) => {
                (self.failing_since, self.failures, self.loads) = (None, 0, false);
                self.less_bytes = self.less_bytes.saturating_sub(LEAST_BYTES);
                match self.hear(&call, &page, store, now) {
                    Ok(more) => {
                        self.at_once = more;
                        if !more {
                            self.keep(store, |place| call.begun.plus(place.registry.interval_ms));
                        }
                    }
                    Err(error) => {
                        self.notices.push(RegistryNotice::Store(error));
                        self.keep(store, |place| now.plus(place.registry.interval_ms));
                    }
                }
            }
            Err(failure) => self.fail(&call, &failure, store, now),
        }
        self.look_after(now);
    }

    /// Says whether there is more to ask for.
    fn hear<S: Store>(
        &mut self,
        call: &InFlight,
        page: &Page,
        store: &S,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let Some(place) = &self.place else { return Ok(false) };
        let (head, _) = read_head(store, &place.names)?;
        let goes_on = |head: &Head| head.since == call.since;
        let lost = goes_on(&head) && page.version < head.since;
        let forgot = goes_on(&head)
            && head.is_complete
            && head.anew.is_none()
            && head.since < page.floor
            && head.since > 0;
        let merged = if lost || forgot {
            Merged::default()
        } else {
            merge(store, &place.names, &head, &page.changed)?
        };
        let begins = change_head(store, &place.names, |head| {
            head.answered_at = now;
            head.entries = page.entries;
            head.take_in(&merged);
            if !goes_on(head) {
                return false;
            }
            if lost || forgot {
                let why = if forgot { Anew::Forgot } else { Anew::Lost };
                (head.since, head.anew) = (0, head.anew.or(Some(why)));
                return false;
            }
            if page.more {
                head.since = page.changed.last().map_or(head.since, |last| last.version);
                return false;
            }
            head.since = page.version;
            head.end(page.floor)
        })?;
        if lost {
            self.notices.push(RegistryNotice::Lost);
        } else if forgot {
            self.notices.push(RegistryNotice::Forgot);
        }
        let unreadable = merged.unreadable.into_iter().take(LINES);
        self.notices.extend(unreadable.map(|(name, why)| RegistryNotice::Unreadable(name, why)));
        if begins {
            self.notices.push(RegistryNotice::Complete(page.entries));
        }
        Ok(page.more || lost || forgot)
    }

    fn fail<S: Store>(&mut self, call: &InFlight, failure: &Failure, store: &S, now: Millis) {
        let Some(place) = &self.place else { return };
        let again = match failure {
            Failure::NoScript => !core::mem::replace(&mut self.loads, true),
            Failure::Moved(address) if place.settings.networks.iter().any(|network| network.has(address)) => {
                self.shard = Some(address.as_str().into());
                // Nodes that name each other are not asked in a circle.
                call.shard.is_none()
            }
            _ => {
                // A node that does not serve may not be the one any more: the next call asks any.
                self.shard.take_if(|shard| Some(&*shard) == call.shard.as_ref());
                false
            }
        };
        self.at_once = again;
        if again {
            return;
        }
        if matches!(failure, Failure::Unknown(why) if why.is_empty()) {
            let half = (page::BYTES - self.less_bytes) / 2;
            self.less_bytes = page::BYTES - half.max(LEAST_BYTES);
        }
        self.why = failure.to_string();
        self.failing_since.get_or_insert(now);
        let longest_ms = place.registry.interval_ms;
        let pause_ms = PAUSE_MS.checked_shl(self.failures.min(16)).unwrap_or(longest_ms).min(longest_ms);
        self.failures = self.failures.saturating_add(1);
        self.keep(store, |_| now.plus(pause_ms));
    }

    fn keep<S: Store>(&self, store: &S, until: impl FnOnce(&Place) -> Millis) -> bool {
        let Some(place) = &self.place else { return false };
        lease::keep(store, &place.names.lease(), self.holder, until(place)) == Ok(true)
    }

    fn look_after(&mut self, now: Millis) {
        let is_out = self.failing_since.is_some_and(|since| now.since(since) >= SILENCE_MS);
        if core::mem::replace(&mut self.is_out, is_out) != is_out {
            let why = || RegistryNotice::OutOfReach(self.why.clone());
            self.notices.push(if is_out { why() } else { RegistryNotice::Back });
        }
    }
}

impl Head {
    pub(super) fn take_in(&mut self, merged: &Merged) {
        self.changes += u64::from(merged.any);
        let parts =
            self.limits.iter_mut().zip(&merged.limits).chain(self.teams.iter_mut().zip(&merged.teams));
        parts.for_each(|(count, changed)| *count = count.wrapping_add(u32::from(*changed)));
        self.unreadable = (self.unreadable + merged.more_unreadable).saturating_sub(merged.less_unreadable);
    }

    /// All was read. Says whether that was so for the first time.
    fn end(&mut self, floor: u64) -> bool {
        if self.anew.take() == Some(Anew::Forgot) {
            self.round += 1;
            self.floor = self.floor.max(floor);
            self.changes += 1;
            self.limits.iter_mut().chain(&mut self.teams).for_each(|count| *count = count.wrapping_add(1));
        }
        !core::mem::replace(&mut self.is_complete, true)
    }
}

/// How long an answer is waited for, in milliseconds: a call that is lost must not cost more than half of the time in
/// which what changed is to be known everywhere.
fn timeout_ms(place: &Place) -> u64 {
    (place.registry.interval_ms / 2).clamp(200, 2_000)
}

pub(super) type Stored = (Head, Option<crate::budget::ledger::Version>);

pub(super) fn read_head<S: Store>(store: &S, names: &StoreNames) -> Result<Stored, StoreError> {
    let stored = store.get(&names.head())?;
    let head = stored.as_ref().and_then(|(bytes, _)| Head::read(bytes)).unwrap_or_default();
    Ok((head, stored.map(|(_, version)| version)))
}

fn change_head<S: Store, T>(
    store: &S,
    names: &StoreNames,
    mut change: impl FnMut(&mut Head) -> T,
) -> Result<T, StoreError> {
    for _ in 0..TRIES {
        let (mut head, version) = read_head(store, names)?;
        let result = change(&mut head);
        if store.put(&names.head(), &head.write(), version)? == Put::Stored {
            return Ok(result);
        }
    }
    Err(StoreError::Contended)
}
