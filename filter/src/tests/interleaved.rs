//! Streams that run at the same time in one worker.

use super::*;

#[test]
fn two_streams_whose_callbacks_alternate_do_not_mix() {
    let vm = start();
    let (mut one, mut two) = (vm.stream(), vm.stream());
    one.request(chat(), false);
    two.request(head("POST", "/v1/chat/completions", "ads"), false);
    one.body(&PLAIN.as_bytes()[..20], false);
    two.body(&RENAMED.as_bytes()[..20], false);
    two.body(&RENAMED.as_bytes()[20..], true);
    one.body(&PLAIN.as_bytes()[20..], true);
    assert_eq!(one.sent().unwrap().cluster.as_deref(), Some("local-cluster"));
    assert_eq!(two.sent().unwrap().cluster.as_deref(), Some("paid-cluster"));
    assert_eq!(String::from_utf8_lossy(&one.sent().unwrap().body), PLAIN);
    one.answer(200, JSON, false);
    two.answer(200, JSON, false);
    let other = ANSWER.replace("\"completion_tokens\":5", "\"completion_tokens\":50");
    let (first, second) = (ANSWER.as_bytes(), other.as_bytes());
    one.answer_body(&first[..60], false);
    two.answer_body(&second[..90], false);
    one.answer_body(&first[60..], true);
    two.answer_body(&second[90..], true);
    let records = (two.log(), one.log());
    assert_eq!((&records.0["team"], &records.0["output_tokens"]), (&json!("ads"), &json!(50)));
    assert_eq!((&records.1["team"], &records.1["output_tokens"]), (&json!("search"), &json!(5)));
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()));
    assert_eq!(usage(&vm, "ads")["budgets"][1]["spent"], amounts("0.00078", 60, 1));
}

#[test]
fn a_tick_that_gives_one_stream_up_leaves_the_others() {
    let vm = start();
    let mut slow = held(&vm);
    crate::fake_host::advance(29_000);
    let mut running = admitted(&vm, PLAIN);
    let mut fresh = held(&vm);
    crate::fake_host::advance(1_000);
    vm.tick();
    assert_eq!((slow.replies(), running.replies(), fresh.replies()), (1, 0, 0));
    assert_eq!(fresh.body(PLAIN.as_bytes(), true), proxy_wasm::types::Action::Continue);
    running.answer(200, JSON, false);
    running.answer_body(ANSWER.as_bytes(), true);
    assert_eq!((&running.log()["outcome"], &slow.log()["denied"]), (&json!("ok"), &json!("body_timeout")));
    assert_eq!(team(&vm).1["requests"], 1, "what the fresh stream holds");
}

#[test]
fn many_requests_at_once_are_let_through_up_to_the_limit() {
    let vm = FakeVm::start(&config(|json| {
        json["budgets"] = json!([{"name": "all", "window": "day", "limit_requests": 5}]);
    }));
    let mut streams: Vec<_> = (0..8).map(|_| held(&vm)).collect();
    for stream in &mut streams {
        stream.body(PLAIN.as_bytes(), true);
    }
    assert_eq!(streams.iter().filter(|stream| stream.sent().is_some()).count(), 5);
    for stream in &mut streams {
        stream.log();
    }
    let page = usage(&vm, "demo");
    assert_eq!(
        (&page["budgets"][0]["spent"]["requests"], &page["budgets"][0]["held"]),
        (&json!(5), &nothing())
    );
}
