//! A meter that keeps an event reads what one reads that scans every event, and does so at the same moments.

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::Endpoint;
use crate::dialect::framing::Framing;
use crate::response::meter::{Meter, Passed};

fn meter(endpoint: Endpoint, hide: bool) -> Meter {
    Meter::new(endpoint, Framing::Events, hide)
}

/// How many events were read without the scanner, of a stream of which every event is a piece.
fn found(endpoint: Endpoint, events: &[String]) -> (usize, Meter) {
    let mut meter = meter(endpoint, false);
    for event in events {
        assert_eq!(meter.feed(event.as_bytes(), false), Passed::Unchanged);
    }
    (meter.template.found, meter)
}

fn chat(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c-1\",\"model\":\"gpt\",\"service_tier\":\"default\",\"choices\":[{{\"index\":0,\"delta\":\
         {{\"content\":\"{text}\"}},\"finish_reason\":null}}],\"usage\":null}}\n\n"
    )
}

fn response(number: u64, text: &str, pad: &str) -> String {
    format!(
        "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{number},\
         \"item_id\":\"m-1\",\"delta\":\"{text}\",\"logprobs\":[],\"obfuscation\":\"{pad}\"}}\n\n"
    )
}

fn anthropic(index: u64, text: &str) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":\
         {{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    )
}

#[test]
fn a_text_that_goes_on_is_scanned_twice() {
    let texts = ["", "Hello", ", \\\"you\\\"", " \\\\", "é {}[],:", "", "x"];
    let events: Vec<String> = texts.iter().map(|text| chat(text)).collect();
    let (found, meter) = found(Endpoint::ChatCompletions, &events);
    let length = texts.iter().map(|text| text.len() as u64).sum();
    assert_eq!((found, meter.reading().deltas, meter.reading().text_bytes), (5, 5, length));
}

#[test]
fn numbers_and_texts_that_nobody_looks_for_may_differ() {
    let event = |number: u64| response(number, "a", ["", "xYz", "p"][number as usize % 3]);
    let events: Vec<String> = (8..103).map(event).collect();
    let (found, meter) = found(Endpoint::Responses, &events);
    assert_eq!((found, meter.reading().deltas), (94, 95));
    let events: Vec<String> = (0..9).map(|number| format!("id: {number}\n{}", anthropic(0, "a"))).collect();
    let (found, _) = self::found(Endpoint::Messages, &events);
    assert_eq!(found, 8);
}

#[test]
fn what_somebody_looks_for_may_not_differ() {
    let events =
        [chat("a"), chat("a"), chat("a").replace("\"gpt\"", "\"gpu\""), chat("a"), chat("a"), chat("a")];
    let (found, meter) = found(Endpoint::ChatCompletions, &events);
    assert_eq!((found, meter.reading().model.as_ref().map(|model| model.as_str())), (1, Some("gpt")));
    let kind = |kind: &str| format!("data: {{\"type\":\"{kind}\",\"delta\":\"a\"}}\n\n");
    let last = [kind("response.output_text.delta"), kind("response.completed")];
    let (found, meter) = self::found(Endpoint::Responses, &last);
    assert_eq!((found, meter.done), (0, true));
}

#[test]
fn an_event_that_has_more_in_it_is_read_as_what_it_is() {
    for more in ["\"usage\":{\"prompt_tokens\":7}", "\"error\":{\"code\":1}", "\"usage\":{\"cost\":1}"] {
        let events = [chat("a"), chat("a"), chat("a").replace("\"usage\":null", more), chat("a")];
        let (found, meter) = found(Endpoint::ChatCompletions, &events);
        assert_eq!((found, meter.reading().deltas), (0, 4), "{more}");
        let reading = meter.reading();
        assert!(
            reading.error || reading.reported != Default::default() || reading.stated_cost.is_some(),
            "{more}"
        );
    }
}

