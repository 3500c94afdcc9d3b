//! Reads one document of an answer after the other, and gathers what all of them say together.

use super::reading::{Collect, Event, Reading};
use crate::dialect::Field;
use crate::json::Scanner;

/// What OpenAI's streams end with.
pub(super) const END_MARKER: &[u8] = b"[DONE]";

/// One document after the other, and what all of them say together.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) scanner: Scanner<Field>,
    pub(super) event: Event,
    pub(super) reading: Reading,
}

impl Document {
    /// Reads on. Another document behind this one cannot be read.
    pub(super) fn feed(&mut self, data: &[u8]) {
        self.event.failed |= self.feed_one(data).is_some();
    }

    /// Reads on. Returns where in `data` another document begins, if this one is complete before that.
    pub(super) fn feed_one(&mut self, data: &[u8]) -> Option<usize> {
        let Self { scanner, event, reading } = self;
        if !event.prefix.is_full() {
            event.prefix.extend(data);
        }
        if event.failed {
            return None;
        }
        let error = scanner.feed(data, &mut Collect { reading, event }).err()?;
        let next = scanner.next_document(error);
        event.failed = next.is_none();
        next
    }

    /// Ends the current document and returns what it said. Nothing at all, and the end marker, are none.
    pub(super) fn end(&mut self) -> Event {
        let Self { scanner, event, reading } = self;
        let mut ended = core::mem::take(event);
        if !ended.prefix.is_empty() && !ended.prefix.is(END_MARKER) {
            let mut sink = Collect { reading, event: &mut ended };
            let complete = !sink.event.failed && scanner.finish(&mut sink).is_ok();
            sink.end(complete);
            reading.unreadable += u64::from(!complete);
            ended.failed = !complete;
        }
        scanner.reset();
        ended
    }
}
