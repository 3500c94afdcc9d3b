//! The rules that hold for every answer: pieces do not matter, no byte is lost, nothing is free in silence.

use farebox_core::accounting::outcome::Outcome;
use farebox_core::accounting::settlement::UsageSource;
use farebox_core::config::OnDisconnect;
use farebox_core::dialect::framing::Framing;
use farebox_core::dialect::framing::{event_stream, sse};
use farebox_core::dialect::{Endpoint, Field};
use farebox_core::json::{Scanner, Sink, Value};
use farebox_core::response::meter::{Meter, Passed, Reading};

use crate::billing;
use crate::mutation::Random;
use crate::transcript::{self, Transcript};

/// A damaged transcript.
fn damaged(random: &mut Random) -> Transcript {
    let all = transcript::all();
    let (seed, other) = (random.one_of(all), random.one_of(all));
    // Damage to the text keeps the frames whole; damage to the bytes does not.
    if random.below(2) == 0 {
        seed.with_text(&random.damage(&seed.text, &other.text))
    } else {
        Transcript { body: random.damage(&seed.body, &other.body), ..seed.clone() }
    }
}

fn told(rule: &str, input: &[u8]) -> String {
    format!("{rule}: {}", input.escape_ascii())
}

#[derive(Default)]
struct Found(String);

impl Sink<Field> for Found {
    fn value(&mut self, field: Field, value: Value<'_>, span: std::ops::Range<u64>) {
        self.0.push_str(&format!("{field:?}={value:?}@{span:?};"));
    }
}

fn scan(endpoint: Endpoint, pieces: &[&[u8]]) -> (String, bool) {
    let (mut scanner, mut found) = (Scanner::new(endpoint.answer()), Found::default());
    let fed = pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut found));
    let whole = fed.and_then(|()| scanner.finish(&mut found)).is_ok();
    (found.0, whole)
}

pub(crate) fn scanner(random: &mut Random) -> Result<(), String> {
    let answer = damaged(random);
    let body = &answer.body;
    let whole = scan(answer.endpoint, &[body]);
    if scan(answer.endpoint, &random.pieces(body)) != whole {
        return Err(told("pieces are scanned otherwise", body));
    }
    if !whole.1 && serde_json::from_slice::<serde_json::Value>(body).is_ok() {
        return Err(told("valid JSON is refused", body));
    }
    Ok(())
}

pub(crate) fn events(random: &mut Random) -> Result<(), String> {
    let split = |pieces: &[&[u8]]| {
        let (mut splitter, mut events, mut data) = (sse::Splitter::default(), vec![], vec![]);
        for piece in pieces {
            splitter.feed(piece, |part, offset| {
                assert!(offset <= piece.len());
                match part {
                    sse::Part::Data(bytes) => data.extend_from_slice(bytes),
                    sse::Part::End => events.push(std::mem::take(&mut data)),
                }
            });
        }
        (events, data)
    };
    let body = damaged(random).body;
    let same = split(&random.pieces(&body)) == split(&[&body]);
    if same { Ok(()) } else { Err(told("pieces are split otherwise", &body)) }
}

pub(crate) fn messages(random: &mut Random) -> Result<(), String> {
    let split = |pieces: &[&[u8]]| {
        let (mut splitter, mut messages, mut payload) = (event_stream::Splitter::default(), vec![], vec![]);
        for piece in pieces {
            splitter.feed(piece, |part, _| match part {
                event_stream::Part::Payload(bytes) => payload.extend_from_slice(bytes),
                other => messages.push((format!("{other:?}"), std::mem::take(&mut payload))),
            });
        }
        (messages, payload)
    };
    let framed: Vec<&Transcript> = transcript::all()
        .iter()
        .filter(|answer| matches!(answer.framing(), Framing::Messages | Framing::Chunks))
        .collect();
    let (seed, other) = (*random.one_of(&framed), *random.one_of(&framed));
    let body = random.damage(&seed.body, &other.body);
    let same = split(&random.pieces(&body)) == split(&[&body]);
    if same { Ok(()) } else { Err(told("pieces are split otherwise", &body)) }
}

