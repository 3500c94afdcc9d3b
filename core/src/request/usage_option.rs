//! Decides whether a stream can be made to report its usage (`stream_options.include_usage`), and takes the wish back.
//!
//! Most servers that speak OpenAI's dialect know the member, and some refuse whatever they do not know. What is known of
//! them beforehand is asked here: the configuration's `include_usage`, and Azure, which refuses it with `data_sources` and in
//! versions before `2024-09-01-preview`. A target that refuses it all the same is asked again without.
//!
//! Source: Azure OpenAI reference, what is new by version; on your data.

use core::ops::Range;

use crate::base::edits::Edit;
use crate::config::Provider;
use crate::dialect::{Api, Served};
use crate::json::{Scanner, Shape, Sink, Value};

/// The first version of Azure's API that knows the member.
const AZURE_SINCE: &[u8] = b"2024-09-01";
/// What the wish is, where the caller's body has no `stream_options`.
const WISH: &[u8] = b"\"stream_options\":{\"include_usage\":true}";

/// Whether `provider` can be asked for usage in the stream that `body` asks for at `target`, a path with its query.
#[must_use]
pub fn may_ask(provider: &Provider, served: &Served, target: &[u8], body: &[u8]) -> bool {
    served.endpoint.reports_usage_on_request()
        && provider.include_usage
        && (served.api != Api::Azure || azure_may(target, body))
}

/// Whether an answer with this status refuses the wish.
#[must_use]
pub fn is_refused(status: u64, answer: &[u8]) -> bool {
    let says = |words: &[u8]| memchr::memmem::find(answer, words).is_some();
    matches!(status, 400 | 422) && (says(b"stream_options") || says(b"include_usage"))
}

/// The change that takes the wish out of a body that the gateway has put it into.
#[must_use]
pub fn take_back(body: &[u8]) -> Option<Edit> {
    let start = body.iter().position(|&byte| byte == b'{')? + 1;
    let rest = body.get(start..)?.strip_prefix(WISH)?;
    let comma = usize::from(rest.starts_with(b","));
    Some(Edit::replace(start..start + WISH.len() + comma, ""))
}

fn azure_may(target: &[u8], body: &[u8]) -> bool {
    let query = target.split(|&byte| byte == b'?').nth(1).unwrap_or_default();
    let version = query.split(|&byte| byte == b'&').find_map(|part| part.strip_prefix(b"api-version="));
    let is_older = version.is_some_and(|version| {
        // `v1` and `preview` are no dates, and newer than all of them.
        version.first().is_some_and(u8::is_ascii_digit)
            && version.get(..AZURE_SINCE.len()).is_some_and(|date| date < AZURE_SINCE)
    });
    !is_older && !has_data_sources(body)
}

/// Whether the body has the member `data_sources`.
fn has_data_sources(body: &[u8]) -> bool {
    static BODY: Shape<()> = Shape::document(&[Shape::value("data_sources", ())]);
    // Few bodies have the word.
    if memchr::memmem::find(body, b"data_sources").is_none() {
        return false;
    }
    let mut found = Found(false);
    let mut scanner = Scanner::new(&BODY);
    scanner.feed(body, &mut found).is_ok() && found.0
}

struct Found(bool);

impl Sink<()> for Found {
    fn value(&mut self, (): (), value: Value<'_>, _: Range<u64>) {
        self.0 |= value != Value::Null;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::edits;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn azure_is_not_asked_in_versions_that_do_not_know_how_to_answer() {
        for (version, may) in [
            ("?api-version=2024-02-01", false),
            ("?api-version=2023-12-01-preview", false),
            ("?x=1&api-version=2024-06-01", false),
            ("?api-version=2024-08-01-preview", false),
            ("?api-version=2024-09-01-preview", true),
            ("?api-version=2024-10-21", true),
            ("?api-version=2025-04-01-preview", true),
            ("?api-version=preview", true),
            ("?api-version=v1", true),
            ("?api-version=", true),
            ("", true),
        ] {
            let target = format!("/openai/deployments/gpt/chat/completions{version}");
            assert_eq!(azure_may(target.as_bytes(), b"{\"messages\":[]}"), may, "{version}");
        }
    }

    #[test]
    fn azure_is_not_asked_about_an_operator_s_own_data() {
        for (body, may) in [
            (r#"{"data_sources":[{"type":"azure_search"}],"messages":[]}"#, false),
            (r#"{"messages":[],"data_sources" : [{}]}"#, false),
            (r#"{"data_sources":null}"#, true),
            (r#"{"messages":[{"content":"\"data_sources\": [1]"}]}"#, true),
            (r#"{"tools":[{"data_sources":[1]}]}"#, true),
        ] {
            assert_eq!(azure_may(b"/openai/v1/chat/completions", body.as_bytes()), may, "{body}");
        }
    }

    #[test]
    fn the_wish_is_taken_back_as_it_was_put_there_and_a_caller_s_own_is_not() {
        for body in ["{}", r#"{"model":"m","stream":true}"#, "  { \"n\": 1}"] {
            let start = body.find('{').unwrap() + 1;
            let asked = edits::apply(
                body.as_bytes(),
                vec![Edit::member(start, "stream_options", "{\"include_usage\":true}")],
            );
            assert_ne!(asked, body.as_bytes());
            let edit = take_back(&asked).unwrap();
            assert_eq!(edits::apply(&asked, vec![edit]), body.as_bytes());
        }
        for body in [
            "",
            "{",
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"stream_options":{}}"#,
        ] {
            assert_eq!(take_back(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_refusal_names_the_member() {
        assert!(is_refused(
            400,
            br#"{"error":{"message":"Unrecognized request argument supplied: stream_options"}}"#
        ));
        assert!(is_refused(
            422,
            br#"{"detail":[{"loc":["body","stream_options","include_usage"],"msg":"extra"}]}"#
        ));
        assert!(!is_refused(500, b"stream_options"));
        assert!(!is_refused(400, br#"{"error":{"message":"Unrecognized request argument supplied: foo"}}"#));
    }
}
