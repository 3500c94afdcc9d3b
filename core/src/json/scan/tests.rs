//! A container without interest ends where it does byte by byte, wherever the bytes are cut.

use core::ops::Range;

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::{Shape, Sink, SyntaxError, Value};
use super::Scanner;

static SHAPE: Shape<()> = Shape::document(&[Shape::value("skipped", ())]);
const BEFORE: &str = r#"{"skipped":"#;

/// The kind of the value, and where it stands.
type Found = Option<(String, Range<u64>)>;

#[derive(Default)]
struct Seen(Found);

impl Sink<()> for Seen {
    fn value(&mut self, (): (), value: Value<'_>, span: Range<u64>) {
        self.0 = Some((format!("{value:?}"), span));
    }
}

fn scan(text: &[u8], piece: usize) -> (Result<(), SyntaxError>, Found) {
    let (mut scanner, mut seen) = (Scanner::new(&SHAPE), Seen::default());
    let fed = text.chunks(piece).try_for_each(|piece| scanner.feed(piece, &mut seen));
    (fed.and_then(|()| scanner.finish(&mut seen)), seen.0)
}

/// How the container at the beginning of the text ends: its kind and where, one byte after the other.
fn reference(text: &str) -> Result<(String, usize), SyntaxError> {
    let (mut open, mut string, mut escaped, mut empty) = (Vec::new(), false, false, true);
    for (at, byte) in text.bytes().enumerate() {
        empty &= at == 0 || byte.is_ascii_whitespace() || (byte == b']' && open.len() == 1);
        if string {
            string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => string = true,
            b'{' | b'[' if open.len() == 511 => return Err(SyntaxError::TooDeep),
            b'{' | b'[' => open.push(byte),
            b'}' | b']' => {
                if open.pop() != Some(if byte == b'}' { b'{' } else { b'[' }) {
                    return Err(SyntaxError::Unexpected((BEFORE.len() + at) as u64));
                }
                if open.is_empty() {
                    let kind = if byte == b'}' {
                        "Object".to_owned()
                    } else {
                        format!("Array {{ empty: {empty} }}")
                    };
                    return Ok((kind, at + 1));
                }
            }
            _ => {}
        }
    }
    Err(SyntaxError::Truncated)
}

/// Text with a bracket at its beginning that may be a container, and the size of the pieces that it comes in.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => r#"[\[\]{}",:|a1 ]{0,24}"#,
        4 => prop::sample::select(vec![
            "},{", "],[", "}, {", "[]", "{}", r#""role":"user","#, r#""content":""#, r#"\"},{\""#, r"\\", "\":\"",
            "true,false", "0.25,-1e3,", "\n    \"name\": ", "[{", "}]", "{\"a\":{\"b\":[", "]}}", " ", "\t\r\n",
        ]).prop_map(str::to_owned),
        1 => "[a-z ]{1,140}",
        2 => r#""[a-z \[\]{}|é]{0,90}""#,
        1 => r#"[\\"]{1,9}"#,
    ];
    (prop_oneof!["\\[", "\\{"], prop::collection::vec(part, 0..16))
        .prop_map(|(first, parts)| first + &parts.concat())
}

fn agrees(text: &str, piece: usize) -> Result<(), TestCaseError> {
    let expected = reference(text);
    // Nothing stands behind it but what ends the document.
    let end = expected.as_ref().map_or(text.len(), |(_, end)| *end);
    let closing = if expected.is_ok() { "}" } else { "" };
    let document = [BEFORE, &text[..end], closing].concat();
    let (result, seen) = scan(document.as_bytes(), piece);
    let spans = seen.map(|(kind, span)| (kind, span.start, span.end));
    match expected {
        Ok((kind, end)) => {
            let start = BEFORE.len() as u64;
            prop_assert_eq!((result, spans), (Ok(()), Some((kind, start, start + end as u64))));
        }
        Err(error) => prop_assert_eq!((result, spans), (Err(error), None)),
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_skipped_container_ends_where_it_does_byte_by_byte(text in text(), piece in 1usize..400) {
        agrees(&text, piece)?;
        agrees(&text, usize::MAX)?;
    }

    #[test]
    fn what_a_parser_takes_is_skipped_whole(
        texts in prop::collection::vec(r#"[a-z "\\\[\]{}|\n€]{0,90}"#, 1..12),
        pretty: bool,
        piece in 1usize..400,
    ) {
        let messages: Vec<_> = texts
            .iter()
            .map(|text| serde_json::json!({"role": "user", "content": text, "n": [1, [{}], {"deep": {"é": text}}]}))
            .collect();
        let text = if pretty { serde_json::to_string_pretty(&messages) } else { serde_json::to_string(&messages) }.unwrap();
        prop_assert_eq!(reference(&text), Ok(("Array { empty: false }".to_owned(), text.len())));
        agrees(&text, piece)?;
        agrees(&text, usize::MAX)?;
    }
}

#[test]
fn objects_in_a_row_do_not_hide_a_bracket_of_the_wrong_kind_or_too_many_levels() {
    for text in
        ["[{},{},{}]", "[{},{]", "[[},{}]", "{},{}", "[{\"a\":[},{}]}]", "[{},{}},{]", "{\"a\":{},{}}"]
    {
        agrees(text, usize::MAX).unwrap();
    }
    for depth in [510, 511, 512] {
        let objects = |text: &str| ["{\"a\":".repeat(depth - 1).as_str(), text].concat();
        agrees(&objects("{},{}"), usize::MAX).unwrap();
        agrees(&objects("{},{\"a\":{"), usize::MAX).unwrap();
    }
}