/// Feeds the pieces and returns the reading and what goes out.
fn pass(mut meter: Meter, pieces: &[&[u8]]) -> (Reading, Vec<u8>) {
    let mut seen = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        match meter.feed(piece, index + 1 == pieces.len()) {
            Passed::Unchanged => seen.extend_from_slice(piece),
            Passed::Replaced(bytes) => seen.extend(bytes),
        }
    }
    (meter.reading().clone(), seen)
}

pub(crate) fn meter(random: &mut Random) -> Result<(), String> {
    let answer = damaged(random);
    let body = &answer.body;
    let (reading, seen) = pass(answer.meter(false), &[body]);
    let (in_pieces, seen_in_pieces) = pass(answer.meter(false), &random.pieces(body));
    if reading != in_pieces {
        return Err(told(&format!("{}: {in_pieces:?} in pieces, {reading:?} whole", answer.name), body));
    }
    // Byte by byte no event is read by the one before.
    let (in_bytes, _) = pass(answer.meter(false), &body.chunks(1).collect::<Vec<_>>());
    if reading != in_bytes {
        return Err(told(&format!("{}: {in_bytes:?} byte by byte, {reading:?} whole", answer.name), body));
    }
    if &seen != body || &seen_in_pieces != body {
        return Err(told("other bytes went out", body));
    }
    for (_, policy) in OnDisconnect::NAMES {
        for outcome in [Outcome::Answered, Outcome::ClientDisconnect, Outcome::UpstreamReset] {
            let charge = billing::charge(&answer, &reading, outcome, policy);
            let free = charge.tokens.total() == 0 && !billing::is_by_the_piece(&reading);
            if free && (answer.endpoint.is_charged() || charge.source != UsageSource::None) {
                return Err(told(
                    &format!("{}: free, by {:?}: {reading:?}", answer.name, charge.source),
                    body,
                ));
            }
        }
    }
    Ok(())
}

/// The events of a stream, whatever its line ends.
fn listed(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    for event in text.split("\n\n") {
        let event = event.trim_matches('\n');
        if !event.is_empty() {
            lines.push(event.as_bytes().to_vec());
        }
    }
    lines
}

pub(crate) fn hiding(random: &mut Random) -> Result<(), String> {
    let streams: Vec<&Transcript> = transcript::all()
        .iter()
        .filter(|answer| answer.endpoint.reports_usage_on_request() && answer.framing() == Framing::Events)
        .collect();
    let (seed, other) = (*random.one_of(&streams), *random.one_of(&streams));
    let body = random.damage(&seed.body, &other.body);
    let (reading, seen) = pass(seed.meter(true), &[&body]);
    let (in_pieces, seen_in_pieces) = pass(seed.meter(true), &random.pieces(&body));
    if reading != in_pieces || reading != pass(seed.meter(false), &[&body]).0 {
        return Err(told("hiding changes the reading", &body));
    }
    let (all, shown) = (listed(&body), listed(&seen));
    if shown != listed(&seen_in_pieces) {
        return Err(told("pieces are hidden otherwise", &body));
    }
    let mut rest = all.iter();
    if !shown.iter().all(|event| rest.any(|other| other == event)) {
        return Err(told("what is shown is not what came", &body));
    }
    Ok(())
}

pub(crate) fn framing(random: &mut Random) -> Result<(), String> {
    const TYPES: [&[u8]; 4] = [
        b"text/event-stream; charset=utf-8",
        b"application/vnd.amazon.eventstream",
        b"application/x-ndjson",
        b"application/json",
    ];
    let (one, other) = (random.one_of(&TYPES), random.one_of(&TYPES));
    let (content_type, encoding) = (random.damage(one, other), random.damage(b"identity", b"gzip"));
    let answer = random.one_of(transcript::all());
    let framing = Framing::of(answer.endpoint, Some(&content_type), Some(&encoding));
    pass(Meter::new(answer.endpoint, framing, true), &random.pieces(&answer.body));
    Ok(())
}
