//! Decides where the messages of an `application/vnd.amazon.eventstream` begin and end, and whether they
//! arrived whole.
//!
//! A message is a prelude (its length and the length of its headers, both big-endian u32, and their
//! CRC-32), headers, a payload and a CRC-32 of everything before it. Works on bytes, piece by piece, and
//! keeps at most the headers, of which nothing but `:message-type` and `:event-type` is looked at.
//!
//! A prelude with a wrong checksum ends the reading: where the next message begins is then unknown.
//!
//! Source: AWS SDK documentation, event stream encoding.

use crc32fast::Hasher;

const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// Longer headers, or messages, than any that Bedrock sends (the format allows 128 KiB and 24 MiB).
const MAX_HEADERS: usize = 128 * 1024;
const MAX_MESSAGE: usize = 24 * 1024 * 1024;
/// The type of a header value that is a string.
const STRING: u8 = 7;

/// What was found, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A message begins; whether it tells an error in place of an event.
    Begin {
        /// It is an exception or an error.
        exception: bool,
    },
    /// Bytes of its payload.
    Payload(&'a [u8]),
    /// It has ended; whether its checksum was right.
    End {
        /// Its bytes are as they were sent.
        intact: bool,
    },
    /// The stream cannot be read any further.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Prelude,
    /// This many bytes of headers in all, and of payload after them.
    Headers(usize, usize),
    /// This many bytes of payload are still to come.
    Payload(usize),
    Checksum,
    Lost,
}

/// Whether bytes begin as a message does: with a prelude whose checksum is right. `None`: more of them are needed to tell.
#[must_use]
pub fn begins(bytes: &[u8]) -> Option<bool> {
    // No message is so long that its length begins with anything else.
    if bytes.first().is_some_and(|&first| usize::from(first) > MAX_MESSAGE >> 24) {
        return Some(false);
    }
    let prelude = bytes.get(..PRELUDE_BYTES)?;
    Some(word(prelude, 8) == prelude.get(..8).map(crc32fast::hash))
}

/// Splits a stream into messages.
#[derive(Clone, Debug)]
pub struct Splitter {
    state: State,
    kept: Vec<u8>,
    checksum: Hasher,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { state: State::Prelude, kept: Vec::new(), checksum: Hasher::new() }
    }
}

impl Splitter {
    /// Reads the next piece and tells `found` every part with the offset in `piece` at which it ends.
    pub fn feed<'p>(&mut self, piece: &'p [u8], mut found: impl FnMut(Part<'p>, usize)) {
        let mut rest = piece;
        // An empty payload, or no headers, must move on without a byte.
        while !rest.is_empty() || matches!(self.state, State::Headers(0, _) | State::Payload(0)) {
            rest = match self.state {
                State::Lost => return,
                State::Prelude => {
                    let rest = self.keep(rest, PRELUDE_BYTES);
                    if self.kept.len() == PRELUDE_BYTES {
                        self.state = self.prelude();
                        if self.state == State::Lost {
                            found(Part::Lost, piece.len() - rest.len());
                        }
                        self.kept.clear();
                    }
                    rest
                }
                State::Headers(size, payload) => {
                    let rest = self.keep(rest, size);
                    if self.kept.len() == size {
                        self.checksum.update(&self.kept);
                        let exception = is_exception(&self.kept);
                        found(Part::Begin { exception }, piece.len() - rest.len());
                        self.kept.clear();
                        self.state = State::Payload(payload);
                    }
                    rest
                }
                State::Payload(left) => {
                    let (part, rest) = rest.split_at_checked(left).unwrap_or((rest, &[]));
                    self.checksum.update(part);
                    if !part.is_empty() {
                        found(Part::Payload(part), piece.len() - rest.len());
                    }
                    let left = left - part.len();
                    self.state = if left == 0 { State::Checksum } else { State::Payload(left) };
                    rest
                }
                State::Checksum => {
                    let rest = self.keep(rest, CHECKSUM_BYTES);
                    if self.kept.len() == CHECKSUM_BYTES {
                        let expected = core::mem::take(&mut self.checksum).finalize();
                        let intact = word(&self.kept, 0) == Some(expected);
                        found(Part::End { intact }, piece.len() - rest.len());
                        self.kept.clear();
                        self.state = State::Prelude;
                    }
                    rest
                }
            };
        }
    }