#[test]
fn an_event_is_kept_up_to_a_bound() {
    let long = |text: &str| chat(text).replace("c-1", &"c".repeat(super::FRAME_BYTES));
    let (found, meter) = found(Endpoint::ChatCompletions, &[long("a"), long("b"), long("c")]);
    assert_eq!((found, meter.template.kept.is_none()), (0, true));
    let texts: Vec<String> = (0..40).map(|_| "{\"delta\":{\"content\":\"a\"}}".to_owned()).collect();
    let event = format!("data: {{\"choices\":[{}]}}\n\n", texts.join(","));
    let (found, meter) = self::found(Endpoint::ChatCompletions, &[event.clone(), event]);
    assert_eq!((found, meter.reading().deltas), (0, 80));
}

/// What a meter that keeps no event tells otherwise after one of the pieces.
fn differs(endpoint: Endpoint, hide: bool, ends: bool, pieces: &[&[u8]]) -> Option<String> {
    let (mut keeps, mut scans) = (meter(endpoint, hide), meter(endpoint, hide));
    scans.template.disabled = true;
    for (index, piece) in pieces.iter().enumerate() {
        let last = ends && index + 1 == pieces.len();
        let tell = |meter: &mut Meter| {
            let passed = meter.feed(piece, last);
            let cut = meter.clone().cut(piece, &passed, b"!");
            (passed, cut, meter.boundary, meter.done, meter.reading().clone())
        };
        let (kept, scanned) = (tell(&mut keeps), tell(&mut scans));
        if kept != scanned {
            return Some(format!("piece {index}: {kept:?}, and not {scanned:?}"));
        }
    }
    assert_eq!(scans.template.found, 0);
    None
}

#[test]
fn only_what_stands_between_two_events_is_an_event() {
    let (a, b, c) = (chat("a"), chat("b"), chat("c"));
    let lines = "data: {\"n\":1,\ndata: \"choices\":[{\"text\":\"a\"}],\"p\":\"x\"}\n\n";
    for pieces in [
        // The end of a line is no line.
        [&*a, "da", &b[2..], &c[2..], "\n"],
        // It goes on with an event's second line of data.
        [&a, &b, "data: 5\n", &c, &c],
        [&a, &b, "data: {\"choices\":[", "]}\n", &c],
        // Neither LF belongs to the CR.
        [&a, &b, "\r", &c, "\n"],
        [&a, &b, "\r", "\n", &c],
        [lines, lines, &lines.replace("\"a\"", "\"abc\""), lines, lines],
        // The blank line is yet to come.
        [&a, &b, &c[..c.len() - 1], "\n", &c],
        [&a, &b, &c[..c.len() - 1], "\r", &c],
    ] {
        let pieces = pieces.map(str::as_bytes);
        for hide in [false, true] {
            assert_eq!(differs(Endpoint::ChatCompletions, hide, false, &pieces), None);
        }
    }
}

