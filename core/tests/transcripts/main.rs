//! Every dialect is read as its provider means it, wherever an answer is cut and wherever it breaks off.
//!
//! The transcripts are answers written after the providers' documentation, with invented words and
//! numbers: `<dialect>/<case>.http` has the headers that matter, a blank line and the body, byte by byte;
//! `<dialect>/<case>.frames` has one message of an AWS event stream a line. What each says is in
//! `<dialect>.json`; what is not named there is zero, absent, or, for `source`, `provider`.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

mod billing;
mod broken_off;
mod cut;
mod documented;
mod ends;
mod hostile;
mod transcript;

use farebox_core::accounting::outcome::Outcome;
use farebox_core::accounting::settlement::UsageSource;
use farebox_core::base::tokens::Tokens;
use farebox_core::config::OnDisconnect;
use farebox_core::response::meter::{Meter, Passed, Reading};
use transcript::Transcript;

/// Checks every transcript and tells all that is wrong at once.
fn check(rule: impl Fn(&Transcript) -> Result<(), String>) {
    let mistakes: Vec<String> = transcript::all()
        .iter()
        .filter_map(|transcript| rule(transcript).err().map(|error| format!("{}: {error}", transcript.name)))
        .collect();
    assert!(mistakes.is_empty(), "{} transcripts:\n{}", mistakes.len(), mistakes.join("\n"));
}

/// What the client sees of the answer in these pieces.
fn pass(transcript: &Transcript, hide: bool, pieces: &[&[u8]]) -> (Meter, Vec<u8>) {
    let mut meter = transcript.meter(hide);
    let mut seen = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        match meter.feed(piece, index + 1 == pieces.len()) {
            Passed::Unchanged => seen.extend_from_slice(piece),
            Passed::Replaced(bytes) => seen.extend(bytes),
        }
    }
    (meter, seen)
}

/// The events of a stream with any kind of line end; a client sees no difference between these.
fn events(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    text.split("\n\n")
        .map(|event| event.trim_matches('\n').to_owned())
        .filter(|event| !event.is_empty())
        .collect()
}

#[test]
fn every_transcript_says_what_its_table_says() {
    check(|transcript| {
        let (meter, _) = pass(transcript, false, &[&transcript.body]);
        let read = billing::summary(transcript, meter.reading());
        if read == transcript.expected {
            Ok(())
        } else {
            Err(format!("expected {:?}\n  but read {read:?}", transcript.expected))
        }
    });
}

#[test]
fn an_answer_cut_in_two_at_any_byte_is_read_alike() {
    check(|transcript| {
        let whole = pass(transcript, false, &[&transcript.body]).0;
        let mut growing = transcript.meter(false);
        for at in 0..=transcript.body.len() {
            let mut meter = growing.clone();
            if meter.feed(&transcript.body[at..], true) != Passed::Unchanged {
                return Err(format!("cut at {at}: other bytes went out"));
            }
            if meter.reading() != whole.reading() {
                return Err(format!("cut at {at}: {:?}\n  whole: {:?}", meter.reading(), whole.reading()));
            }
            growing.feed(&transcript.body[at..transcript.body.len().min(at + 1)], false);
        }
        Ok(())
    });
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_read_alike() {
    check(|transcript| {
        let whole = pass(transcript, false, &[&transcript.body]).0;
        let bytes: Vec<&[u8]> = transcript.body.chunks(1).collect();
        let (meter, seen) = pass(transcript, false, &bytes);
        if meter.reading() == whole.reading() && seen == transcript.body {
            Ok(())
        } else {
            Err("is read otherwise".into())
        }
    });
}

#[test]
fn only_usage_chunks_are_hidden_wherever_the_answer_is_cut() {
    check(|transcript| {
        if !transcript.endpoint.reports_usage_on_request() {
            return Ok(());
        }
        let (whole, seen) = pass(transcript, true, &[&transcript.body]);
        if !whole.hides() {
            return if seen == transcript.body { Ok(()) } else { Err("other bytes went out".into()) };
        }
        let shown = events(&seen);
        let mut hidden = events(&transcript.body);
        hidden.retain(|event| !shown.contains(event));
        if hidden.len() != transcript.hidden || hidden.iter().any(|event| !event.contains("\"choices\":[]")) {
            return Err(format!("hidden: {hidden:?}"));
        }
        if shown.len() + hidden.len() != events(&transcript.body).len() {
            return Err("an event came twice or not at all".into());
        }
        for at in 0..=transcript.body.len() {
            let (head, tail) = transcript.body.split_at(at);
            let (meter, seen) = pass(transcript, true, &[head, tail]);
            if meter.reading() != whole.reading() || events(&seen) != shown {
                return Err(format!("cut at {at}: {:?}", events(&seen)));
            }
        }
        Ok(())
    });
}

#[test]
fn a_truncated_answer_never_counts_more_than_the_whole_and_never_nothing_silently() {
    check(|transcript| {
        let whole = pass(transcript, false, &[&transcript.body]).0.reading().reported.tokens();
        let mut growing = transcript.meter(false);
        for at in 0..=transcript.body.len() {
            truncated(transcript, growing.reading(), &whole)
                .map_err(|error| format!("up to byte {at}: {error}"))?;
            let mut ended = growing.clone();
            ended.feed(b"", true);
            truncated(transcript, ended.reading(), &whole)
                .map_err(|error| format!("ended at byte {at}: {error}"))?;
            growing.feed(&transcript.body[at..transcript.body.len().min(at + 1)], false);
        }
        Ok(())
    });
}

fn truncated(transcript: &Transcript, reading: &Reading, whole: &Tokens) -> Result<(), String> {
    let tokens = reading.reported.tokens();
    let more = tokens.total_input() > whole.total_input() || tokens.total_output() > whole.total_output();
    if more && !transcript.falls {
        return Err(format!("{tokens:?} is more than {whole:?}"));
    }
    for (_, policy) in OnDisconnect::NAMES {
        for outcome in [Outcome::UpstreamReset, Outcome::ClientDisconnect] {
            let charge = billing::charge(transcript, reading, outcome, policy);
            let tokens = charge.tokens;
            if tokens.total() == 0 && charge.source != UsageSource::None && !billing::is_by_the_piece(reading)
            {
                return Err(format!("{outcome:?}: nothing is charged"));
            }
            let seen =
                policy == OnDisconnect::BillSeen && transcript.endpoint.generates() && reading.deltas > 0;
            if seen && tokens.total_output() == 0 && !billing::is_by_the_piece(reading) {
                return Err(format!("{outcome:?}: no output is charged for text: {reading:?}"));
            }
        }
    }
    Ok(())
}
