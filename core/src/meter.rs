//! Decides what an answer used, from its bytes as they pass.
//!
//! The answer is never collected: plain answers and stream events go through the scanner once, and what
//! remains is a few numbers. A stream may end at any byte and the reading is still the best there is.
//!
//! When the gateway asked for the usage chunk on its own account, the meter also takes that chunk out of
//! the stream again, so that the client sees what it would have seen without a gateway. For that alone
//! the unfinished last event of a piece is kept back, up to a bound.
//!
//! Does not price, and does not guess what was not reported: see `settlement.rs`.

use core::ops::Range;

use crate::dialect::sse::{Part, Splitter};
use crate::dialect::{Endpoint, Field, Reported};
use crate::json::{Scanner, Sink, Value, count, unescape};
use crate::text::Label;

/// Largest part of an event that is kept back while it is not known whether it must be hidden. A usage
/// chunk is a few hundred bytes; what is longer is none.
const KEPT_BACK_BYTES: usize = 64 * 1024;

/// How the answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON document.
    Json,
    /// Server-sent events.
    Events,
    /// Something that is not read: audio, or a compressed body.
    Opaque,
}

impl Framing {
    /// By the answer's `content-type` and `content-encoding`.
    #[must_use]
    pub fn of(content_type: Option<&[u8]>, content_encoding: Option<&[u8]>) -> Self {
        let is = |expected: &[u8]| {
            let given = content_type.unwrap_or_default();
            given.get(..expected.len()).is_some_and(|start| start.eq_ignore_ascii_case(expected))
        };
        match content_encoding {
            Some(encoding) if !encoding.eq_ignore_ascii_case(b"identity") => Self::Opaque,
            _ if is(b"text/event-stream") => Self::Events,
            _ if is(b"application/json") || content_type.is_none() => Self::Json,
            _ => Self::Opaque,
        }
    }
}

/// What is known of an answer so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What the provider reported.
    pub reported: Reported,
    /// The model that answered.
    pub model: Option<Label>,
    /// The service tier it was served in, in the provider's word.
    pub service_tier: Option<Label>,
    /// Searches of the web that the provider made for the model.
    pub web_searches: Option<u64>,
    /// Searches of stored files that the provider made for the model.
    pub file_searches: Option<u64>,
    /// The answer, or an event of it, was an error.
    pub error: bool,
    /// Pieces of text, which at many providers are one token each.
    pub deltas: u64,
    /// Bytes of text the model wrote.
    pub text_bytes: u64,
    /// Documents or events that could not be read.
    pub unreadable: u64,
}

/// What an event said about itself.
#[derive(Debug, Default)]
struct Event {
    usage: bool,
    no_choices: bool,
    error: bool,
    failed: bool,
    /// The first bytes of its data, to know the end marker.
    prefix: Vec<u8>,
}

const END_MARKER: &[u8] = b"[DONE]";

/// Reads one answer.
#[derive(Debug)]
pub struct Meter {
    framing: Framing,
    splitter: Splitter,
    scanner: Scanner<Field>,
    event: Event,
    reading: Reading,
    hides: bool,
    kept_back: Vec<u8>,
    /// The beginning of this event went out already: its end must follow, whatever it says.
    committed: bool,
}

/// What to pass on in place of a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Passed {
    /// The piece as it is.
    Unchanged,
    /// These bytes.
    Replaced(Vec<u8>),
}

impl Meter {
    /// Reads an answer of `endpoint`. `hide_usage_chunk`: the client did not ask for it.
    #[must_use]
    pub fn new(endpoint: Endpoint, framing: Framing, hide_usage_chunk: bool) -> Self {
        Self {
            framing,
            splitter: Splitter::default(),
            scanner: Scanner::new(endpoint.answer()),
            event: Event::default(),
            reading: Reading::default(),
            hides: hide_usage_chunk && framing == Framing::Events,
            kept_back: Vec::new(),
            committed: false,
        }
    }

