//! Decides how an answer is framed, by its headers.

use crate::dialect::Endpoint;

/// How the answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON document.
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

impl Framing {
    /// Whether the answer comes in events or messages.
    #[must_use]
    pub fn is_stream(self) -> bool {
        !matches!(self, Self::Json | Self::Opaque)
    }

    /// How an answer of `endpoint` with this `content-type` and `content-encoding` is framed. An answer that
    /// does not say what it is is taken for JSON, as some providers' errors are.
    #[must_use]
    pub fn of(endpoint: Endpoint, content_type: Option<&[u8]>, content_encoding: Option<&[u8]>) -> Self {
        let given = content_type.unwrap_or_default();
        let is = |expected: &str| {
            given.get(..expected.len()).is_some_and(|start| start.eq_ignore_ascii_case(expected.as_bytes()))
        };
        match content_encoding {
            Some(encoding) if !encoding.eq_ignore_ascii_case(b"identity") => Self::Opaque,
            _ if is("text/event-stream") => Self::Events,
            _ if is("application/x-ndjson") || is("application/stream+json") || is("application/jsonl") => {
                Self::Lines
            }
            _ if is("application/vnd.amazon.eventstream") && endpoint == Endpoint::InvokeModelStream => {
                Self::Chunks
            }
            _ if is("application/vnd.amazon.eventstream") => Self::Messages,
            // DeepSeek's errors call themselves octets.
            _ if given.is_empty() || is("application/json") || is("application/octet-stream") => Self::Json,
            _ => Self::Opaque,
        }
    }
}
