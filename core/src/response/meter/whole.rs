//! Decides whether a stream came to its own end: that its connection did says nothing of the answer.
//!
//! A server that is stopped, and a proxy that gives up, end a stream in good order after any event. Each dialect has its
//! own sign that all has been said. Where two signs are in use, either will do: servers that are compatible with OpenAI
//! leave out `[DONE]`, or the reason, but hardly ever both.

use super::reading::Reading;
use crate::dialect::Endpoint;
use crate::dialect::framing::Framing;

/// Whether an answer of `endpoint` is all that its provider meant to say, as far as that can be told. `done`: its end
/// marker has come, or an event that is the last of a stream.
pub(super) fn is_whole(endpoint: Endpoint, framing: Framing, done: bool, reading: &Reading) -> bool {
    // Gemini has a stream that is one document.
    let is_array = framing == Framing::Json && endpoint == Endpoint::StreamGenerateContent;
    if !framing.is_stream() && !is_array {
        return true;
    }
    match endpoint {
        Endpoint::Responses
        | Endpoint::Messages
        | Endpoint::RawPredict
        | Endpoint::StreamRawPredict
        | Endpoint::CohereChat
        | Endpoint::OllamaChat
        | Endpoint::OllamaGenerate => done,
        Endpoint::ChatCompletions | Endpoint::Completions => done || reading.finished,
        Endpoint::GenerateContent
        | Endpoint::StreamGenerateContent
        | Endpoint::Converse
        | Endpoint::ConverseStream => reading.finished,
        // Every model has events of its own there; the numbers come with the last one.
        Endpoint::InvokeModelStream => done || reading.finished || reading.reported.has_output(),
        _ => true,
    }
}
