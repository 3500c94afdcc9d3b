//! Refusals that wait for a short body, so that the client keeps its connection.

use super::*;
use crate::fake_host::{advance, counter};

const BAD_KEY: &str = "farebox_denied_total{reason:invalid_key}";

/// A request with a key that is none, whose body has `length` bytes.
fn refused(vm: &FakeVm, length: &str) -> Stream {
    let mut request = head("POST", "/v1/chat/completions", "nobody");
    if !length.is_empty() {
        request.extend(pairs(&[("content-length", length)]));
    }
    let mut stream = vm.stream();
    assert_eq!(stream.request(request, false), Action::Pause);
    stream
}

#[test]
fn a_refusal_is_told_when_a_short_body_is_here() {
    let vm = start();
    for trailers in [false, true] {
        let mut stream = refused(&vm, "40");
        assert!(stream.response().is_none());
        stream.body(b"{\"model\":", false);
        assert!(stream.response().is_none() && stream.sent().is_none());
        if trailers {
            stream.trailers();
        } else {
            stream.body(b"\"plain\"}", true);
        }
        assert_eq!((stream.response().unwrap().status, stream.replies()), (401, 1));
        assert!(stream.sent().is_none());
        let record = stream.log();
        assert_eq!((&record["outcome"], &record["denied"]), (&json!("denied"), &json!("invalid_key")));
    }
    assert_eq!(counter(BAD_KEY), Some(2));
}

#[test]
fn what_may_be_long_is_not_waited_for() {
    let vm = start();
    for length in ["", "16385", "-1", "x"] {
        assert_eq!(refused(&vm, length).response().unwrap().status, 401, "{length:?}");
    }
    let mut stream = refused(&vm, "40");
    stream.body(&[b' '; 16 * 1024], false);
    assert!(stream.response().is_none());
    stream.body(b" ", false);
    assert_eq!(stream.response().unwrap().status, 401, "more came than was said");
}

#[test]
fn what_a_stranger_leaves_undone_does_not_ring_the_alarm_about_the_host() {
    let vm = start();
    let mut stream = refused(&vm, "40");
    advance(6_000);
    vm.tick();
    assert_eq!((stream.response().unwrap().status, counter("farebox_host_unsupported_total")), (408, None));
}

#[test]
fn a_client_that_leaves_before_it_is_told_is_written_down_and_not_counted() {
    let vm = start();
    let record = refused(&vm, "40").log();
    assert_eq!((&record["outcome"], &record["denied"]), (&json!("client_disconnect"), &json!("invalid_key")));
    assert_eq!(counter(BAD_KEY), None);
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let vm = start();
    answered(&vm);
    let mut stream = refused(&vm, "40");
    advance(60_000);
    vm.tick();
    assert_eq!((stream.response().unwrap().status, stream.replies()), (408, 1));
    assert_eq!(stream.log()["denied"], "body_timeout");
}
