//! A stream has come to its own end when its last event has, and not before, after whichever event its connection ends.

use farebox_core::accounting::outcome::Outcome;
use farebox_core::accounting::settlement::UsageSource;
use farebox_core::dialect::framing::Framing;
use farebox_core::dialect::{Endpoint, Streams};
use farebox_core::response::meter::Meter;

use crate::transcript::{self, Transcript};
use crate::{billing, check};
use farebox_core::config::OnDisconnect;

/// Streams that are damaged, or whose providers leave out every sign: as their documentation has them.
const WITHOUT_END: [&str; 1] = ["anthropic/stream_placeholder_only"];

/// What says, in each dialect, that all has been said.
fn signs(endpoint: Endpoint) -> &'static [&'static str] {
    match endpoint {
        Endpoint::ChatCompletions | Endpoint::Completions => {
            &["data: [DONE]", "data:[DONE]", "\"finish_reason\":\"", "\"finish_reason\": \""]
        }
        Endpoint::Responses => &[
            "\"type\":\"response.completed\"",
            "\"type\":\"response.incomplete\"",
            "\"type\":\"response.failed\"",
        ],
        Endpoint::Messages | Endpoint::StreamRawPredict => {
            &["\"type\":\"message_stop\"", "\"type\": \"message_stop\""]
        }
        Endpoint::StreamGenerateContent => &["\"finishReason\"", "\"blockReason\""],
        Endpoint::CohereChat => &["\"type\":\"message-end\""],
        Endpoint::OllamaChat | Endpoint::OllamaGenerate => &["\"done\":true"],
        Endpoint::ConverseStream => &["\"stopReason\""],
        _ => &[],
    }
}

/// The answer whose connection ended in good order behind byte `at`.
fn ended(transcript: &Transcript, at: usize) -> Meter {
    let mut meter = transcript.meter(false);
    meter.feed(&transcript.body[..at], true);
    meter
}

/// Where the events of a stream end.
fn ends(transcript: &Transcript) -> Vec<usize> {
    let body = &transcript.body;
    let blank = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"];
    (1..body.len())
        .filter(|&at| match transcript.framing() {
            Framing::Events => blank.iter().any(|end| body[..at].ends_with(end)),
            Framing::Lines => body[..at].ends_with(b"\n"),
            _ => true,
        })
        .collect()
}

fn is_stream(transcript: &Transcript) -> bool {
    transcript.framing().is_stream() || transcript.endpoint.streams() == Streams::Always
}

#[test]
fn an_answer_that_is_complete_has_come_to_its_own_end() {
    check(|transcript| {
        let meter = ended(transcript, transcript.body.len());
        let expected = !WITHOUT_END.contains(&&*transcript.name);
        if meter.reading().error || meter.is_whole() == expected {
            return Ok(());
        }
        Err(format!("whole: {}", meter.is_whole()))
    });
}

#[test]
fn a_stream_that_ends_after_any_earlier_event_is_an_error_of_its_provider() {
    let mut seen = 0;
    for transcript in transcript::all().iter().filter(|transcript| is_stream(transcript)) {
        let signs = signs(transcript.endpoint);
        for at in ends(transcript).into_iter().filter(|_| !signs.is_empty()) {
            let meter = ended(transcript, at);
            let text = String::from_utf8_lossy(&transcript.body[..at]);
            // An event of which only a part has come says nothing.
            let is_split =
                text.len() < 2 || !matches!(transcript.framing(), Framing::Events | Framing::Lines);
            let has_sign = signs.iter().any(|sign| text.contains(sign));
            let outcome = Outcome::at_the_end(meter.reading(), meter.is_whole());
            let name = &transcript.name;
            assert!(has_sign || !meter.is_whole(), "{name}: whole at byte {at}");
            assert!(is_split || !has_sign || meter.is_whole(), "{name}: not whole at byte {at}");
            assert_eq!(
                outcome.as_str() == "ok",
                meter.is_whole() && !meter.reading().error,
                "{name}: byte {at}"
            );
            seen += usize::from(!meter.is_whole());
        }
    }
    assert!(seen > 500, "only {seen}");
}

#[test]
fn what_was_seen_of_such_a_stream_is_charged() {
    check(|transcript| {
        for at in ends(transcript).into_iter().filter(|_| transcript.framing() == Framing::Events) {
            let meter = ended(transcript, at);
            let reading = meter.reading();
            let outcome = Outcome::at_the_end(reading, meter.is_whole());
            if outcome != Outcome::UpstreamError || reading.deltas == 0 || !transcript.endpoint.generates() {
                continue;
            }
            let charge = billing::charge(transcript, reading, outcome, OnDisconnect::BillSeen);
            let tokens = charge.tokens;
            if tokens.total_input() == 0 || tokens.total_output() == 0 || charge.source == UsageSource::None {
                return Err(format!("up to byte {at}: {charge:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn an_error_event_of_responses_is_an_error_with_or_without_text_before_it() {
    let error = "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"Sorry.\",\"param\":null,\"sequence_number\":9}\n\n";
    let delta = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n";
    for (body, expected) in
        [(error.to_owned(), Outcome::Refused), ([delta, error].concat(), Outcome::UpstreamError)]
    {
        let mut meter = Meter::new(Endpoint::Responses, Framing::Events, false);
        meter.feed(body.as_bytes(), true);
        assert_eq!(Outcome::at_the_end(meter.reading(), meter.is_whole()), expected);
        assert_eq!(expected.as_str(), "upstream_error");
    }
}
