//! Decides where the events of a `text/event-stream` begin and end.
//!
//! Works on bytes, piece by piece, and keeps at most a field name: a stream may be cut anywhere, inside
//! a CRLF or a UTF-8 character too, and one `data:` line may be a megabyte long. LF, CRLF and CR end a
//! line, as the WHATWG specification of server-sent events says.
//!
//! Does not look into the data and does not copy it. A mark of UTF-8 in front of all is no part of a stream: who feeds
//! it leaves that out.

/// What was found, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes of the event's data. Several `data:` lines of one event come with a `\n` between them.
    Data(&'a [u8]),
    /// The blank line after an event has ended.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    LineStart,
    /// In a field name of which the first bytes are `data`, so far this many.
    Name(usize),
    /// After `data:`, where one space is dropped.
    DataStart,
    Data,
    /// In a line without interest.
    Ignored,
}

/// Splits a stream into events.
#[derive(Clone, Debug)]
pub struct Splitter {
    state: State,
    /// The last byte was a CR: an LF now belongs to it.
    after_cr: bool,
    /// The event has a `data:` line already.
    has_data: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { state: State::LineStart, after_cr: false, has_data: false }
    }
}

impl Splitter {
    /// Reads the next piece and tells `found` every part with the offset in `piece` at which it ends.
    pub fn feed<'p>(&mut self, piece: &'p [u8], mut found: impl FnMut(Part<'p>, usize)) {
        let mut at = 0;
        while at < piece.len() {
            at = self.feed_event(piece, at, &mut found);
        }
    }

    /// The same from the offset `from`, no further than to the end of an event. Returns the offset where to go on.
    pub fn feed_event<'p>(
        &mut self,
        piece: &'p [u8],
        from: usize,
        found: &mut impl FnMut(Part<'p>, usize),
    ) -> usize {
        let mut rest = piece.get(from..).unwrap_or_default();
        while let Some((&byte, tail)) = rest.split_first() {
            let after_cr = core::mem::replace(&mut self.after_cr, byte == b'\r');
            if after_cr && byte == b'\n' {
                rest = tail;
                continue;
            }
            let offset = piece.len() - rest.len();
            if matches!(byte, b'\r' | b'\n') {
                rest = tail;
                if self.end_line(offset + 1, found) {
                    return offset + 1;
                }
                continue;
            }
            // What nearly every line begins with, without going through it byte by byte.
            if self.state == State::LineStart
                && !self.has_data
                && let Some(line) = rest.strip_prefix(b"data: ")
            {
                (self.state, self.has_data) = (State::Data, true);
                rest = line;
                continue;
            }
            match self.state {
                State::LineStart | State::Name(_) => {
                    self.name(byte);
                    if self.state == State::DataStart && core::mem::replace(&mut self.has_data, true) {
                        found(Part::Data(b"\n"), offset + 1);
                    }
                    rest = tail;
                }
                State::DataStart => {
                    self.state = State::Data;
                    rest = if byte == b' ' { tail } else { rest };
                }
                State::Data | State::Ignored => {
                    let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    if self.state == State::Data {
                        found(Part::Data(line), offset + end);
                    }
                    self.after_cr = false;
                    rest = after;
                }
            }
        }
        piece.len()
    }

    /// Whether the next byte begins a line of an event that has no data yet.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.state == State::LineStart && !self.has_data && !self.after_cr
    }

    fn name(&mut self, byte: u8) {
        let seen = if let State::Name(seen) = self.state { seen } else { 0 };
        self.state = match (b"data:".get(seen), byte) {
            (Some(b':'), b':') => State::DataStart,
            (Some(&expected), byte) if expected == byte => State::Name(seen + 1),
            _ => State::Ignored,
        };
    }

    /// Says whether an event ended with this line.
    fn end_line<'p>(&mut self, offset: usize, found: &mut impl FnMut(Part<'p>, usize)) -> bool {
        let is_blank = self.state == State::LineStart;
        if is_blank {
            self.has_data = false;
            found(Part::End, offset);
        }
        self.state = State::LineStart;
        is_blank
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut events, mut data) = (Splitter::default(), vec![], vec![]);
        for piece in pieces {
            splitter.feed(piece, |part, _| match part {
                Part::Data(bytes) => data.extend_from_slice(bytes),
                Part::End => events.push(String::from_utf8_lossy(&core::mem::take(&mut data)).into_owned()),
            });
        }
        events
    }

    const STREAM: &str = ": hello\nevent: x\ndata: {\"a\":\"é\"}\n\ndata:no space\r\ndata:  two\r\n\r\n\
                          id: 7\rdata\rdata: cr\r\rdatabase: no\ndata:\n\nretry: 1\n\ndata: unfinished";

    #[test]
    fn events_are_split_at_every_kind_of_line_end() {
        let expected = ["{\"a\":\"é\"}", "no space\n two", "cr", "", ""];
        assert_eq!(events(&[STREAM.as_bytes()]), expected);
    }

    #[test]
    fn a_stream_cut_at_any_byte_has_the_same_events() {
        let whole = events(&[STREAM.as_bytes()]);
        for at in 0..=STREAM.len() {
            let (head, tail) = STREAM.as_bytes().split_at(at);
            assert_eq!(events(&[head, tail]), whole, "cut at {at}");
        }
        assert_eq!(events(&STREAM.as_bytes().chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn an_event_ends_after_its_blank_line() {
        let mut ends = vec![];
        Splitter::default().feed(b"data: a\n\ndata: b\r\n\r\nx", |part, offset| {
            if part == Part::End {
                ends.push(offset);
            }
        });
        assert_eq!(ends, [9, 19], "the LF of the second CRLF belongs to the next piece");
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_are_split_alike(bytes in "[data: \r\n\u{e9}]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let bytes = bytes.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&pieces), events(&[bytes]));
        }
    }
}
