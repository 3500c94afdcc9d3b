//! Decides when a stream is closed whose last event was passed on: when its provider has said nothing more for a while.

use core::cell::RefCell;

use crate::base::hash::HashMap;
use crate::base::window::Millis;
use crate::exchange::piece::LAST_EVENT_MS;

/// Streams that got their last event, by their numbers, and when.
#[derive(Debug, Default)]
pub struct Closing(RefCell<HashMap<u32, Millis>>);

impl Closing {
    /// The stream got its last event at `now`.
    pub fn add(&self, stream: u32, now: Millis) {
        self.0.borrow_mut().insert(stream, now);
    }

    /// The stream has ended.
    pub fn forget(&self, stream: u32) {
        self.0.borrow_mut().remove(&stream);
    }

    /// Takes those out that are to be closed. Closing one ends it at once, so none is borrowed meanwhile.
    pub fn due(&self, now: Millis) -> Vec<u32> {
        let due = |_: &u32, since: &mut Millis| now.since(*since) >= LAST_EVENT_MS;
        self.0.borrow_mut().extract_if(due).map(|(stream, _)| stream).collect()
    }
}
