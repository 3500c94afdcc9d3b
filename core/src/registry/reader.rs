//! Decides what one worker does for the registry: it looks at what others have read, and reads itself if it is its turn.
//!
//! Does not know hosts: the adapter carries the calls.

use core::cell::RefCell;
use core::fmt;
use std::rc::Rc;

use super::registered::{Readiness, Refused, Registered, RegisteredKey};
use super::sync::{RegistryNotice, Sync};
use super::view::View;
use super::{OnColdStart, RegistrySettings};
use crate::base::window::Millis;
use crate::budget::fleet::{Call, Settings};
use crate::budget::ledger::{RegisteredLimits, Store};
use crate::config::{Config, Key};

/// One worker's part of the registry.
#[derive(Debug, Default)]
pub struct Registry {
    sync: RefCell<Sync>,
    view: RefCell<View>,
}

/// How the registry stands, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// It was read to its end once.
    pub is_complete: bool,
    /// The version up to which it was read.
    pub version: u64,
    /// How old the last answer of the server is, in milliseconds.
    pub age_ms: u64,
    /// How many entries there are.
    pub entries: u64,
    /// How many of these are not understood.
    pub unreadable: u64,
}

impl Registry {
    /// It is there from now on. `holder` tells this worker from others, and is not zero.
    pub fn configure(
        &self,
        settings: &Rc<Settings>,
        registry: RegistrySettings,
        holder: impl FnOnce() -> u64,
    ) {
        let mut sync = self.sync.borrow_mut();
        sync.configure(settings, registry, holder);
        sync.names().into_iter().for_each(|names| self.view.borrow_mut().switch_to(names));
    }

    /// It is not there any more.
    pub fn stop(&self) {
        self.sync.borrow_mut().stop();
    }

    /// How often ticks are wanted, in milliseconds, if it is there: often enough that what changed is known to every
    /// worker within two intervals, and soon where nobody can be let in before.
    #[must_use]
    pub fn tick_ms(&self) -> Option<u64> {
        let interval_ms = self.sync.borrow().interval_ms()?;
        Some(if self.is_complete() { (interval_ms / 4).clamp(50, 250) } else { 50 })
    }

    /// Looks at what changed, and says what is due. To be called with each tick.
    pub fn tick<S: Store>(&self, store: &S, now: Millis) -> Option<Call> {
        self.sync.borrow_mut().tick(store, now)
    }

    /// Whether [`Self::next`] would call.
    #[must_use]
    pub fn calls_at_once(&self) -> bool {
        self.sync.borrow().calls_at_once()
    }

    /// The next page, or the same call once more.
    pub fn next<S: Store>(&self, store: &S, now: Millis) -> Option<Call> {
        self.sync.borrow_mut().next(store, now)
    }

    /// The call `id` was answered with these bytes, or came to nothing.
    pub fn answered<S: Store>(&self, id: u64, reply: Option<&[u8]>, store: &S, now: Millis) {
        self.sync.borrow_mut().answered(id, reply, store, now);
    }

    /// Looks at what the workers of this process have read. Says whether limits are other than before.
    pub fn refresh<S: Store>(&self, store: &S, now: Millis) -> bool {
        self.view.borrow_mut().refresh(store, now)
    }

    /// What an operator wants to know and was not told yet.
    #[must_use]
    pub fn notices(&self) -> Vec<RegistryNotice> {
        self.sync.borrow_mut().notices()
    }

    /// How it stands; `None` if nobody has read anything.
    #[must_use]
    pub fn standing(&self, now: Millis) -> Option<Standing> {
        let view = self.view.borrow();
        let head = view.head()?;
        Some(Standing {
            is_complete: head.is_complete,
            version: head.since,
            age_ms: now.since(head.answered_at),
            entries: head.entries,
            unreadable: head.unreadable,
        })
    }

    /// Whether it was read to its end once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.view.borrow().head().is_some_and(|head| head.is_complete)
    }

    /// What subjects have now, if any has something.
    #[must_use]
    pub fn limits(&self) -> Option<Rc<RegisteredLimits>> {
        self.view.borrow().limits().map(Rc::clone)
    }

    /// What a request of `config` that came at `now` is told; `None` if that has no registry.
    pub fn at<'a, S: Store>(&'a self, store: &'a S, config: &'a Config, now: Millis) -> Option<At<'a, S>> {
        let settings = config.ledger.as_ref()?.registry?;
        Some(At { registry: self, store, config, settings, now })
    }
}

/// The registry at the moment of a request.
pub struct At<'a, S> {
    registry: &'a Registry,
    store: &'a S,
    config: &'a Config,
    settings: RegistrySettings,
    now: Millis,
}

impl<S> fmt::Debug for At<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the registry at {:?}", self.now)
    }
}

impl<S: Store> Registered for At<'_, S> {
    fn readiness(&self) -> Readiness {
        // A worker that has just begun has not looked yet.
        if !self.registry.is_complete() {
            self.registry.refresh(self.store, self.now);
        }
        match self.settings.on_cold_start {
            _ if self.registry.is_complete() => Readiness::Ready,
            OnColdStart::Configured => Readiness::Configured,
            OnColdStart::Deny => Readiness::Nobody,
        }
    }

    fn key(&self, id: &str) -> Option<Rc<RegisteredKey>> {
        self.registry.view.borrow_mut().key(id, self.store, self.config)
    }

    fn caller(&self, key: &Rc<Key>) -> Result<Rc<Key>, Refused> {
        self.registry.view.borrow_mut().caller(key, self.config, self.now)
    }

    fn team_of_group(&self, group: &str) -> Option<Rc<str>> {
        self.registry.view.borrow().team_of_group(group)
    }
}
