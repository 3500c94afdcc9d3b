//! A stream that is ended early stays a stream: whole events, as the provider sent them, and the last one.

use farebox_core::dialect::framing::Framing;
use farebox_core::dialect::framing::{event_stream, sse};
use farebox_core::response::meter::{Meter, Passed};
use farebox_core::response::stream_error::last_event;
use proptest::prelude::*;

use crate::transcript::{self, Transcript};
use crate::{billing, check, pass};

const MESSAGE: &str = "Budget \"tea\\ms\" has no room.\r\n\n";

fn last(transcript: &Transcript) -> Option<Vec<u8>> {
    last_event(transcript.endpoint, transcript.framing(), MESSAGE, "r-1")
}

/// The events of a stream, and whether it ends behind the last of them. An event is what it says: the data
/// of server-sent events, a line, a message's payload; messages that are not intact or tell an error say so.
fn events(framing: Framing, bytes: &[u8]) -> (Vec<String>, bool) {
    let (mut events, mut data, mut end) = (Vec::new(), Vec::new(), 0);
    let take = |data: &mut Vec<u8>| String::from_utf8_lossy(&std::mem::take(data)).into_owned();
    match framing {
        Framing::Events => sse::Splitter::default().feed(bytes, |part, offset| match part {
            sse::Part::Data(more) => data.extend_from_slice(more),
            sse::Part::End => {
                events.push(take(&mut data));
                end = offset;
            }
        }),
        Framing::Lines => {
            events.extend(bytes.split_inclusive(|&byte| byte == b'\n').map(|line| take(&mut line.to_vec())));
            end = if bytes.ends_with(b"\n") { bytes.len() } else { 0 };
        }
        _ => event_stream::Splitter::default().feed(bytes, |part, offset| match part {
            event_stream::Part::Payload(more) => data.extend_from_slice(more),
            event_stream::Part::Begin { exception: false } => {}
            event_stream::Part::Begin { exception: true } => data.extend_from_slice(b"exception: "),
            event_stream::Part::End { intact } => {
                events.push(format!("{} intact={intact}", take(&mut data)));
                end = offset;
            }
            event_stream::Part::Lost => events.push("lost".into()),
        }),
    }
    // The LF of a CRLF comes after the end.
    let ends = bytes[end..].iter().all(|&byte| byte == b'\n');
    events.retain(|event| !event.trim().is_empty());
    (events, ends)
}

/// Passes the pieces on until the answer can be cut, from the piece `from` on; what the client sees, and
/// whether it was cut.
fn cut(meter: &mut Meter, pieces: &[&[u8]], from: usize, last: &[u8]) -> (Vec<u8>, bool) {
    let mut seen = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let passed = meter.feed(piece, index + 1 == pieces.len());
        if let Some(bytes) = (index >= from).then(|| meter.cut(piece, &passed, last)).flatten() {
            seen.extend(bytes);
            return (seen, true);
        }
        match passed {
            Passed::Unchanged => seen.extend_from_slice(piece),
            Passed::Replaced(bytes) => seen.extend(bytes),
        }
    }
    (seen, false)
}

/// The events that a client sees of an answer that is not cut.
fn uncut(transcript: &Transcript, hide: bool) -> Vec<String> {
    events(transcript.framing(), &pass(transcript, hide, &[&transcript.body]).1).0
}

/// `uncut`: the events of the answer if it is not cut.
fn stays_a_stream(
    transcript: &Transcript,
    hide: bool,
    pieces: &[&[u8]],
    from: usize,
    uncut: &[String],
) -> Result<(), String> {
    let Some(last) = last(transcript) else {
        let (seen, was_cut) = cut(&mut transcript.meter(hide), pieces, from, b"!");
        return if was_cut || seen != transcript.body { Err("a document was cut".into()) } else { Ok(()) };
    };
    let framing = transcript.framing();
    let (seen, was_cut) = cut(&mut transcript.meter(hide), pieces, from, &last);
    let (shown, ends) = events(framing, &seen);
    if !was_cut {
        return if shown == uncut { Ok(()) } else { Err(format!("uncut, but the client sees {shown:?}")) };
    }
    let (closing, _) = events(framing, &last);
    let kept = shown.len().checked_sub(closing.len()).and_then(|kept| uncut.get(..kept));
    let expected = kept.map(|kept| [kept, &closing].concat());
    if !ends || expected.as_ref() != Some(&shown) {
        return Err(format!("ends={ends}: the client sees {shown:#?}\n  and not {expected:#?}"));
    }
    if !seen.ends_with(&last) {
        return Err("something follows the last event".into());
    }
    Ok(())
}

