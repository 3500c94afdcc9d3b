//! Decides what an answer used, from its bytes as they pass.
//!
//! The answer is never collected: plain answers and stream events go through the scanner once, and what remains
//! is a few numbers. A stream may end anywhere, and the reading is still the best there is.
//!
//! When the gateway asked for the usage chunk on its own account, the meter also takes that chunk out of
//! the stream again, so that the client sees what it would have seen without a gateway. For that alone
//! the unfinished last event of a piece is kept back, up to a bound.
//!
//! An answer may be ended early, between two events: the client sees those before it whole, and a last one of ours.
//!
//! Does not price, does not decide when an answer ends early, and does not guess what was not reported: see
//! `accounting/settlement.rs`.

mod chunk;
mod document;
mod head;
mod marks;
mod number;
mod outgoing;
mod prefix;
mod reading;
mod searches;
mod template;
#[cfg(test)]
mod tests;
mod whole;

use crate::base::text::without_marks;
use crate::dialect::framing::Framing;
use crate::dialect::framing::{event_stream, sse};
use crate::dialect::{Endpoint, Field};
use crate::json::Scanner;

use chunk::{CHUNK_BYTES, inside_chunk};
use document::{Document, END_MARKER};
use outgoing::Outgoing;
pub use outgoing::Passed;
use reading::{Collect, Event};
pub use reading::{Reading, Step};
use template::Template;
use whole::is_whole;

/// An answer that has not said by its first bytes how it is framed is framed as its headers say. Providers send white space
/// while they think.
const START_BYTES: usize = 4096;

/// Reads one answer.
#[derive(Clone, Debug)]
pub struct Meter {
    endpoint: Endpoint,
    framing: Framing,
    /// The answer's first bytes, until they tell how it is framed. `None`: that is known.
    start: Option<Vec<u8>>,
    /// Bytes that came.
    size: u64,
    events: sse::Splitter,
    messages: event_stream::Splitter,
    document: Document,
    /// The reading up to the last message, which is what counts until the current one has arrived intact.
    intact: Reading,
    /// The payload of the current message, if its base64 has to be undone.
    chunk: Vec<u8>,
    template: Template,
    hides: bool,
    outgoing: Outgoing,
    /// Where the last event ends that ended in the last piece, in the bytes that went out for it.
    boundary: Option<usize>,
    /// The end marker or the last event has come: what follows is no part of the answer.
    done: bool,
}

impl Meter {
    /// Reads an answer of `endpoint`, which says that it is framed like this; what it is its first bytes tell.
    /// `hide_usage_chunk`: the client did not ask for it.
    #[must_use]
    pub fn new(endpoint: Endpoint, framing: Framing, hide_usage_chunk: bool) -> Self {
        Self {
            endpoint,
            framing,
            start: Some(Vec::new()),
            size: 0,
            events: sse::Splitter::default(),
            messages: event_stream::Splitter::default(),
            document: Document {
                scanner: Scanner::new(endpoint.answer()),
                event: Event::default(),
                reading: Reading::default(),
            },
            intact: Reading::default(),
            chunk: Vec::new(),
            template: Template::default(),
            hides: hide_usage_chunk,
            outgoing: Outgoing::default(),
            boundary: None,
            done: false,
        }
    }

    /// The same for a meter of the same endpoint that has read nothing yet.
    pub fn expect(&mut self, framing: Framing, hide_usage_chunk: bool) {
        if self.size == 0 && self.start.as_ref().is_some_and(Vec::is_empty) {
            (self.framing, self.hides) = (framing, hide_usage_chunk);
        } else {
            *self = Self::new(self.endpoint, framing, hide_usage_chunk);
        }
    }

