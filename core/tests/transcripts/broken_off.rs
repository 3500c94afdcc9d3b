//! A report counts whole or not at all, wherever an answer breaks off, and what a model wrote counts as far as it came.

use farebox_core::dialect::Reported;
use farebox_core::dialect::framing::Framing;

use crate::check;
use crate::transcript::{self, Transcript};

/// Their last events have two reports, each of which counts when it has ended.
const TWO_REPORTS: [&str; 2] =
    ["compatible/llamacpp_stream_usage_and_timings", "openai/responses_stream_web_search"];

/// The answer up to byte `at`, as it is charged when it breaks off there.
fn broken_off(transcript: &Transcript, at: usize) -> farebox_core::response::meter::Meter {
    let mut meter = transcript.meter(false);
    meter.feed(&transcript.body[..at], false);
    meter.break_off();
    meter
}

/// Where something whole ends that may have a report in it: an event, a line, a document, a member or an element at
/// the top of one. `None`: that cannot be seen from outside.
fn ends(transcript: &Transcript) -> Option<Vec<usize>> {
    let body = &transcript.body;
    let after = |is_end: &dyn Fn(&[u8]) -> bool| (0..=body.len()).filter(|&at| is_end(&body[..at])).collect();
    match transcript.framing() {
        Framing::Events => {
            let blank = |body: &[u8]| {
                [&b"\n\n"[..], b"\r\n\r\n", b"\r\r", b"\n\r\n"].iter().any(|end| body.ends_with(end))
            };
            Some(after(&blank))
        }
        Framing::Lines => Some(after(&|body| body.ends_with(b"\n"))),
        Framing::Json => {
            let (mut depth, mut in_text, mut escaped, mut found) = (0usize, false, false, vec![]);
            for (at, byte) in body.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_text => escaped = true,
                    b'"' => in_text = !in_text,
                    b'{' | b'[' if !in_text => depth += 1,
                    b'}' | b']' if !in_text => {
                        depth = depth.saturating_sub(1);
                        found.extend((depth <= 1).then_some(at + 1));
                    }
                    _ => {}
                }
            }
            Some(found)
        }
        Framing::Messages | Framing::Chunks | Framing::Opaque => None,
    }
}

#[test]
fn a_report_counts_whole_or_not_at_all_wherever_an_answer_breaks_off() {
    check(|transcript| {
        let ends = ends(transcript).filter(|_| !TWO_REPORTS.contains(&&*transcript.name));
        let Some(ends) = ends else { return Ok(()) };
        let whole = [0].into_iter().chain(ends).chain([transcript.body.len()]);
        let whole: Vec<Reported> = whole.map(|at| broken_off(transcript, at).reading().reported).collect();
        for at in 0..=transcript.body.len() {
            let reported = broken_off(transcript, at).reading().reported;
            if !whole.contains(&reported) {
                return Err(format!("up to byte {at}: {reported:?} was never reported"));
            }
        }
        Ok(())
    });
}

/// The transcript of this name.
fn named(name: &str) -> &'static Transcript {
    transcript::all().iter().find(|transcript| transcript.name == name).unwrap()
}

#[test]
fn the_last_report_of_a_stream_counts_from_the_byte_on_that_ends_it() {
    for (name, report, before, after) in [
        ("compatible/moonshot_stream_usage_in_choice", r#""cached_tokens":16}"#, (0, 0), (31, 6)),
        ("openai/chat_stream_custom_tool", r#""total_tokens":104}"#, (0, 0), (90, 14)),
        ("gemini/stream", r#""thoughtsTokenCount":41}"#, (12, 4), (12, 48)),
    ] {
        let transcript = named(name);
        let text = String::from_utf8_lossy(&transcript.body);
        let end = text.find(report).unwrap() + report.len();
        let totals = |at: usize| {
            let tokens = broken_off(transcript, at).reading().reported.tokens();
            (tokens.total_input(), tokens.total_output())
        };
        // Behind the event before, nothing of the last report counts until all of it is there.
        let start = text[..end].rfind("data: ").unwrap();
        for at in start..end {
            assert_eq!(totals(at), before, "{name}: up to byte {at}");
        }
        for at in end..=text.len() {
            assert_eq!(totals(at), after, "{name}: up to byte {at}");
        }
    }
}

#[test]
fn the_input_of_a_custom_tool_counts_as_far_as_it_came_and_never_less() {
    let transcript = named("openai/chat_stream_custom_tool_without_usage");
    let mut seen = 0;
    for at in 0..=transcript.body.len() {
        let bytes = broken_off(transcript, at).reading().text_bytes;
        assert!(bytes >= seen, "up to byte {at}: {bytes} after {seen}");
        seen = bytes;
    }
    let inputs = [r#"print(\"\u00e9 "#, r#"{\"usage\":{\"completion_tokens\":999}}\")"#];
    assert_eq!(seen, inputs.iter().map(|text| text.len() as u64).sum::<u64>());
    assert_eq!(broken_off(transcript, transcript.body.len()).reading().reported, Reported::default());
}
