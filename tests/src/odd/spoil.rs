//! Decides what is made odd about a good answer.
//!
//! What only looks different must cost what was reported; what hides the report, or ends before it, must cost
//! what was seen or held.

use super::answers::{Case, Framing, Price, some_event};
use super::endpoints::Shape;
use super::heads::LEAK;
use super::usages;
use super::{chance, word};
use farebox_readers::dice::Dice;

/// Makes one thing odd about the case's answer.
pub fn odd(dice: &mut Dice, case: &mut Case) {
    let what = match dice.below(100) {
        0..10 => content_type(dice, case),
        10..22 => text(dice, case),
        22..30 => framing(dice, case),
        30..38 => headers(dice, case),
        38..60 => usages::odd(dice, case),
        60..72 => broken(dice, case),
        72..82 => left(dice, case),
        82..87 => compressed(case),
        87..94 => failed(dice, case),
        _ => unknown(dice, case),
    };
    case.what.extend(what);
}

fn content_type(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    let all = [
        "text/plain",
        "application/json",
        "application/octet-stream",
        "",
        "text/event-stream",
        "application/x-ndjson",
        "TEXT/Event-Stream;charset=UTF-8",
        "application/json; charset=utf-16",
        "text/html",
        "binary/octet-stream",
        "audio/mpeg",
    ];
    let chosen = word(dice, &all);
    // One document that calls itself lines is charged what was held, if it has several or does not begin with one.
    if chosen == "application/x-ndjson" && !case.streamed {
        return None;
    }
    case.answer.content_type = (!chosen.is_empty()).then(|| chosen.to_owned());
    Some("another content type")
}

fn replace_all(case: &mut Case, from: &str, to: &str) {
    for event in &mut case.answer.events {
        *event = String::from_utf8_lossy(event).replace(from, to).into_bytes();
    }
}

fn text(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    if case.streamed && case.endpoint.answer == Shape::Converse {
        return None;
    }
    let at = some_event(dice, &case.answer.events);
    let what = match dice.below(9) {
        0 => {
            case.answer.events.insert(0, b"\xef\xbb\xbf".to_vec());
            "a byte order mark"
        }
        1 if case.streamed => {
            let end = word(dice, &["\r\n", "\r"]);
            if case.endpoint.answer == Shape::Ollama && end == "\r" {
                return None;
            }
            replace_all(case, "\n", end);
            "other ends of lines"
        }
        2 if case.sent_as_events() => {
            case.answer.events.insert(at, b": keep-alive\n\n".to_vec());
            "comments"
        }
        3 if case.sent_as_events() => {
            case.answer.events.insert(at, b"id: 7\nretry: 10\nevent: odd\n\n".to_vec());
            "an event without data"
        }
        4 if case.sent_as_events() => {
            replace_all(case, ",\"", "\ndata: ,\"");
            "an event of several lines"
        }
        5 if case.sent_as_events() => {
            replace_all(case, "data: ", "data:");
            "no space after data"
        }
        6 => {
            case.answer.events.insert(0, b"\r\n \n\n".to_vec());
            if case.sent_as_events() {
                case.answer.events[0] = b"\r\n\n\n".to_vec();
            }
            "blank lines in front"
        }
        7 if !case.streamed => {
            let value: serde_json::Value = serde_json::from_slice(&case.answer.body()).ok()?;
            case.answer.events = vec![serde_json::to_vec_pretty(&value).expect("JSON")];
            "white space in JSON"
        }
        8 if case.endpoint.name == "gemini stream" && case.what.is_empty() => {
            let all: Vec<String> = case
                .answer
                .events
                .iter()
                .map(|event| {
                    String::from_utf8_lossy(event).trim().trim_start_matches("data:").trim().to_owned()
                })
                .collect();
            case.answer.events = vec![format!("[{}]", all.join("\r\n,")).into_bytes()];
            case.answer.content_type = Some("application/json".into());
            "a JSON array"
        }
        _ => return None,
    };
    Some(what)
}

fn framing(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    let (framing, what) = match dice.below(5) {
        0 => (Framing::Pieces(1), "single bytes"),
        1 => (Framing::Pieces(7), "pieces of seven bytes"),
        2 => (Framing::Trailers, "trailers"),
        3 => (Framing::Close, "no length"),
        _ => (Framing::Pieces(1_000), "pieces"),
    };
    case.answer.framing = framing;
    Some(what)
}

