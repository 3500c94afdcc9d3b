//! The reading does not depend on how the answer was cut, and the client sees what it should.

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::outgoing::KEPT_BACK_BYTES;
use super::*;
use crate::dialect::Count;

const CHAT: &str = concat!(
    "data: {\"id\":\"1\",\"model\":\"gpt-4o\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\r\n\r\n",
    ": keep-alive\r\n\r\n",
    "data: {\"model\":\"gpt-4o\",\"choices\":[{\"delta\":{\"content\":\"Grüße\"}}],\"usage\":null}\r\n\r\n",
    "data: {\"model\":\"gpt-4o\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\r\n\r\n",
    "data: {\"model\":\"gpt-4o\",\"choices\":[],\"usage\":{\"prompt_tokens\":36,\"completion_tokens\":7,",
    "\"total_tokens\":43,\"prompt_tokens_details\":{\"cached_tokens\":30},\"completion_tokens_details\":{\"reasoning_tokens\":5}}}\r\n\r\n",
    "data: {\"model\":\"gpt-4o\",\"choices\":[],\"usage\":null,\"moderation\":{}}\r\n\r\n",
    "data: [DONE]\r\n\r\n",
);

const MESSAGES: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\",\"content\":[],\"usage\":",
    "{\"input_tokens\":2068,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":88}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":",
    "{\"input_tokens\":22397,\"cache_read_input_tokens\":100,\"output_tokens\":12}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

const RESPONSES: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"o4\",\"usage\":null}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"o4\",\"usage\":{\"input_tokens\":36,",
    "\"input_tokens_details\":{\"cached_tokens\":35},\"output_tokens\":9,\"output_tokens_details\":{\"reasoning_tokens\":4}}}}\n\n",
);

fn read(endpoint: Endpoint, hide: bool, pieces: &[&[u8]]) -> (Reading, Vec<u8>) {
    let mut meter = Meter::new(endpoint, Framing::Events, hide);
    let mut seen = vec![];
    for (index, piece) in pieces.iter().enumerate() {
        match meter.feed(piece, index + 1 == pieces.len()) {
            Passed::Unchanged => seen.extend_from_slice(piece),
            Passed::Replaced(bytes) => seen.extend(bytes),
        }
    }
    (meter.reading().clone(), seen)
}

#[test]
fn each_dialect_is_read_in_its_own_way() {
    for (endpoint, stream, model, input, cached, output, reasoning) in [
        (Endpoint::ChatCompletions, CHAT, "gpt-4o", 36, 30, 7, 5),
        (Endpoint::Messages, MESSAGES, "claude", 22_497, 100, 12, 0),
        (Endpoint::Responses, RESPONSES, "o4", 36, 35, 9, 4),
    ] {
        let (reading, _) = read(endpoint, false, &[stream.as_bytes()]);
        let tokens = reading.reported.tokens();
        assert_eq!(reading.model.unwrap().as_str(), model);
        assert_eq!((tokens.total_input(), tokens.cache_read), (input, cached), "{endpoint:?}");
        assert_eq!((tokens.total_output(), tokens.reasoning), (output, reasoning), "{endpoint:?}");
        assert_eq!((reading.unreadable, reading.error, reading.deltas), (0, false, 1), "{endpoint:?}");
    }
}

#[test]
fn marks_of_utf_8_in_front_of_a_stream_reach_the_client_and_change_nothing_in_the_reading() {
    for (hide, mark) in [false, true].into_iter().flat_map(|hide| {
        ["\u{feff}", "\u{feff}\u{feff}", "\r\n\u{feff}", "\u{feff}\n\u{feff}"].map(|mark| (hide, mark))
    }) {
        let (expected, bytes) = read(Endpoint::ChatCompletions, hide, &[CHAT.as_bytes()]);
        let stream = [mark, CHAT].concat();
        for at in 0..=stream.len() {
            let (head, tail) = stream.as_bytes().split_at(at);
            let (reading, seen) = read(Endpoint::ChatCompletions, hide, &[head, tail]);
            assert_eq!(reading, expected, "{mark:?} cut at {at}");
            let shown = seen.strip_prefix(mark.as_bytes()).unwrap();
            assert_eq!(shown.trim_ascii(), bytes.trim_ascii(), "{mark:?} cut at {at}, hide={hide}");
        }
        let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Events, hide);
        let passed = meter.feed(stream.as_bytes(), false);
        assert_eq!(meter.cut(stream.as_bytes(), &passed, b""), None, "the answer has ended");
        let (begin, _) = stream.split_at(mark.len() + CHAT.find(": keep").unwrap());
        let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Events, hide);
        let (head, tail) = begin.as_bytes().split_at(1);
        let first = meter.feed(head, false);
        let passed = meter.feed(tail, false);
        let cut = meter.cut(tail, &passed, b"!").unwrap();
        let before: &[u8] = if first == Passed::Unchanged { head } else { b"" };
        assert_eq!([before, &cut].concat(), [begin, "!"].concat().as_bytes(), "{mark:?}, hide={hide}");
    }
}

