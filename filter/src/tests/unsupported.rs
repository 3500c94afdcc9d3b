//! An Envoy that does not do what the filter needs: requests are refused, not let through unchecked.

use proxy_wasm::types::Action;

use super::*;
use crate::fake_host::{BAD_ARGUMENT, Call, Stream, advance, counter, fail, fail_after, heal, logs};

fn assert_refused(stream: &mut Stream, vm: &FakeVm) {
    heal();
    assert_eq!(stream.replies(), 1);
    let response = stream.response().unwrap();
    assert_eq!((response.status, response.local), (503, true));
    assert_eq!(response.header("x-farebox-denied"), ["host_unsupported"]);
    assert_eq!(counter("farebox_host_unsupported_total"), Some(1));
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["denied"]), (&json!("denied"), &json!("host_unsupported")));
    assert_eq!((&record["status"], stream.replies()), (&json!(503), 1));
    assert_eq!(team(vm), (nothing(), nothing()));
    assert!(logs().iter().any(|line| line.contains("does not do what the filter needs")));
}

#[test]
fn headers_that_are_not_held_any_more_end_the_request_and_its_hold() {
    let each = |call| (0..4).map(move |passes| (call, passes));
    for (call, passes) in each(Call::ReplaceHeader).chain([(Call::RemoveHeader, 0), (Call::SetProperty, 0)]) {
        let vm = start();
        let mut stream = vm.stream();
        // Its caller's key is written over with the provider's; what nobody knows is taken out.
        let request = [chat(), vec![("x-unknown".into(), "1".into())]].concat();
        assert_eq!(stream.request(request, false), Action::Pause);
        fail_after(passes, call, BAD_ARGUMENT);
        assert_eq!(stream.body(RENAMED.as_bytes(), true), Action::Pause, "{call:?}");
        assert!(stream.sent().is_none());
        assert_refused(&mut stream, &vm);
    }
}

#[test]
fn a_body_that_cannot_be_read_or_changed_ends_the_request() {
    for call in [Call::GetBuffer, Call::SetBuffer] {
        let vm = start();
        let mut stream = held(&vm);
        fail(call, BAD_ARGUMENT);
        assert_eq!(stream.body(RENAMED.as_bytes(), true), Action::Pause, "{call:?}");
        assert_refused(&mut stream, &vm);
    }
}

#[test]
fn headers_that_cannot_be_read_end_the_request() {
    let vm = start();
    let mut stream = vm.stream();
    fail(Call::GetHeaders, BAD_ARGUMENT);
    assert_eq!(stream.request(chat(), false), Action::Pause);
    assert_refused(&mut stream, &vm);
}

#[test]
fn a_providers_answer_to_a_request_that_is_held_does_not_reach_the_client() {
    let vm = start();
    let mut stream = held(&vm);
    assert_eq!(stream.answer(200, JSON, false), Action::Pause);
    stream.answer_body(ANSWER.as_bytes(), true);
    let response = stream.response().unwrap();
    assert!(!String::from_utf8_lossy(&response.body).contains("Hello"));
    assert_refused(&mut stream, &vm);
}

#[test]
fn an_envoy_that_never_shows_a_body_is_found_out() {
    let vm = start();
    let mut stream = held(&vm);
    advance(4_999);
    vm.tick();
    assert_eq!(stream.replies(), 0);
    advance(1);
    vm.tick();
    assert!(logs().iter().any(|line| line.contains("allow_on_headers_stop_iteration")));
    vm.tick();
    assert_refused(&mut stream, &vm);
}

#[test]
fn doubt_ends_with_the_first_body() {
    let vm = start();
    let mut early = held(&vm);
    let mut other = held(&vm);
    other.body(b"{", false);
    advance(5_000);
    vm.tick();
    assert_eq!((early.replies(), other.replies()), (0, 0));
}

#[test]
fn a_stream_that_cannot_be_told_that_it_was_given_up_does_not_go_on_either() {
    for call in [Call::Enter, Call::Reply] {
        let vm = start();
        let mut stream = held(&vm);
        stream.body(b"", false);
        advance(30_000);
        fail(call, BAD_ARGUMENT);
        vm.tick();
        heal();
        assert_eq!(stream.replies(), 0, "{call:?}");
        assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Pause, "{call:?}");
        assert!(stream.sent().is_none(), "{call:?}");
        assert_eq!((stream.replies(), stream.response().unwrap().status), (1, 408), "{call:?}");
        assert_eq!(stream.log()["denied"], "body_timeout");
        assert_eq!(team(&vm), (nothing(), nothing()));
    }
}

#[test]
fn metrics_and_properties_that_do_not_work_fail_no_request() {
    let vm = start();
    for call in [Call::DefineMetric, Call::Count, Call::GetProperty] {
        fail(call, BAD_ARGUMENT);
        assert_eq!(answered(&vm)["outcome"], "ok", "{call:?}");
        heal();
    }
    assert_eq!(team(&vm).0["requests"], 3);
}

#[test]
fn a_record_that_cannot_be_written_is_settled_all_the_same() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    fail(Call::SetProperty, BAD_ARGUMENT);
    assert_eq!(stream.log(), Value::Null);
    heal();
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()));
}
