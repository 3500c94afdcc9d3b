//! Decides what an event's name says: that it is the last, that nothing was made yet, that something is complete.

/// Events that are the last of a stream, in dialects without an end marker that is none of the events.
/// Sources: Anthropic API reference, streaming Messages; OpenAI API reference, streaming events of Responses; Cohere API
/// reference, streaming.
pub(crate) const LAST_EVENTS: [&[u8]; 5] =
    [b"message_stop", b"message-end", b"response.completed", b"response.incomplete", b"response.failed"];

/// An event that is an error. That of Responses has its words beside its kind, and no member of this name.
pub(crate) const ERROR_EVENT: &[u8] = b"error";

/// Events that come before anything that the model makes, or say only that it has stopped. Every other kind is taken
/// for something that it made. Sources: as above; Cohere API reference, streaming.
pub(crate) const EMPTY_EVENTS: [&[u8]; 18] = [
    b"response.created",
    b"response.queued",
    b"response.in_progress",
    b"response.output_item.added",
    b"response.content_part.added",
    b"keepalive",
    b"ping",
    b"error",
    b"message_start",
    b"content_block_start",
    b"content_block_stop",
    b"message_delta",
    b"message",
    b"message-start",
    b"content-start",
    b"content-end",
    b"message-end",
    b"transcript.text.segment",
];

/// Whether an event of this kind says that something is complete.
pub(crate) fn completes(kind: &[u8]) -> bool {
    kind.ends_with(b".done") || matches!(kind, b"content_block_stop" | b"content-end" | b"tool-call-end")
}