#[test]
fn white_space_in_front_of_an_answer_is_not_kept_for_ever_and_the_answer_is_read_as_it_calls_itself() {
    for (framing, answer) in [
        (
            Framing::Json,
            r#"{"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":36,"completion_tokens":7}}"#,
        ),
        (Framing::Events, CHAT),
    ] {
        for hide in [false, true] {
            let mut meter = Meter::new(Endpoint::ChatCompletions, framing, hide);
            let (mut sent, mut seen) = (Vec::new(), Vec::new());
            let mut pass = |piece: &[u8], last| {
                sent.extend_from_slice(piece);
                match meter.feed(piece, last) {
                    Passed::Unchanged => seen.extend_from_slice(piece),
                    Passed::Replaced(bytes) => seen.extend(bytes),
                }
                assert!(meter.start.as_ref().is_none_or(|start| start.len() <= START_BYTES), "{framing:?}");
            };
            (0..10_000).for_each(|_| pass(b"\n\n", false));
            pass(answer.as_bytes(), true);
            let tokens = meter.reading().reported.tokens();
            assert_eq!((tokens.total_input(), tokens.total_output()), (36, 7), "{framing:?}");
            assert!(sent.starts_with(&seen[..START_BYTES]), "{framing:?}");
            assert_eq!(hide && framing == Framing::Events, seen.len() < sent.len(), "{framing:?}");
        }
    }
}

#[test]
fn a_mark_of_utf_8_in_front_of_lines_changes_nothing_in_the_reading() {
    let lines = "{\"model\":\"llama\",\"message\":{\"content\":\"Hi\"},\"done\":false}\n\
                 {\"model\":\"llama\",\"done\":true,\"prompt_eval_count\":5,\"eval_count\":2}\n";
    let read = |pieces: &[&[u8]]| {
        let mut meter = Meter::new(Endpoint::OllamaChat, Framing::Lines, false);
        for (index, piece) in pieces.iter().enumerate() {
            assert_eq!(meter.feed(piece, index + 1 == pieces.len()), Passed::Unchanged);
        }
        meter.reading().clone()
    };
    let expected = read(&[lines.as_bytes()]);
    assert_eq!((expected.unreadable, expected.reported.tokens().total_input()), (0, 5));
    let marked = ["\u{feff}", lines].concat();
    for at in 0..=marked.len() {
        let (head, tail) = marked.as_bytes().split_at(at);
        assert_eq!(read(&[head, tail]), expected, "cut at {at}");
    }
}

#[test]
fn a_stream_cut_at_any_byte_gives_the_same_reading_and_the_same_bytes() {
    for (endpoint, stream) in
        [(Endpoint::ChatCompletions, CHAT), (Endpoint::Messages, MESSAGES), (Endpoint::Responses, RESPONSES)]
    {
        for hide in [false, true] {
            let whole = read(endpoint, hide, &[stream.as_bytes()]);
            for at in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(at);
                let (reading, seen) = read(endpoint, hide, &[head, tail]);
                assert_eq!(reading, whole.0, "{endpoint:?} cut at {at}");
                let lines =
                    |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
                assert_eq!(lines(&seen).trim(), lines(&whole.1).trim(), "{endpoint:?} cut at {at}");
            }
        }
    }
}

#[test]
fn only_the_usage_chunk_is_hidden() {
    let (reading, seen) = read(Endpoint::ChatCompletions, true, &[CHAT.as_bytes()]);
    let seen = String::from_utf8(seen).unwrap();
    assert!(!seen.contains("prompt_tokens"), "{seen}");
    assert_eq!(seen.matches("data: ").count(), CHAT.matches("data: ").count() - 1);
    assert!(seen.contains("moderation") && seen.ends_with("data: [DONE]\r\n\r\n"));
    assert_eq!(reading.reported.tokens().total_input(), 36);
}

#[test]
fn usage_in_a_chunk_that_says_something_else_is_not_hidden() {
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n\
                  data: {\"choices\":[],\"error\":{\"code\":400},\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":3}}\n\n";
    let (reading, seen) = read(Endpoint::ChatCompletions, true, &[stream.as_bytes()]);
    assert_eq!(seen, stream.as_bytes());
    assert_eq!((reading.error, reading.reported.tokens().output), (true, 3));
}

#[test]
fn nothing_is_touched_when_nothing_is_hidden() {
    let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Events, false);
    for piece in CHAT.as_bytes().chunks(7) {
        assert_eq!(meter.feed(piece, false), Passed::Unchanged);
    }
}