    /// What is known so far.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Whether bytes may be taken out of the answer.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.hides
    }

    /// Reads the next piece. `last`: the answer ends with it.
    pub fn feed(&mut self, piece: &[u8], last: bool) -> Passed {
        match self.framing {
            Framing::Opaque => Passed::Unchanged,
            Framing::Json => {
                self.document(piece, last);
                Passed::Unchanged
            }
            Framing::Events => self.events(piece, last),
        }
    }

    fn document(&mut self, piece: &[u8], last: bool) {
        if self.event.failed {
            return;
        }
        let mut sink = Collect { reading: &mut self.reading, event: &mut self.event };
        let fed = self.scanner.feed(piece, &mut sink);
        if fed.and_then(|()| if last { self.scanner.finish(&mut sink) } else { Ok(()) }).is_err() {
            self.event.failed = true;
            self.reading.unreadable += 1;
        }
    }

    fn events(&mut self, piece: &[u8], last: bool) -> Passed {
        let Self { splitter, scanner, event, reading, hides, kept_back, committed, .. } = self;
        let mut passed = Vec::new();
        let mut hidden = false;
        let mut start = 0;
        let had_kept_back = !kept_back.is_empty();
        splitter.feed(piece, |part, offset| match part {
            Part::Data(data) => feed_event(scanner, event, reading, data),
            Part::End => {
                let ended = end_event(scanner, event, reading);
                if *hides {
                    let rest = piece.get(start..offset).unwrap_or_default();
                    let committed = core::mem::take(committed);
                    if ended.usage && ended.no_choices && !ended.error && !committed {
                        hidden = true;
                        kept_back.clear();
                    } else {
                        passed.append(kept_back);
                        passed.extend_from_slice(rest);
                    }
                    start = offset;
                }
            }
        });
        if !*hides {
            return Passed::Unchanged;
        }
        kept_back.extend_from_slice(piece.get(start..).unwrap_or_default());
        if last || kept_back.len() > KEPT_BACK_BYTES {
            *committed = true;
            passed.append(kept_back);
        }
        if hidden || had_kept_back || !kept_back.is_empty() {
            Passed::Replaced(passed)
        } else {
            Passed::Unchanged
        }
    }
}

fn feed_event(scanner: &mut Scanner<Field>, event: &mut Event, reading: &mut Reading, data: &[u8]) {
    let room = END_MARKER.len().saturating_sub(event.prefix.len()).min(data.len());
    event.prefix.extend_from_slice(data.get(..room).unwrap_or_default());
    if !event.failed {
        event.failed = scanner.feed(data, &mut Collect { reading, event }).is_err();
    }
}

/// Ends the current event and returns what it said.
fn end_event(scanner: &mut Scanner<Field>, event: &mut Event, reading: &mut Reading) -> Event {
    let mut ended = core::mem::take(event);
    if !ended.prefix.is_empty() && ended.prefix != END_MARKER {
        let complete = !ended.failed && scanner.finish(&mut Collect { reading, event: &mut ended }).is_ok();
        reading.unreadable += u64::from(!complete);
    }
    scanner.reset();
    ended
}

/// Takes what the scanner finds into the reading.
struct Collect<'a> {
    reading: &'a mut Reading,
    event: &'a mut Event,
}

impl Sink<Field> for Collect<'_> {
    fn value(&mut self, field: Field, value: Value<'_>, _span: Range<u64>) {
        match (field, value) {
            (_, Value::Number(number)) => {
                if let Some(count) = count(number) {
                    self.reading.reported.set(field, count);
                }
            }
            (Field::Usage, Value::Object) => self.event.usage = true,
            (Field::Choices, Value::Array { empty }) => self.event.no_choices = empty,
            (Field::Error, Value::Object | Value::Text { .. }) => {
                self.event.error = true;
                self.reading.error = true;
            }
            (Field::Delta, Value::Text { length, .. }) if length > 0 => {
                self.reading.deltas += 1;
                self.reading.text_bytes += length;
            }
            (Field::Delta, Value::Array { empty: false } | Value::Object) => self.reading.deltas += 1,
            (Field::Model, Value::Text { raw, .. }) => {
                if let Some(model) = unescape(raw).and_then(|model| Label::from_bytes(model.as_bytes())) {
                    self.reading.model = Some(model);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
