//! Decides how an answer is framed: by its first bytes, and by its headers where these do not tell.
//!
//! A header may be missing, or say something else than what comes: streams that call themselves JSON or text, answers
//! that call themselves compressed and are not, or are though nobody asked for it. What an answer begins with is one of
//! a few things.
//!
//! Does not read compressed bodies: what is compressed is unread, and is charged as if nothing was seen of it.

pub mod event_stream;
pub mod sse;

use super::Endpoint;
use crate::base::text::{BYTE_ORDER_MARK, without_marks};

/// How the answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON document, or several that follow each other.
    Json,
    /// Server-sent events.
    Events,
    /// One JSON document a line.
    Lines,
    /// AWS event stream messages with JSON in them.
    Messages,
    /// AWS event stream messages with JSON in base64 in JSON in them.
    Chunks,
    /// Something that is not read: audio, or a compressed body.
    Opaque,
}

/// First bytes of a server-sent event: a field or a comment.
const EVENT_STARTS: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];
/// How a body begins that Zstandard has compressed: with a letter, unlike what others have.
const ZSTANDARD: &[u8] = b"\x28\xb5\x2f\xfd";
/// Bytes after which an answer that could still begin as an event does not.
const LONGEST_START: usize = 16;

impl Framing {
    /// Whether the answer comes in events or messages.
    #[must_use]
    pub fn is_stream(self) -> bool {
        !matches!(self, Self::Json | Self::Opaque)
    }

    /// How an answer of `endpoint` with this `content-type` and `content-encoding` says that it is framed. An answer
    /// that does not say what it is is taken for JSON, as some providers' errors are.
    #[must_use]
    pub fn of(endpoint: Endpoint, content_type: Option<&[u8]>, content_encoding: Option<&[u8]>) -> Self {
        let given = content_type.unwrap_or_default().trim_ascii_start();
        let is = |expected: &str| {
            given.get(..expected.len()).is_some_and(|start| start.eq_ignore_ascii_case(expected.as_bytes()))
        };
        match content_encoding {
            Some(encoding) if !is_identity(encoding) => Self::Opaque,
            _ if is("text/event-stream") => Self::Events,
            _ if is("application/x-ndjson") || is("application/stream+json") || is("application/jsonl") => {
                Self::Lines
            }
            _ if is("application/vnd.amazon.eventstream") => Self::messages(endpoint),
            // DeepSeek's errors call themselves octets.
            _ if given.is_empty() || is("application/json") || is("application/octet-stream") => Self::Json,
            _ => Self::Opaque,
        }
    }

    /// How an answer of `endpoint` is framed that begins with `start` and says that it is `declared`. `None`: more of it
    /// is needed to tell.
    #[must_use]
    pub fn sniff(self, endpoint: Endpoint, start: &[u8]) -> Option<Self> {
        let text = without_marks(start).trim_ascii_start();
        // What may become such a mark.
        if !text.is_empty() && BYTE_ORDER_MARK.starts_with(text) {
            return None;
        }
        let (&first, _) = text.split_first()?;
        if matches!(first, b'{' | b'[') {
            // Lines that do not say so are documents that follow each other.
            return Some(if self == Self::Lines { self } else { Self::Json });
        }
        if EVENT_STARTS.iter().any(|known| text.starts_with(known)) {
            return Some(Self::Events);
        }
        if start.starts_with(ZSTANDARD) || ZSTANDARD.starts_with(start) {
            return (start.len() >= ZSTANDARD.len()).then_some(Self::Opaque);
        }
        // And zlib's, of which the second byte makes both a multiple of 31.
        if let [b'x', second, ..] = start
            && (u16::from(b'x') * 256 + u16::from(*second)).is_multiple_of(31)
            && !second.is_ascii_alphanumeric()
        {
            return Some(Self::Opaque);
        }
        if event_stream::begins(start)? {
            return Some(Self::messages(endpoint));
        }
        let may_become = EVENT_STARTS.iter().any(|known| known.starts_with(text));
        if may_become && start.len() < LONGEST_START {
            return None;
        }
        // A stream may have fields that nobody knows; anything else that is not JSON is not read. What is compressed, or
        // in another form of Unicode, begins with no letter.
        Some(if self == Self::Events && first.is_ascii_graphic() { self } else { Self::Opaque })
    }

    fn messages(endpoint: Endpoint) -> Self {
        if endpoint == Endpoint::InvokeModelStream { Self::Chunks } else { Self::Messages }
    }
}

/// Whether a list of codings changes nothing.
fn is_identity(codings: &[u8]) -> bool {
    let mut codings = codings.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn sniff(declared: Framing, endpoint: Endpoint, start: &[u8]) -> Option<Framing> {
        declared.sniff(endpoint, start)
    }

    #[test]
    fn an_answer_is_what_it_begins_with_whatever_it_calls_itself() {
        for declared in [Framing::Json, Framing::Events, Framing::Opaque, Framing::Messages] {
            for (start, expected) in [
                (&b"data: {"[..], Framing::Events),
                (b"event: message_start\n", Framing::Events),
                (b": keep-alive\n\n", Framing::Events),
                (b"\xef\xbb\xbfdata: {}", Framing::Events),
                (b"\r\n\r\ndata:{}", Framing::Events),
                (b"{\"id\"", Framing::Json),
                (b"\xef\xbb\xbf \n[{", Framing::Json),
                (b"\xef\xbb\xbf\n \xef\xbb\xbf{", Framing::Json),
                (b"\r\n\xef\xbb\xbfdata:", Framing::Events),
                (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\0\0", Framing::Opaque),
                (b"\x28\xb5\x2f\xfd\0\0\0\0\0\0\0\0", Framing::Opaque),
                (b"\x78\x9c\x4b\x4c\x04\x02\0\0\0\0\0\0", Framing::Opaque),
                (b"\xff\xfe{\0\"\0i\0d\0\"\0:\0", Framing::Opaque),
            ] {
                assert_eq!(sniff(declared, Endpoint::ChatCompletions, start), Some(expected), "{start:?}");
            }
        }
        let message = event_stream::message(&[(":event-type", "chunk")], b"{}");
        for (endpoint, expected) in
            [(Endpoint::ConverseStream, Framing::Messages), (Endpoint::InvokeModelStream, Framing::Chunks)]
        {
            assert_eq!(sniff(Framing::Json, endpoint, &message), Some(expected));
        }
        assert_eq!(sniff(Framing::Lines, Endpoint::OllamaChat, b"{\"model\""), Some(Framing::Lines));
        assert_eq!(
            sniff(Framing::Opaque, Endpoint::Transcriptions, b"Hello there, all"),
            Some(Framing::Opaque)
        );
    }

    #[test]
    fn what_may_become_one_thing_or_another_is_waited_for() {
        for start in [
            &b""[..],
            b" ",
            b"\xef",
            b"\xef\xbb\xbf",
            b"\n\xef\xbb",
            b"\xef\xbb\xbf\xef",
            b"d",
            b"dat",
            b"\n\nretr",
        ] {
            assert_eq!(sniff(Framing::Json, Endpoint::ChatCompletions, start), None, "{start:?}");
        }
    }

    #[test]
    fn several_codings_that_change_nothing_are_none() {
        let of = |encoding: &'static [u8]| Framing::of(Endpoint::ChatCompletions, None, Some(encoding));
        assert_eq!(
            (of(b"identity"), of(b" Identity, "), of(b"")),
            (Framing::Json, Framing::Json, Framing::Json)
        );
        assert_eq!((of(b"gzip"), of(b"identity, br")), (Framing::Opaque, Framing::Opaque));
    }
}