#[test]
fn a_stream_of_which_a_piece_ends_at_any_byte_keeps_whole_events_when_it_is_cut() {
    check(|transcript| {
        let hide = transcript.endpoint.reports_usage_on_request();
        let uncut = uncut(transcript, hide);
        for at in 0..=transcript.body.len() {
            let (head, tail) = transcript.body.split_at(at);
            stays_a_stream(transcript, hide, &[head, tail], 0, &uncut)
                .map_err(|error| format!("at {at}: {error}"))?;
        }
        Ok(())
    });
}

#[test]
fn every_kind_of_stream_is_cut_somewhere() {
    for framing in [Framing::Events, Framing::Lines, Framing::Messages, Framing::Chunks] {
        let streams = transcript::all().iter().filter(|transcript| transcript.framing() == framing);
        let cut = streams.filter(|transcript| {
            let bytes: Vec<&[u8]> = transcript.body.chunks(1).collect();
            last(transcript).is_some_and(|last| cut(&mut transcript.meter(false), &bytes, 0, &last).1)
        });
        assert!(cut.count() > 0, "{framing:?}");
    }
}

#[test]
fn nothing_is_put_behind_an_answer_that_has_ended() {
    check(|transcript| {
        let whole = String::from_utf8_lossy(&transcript.body);
        let (Some(last), true) = (last(transcript), whole.trim_end().ends_with("data: [DONE]")) else {
            return Ok(());
        };
        match cut(&mut transcript.meter(false), &[&transcript.body], 0, &last) {
            (_, true) => Err("it was cut".into()),
            (_, false) => Ok(()),
        }
    });
}

#[test]
fn what_is_seen_while_an_answer_runs_is_what_is_charged_if_it_breaks_off() {
    use farebox_core::accounting::outcome::Outcome;
    use farebox_core::accounting::settlement::{Basis, UsageSource};
    use farebox_core::config::OnDisconnect;
    check(|transcript| {
        let mut meter = transcript.meter(false);
        for (at, piece) in transcript.body.chunks(1).enumerate() {
            meter.feed(piece, false);
            let reading = meter.reading();
            let charge = billing::charge(transcript, reading, Outcome::UpstreamReset, OnDisconnect::BillSeen);
            let (seen, charged) = (reading.output_so_far(), charge.tokens.total_output());
            let estimated = matches!(charge.basis, Some(Basis::Deltas | Basis::TextBytes));
            // What could not be read is charged what was held, which nobody could see.
            let unread = charge.source == UsageSource::Unread;
            if !unread && reading.steps.is_empty() && (charged > seen || (estimated && charged != seen)) {
                return Err(format!("up to byte {at}: {charged} are charged, but {seen} were seen"));
            }
        }
        Ok(())
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_stream_in_any_pieces_that_is_cut_at_any_moment_keeps_whole_events(
        transcript in prop::sample::select(transcript::all()),
        hide: bool,
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        from in 0usize..12,
    ) {
        let length = transcript.body.len();
        let mut at: Vec<usize> = at.iter().map(|at| at.index(length + 1)).chain([0, length]).collect();
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &transcript.body[pair[0]..pair[1]]).collect();
        let result = stays_a_stream(&transcript, hide, &pieces, from, &uncut(&transcript, hide));
        prop_assert!(result.is_ok(), "{}: {}", transcript.name, result.unwrap_err());
    }
}