#[test]
fn an_unreadable_event_is_counted_and_the_next_one_is_read() {
    let stream = format!("data: {{\"choices\":[\n\ndata: nonsense\n\n{CHAT}");
    let (reading, _) = read(Endpoint::ChatCompletions, false, &[stream.as_bytes()]);
    assert_eq!((reading.unreadable, reading.reported.tokens().total_output()), (2, 7));
}

#[test]
fn a_huge_event_is_read_and_not_kept() {
    let event =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(2_000_000));
    let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Events, true);
    let mut seen = vec![];
    for piece in event.as_bytes().chunks(16_384) {
        match meter.feed(piece, false) {
            Passed::Unchanged => seen.extend_from_slice(piece),
            Passed::Replaced(bytes) => seen.extend(bytes),
        }
        assert!(meter.outgoing.kept_back.len() <= KEPT_BACK_BYTES);
    }
    assert_eq!((seen.as_slice(), meter.reading().text_bytes), (event.as_bytes(), 2_000_000));
}

#[test]
fn a_usage_chunk_too_long_to_be_kept_back_goes_out_whole() {
    let stream = format!(
        "data: {{\"choices\":[],\"pad\":\"{}\",\"usage\":{{\"prompt_tokens\":1}}}}\n\n",
        "x".repeat(100_000)
    );
    let pieces: Vec<&[u8]> = stream.as_bytes().chunks(5_000).collect();
    assert_eq!(read(Endpoint::ChatCompletions, true, &pieces).1, stream.as_bytes());
}

/// What is passed on for the piece if the answer is cut there.
fn cut(meter: &mut Meter, piece: &str) -> Option<String> {
    let passed = meter.feed(piece.as_bytes(), false);
    Some(String::from_utf8(meter.cut(piece.as_bytes(), &passed, b"data: last\n\n")?).unwrap())
}

#[test]
fn a_cut_answer_ends_behind_its_last_whole_event() {
    for (piece, expected) in [
        ("data: {}\n\ndata: {\"choices\":[", "data: {}\n\ndata: last\n\n"),
        ("data: {}\r\n\r\ndata", "data: {}\r\n\r\ndata: last\n\n"),
        ("data: {}\r\n\r", "data: {}\r\n\r\ndata: last\n\n"),
    ] {
        for hide in [false, true] {
            let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Events, hide);
            assert_eq!(cut(&mut meter, piece).as_deref(), Some(expected), "{piece:?} hide={hide}");
        }
    }
}

#[test]
fn an_answer_is_not_cut_where_no_event_ends() {
    let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Events, false);
    for piece in ["", "data: {\"a\":", "1}\n"] {
        assert_eq!(cut(&mut meter, piece), None, "{piece:?}");
    }
    assert_eq!(cut(&mut meter, "\ndata: {}").as_deref(), Some("\ndata: last\n\n"));
    let mut document = Meter::new(Endpoint::ChatCompletions, Framing::Json, false);
    assert_eq!(cut(&mut document, "{}\n\n"), None);
}

#[test]
fn an_answer_that_has_ended_is_not_cut() {
    for (endpoint, stream) in
        [(Endpoint::ChatCompletions, CHAT), (Endpoint::Messages, MESSAGES), (Endpoint::Responses, RESPONSES)]
    {
        let stream = stream.replace("\r\n", "\n");
        let mut meter = Meter::new(endpoint, Framing::Events, false);
        let begun = stream.find("\n\n").unwrap() + 2;
        assert!(cut(&mut meter, &stream[..begun]).is_some(), "{endpoint:?}");
        assert_eq!(cut(&mut meter, &stream[begun..]), None, "{endpoint:?}");
        assert_eq!(cut(&mut meter, ": still here\n\n"), None, "{endpoint:?}");
    }
}

#[test]
fn a_usage_chunk_stays_hidden_where_the_answer_is_cut_behind_it() {
    let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Events, true);
    assert_eq!(meter.feed(b"data: {\"choices\":[],", false), Passed::Replaced(vec![]));
    let piece = "\"usage\":{\"prompt_tokens\":1}}\n\ndata: {\"choices\":[";
    assert_eq!(cut(&mut meter, piece).as_deref(), Some("\ndata: last\n\n"));
    assert_eq!(meter.reading().reported.tokens().total_input(), 1);
}