fn headers(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    if chance(dice, 15) {
        case.answer.hints = true;
        return Some("103 before it");
    }
    let all = [
        "set-cookie",
        "openai-organization",
        "location",
        "alt-svc",
        "x-envoy-upstream-service-time-odd",
        "x-odd",
        "x-farebox-odd",
        "link",
        "www-authenticate",
        "x-amzn-odd",
        "cf-odd",
        "p3p",
        "x-envoy-odd",
        "access-control-allow-origin",
        "refresh",
        "clear-site-data",
        "x-powered-by",
    ];
    for _ in 0..=dice.below(3) {
        case.answer.headers.push((word(dice, &all).to_owned(), format!("{LEAK}=1")));
    }
    Some("headers that stay there")
}

fn broken(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    let at = usize::try_from(dice.below(case.answer.body().len() as u64)).expect("an index");
    let reset = chance(dice, 50);
    case.answer.broken = Some((at, reset));
    if case.answer.framing == Framing::Close {
        case.answer.framing = Framing::Events;
    }
    case.price = Price::Seen;
    Some(if reset { "a reset" } else { "an early end" })
}

fn left(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    if !case.endpoint.generates {
        return None;
    }
    case.leave = Some(usize::try_from(1 + dice.below(case.answer.body().len() as u64)).expect("an index"));
    case.price = Price::Seen;
    Some("a caller that leaves")
}

fn compressed(case: &mut Case) -> Option<&'static str> {
    case.answer.events = vec![stored(&case.answer.body())];
    case.answer.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    case.price = Price::Held;
    Some("compression that nobody asked for")
}

/// What gzip makes of bytes when it does not try.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut chunks = bytes.chunks(60_000).peekable();
    while let Some(chunk) = chunks.next() {
        let length = u16::try_from(chunk.len()).expect("short");
        out.push(u8::from(chunks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        // Not as it is: somebody might read what stands in it.
        out.extend(chunk.iter().map(|byte| byte ^ 0xa5));
    }
    out.extend([1, 2, 3, 4]);
    out.extend(u32::try_from(bytes.len()).expect("short").to_le_bytes());
    out
}

fn failed(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    // Bedrock's errors have a status or are frames of their own.
    if case.endpoint.answer == Shape::Converse {
        return None;
    }
    let error = "{\"error\":{\"message\":\"odd\",\"type\":\"invalid_request_error\",\"code\":\"odd\"}}";
    case.answer.content_type = Some("application/json".into());
    case.price = Price::Nothing;
    case.answer.events = vec![error.as_bytes().to_vec()];
    match dice.below(4) {
        0 => {
            case.answer.status = [301, 302, 303, 307, 308][some_event(dice, &vec![Vec::new(); 5])];
            case.answer.headers.push(("location".into(), format!("https://{LEAK}.example.net/")));
            Some("a redirection")
        }
        1 => {
            case.answer.status = [400, 413, 422, 409, 500][some_event(dice, &vec![Vec::new(); 5])];
            Some("an error")
        }
        2 => Some("an error under status 200"),
        _ if case.sent_as_events() => {
            case.answer.events = vec![format!("event: error\ndata: {error}\n\n").into_bytes()];
            case.answer.content_type = Some("text/event-stream".into());
            Some("an error event alone")
        }
        _ => Some("an error under status 200"),
    }
}

fn unknown(dice: &mut Dice, case: &mut Case) -> Option<&'static str> {
    if !case.sent_as_events() {
        return None;
    }
    let huge = if chance(dice, 20) { "x".repeat(150_000) } else { String::new() };
    let data = match case.endpoint.answer {
        Shape::Chat => {
            format!(
                "{{\"choices\":[{{\"index\":0,\"delta\":{{\"odd\":{{\"usage\":{{\"prompt_tokens\":1}},\"x\":\"{huge}\"}}}}}}]}}"
            )
        }
        _ => format!(
            "{{\"type\":\"odd.event\",\"odd\":[{{\"usage\":{{\"input_tokens\":1}},\"x\":\"{huge}\"}}]}}"
        ),
    };
    let at = some_event(dice, &case.answer.events);
    case.answer.events.insert(at, format!("data: {data}\n\n").into_bytes());
    Some("an event that nobody knows")
}
