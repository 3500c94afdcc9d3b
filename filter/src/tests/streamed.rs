//! Answers that come as events: what is metered, and that the client sees what it asked for.

use super::*;
use crate::fake_host::{Call, INTERNAL_FAILURE, Stream, fail};

const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn whole() -> String {
    [TEXT, USAGE, DONE].concat()
}

/// What the client gets of the stream that a provider sends in these pieces.
fn passed(stream: &mut Stream, pieces: &[&str]) -> String {
    stream.answer(200, EVENTS, false);
    pieces.iter().for_each(|piece| stream.answer_body(piece.as_bytes(), false));
    stream.answer_body(b"", true);
    String::from_utf8(stream.response().unwrap().body.clone()).unwrap()
}

#[test]
fn usage_is_asked_for_and_its_chunk_hidden_from_a_client_that_did_not_ask() {
    let vm = start();
    let mut stream = admitted(&vm, STREAMED);
    let sent: Value = serde_json::from_slice(&stream.sent().unwrap().body).unwrap();
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    assert_eq!(passed(&mut stream, &[TEXT, USAGE, DONE]), [TEXT, DONE].concat());
    let record = stream.log();
    assert_eq!((&record["stream"], &record["usage_source"]), (&json!(true), &json!("provider")));
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()));
}

#[test]
fn a_stream_cut_at_any_byte_reaches_the_client_the_same() {
    let vm = start();
    let whole = whole();
    for at in 0..=whole.len() {
        let mut stream = admitted(&vm, STREAMED);
        let (first, second) = whole.split_at(at);
        assert_eq!(passed(&mut stream, &[first, second]), [TEXT, DONE].concat(), "cut at {at}");
        assert_eq!(stream.log()["input_tokens"], 10, "cut at {at}");
    }
}

#[test]
fn a_client_that_asked_for_usage_gets_it() {
    let vm = start();
    let body = r#"{"model":"plain","stream":true,"stream_options":{"include_usage":true}}"#;
    let mut stream = admitted(&vm, body);
    assert_eq!(String::from_utf8_lossy(&stream.sent().unwrap().body), body);
    assert_eq!(passed(&mut stream, &[&whole()]), whole());
    assert_eq!(stream.log()["output_tokens"], 5);
}

#[test]
fn an_answer_that_may_get_shorter_has_no_length() {
    let vm = start();
    let mut stream = admitted(&vm, STREAMED);
    let length = whole().len().to_string();
    stream.answer(200, &[("content-type", "text/event-stream"), ("content-length", &length)], false);
    stream.answer_body(whole().as_bytes(), true);
    let response = stream.response().unwrap();
    assert_eq!(response.header("content-length"), [""; 0]);
    assert_eq!(String::from_utf8_lossy(&response.body), [TEXT, DONE].concat());
}

#[test]
fn an_answer_whose_length_must_stay_is_not_made_shorter() {
    let vm = start();
    let mut stream = admitted(&vm, STREAMED);
    let length = whole().len().to_string();
    fail(Call::RemoveHeader, INTERNAL_FAILURE);
    stream.answer(200, &[("content-type", "text/event-stream"), ("content-length", &length)], false);
    stream.answer_body(whole().as_bytes(), true);
    let response = stream.response().unwrap();
    assert_eq!(response.header("content-length"), [length]);
    assert_eq!(String::from_utf8_lossy(&response.body), whole());
}

#[test]
fn an_error_in_place_of_a_stream_is_passed_on_as_it_is() {
    let vm = start();
    let mut stream = admitted(&vm, STREAMED);
    stream.answer(429, &[("content-type", "application/json"), ("content-length", "11")], false);
    stream.answer_body(b"{\"error\":1}", true);
    let response = stream.response().unwrap();
    assert_eq!(
        (response.header("content-length"), &*response.body),
        (vec!["11".into()], &b"{\"error\":1}"[..])
    );
    assert_eq!(stream.log()["outcome"], "upstream_error");
}

#[test]
fn a_messages_stream_is_metered_from_its_first_event_on() {
    let vm = start();
    let mut stream = vm.stream();
    stream.request(head("POST", "/v1/messages", "demo"), false);
    stream.body(br#"{"model":"fast","stream":true,"max_tokens":50}"#, true);
    let events = "event: message_start\n\
         data: {\"type\":\"message_start\",\"message\":{\"model\":\"p-1\",\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n\
         event: message_delta\n\
         data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\n";
    assert_eq!(passed(&mut stream, &[events]), events);
    let record = stream.log();
    assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(7), &json!(9)));
    assert_eq!(record["cost_usd"], "0.000156");
}
