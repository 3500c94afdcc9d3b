//! What the scanner reports is what a full parser sees, wherever the bytes are cut.

use core::ops::Range;

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

static SHAPE: Shape<&str> = Shape::document(&[
    Shape::value("model", "model"),
    Shape::value("stream", "stream"),
    Shape::both("stream_options", "options", &[Shape::value("include_usage", "include")]),
    Shape::both(
        "choices",
        "choices",
        &[Shape::inside("[]", &[Shape::inside("delta", &[Shape::value("content", "text")])])],
    ),
    Shape::both(
        "usage",
        "usage",
        &[Shape::value("total", "total"), Shape::inside("details", &[Shape::value("cached", "cached")])],
    ),
    Shape::value("error", "error"),
]);

#[derive(Default)]
struct Seen(Vec<String>, Vec<Range<u64>>);

impl Sink<&'static str> for Seen {
    fn value(&mut self, slot: &'static str, value: Value<'_>, span: Range<u64>) {
        let value = match value {
            Value::Text { raw, length } => format!("{:?} of {length}", String::from_utf8_lossy(raw)),
            Value::Number(raw) => String::from_utf8_lossy(raw).into_owned(),
            other => format!("{other:?}"),
        };
        self.0.push(format!("{slot}={value}"));
        self.1.push(span);
    }
}

fn scan(pieces: &[&[u8]]) -> (Result<(), SyntaxError>, Seen) {
    let (mut scanner, mut seen) = (Scanner::new(&SHAPE), Seen::default());
    let fed = pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut seen));
    (fed.and_then(|()| scanner.finish(&mut seen)), seen)
}

const DOCUMENT: &str = r#" {"messages":[{"content":"\"model\":\"x\" }]\\"},[],{"a":[1,{}]}], "mod\u0065l" : "gpt-\"4\"",
  "stream":true, "stream_options":{"x":null,"include_usage":false}, "n":-1.5e3,
  "choices":[{"delta":{"content":"h\u00e9"}},{"delta":{}},7], "nested":{"model":"no","usage":{"total":1}},
  "usage":{"total":12,"details":{"cached":3},"other":[{"total":9}]},"error":null}
"#;

#[test]
fn only_the_values_of_the_shape_are_reported() {
    let (result, seen) = scan(&[DOCUMENT.as_bytes()]);
    assert_eq!(result, Ok(()));
    assert_eq!(
        seen.0,
        [
            r#"model="gpt-\\\"4\\\"" of 9"#,
            "stream=Bool(true)",
            "include=Bool(false)",
            "options=Object",
            r#"text="h\\u00e9" of 7"#,
            "choices=Array { empty: false }",
            "total=12",
            "cached=3",
            "usage=Object",
            "error=Null",
        ]
    );
}

#[test]
fn a_document_cut_at_any_byte_is_the_same_document() {
    let (_, whole) = scan(&[DOCUMENT.as_bytes()]);
    for at in 0..=DOCUMENT.len() {
        let (head, tail) = DOCUMENT.as_bytes().split_at(at);
        let (result, seen) = scan(&[head, tail]);
        assert_eq!((result, &seen.0, &seen.1), (Ok(()), &whole.0, &whole.1), "cut at {at}");
    }
    let bytes: Vec<&[u8]> = DOCUMENT.as_bytes().chunks(1).collect();
    assert_eq!(scan(&bytes).1.0, whole.0);
}

#[test]
fn spans_are_where_the_values_stand() {
    let (_, seen) = scan(&[DOCUMENT.as_bytes()]);
    let texts: Vec<&str> = seen
        .1
        .iter()
        .map(|span| &DOCUMENT[usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()])
        .collect();
    assert_eq!(texts[0], r#""gpt-\"4\"""#);
    assert_eq!(texts[3], r#"{"x":null,"include_usage":false}"#);
    assert_eq!(texts[9], "null");
}

#[test]
fn empty_arrays_are_told_from_full_ones() {
    for (document, empty) in
        [("[]", true), ("[ \n ]", true), ("[0]", false), ("[[]]", false), ("[\"\"]", false)]
    {
        let (_, seen) = scan(&[format!(r#"{{"choices":{document}}}"#).as_bytes()]);
        assert_eq!(seen.0, [format!("choices=Array {{ empty: {empty} }}")], "{document}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for document in [
        "{",
        "[",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "[1 2]",
        "{\"a\":[}]",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "\"",
        "\"a\\",
        "{\"a\":tru}",
        "nul",
        "{'a':1}",
        "{\"a\":[1}}",
        "",
        " ",
        "]",
        "{\"a\":\"b",
        "1.x",
        "{\"x\":[{]}]}",
    ] {
        assert!(scan(&[document.as_bytes()]).0.is_err(), "{document}");
    }
}

#[test]
fn depth_is_bounded_and_a_deep_value_is_no_trouble_within_the_bound() {
    let nested =
        |depth: usize| format!("{{\"a\":{}{},\"model\":\"m\"}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(scan(&[nested(511).as_bytes()]).0, Ok(()));
    assert_eq!(scan(&[nested(512).as_bytes()]).0, Err(SyntaxError::TooDeep));
    assert_eq!(scan(&["[".repeat(1_000_000).as_bytes()]).0, Err(SyntaxError::TooDeep));
}

#[test]
fn a_value_longer_than_is_kept_is_reported_cut() {
    let (_, seen) = scan(&[format!("{{\"model\":\"{}\"}}", "m".repeat(5_000)).as_bytes()]);
    assert_eq!(seen.0, [format!("model={:?} of 5000", "m".repeat(256))]);
}

/// Any JSON value, with the names of the shape among its keys.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let key =
            prop_oneof!["model|stream|usage|total|details|cached|choices|delta|content|error", ".{0,6}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn valid_json_is_accepted_and_its_values_are_found(mut value in json(), pretty: bool, cut in 0usize..400) {
        if let Some(object) = value.as_object_mut() {
            object.insert("model".into(), "the \"model\" \u{1F600}".into());
        }
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let (head, tail) = text.as_bytes().split_at(cut.min(text.len()));
        let (result, seen) = scan(&[head, tail]);
        prop_assert_eq!(result, Ok(()));
        let spans: Vec<_> = seen.0.iter().zip(&seen.1).filter(|(line, _)| line.starts_with("model=")).collect();
        if value.is_object() {
            let (_, span) = spans[0];
            let written = &text[usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()];
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(written).unwrap(), value["model"].clone());
        }
    }

    #[test]
    fn no_bytes_make_the_scanner_panic(bytes: Vec<u8>, text in "[\\[\\]{}\",:\\\\a0 truefalsnl.-]{0,60}") {
        let _ = scan(&[&bytes]);
        let ours = scan(&[text.as_bytes()]).0.is_ok();
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(ours, "refused valid JSON: {}", text);
        }
    }
}