    /// Keeps bytes until there are `size`; returns those that are left over.
    fn keep<'p>(&mut self, rest: &'p [u8], size: usize) -> &'p [u8] {
        let missing = size.saturating_sub(self.kept.len());
        let (part, rest) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
        self.kept.extend_from_slice(part);
        rest
    }

    fn prelude(&mut self) -> State {
        let read = |at| word(&self.kept, at).and_then(|word| usize::try_from(word).ok());
        let (Some(total), Some(headers), Some(checksum)) = (read(0), read(4), word(&self.kept, 8)) else {
            return State::Lost;
        };
        let lengths = self.kept.get(..8).unwrap_or_default();
        let payload = total.checked_sub(headers.saturating_add(PRELUDE_BYTES + CHECKSUM_BYTES));
        match payload {
            Some(payload)
                if crc32fast::hash(lengths) == checksum && headers <= MAX_HEADERS && total <= MAX_MESSAGE =>
            {
                self.checksum = Hasher::new();
                self.checksum.update(&self.kept);
                State::Headers(headers, payload)
            }
            _ => State::Lost,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Whether `:message-type` is another than `event`. Headers that cannot be read make no exception: the
/// payload says what it is.
fn is_exception(headers: &[u8]) -> bool {
    let mut rest = headers;
    while let Some(header) = read_header(rest) {
        if header.name == b":message-type" && header.kind == STRING {
            return header.value != b"event";
        }
        rest = header.tail;
    }
    false
}

struct Header<'h> {
    name: &'h [u8],
    kind: u8,
    value: &'h [u8],
    /// What follows it.
    tail: &'h [u8],
}

fn read_header(bytes: &[u8]) -> Option<Header<'_>> {
    let (&name_size, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(name_size))?;
    let (&kind, rest) = rest.split_first()?;
    let (size, rest) = match kind {
        0 | 1 => (0, rest),
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        5 | 8 => (8, rest),
        9 => (16, rest),
        6 | STRING => {
            let (size, rest) = rest.split_at_checked(2)?;
            (usize::from(u16::from_be_bytes(size.try_into().ok()?)), rest)
        }
        _ => return None,
    };
    let (value, tail) = rest.split_at_checked(size)?;
    Some(Header { name, kind, value, tail })
}

/// A message with these headers, which are all strings. Names of up to 255 bytes fit, and values of up to
/// 65535.
#[must_use]
pub fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        block.extend_from_slice(name.as_bytes());
        block.push(STRING);
        block.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut message = Vec::new();
    message.extend(size(PRELUDE_BYTES + block.len() + payload.len() + CHECKSUM_BYTES));
    message.extend(size(block.len()));
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(block);
    message.extend_from_slice(payload);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut seen, mut payload) = (Splitter::default(), vec![], vec![]);
        for piece in pieces {
            splitter.feed(piece, |part, _| match part {
                Part::Begin { exception } => seen.push(format!("begin exception={exception}")),
                Part::Payload(bytes) => payload.extend_from_slice(bytes),
                Part::End { intact } => {
                    let text = String::from_utf8_lossy(&core::mem::take(&mut payload)).into_owned();
                    seen.push(format!("{text} intact={intact}"));
                }
                Part::Lost => seen.push("lost".into()),
            });
        }
        seen
    }

    fn stream() -> Vec<u8> {
        [
            message(
                &[(":event-type", "messageStart"), (":message-type", "event")],
                b"{\"role\":\"assistant\"}",
            ),
            message(&[], b""),
            message(&[(":exception-type", "throttlingException"), (":message-type", "exception")], b"{}"),
        ]
        .concat()
    }

    #[test]
    fn messages_are_split_at_every_byte_alike() {
        let stream = stream();
        let whole = read(&[&stream]);
        let expected = [
            "begin exception=false",
            "{\"role\":\"assistant\"} intact=true",
            "begin exception=false",
            " intact=true",
            "begin exception=true",
            "{} intact=true",
        ];
        assert_eq!(whole, expected);
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(read(&[head, tail]), whole, "cut at {at}");
        }
    }

    #[test]
    fn a_message_ends_after_its_checksum() {
        let (stream, mut ends) = (stream(), vec![]);
        Splitter::default().feed(&stream, |part, offset| {
            if let Part::End { .. } = part {
                ends.push(offset);
            }
        });
        let lengths = ends.iter().scan(0, |start, &end| Some(end - core::mem::replace(start, end)));
        let announced = ends.iter().scan(0, |start, &end| {
            word(&stream, core::mem::replace(start, end)).and_then(|length| usize::try_from(length).ok())
        });
        assert_eq!(lengths.collect::<Vec<_>>(), announced.collect::<Vec<_>>());
        assert_eq!((ends.len(), ends.last()), (3, Some(&stream.len())));
    }

    #[test]
    fn a_damaged_message_is_told_and_the_next_one_is_read() {
        let mut stream = stream();
        let at = stream.len() - message(&[], b"").len() - 120;
        stream[at.max(60)] ^= 1;
        let seen = read(&[&stream]);
        assert!(seen.iter().any(|line| line.ends_with("intact=false")), "{seen:?}");
        assert_eq!(seen.last().unwrap(), "{} intact=true");
    }

    #[test]
    fn a_damaged_prelude_ends_the_reading() {
        let mut stream = stream();
        stream[1] ^= 1;
        assert_eq!(read(&[&stream]), ["lost"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_splitter_panic(bytes: Vec<u8>, cut in 0usize..64) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(read(&[head, tail]), read(&[&bytes]));
        }

        #[test]
        fn any_payload_arrives_as_it_was_sent(payload in "[ -~]{0,300}", cut in 0usize..300) {
            let bytes = message(&[(":message-type", "event")], payload.as_bytes());
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(read(&[head, tail]).pop().unwrap(), format!("{payload} intact=true"));
        }
    }
}
