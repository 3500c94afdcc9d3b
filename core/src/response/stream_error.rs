//! Decides how a stream ends that is cut because a budget is used up: with which event, in the caller's
//! dialect.
//!
//! By then the status has long gone out, so the event alone must say it. Each is what the provider itself
//! sends when it breaks an answer off, because that is what client SDKs were written to understand: they
//! raise it as an error instead of taking the beginning of an answer for all of it.
//!
//! Does not find the place between two events where it belongs: see `response/meter.rs`. A plain document has no
//! such place and cannot be cut.

use crate::dialect::Endpoint;
use crate::dialect::framing::Framing;

/// The bytes to write between two events of an answer of `endpoint`, after which nothing may follow.
/// `message` is for people; `request_id` is what Envoy calls the request.
///
/// `None` if an answer in this `framing` cannot be ended early so that it can still be parsed.
#[must_use]
pub fn last_event(endpoint: Endpoint, framing: Framing, message: &str, request_id: &str) -> Option<Vec<u8>> {
    endpoint.stream_error(framing, message, request_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::framing::event_stream;
    use crate::response::meter::Meter;
    use proptest::prelude::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const STREAMS: [(Endpoint, Framing); 8] = [
        (Endpoint::ChatCompletions, Framing::Events),
        (Endpoint::Responses, Framing::Events),
        (Endpoint::Messages, Framing::Events),
        (Endpoint::StreamGenerateContent, Framing::Events),
        (Endpoint::CohereChat, Framing::Events),
        (Endpoint::OllamaChat, Framing::Lines),
        (Endpoint::ConverseStream, Framing::Messages),
        (Endpoint::InvokeModelStream, Framing::Chunks),
    ];

    fn text(endpoint: Endpoint, framing: Framing) -> String {
        String::from_utf8(last_event(endpoint, framing, "No \"room\".", "r-1").unwrap()).unwrap()
    }

    #[test]
    fn each_dialect_says_it_in_its_own_way() {
        assert_eq!(
            text(Endpoint::ChatCompletions, Framing::Events),
            "data: {\"error\":{\"message\":\"No \\\"room\\\".\",\"type\":\"insufficient_quota\",\"param\":null,\
             \"code\":\"insufficient_quota\"}}\n\ndata: [DONE]\n\n"
        );
        assert_eq!(
            text(Endpoint::Responses, Framing::Events),
            "event: error\ndata: {\"type\":\"error\",\"code\":\"insufficient_quota\",\
             \"message\":\"No \\\"room\\\".\",\"param\":null,\"sequence_number\":2147483647}\n\n"
        );
        assert_eq!(
            text(Endpoint::StreamRawPredict, Framing::Events),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\
             \"message\":\"No \\\"room\\\".\"},\"request_id\":\"r-1\"}\n\n"
        );
        assert_eq!(
            text(Endpoint::StreamGenerateContent, Framing::Events),
            "data: {\"error\":{\"code\":429,\"message\":\"No \\\"room\\\".\",\
             \"status\":\"RESOURCE_EXHAUSTED\"}}\r\n\r\n"
        );
        assert_eq!(
            text(Endpoint::CohereChat, Framing::Events),
            "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"error\":\"No \\\"room\\\".\",\
             \"finish_reason\":\"ERROR\"}}\n\ndata: [DONE]\n\n"
        );
        assert_eq!(text(Endpoint::OllamaGenerate, Framing::Lines), "{\"error\":\"No \\\"room\\\".\"}\n");
    }

    #[test]
    fn an_event_stream_ends_with_an_exception_in_an_intact_message() {
        let bytes = last_event(Endpoint::ConverseStream, Framing::Messages, "No \"room\".", "r-1").unwrap();
        let (mut seen, mut payload) = (vec![], vec![]);
        event_stream::Splitter::default().feed(&bytes, |part, offset| match part {
            event_stream::Part::Payload(bytes) => payload.extend_from_slice(bytes),
            other => seen.push((other, offset)),
        });
        assert_eq!(payload, br#"{"message":"No \"room\"."}"#);
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].0, event_stream::Part::Begin { exception: true });
        assert_eq!(seen[1], (event_stream::Part::End { intact: true }, bytes.len()));
        for header in [":exception-type\x07\x00\x13throttlingException", ":message-type\x07\x00\x09exception"]
        {
            assert!(memchr::memmem::find(&bytes, header.as_bytes()).is_some(), "{header}");
        }
    }

    #[test]
    fn what_is_one_document_or_unknown_cannot_be_cut() {
        for (endpoint, framing) in [
            (Endpoint::ChatCompletions, Framing::Json),
            (Endpoint::StreamGenerateContent, Framing::Json),
            (Endpoint::Speech, Framing::Opaque),
            (Endpoint::ChatCompletions, Framing::Lines),
            (Endpoint::OllamaChat, Framing::Events),
            (Endpoint::ChatCompletions, Framing::Messages),
        ] {
            assert_eq!(last_event(endpoint, framing, "m", "r"), None, "{endpoint:?} {framing:?}");
        }
    }

    proptest! {
        #[test]
        fn it_can_be_read_whatever_it_says(message in "(?s).{1,40}", request_id: String) {
            for (endpoint, framing) in STREAMS {
                let bytes = last_event(endpoint, framing, &message, &request_id).unwrap();
                let mut meter = Meter::new(endpoint, framing, false);
                meter.feed(&bytes, true);
                prop_assert_eq!((meter.reading().error, meter.reading().unreadable), (true, 0), "{:?}", endpoint);
                let said = memchr::memmem::find(&bytes, crate::base::text::json_string(&message).as_bytes());
                prop_assert!(said.is_some(), "{:?}", endpoint);
            }
        }
    }
}