#[test]
fn an_event_of_which_the_beginning_went_out_ends_before_the_answer_is_cut() {
    let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Events, true);
    let long = format!("data: {{}}\n\ndata: {{\"choices\":[],\"pad\":\"{}", "x".repeat(KEPT_BACK_BYTES));
    assert_eq!(meter.feed(long.as_bytes(), false), Passed::Unchanged);
    assert_eq!(cut(&mut meter, "xx"), None);
    let end = "\",\"usage\":{\"prompt_tokens\":1}}\n\n";
    assert_eq!(cut(&mut meter, &format!("{end}data: {{}}")), Some(format!("xx{end}data: last\n\n")));
}

#[test]
fn the_output_so_far_is_the_most_that_was_seen() {
    let mut meter = Meter::new(Endpoint::Messages, Framing::Events, false);
    for (event, output) in [
        ("{\"delta\":{\"text\":\"a\"}}", 1),
        ("{\"delta\":{\"text\":\"b\"}}", 2),
        ("{\"delta\":{\"text\":\"long and longer\"}}", 5),
        ("{\"usage\":{\"output_tokens\":40}}", 40),
    ] {
        meter.feed(format!("data: {event}\n\n").as_bytes(), false);
        assert_eq!(meter.reading().output_so_far(), output, "{event}");
    }
}

#[test]
fn a_plain_answer_is_read_in_pieces() {
    let body = r#"{"model":"m","choices":[{"message":{"content":"Hi","tool_calls":null}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    for at in 0..=body.len() {
        let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Json, false);
        meter.feed(&body.as_bytes()[..at], false);
        meter.feed(&body.as_bytes()[at..], true);
        let reading = meter.reading();
        assert_eq!(
            (reading.reported.tokens().total(), reading.text_bytes, reading.unreadable),
            (7, 2, 0),
            "cut at {at}"
        );
    }
}

#[test]
fn the_text_in_which_an_answer_breaks_off_has_been_seen_as_far_as_it_came() {
    let body =
        br#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Where the tram goes"#;
    for at in 0..=body.len() {
        let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Json, false);
        meter.feed(&body[..at], false);
        meter.feed(&body[at..], false);
        meter.break_off();
        assert_eq!((meter.reading().deltas, meter.reading().text_bytes), (1, 19), "cut at {at}");
    }
    let mut meter = Meter::new(Endpoint::ChatCompletions, Framing::Json, false);
    meter.feed(br#"{"id":"chatcmpl-1234"#, false);
    meter.break_off();
    assert_eq!((meter.reading().deltas, meter.reading().text_bytes), (0, 0));
}

#[test]
fn a_fast_answer_is_told_from_one_of_the_usual_speed() {
    for (speed, fast) in [("fast", true), ("standard", false)] {
        let body = format!(
            r#"{{"usage":{{"input_tokens":5,"output_tokens":2,"speed":"{speed}","service_tier":"standard"}}}}"#
        );
        let mut meter = Meter::new(Endpoint::Messages, Framing::Json, false);
        meter.feed(body.as_bytes(), true);
        assert_eq!(meter.reading().fast, fast, "{speed}");
    }
}

#[test]
fn only_json_and_events_are_read() {
    for (content_type, encoding, framing) in [
        (Some("application/json; charset=utf-8"), None, Framing::Json),
        (Some("Text/Event-Stream"), Some("identity"), Framing::Events),
        (Some("text/event-stream"), Some("gzip"), Framing::Opaque),
        (Some("audio/mpeg"), None, Framing::Opaque),
        (None, None, Framing::Json),
    ] {
        assert_eq!(
            Framing::of(
                Endpoint::ChatCompletions,
                content_type.map(str::as_bytes),
                encoding.map(str::as_bytes)
            ),
            framing
        );
    }
}

proptest! {
    #[test]
    fn no_answer_makes_the_meter_panic_and_no_byte_is_lost(
        pieces in prop::collection::vec("(data: )?[\\[\\]{}\",:a0 \r\nusage\\\\]{0,20}", 0..12),
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).chain([b"".as_slice()]).collect();
        let (_, seen) = read(Endpoint::ChatCompletions, false, &pieces);
        prop_assert_eq!(seen, pieces.concat());
    }
}

#[test]
fn a_page_that_was_opened_is_no_search() {
    let item = |action: &str| format!("{{\"type\":\"web_search_call\"{action}}}");
    let items = ["search", "open_page", "find_in_page"]
        .map(|kind| item(&format!(",\"action\":{{\"type\":\"{kind}\"}}")));
    for (items, expected) in [(items.join(","), Some(1)), (item(""), Some(1)), (items[1].clone(), None)] {
        let answer = format!("{{\"output\":[{items}],\"usage\":{{\"input_tokens\":1,\"output_tokens\":1}}}}");
        let mut meter = Meter::new(Endpoint::Responses, Framing::Json, false);
        meter.feed(answer.as_bytes(), true);
        assert_eq!(meter.reading().reported.get(Count::SearchItems), expected, "{items}");
    }
}
