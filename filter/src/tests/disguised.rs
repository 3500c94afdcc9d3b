//! Errors that providers tell with a status of success.

use super::*;

const OWN: &str = r#"{"error":{"message":"Too many questions","type":"server_error","code":429}}"#;
const UNPAID: &str = r#"{"choices":null,"usage":{"total_tokens":0},"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#;
const FLAGGED: &str = r#"{"choices":null,"base_resp":{"status_code":1026,"status_msg":"Sensitive input"}}"#;

/// What the client gets for `body` in pieces of `size` bytes, and the record.
fn told(path: &str, body: &str, size: usize, trailers: bool) -> (u32, String, Value, Value) {
    let vm = start();
    let mut stream = vm.stream();
    assert_eq!(stream.request(head("POST", path, "demo"), false), Action::Pause);
    assert_eq!(stream.body(RENAMED.as_bytes(), true), Action::Continue);
    assert_eq!(stream.answer(200, JSON, false), Action::Pause);
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
    for (index, piece) in pieces.iter().enumerate() {
        stream.answer_body(piece, index + 1 == pieces.len() && !trailers);
    }
    if trailers {
        stream.answer_trailers();
    }
    let response = stream.response().unwrap();
    let text = String::from_utf8_lossy(&response.body).into_owned();
    let status = response.status;
    let record = stream.log();
    (status, text, record, team(&vm).0)
}

#[test]
fn an_error_with_a_status_of_success_is_told_as_an_error_and_costs_nothing() {
    for (body, status, reason, words) in [
        (OWN, 429, "provider_error", "Too many questions"),
        (UNPAID, 502, "provider_refused", "not yours"),
        (FLAGGED, 400, "provider_error", "Sensitive input"),
    ] {
        for (size, trailers) in [(body.len(), false), (body.len(), true), (7, false), (1, true)] {
            let (got, text, record, spent) = told("/v1/chat/completions", body, size, trailers);
            assert_eq!(got, status, "{text}");
            let text: Value = serde_json::from_str(&text).unwrap();
            assert!(text["error"]["message"].as_str().unwrap().contains(words), "{text}");
            assert_eq!(
                (&record["outcome"], &record["provider_status"], &record["status"]),
                (&json!("upstream_error"), &json!(200), &json!(status)),
                "{reason}"
            );
            assert_eq!(spent, amounts("0.00", 0, 1), "{body}");
        }
    }
}

#[test]
fn such_an_error_is_told_in_the_callers_dialect() {
    let (status, text, ..) = told("/v1/messages", FLAGGED, 9, false);
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &body["type"], &body["error"]["message"]),
        (400, &json!("error"), &json!("Sensitive input"))
    );
}

#[test]
fn an_answer_with_such_words_in_it_stays_as_it_is() {
    let body = ANSWER.replace("Hello there", r#"{\"error\":1} \"code\" "#);
    let body = body.replace("{\"model\"", r#"{"error":null,"base_resp":{"status_code":0},"model""#);
    for (size, trailers) in [(body.len(), false), (5, false), (5, true)] {
        let (status, text, record, _) = told("/v1/chat/completions", &body, size, trailers);
        assert_eq!((status, text.as_str()), (200, body.as_str()));
        assert_eq!((&record["outcome"], &record["output_tokens"]), (&json!("ok"), &json!(5)));
    }
}

#[test]
fn what_is_no_document_or_too_long_goes_on_at_once() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(b" ", false);
    assert!(stream.response().is_some());
    stream.answer_body(ANSWER.as_bytes(), true);
    assert_eq!(stream.log()["output_tokens"], 5);
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(b"{\"error\":", false);
    assert!(stream.response().is_none());
    stream.answer_body(&[b' '; 70_000], false);
    assert!(stream.response().is_some());
    stream.answer_body(b"{}}", true);
    assert_eq!(stream.response().unwrap().status, 200);
    // A stream goes on with its first piece, whatever it calls itself.
    let mut stream = admitted(&vm, STREAMED);
    stream.answer(200, JSON, false);
    let chunk = r#"{"choices":[{"delta":{"content":"Hi"}}]}"#;
    stream.answer_body(chunk.as_bytes(), false);
    assert!(stream.response().is_some());
    let mut stream = admitted(&vm, STREAMED);
    stream.answer(200, JSON, false);
    stream.answer_body(&OWN.as_bytes()[..20], false);
    assert!(stream.response().is_none());
    stream.answer_body(&OWN.as_bytes()[20..], true);
    assert_eq!(stream.response().unwrap().status, 429);
}

#[test]
fn a_stream_of_nothing_but_such_an_error_costs_nothing() {
    let vm = start();
    for event in [UNPAID, OWN] {
        let mut stream = admitted(&vm, STREAMED);
        stream.answer(200, EVENTS, false);
        stream.answer_body(format!("data: {event}\n\n").as_bytes(), true);
        assert_eq!(stream.log()["outcome"], "upstream_error");
    }
    assert_eq!(team(&vm).0, amounts("0.00", 0, 2));
}