/// Text between two quotes, some of it not what JSON has there.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        20 => "[a-z ]{0,6}".boxed(),
        4 => "[a-z]{15,40}".boxed(),
        4 => prop::sample::select(vec!["\\\"", "\\\\", "\\n", "\\u00e9", "é", "{}", "[1,2]", ",\\\"usage\\\":{}", "[DONE]"])
            .prop_map(str::to_owned).boxed(),
        1 => prop::sample::select(vec!["\"", "\\", "\n", "\r", "\n\n", "\t", "\",\"usage\":{\"prompt_tokens\":9},\"x\":\""])
            .prop_map(str::to_owned).boxed(),
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn event() -> impl Strategy<Value = String> {
    let number = prop_oneof![0u64..12, 95u64..105, any::<u64>()];
    let shape = prop_oneof![
        6 => text().prop_map(|text| chat(&text)),
        3 => (number.clone(), text(), text()).prop_map(|(number, text, pad)| response(number, &text, &pad)),
        2 => (number, text()).prop_map(|(number, text)| anthropic(number, &text)),
    ];
    let change = prop::sample::select(vec![
        ("\"usage\":null", "\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":4,\"total_tokens\":40}"),
        ("\"usage\":null", "\"usage\":{}"),
        ("\"usage\":null", "\"error\":{\"message\":\"no\"}"),
        ("\"usage\":null", "\"error\":\"\""),
        ("\"usage\":null", "\"timings\":{\"predicted_n\":12}"),
        ("\"finish_reason\":null", "\"finish_reason\":\"stop\""),
        ("\"gpt\"", "\"gpt-5\""),
        ("\"gpt\"", "\"\""),
        ("\"gpt\"", "\"g\\u0070t\""),
        ("\"default\"", "\"flex\""),
        ("\"default\"", "null"),
        ("\"c-1\"", "\"c-2\""),
        ("\"c-1\"", "1e5x"),
        ("\"index\":0", "\"index\":-0.1e+5"),
        ("\"index\":0", "\"index\":--"),
        ("\"content\"", "\"reasoning\""),
        ("\"content\"", "\"tool_calls\":[{\"function\":{\"arguments\":\"{\"}}],\"refusal\""),
        ("response.output_text.delta", "response.completed"),
        ("\"logprobs\":[]", "\"logprobs\":[{\"token\":\"a\",\"n\":-1}]"),
        ("\"logprobs\":[]", "\"output\":[{\"type\":\"web_search_call\"}]"),
        ("\"id\":\"c-1\",\"model\":\"gpt\"", "\"model\":\"gpt\",\"id\":\"c-1\""),
        ("\n\n", "\r\n\r\n"),
        ("\n\n", "\r\r"),
        ("\n\n", "\n\r\n"),
        ("\n\n", "\nid: 5\n\n"),
        ("\n\n", "\ndata\n\n"),
        ("\n\n", "\ndata: {}\n\n"),
        ("data: {", "data:{"),
        ("data: {", "data: \ndata: {"),
        ("data: {", ": \"1\ndata: {"),
        ("data: {", "\ndata: {"),
        ("}\n\n", "\n\n"),
        ("}\n\n", "}}\n\n"),
    ]);
    let other = prop::sample::select(vec![
        "data: [DONE]\n\n",
        ": keep-alive\n\n",
        "\n",
        "\r",
        "data:  \n\n",
        "data: 5\n\n",
        "data: \"5\"\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n",
    ]);
    prop_oneof![
        12 => shape.clone(),
        4 => (shape, change).prop_map(|(event, (from, to))| event.replacen(from, to, 1)),
        2 => other.prop_map(str::to_owned),
    ]
}

/// A stream of a few events, each of them up to four times, and where it is cut.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let events = prop::collection::vec((event(), 1usize..5, any::<bool>()), 1..10);
    let damage = prop::option::weighted(
        0.2,
        (any::<prop::sample::Index>(), prop::sample::select(b"\"\\\n\r{}a1 ".to_vec())),
    );
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
    (events, cuts, damage).prop_map(|(events, cuts, damage)| {
        let (mut stream, mut ends) = (Vec::new(), vec![0]);
        for (event, times, is_cut) in events {
            for _ in 0..times {
                stream.extend_from_slice(event.as_bytes());
                ends.extend(is_cut.then_some(stream.len()));
            }
        }
        if let Some((at, byte)) = damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        ends.extend(cuts.iter().map(|cut| cut.index(stream.len() + 1)));
        ends.push(stream.len());
        ends.sort_unstable();
        ends.windows(2).map(|pair| stream[pair[0]..pair[1]].to_vec()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn a_meter_that_keeps_an_event_tells_after_every_piece_what_one_tells_that_keeps_none(
        pieces in pieces(),
        endpoint in prop::sample::select(vec![Endpoint::ChatCompletions, Endpoint::Responses, Endpoint::Messages]),
        hide: bool,
        ends: bool,
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(differs(endpoint, hide, ends, &pieces), None);
    }
}
