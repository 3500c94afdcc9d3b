//! Request bodies that come in pieces, too long, too late, or with trailers behind them.

use proxy_wasm::types::Action;

use super::*;
use crate::fake_host::{advance, counter};

/// Lets the worker see that its Envoy hands bodies over.
fn with_a_body_seen() -> FakeVm {
    let vm = start();
    answered(&vm);
    vm
}

#[test]
fn a_body_in_pieces_is_decided_on_when_it_is_whole() {
    let vm = start();
    let mut stream = held(&vm);
    let pieces: Vec<&[u8]> = PLAIN.as_bytes().chunks(7).collect();
    for piece in pieces {
        assert_eq!(stream.body(piece, false), Action::Pause);
        assert!(stream.sent().is_none());
    }
    assert_eq!(stream.body(b"", true), Action::Continue);
    assert_eq!(String::from_utf8_lossy(&stream.sent().unwrap().body), PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    assert_eq!(stream.log()["outcome"], "ok");
    assert_eq!(team(&vm).0["requests"], 1);
}

#[test]
fn a_form_without_a_model_is_sent_with_the_default_one_and_its_own_length() {
    let vm = FakeVm::start(&config(|json| json["default_models"] = json!({"transcriptions": "fast"})));
    let form =
        "--b0\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\0x\r\n--b0--\r\n";
    let mut stream = vm.stream();
    let mut head = head("POST", "/v1/audio/transcriptions", "demo");
    head.retain(|(name, _)| name != b"content-type");
    let length = form.len().to_string();
    head.extend(pairs(&[("content-type", "multipart/form-data; boundary=b0"), ("content-length", &length)]));
    assert_eq!(stream.request(head, false), Action::Pause);
    assert_eq!(stream.body(form.as_bytes(), true), Action::Continue);
    let sent = stream.sent().unwrap();
    let part = "--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\np-1\r\n";
    assert_eq!(String::from_utf8_lossy(&sent.body), [part, form].concat());
    assert_eq!(sent.header("content-length"), [sent.body.len().to_string()]);
}

#[test]
fn trailers_end_a_body_that_was_not_said_to_end() {
    let vm = start();
    let mut stream = held(&vm);
    assert_eq!(stream.body(&RENAMED.as_bytes()[..10], false), Action::Pause);
    assert_eq!(stream.body(&RENAMED.as_bytes()[10..], false), Action::Pause);
    assert_eq!(stream.trailers(), Action::Continue);
    let sent = stream.sent().unwrap();
    assert_eq!(String::from_utf8_lossy(&sent.body), RENAMED.replace("fast", "p-1"));
    assert_eq!(sent.cluster.as_deref(), Some("paid-cluster"));
    stream.answer(200, JSON, true);
    assert_eq!(stream.log()["outcome"], "ok");
}

#[test]
fn trailers_after_a_refused_body_change_nothing() {
    let vm = start();
    let mut stream = held(&vm);
    stream.body(b"not JSON", false);
    assert_eq!(stream.trailers(), Action::Pause);
    assert_eq!((stream.replies(), stream.sent().is_none()), (1, true));
    assert_eq!(stream.trailers(), Action::Pause);
    assert_eq!(stream.replies(), 1);
    assert_eq!(stream.log()["denied"], "invalid_body");
}

#[test]
fn trailers_without_a_body_are_no_request() {
    let vm = start();
    let mut stream = held(&vm);
    assert_eq!(stream.trailers(), Action::Pause);
    assert_eq!(stream.log()["denied"], "invalid_body");
}

#[test]
fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let vm = start();
    let mut fits = held(&vm);
    let body = [PLAIN, &" ".repeat(4096 - PLAIN.len())].concat();
    assert_eq!(fits.body(body.as_bytes(), true), Action::Continue);
    let mut long = held(&vm);
    assert_eq!(long.body(body.as_bytes(), false), Action::Pause);
    assert_eq!(long.replies(), 0);
    assert_eq!(long.body(b" ", false), Action::Pause);
    assert_eq!((long.replies(), long.response().unwrap().status), (1, 413));
    assert_eq!(long.body(PLAIN.as_bytes(), true), Action::Pause);
    assert_eq!((long.replies(), long.sent().is_none()), (1, true));
    assert_eq!(long.log()["denied"], "body_too_large");
}

#[test]
fn a_body_that_takes_too_long_is_given_up_on() {
    let vm = with_a_body_seen();
    let mut stream = held(&vm);
    stream.body(&PLAIN.as_bytes()[..5], false);
    advance(29_999);
    vm.tick();
    assert_eq!(stream.replies(), 0);
    advance(1);
    vm.tick();
    let response = stream.response().unwrap();
    assert_eq!((response.status, response.header("x-farebox-denied")), (408, vec!["body_timeout".into()]));
    vm.tick();
    assert_eq!(stream.body_anyway(PLAIN.as_bytes(), true), Action::Pause);
    assert_eq!((stream.replies(), stream.sent().is_none()), (1, true));
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["denied"]), (&json!("denied"), &json!("body_timeout")));
    assert_eq!(record["status"], 408);
    assert_eq!(counter("farebox_denied_total{team:search}{reason:body_timeout}"), Some(1));
    assert_eq!(counter("farebox_host_unsupported_total"), None);
    assert_eq!(team(&vm).1, nothing());
}

#[test]
fn a_body_that_came_in_time_is_not_given_up_on() {
    let vm = with_a_body_seen();
    let mut stream = admitted(&vm, PLAIN);
    advance(600_000);
    vm.tick();
    assert_eq!(stream.replies(), 0);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    assert_eq!(stream.log()["outcome"], "ok");
}

#[test]
fn the_time_for_a_body_is_configured() {
    let vm = FakeVm::start(&config(|json| json["limits"]["request_body_seconds"] = 2.into()));
    answered(&vm);
    let mut stream = held(&vm);
    advance(2_000);
    vm.tick();
    assert_eq!(stream.response().unwrap().status, 408);
}
