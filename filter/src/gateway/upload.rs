//! Decides what a request takes while its body is on its way, and gives it back, whatever way that ends.
//!
//! What is taken is given back when this is dropped, and so with the state that has it: when the body is
//! complete, when the request is refused or given up, and when the stream ends.

use std::rc::Rc;

use farebox_core::base::headers::RequestHead;
use farebox_core::base::window::Millis;
use farebox_core::budget::hold::Hold;
use farebox_core::budget::upload::{enter, is_long};
use farebox_core::config::{Config, Key};
use farebox_core::denial::Denial;
use farebox_core::request::attribution::Attribution;

use crate::vm::Vm;
use farebox_hostcalls as host;

/// A body on its way.
#[derive(Debug)]
pub(crate) struct Upload {
    vm: Rc<Vm>,
    config: Rc<Config>,
    key: Rc<Key>,
    /// The bytes that are counted for it.
    counted: u64,
    /// No budget holds for the request.
    free: bool,
    /// Its place among the requests that run, once it is known to be long.
    lane: Option<Hold>,
}

impl Upload {
    /// A body of which nothing is known. `free`: no budget holds for the request.
    pub(crate) fn new(vm: &Rc<Vm>, config: &Rc<Config>, key: &Rc<Key>, free: bool) -> Self {
        let (vm, config, key) = (Rc::clone(vm), Rc::clone(config), Rc::clone(key));
        Self { vm, config, key, counted: 0, free, lane: None }
    }

    /// A body of which the headers say that it will have `length` bytes, if they say so.
    ///
    /// # Errors
    /// [`Denial`] if it must not come.
    pub(crate) fn announced(
        &mut self,
        length: Option<u64>,
        attribution: &Attribution,
        head: &RequestHead,
        now: Millis,
    ) -> Result<(), Denial> {
        // What a short one says counts for nothing before it comes: most come at once.
        match length.filter(|&length| is_long(length)) {
            Some(length) => self.take(length, attribution, head, || now),
            None => Ok(()),
        }
    }

    /// It has at least so many bytes, and is not complete.
    ///
    /// # Errors
    /// [`Denial`] if it must not go on.
    pub(crate) fn grow(
        &mut self,
        bytes: u64,
        attribution: &Attribution,
        head: &RequestHead,
    ) -> Result<(), Denial> {
        self.take(bytes, attribution, head, host::now)
    }

    fn take(
        &mut self,
        bytes: u64,
        attribution: &Attribution,
        head: &RequestHead,
        now: impl FnOnce() -> Millis,
    ) -> Result<(), Denial> {
        if self.lane.is_none() && !self.free && is_long(bytes) {
            let now = now();
            self.vm.register(&self.config, now);
            let lane = enter(&self.vm.ledger(&self.config), &self.config, &self.key, attribution, head, now)?;
            self.vm.budgets.uses(lane.accounts());
            self.lane = Some(lane);
        }
        self.keep(bytes)
    }

    /// Its body is kept, of which so many bytes are here.
    ///
    /// # Errors
    /// [`Denial`] if there are too many already.
    pub(crate) fn keep(&mut self, bytes: u64) -> Result<(), Denial> {
        if let Some(more) = bytes.checked_sub(self.counted).filter(|more| *more > 0) {
            let mut pending = self.vm.pending.borrow_mut();
            pending.add(&self.key.id, more, &self.config.pending).map_err(Denial::Crowded)?;
            self.counted = bytes;
        }
        Ok(())
    }

    /// Its body is here: it does not stand in its own way.
    pub(crate) fn leave_lane(&mut self) {
        // Most have no budget that limits how many run.
        if let Some(lane) = self.lane.take().filter(|lane| lane.accounts().next().is_some()) {
            lane.release(&self.vm.ledger(&self.config), host::now());
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.vm.pending.borrow_mut().remove(&self.key.id, self.counted);
        }
        self.leave_lane();
    }
}