    /// What is known so far.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        match self.framing {
            Framing::Messages | Framing::Chunks => &self.intact,
            _ => &self.document.reading,
        }
    }

    /// How the answer is framed, as far as that is known.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Bytes of the answer that were not read, because nobody knows how, or because it is not what it begins like: a
    /// transcript may begin with a bracket.
    #[must_use]
    pub fn unread_bytes(&self) -> u64 {
        let Reading { unreadable, deltas, .. } = *self.reading();
        let is_unread = self.framing == Framing::Opaque || (unreadable > 0 && deltas == 0);
        if is_unread { self.size } else { 0 }
    }

    /// Whether the answer has come to its own end, and not only to that of its connection.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        is_whole(self.endpoint, self.framing, self.done, self.reading())
    }

    /// Whether bytes may be taken out of the answer.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.hides
    }

    /// Reads the next piece. `last`: the answer ends with it.
    pub fn feed(&mut self, piece: &[u8], last: bool) -> Passed {
        self.boundary = None;
        let Some(mut start) = self.start.take() else { return self.feed_framed(piece, last) };
        let before = start.len();
        // Nearly always the first piece tells.
        let whole = if before == 0 {
            piece
        } else {
            start.extend_from_slice(piece);
            &start
        };
        match self.framing.sniff(self.endpoint, whole) {
            Some(framing) => self.framing = framing,
            None if last || whole.len() > START_BYTES => {}
            None => {
                self.start = Some(if before == 0 { piece.to_vec() } else { start });
                // Whether a chunk has to be hidden is not known yet either.
                return if self.hides { Passed::Replaced(Vec::new()) } else { Passed::Unchanged };
            }
        }
        let hid = self.hides;
        self.hides &= self.framing == Framing::Events;
        // Marks of UTF-8 in front of all go out and are no part of what is read.
        let text = without_marks(whole);
        let (marks, _) = whole.split_at_checked(whole.len() - text.len()).unwrap_or_default();
        self.size = self.size.saturating_add(marks.len() as u64);
        let passed = self.feed_framed(text, last);
        if before == 0 && marks.is_empty() {
            return passed;
        }
        let boundary = self.boundary.map(|boundary| boundary + marks.len());
        match passed {
            // What was kept back goes out with the piece that tells.
            Passed::Unchanged if hid => {
                self.boundary = boundary;
                Passed::Replaced(whole.to_vec())
            }
            Passed::Unchanged => {
                self.boundary = boundary.and_then(|boundary| boundary.checked_sub(before));
                Passed::Unchanged
            }
            Passed::Replaced(bytes) => {
                self.boundary = boundary;
                Passed::Replaced([marks, &bytes].concat())
            }
        }
    }

    fn feed_framed(&mut self, piece: &[u8], last: bool) -> Passed {
        self.size = self.size.saturating_add(piece.len() as u64);
        match self.framing {
            Framing::Opaque => {}
            Framing::Json => {
                self.documents(piece);
                if last {
                    self.document.end();
                }
            }
            Framing::Events => return self.events(piece, last),
            Framing::Lines => self.lines(piece, last),
            Framing::Messages | Framing::Chunks => self.messages(piece),
        }
        Passed::Unchanged
    }

    /// The answer broke off here, and will not go on: the text that it broke off in has come as far.
    pub fn break_off(&mut self) {
        if let Some((field @ (Field::Delta | Field::Content), length)) = self.document.scanner.broken_text() {
            let Document { reading, event, .. } = &mut self.document;
            Collect { reading, event }.text(field, &[], length);
        }
    }

    /// Reads one document, or several that follow each other.
    fn documents(&mut self, piece: &[u8]) {
        let document = &mut self.document;
        let mut rest = piece;
        while let Some(next) = document.feed_one(rest) {
            document.end();
            rest = rest.get(next..).unwrap_or_default();
        }
    }

    /// Ends the answer here, if an event ends in this piece: what to pass on in place of the piece, with
    /// `last_event` behind the last event that ended. What comes after must not be passed on any more.
    ///
    /// `None` if no event ended in it, or if the answer has ended anyway: then all must be passed on, and the
    /// next piece may be tried. Must be called right after [`Self::feed`], with the same piece and what
    /// that returned.
    #[must_use]
    pub fn cut(&mut self, piece: &[u8], passed: &Passed, last_event: &[u8]) -> Option<Vec<u8>> {
        let boundary = self.boundary.filter(|_| !self.done)?;
        let went_out = match passed {
            Passed::Unchanged => piece,
            Passed::Replaced(bytes) => bytes,
        };
        let mut out = went_out.get(..boundary)?.to_vec();
        // An event ends with the CR of a CRLF already, and the LF may be yet to come or kept back. A blank
        // line more, should there be none, says nothing.
        if self.framing == Framing::Events && out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
        out.extend_from_slice(last_event);
        self.outgoing.forget();
        Some(out)
    }

    fn lines(&mut self, piece: &[u8], last: bool) {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            self.document.feed(line);
            self.done |= self.document.end().last;
            rest = after;
            self.boundary = Some(piece.len() - rest.len());
        }
        self.document.feed(rest);
        if last {
            self.done |= self.document.end().last;
        }
    }

    fn messages(&mut self, piece: &[u8]) {
        let Self { messages, document, intact: kept, chunk, framing, boundary, done, .. } = self;
        let in_chunks = *framing == Framing::Chunks;
        messages.feed(piece, |part, offset| match part {
            event_stream::Part::Begin { exception } => {
                document.reading.error |= exception;
                chunk.clear();
            }
            event_stream::Part::Payload(bytes) if in_chunks => {
                let room = (CHUNK_BYTES + 1).saturating_sub(chunk.len()).min(bytes.len());
                chunk.extend_from_slice(bytes.get(..room).unwrap_or_default());
            }
            event_stream::Part::Payload(bytes) => document.feed(bytes),
            event_stream::Part::End { intact } => {
                *boundary = Some(offset);
                if in_chunks {
                    match inside_chunk(chunk) {
                        Some(inside) => document.feed(&inside),
                        None => document.reading.unreadable += 1,
                    }
                }
                *done |= document.end().last && intact;
                if intact {
                    kept.clone_from(&document.reading);
                } else {
                    kept.unreadable += 1;
                    document.reading.clone_from(kept);
                }
            }
            event_stream::Part::Lost => kept.unreadable += 1,
        });
    }

    fn events(&mut self, piece: &[u8], last: bool) -> Passed {
        self.outgoing.begin();
        let mut at = 0;
        while at < piece.len() {
            at = match self.again(piece.get(at..).unwrap_or_default()) {
                Some(length) => {
                    self.end_event(piece, at + length, false);
                    at + length
                }
                None => self.event(piece, at),
            };
        }
        if last {
            // A last event without the blank line behind it has come nevertheless.
            let event = &self.document.event;
            self.done |= event.last || event.prefix.is(END_MARKER);
        }
        if self.hides { self.outgoing.end(piece, last) } else { Passed::Unchanged }
    }

    /// The bytes of the event at the beginning of `rest`, if it only adds text to what the one before said.
    fn again(&mut self, rest: &[u8]) -> Option<usize> {
        if !self.events.is_between() {
            return None;
        }
        let again = self.template.find(rest)?;
        self.document.reading.deltas += again.deltas;
        self.document.reading.text_bytes += again.text_bytes;
        Some(again.length)
    }

    /// Reads on from the offset `from`, to the end of an event or of the piece, and says where that is.
    fn event(&mut self, piece: &[u8], from: usize) -> usize {
        let Self { events, document, .. } = self;
        let is_whole = events.is_between();
        let (mut lines, mut data, mut ended) = (0, from, None);
        let end = events.feed_event(piece, from, &mut |part, offset| match part {
            sse::Part::Data(bytes) => {
                lines += 1;
                data = offset - bytes.len();
                document.feed(bytes);
            }
            sse::Part::End => ended = Some(document.end()),
        });
        if let Some(ended) = ended {
            self.done |= ended.last || ended.prefix.is(END_MARKER);
            if ended.news {
                self.template.clear();
            } else if is_whole && lines == 1 && ended.is_only_text() {
                let frame = piece.get(from..end).unwrap_or_default();
                self.template.keep(frame, data - from, &ended.marks);
            }
            self.end_event(piece, end, ended.usage && ended.no_choices && !ended.error);
        }
        end
    }

    /// An event ends at the offset `end`. `is_usage`: it says what was used, and nothing else.
    fn end_event(&mut self, piece: &[u8], end: usize, is_usage: bool) {
        let went_out = if self.hides { self.outgoing.end_event(piece, end, is_usage) } else { end };
        self.boundary = Some(went_out);
    }
}
