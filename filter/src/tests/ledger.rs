//! Requests that wait for the fleet's ledger: when it is asked, and what becomes of those who wait.

use farebox_core::resp::{Replies, Value};
use proxy_wasm::types::Action;
use serde_json::json;

use super::{ANSWER, JSON, PLAIN, RENAMED, chat, config, held, pairs, team};
use crate::fake_host::{self, BAD_ARGUMENT, Call as HostCall, FakeVm, INTERNAL_FAILURE, Stream};

/// A VM with a budget that the fleet shares, besides its own.
pub(super) fn start(change: impl FnOnce(&mut serde_json::Value)) -> FakeVm {
    FakeVm::start(&config(|json| {
        shared(json);
        change(json);
    }))
}

pub(super) fn shared(json: &mut serde_json::Value) {
    json["ledger"] = json!({});
    let budgets = json["budgets"].as_array_mut().unwrap();
    budgets.iter_mut().for_each(|budget| budget["scope"] = json!("process"));
    budgets.push(json!({"name": "fleet", "window": "day", "limit_requests": 1000}));
}

/// How many accounts the last command of a call is about, and how many requests ask.
fn asked(body: &[u8]) -> (usize, usize) {
    let Some(Value::Array(words)) = Replies::of(body).last() else { panic!("{body:?}") };
    let text = |at: usize| match words[at] {
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => panic!("{words:?}"),
    };
    assert_eq!(text(0), "EVALSHA");
    let accounts = text(2).parse::<usize>().unwrap() - 1;
    let asks = |item: String| item.split(' ').nth(25).unwrap().parse::<usize>().unwrap();
    let first = 5 + accounts;
    (accounts, (first..first + accounts).map(|at| asks(text(at))).sum())
}

/// An answer of a ledger that lends every account this, and has so much spent.
pub(super) fn lends(body: &[u8], requests: u64, more: u8) -> Vec<u8> {
    let (accounts, _) = asked(body);
    let answer = format!("0 {more} 1 1000000000 1000000 1000000 {requests} 0 0 0 7 0 0 0 {requests}");
    let mut reply = format!("*{}\r\n:{}\r\n:1\r\n:0\r\n", 3 + accounts, fake_host::now_ms());
    (0..accounts).for_each(|_| reply += &format!("${}\r\n{answer}\r\n", answer.len()));
    reply.into_bytes()
}

/// Answers the oldest call.
pub(super) fn answer_next(vm: &FakeVm, requests: u64, more: u8) {
    let calls = vm.calls();
    vm.answer_call(calls[0].token, Some(200), &lends(&calls[0].body, requests, more));
}

pub(super) fn fail_next(vm: &FakeVm, status: Option<u16>) {
    vm.answer_call(vm.calls()[0].token, status, b"no healthy upstream");
}

/// A request that waits.
pub(super) fn waiting(vm: &FakeVm, body: &str) -> Stream {
    let mut stream = held(vm);
    assert_eq!(stream.body(body.as_bytes(), true), Action::Pause);
    assert!(stream.sent().is_none() && stream.response().is_none() && !stream.go_on());
    stream
}

#[test]
fn a_request_without_a_ledger_makes_no_call_for_it() {
    let vm = super::start();
    fake_host::calls();
    super::admitted(&vm, PLAIN);
    vm.tick();
    let calls = fake_host::calls();
    assert!(
        [HostCall::Queue, HostCall::Dispatch, HostCall::Resume].iter().all(|call| !calls.contains_key(call))
    );
    assert!(!vm.turn() && fake_host::tick_ms() == Some(500));
}

#[test]
fn the_first_request_of_an_account_is_held_and_goes_on_as_if_it_had_not() {
    let vm = start(|_| {});
    let mut stream = waiting(&vm, RENAMED);
    // Not in its own callback, and not of its own: the call would end with it.
    assert!(vm.calls().is_empty());
    assert!(vm.turn());
    let calls = vm.calls();
    let [call] = &*calls else { panic!("{calls:?}") };
    assert_eq!((&*call.cluster, call.timeout_ms, call.context), ("ledger", 500, 0));
    assert_eq!(asked(&call.body), (1, 1));
    assert_eq!(call.headers, pairs(&[(":method", "POST"), (":path", "/"), (":authority", "ledger")]));

    answer_next(&vm, 10, 0);
    assert!(stream.go_on());
    let sent = stream.sent().unwrap().clone();
    let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(
        (&body["model"], sent.ended, sent.cluster.as_deref()),
        (&json!("p-1"), true, Some("paid-cluster"))
    );
    assert_eq!(sent.header("content-length"), Vec::<String>::new());
    assert_eq!(sent.header(":path"), ["/compat/v1/chat/completions"]);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["output_tokens"]), (&json!("ok"), &json!(5)), "{record}");
    assert!(vm.calls().is_empty());
}

#[test]
fn a_request_that_finds_room_in_what_its_worker_was_lent_waits_for_nobody() {
    let vm = start(|_| {});
    let mut first = waiting(&vm, PLAIN);
    vm.turn();
    answer_next(&vm, 10, 0);
    assert!(first.go_on());
    super::admitted(&vm, PLAIN);
    super::admitted(&vm, PLAIN);
    assert!(!vm.turn() && vm.calls().is_empty());
    // What they hold is said at the tick.
    fake_host::advance(250);
    vm.tick();
    assert_eq!(asked(&vm.calls()[0].body), (1, 0));
}

#[test]
fn requests_that_wait_share_a_call_and_the_next_one_is_made_in_the_next_turn() {
    let vm = start(|_| {});
    let mut first: Vec<_> = (0..3).map(|_| waiting(&vm, PLAIN)).collect();
    assert!(vm.turn() && asked(&vm.calls()[0].body) == (1, 3));
    let mut second = waiting(&vm, PLAIN);
    // One call is under way.
    assert!(vm.turn() && vm.calls().len() == 1);
    answer_next(&vm, 3, 0);
    assert!(first.iter_mut().all(Stream::go_on) && !second.go_on());
    // Its connection is about to be closed.
    assert!(vm.calls().is_empty());
    assert!(vm.turn() && vm.calls().len() == 1);
    answer_next(&vm, 4, 0);
    assert!(second.go_on() && !vm.turn());
}

#[test]
fn the_bodies_of_requests_that_wait_are_bounded() {
    let vm = start(|json| {
        json["limits"] = json!({
            "request_body_bytes": 4096, "pending_body_bytes": 4096, "pending_body_bytes_per_key": 4096,
        });
    });
    let limit = 4096 / PLAIN.len();
    let mut waiting: Vec<_> = (0..limit).map(|_| waiting(&vm, PLAIN)).collect();
    let mut late = held(&vm);
    late.body(PLAIN.as_bytes(), true);
    assert!(late.response().is_some() && late.sent().is_none());
    waiting.truncate(1);
    late.log();
    vm.turn();
    answer_next(&vm, 1_000, 0);
    assert!(waiting[0].go_on());
}

#[test]
fn a_client_that_leaves_while_it_waits_holds_up_nobody() {
    let vm = start(|_| {});
    let mut gone = waiting(&vm, PLAIN);
    let mut other = waiting(&vm, PLAIN);
    assert!(vm.turn());
    let record = gone.log();
    assert_eq!(record["outcome"], "client_disconnect", "{record}");
    answer_next(&vm, 2, 0);
    assert!(other.go_on() && !gone.go_on());
    assert_eq!(team(&vm).1["requests"], 1);
}

#[test]
fn a_request_that_the_ledger_has_no_room_for_is_refused_and_holds_nothing() {
    let vm = start(|_| {});
    let (mut first, mut second) = (waiting(&vm, PLAIN), waiting(&vm, PLAIN));
    assert!(vm.turn());
    answer_next(&vm, 1, 1);
    assert!(first.go_on() && !second.go_on() && second.sent().is_none());
    let response = second.response().unwrap();
    assert!(matches!(response.status, 402 | 429), "{}", response.status);
    let record = second.log();
    assert_eq!((&record["outcome"], &record["budget"]), (&json!("denied"), &json!("fleet")), "{record}");
    assert_eq!(team(&vm).1["requests"], 1);
    // It is told again without asking.
    let mut third = held(&vm);
    third.body(PLAIN.as_bytes(), true);
    assert!(third.response().is_some() && !vm.turn());
}

#[test]
fn a_request_of_a_ledger_out_of_reach_is_refused_after_a_while_and_then_at_once() {
    let vm = start(|_| {});
    let mut stream = waiting(&vm, PLAIN);
    let mut failed = 0;
    vm.turn();
    while stream.response().is_none() {
        while !vm.calls().is_empty() {
            fail_next(&vm, [Some(503), None][failed % 2]);
            failed += 1;
        }
        fake_host::advance(250);
        vm.tick();
        assert!(failed < 100);
    }
    assert!((4..20).contains(&failed), "{failed}");
    assert_eq!(stream.response().unwrap().status, 503);
    let mut next = held(&vm);
    next.body(PLAIN.as_bytes(), true);
    assert_eq!(next.response().unwrap().status, 503);
    let said = fake_host::logs().iter().filter(|line| line.contains("out of reach")).count();
    assert_eq!(said, 1, "{:?}", fake_host::logs());
}

#[test]
fn a_call_of_which_nothing_is_ever_heard_is_made_again() {
    let vm = start(|_| {});
    let mut stream = waiting(&vm, PLAIN);
    vm.turn();
    fake_host::advance(599);
    vm.tick();
    assert!(!stream.go_on());
    fake_host::advance(51);
    vm.tick();
    fake_host::advance(250);
    vm.tick();
    let late = vm.calls().len();
    assert!(late >= 2, "{late}");
    let calls = vm.calls();
    let last = calls.last().unwrap();
    vm.answer_call(last.token, Some(200), &lends(&last.body, 1, 0));
    assert!(stream.go_on());
    // Too late to be believed.
    answer_next(&vm, 1_000, 0);
}

#[test]
fn a_cluster_that_does_not_exist_is_told_once() {
    let vm = start(|_| {});
    for status in [BAD_ARGUMENT, INTERNAL_FAILURE] {
        fake_host::fail(HostCall::Dispatch, status);
        let _stream = waiting(&vm, PLAIN);
        vm.turn();
        fake_host::heal();
    }
    let said = fake_host::logs().iter().filter(|line| line.contains("is there a cluster 'ledger'?")).count();
    assert_eq!(said, 1);
}

#[test]
fn a_worker_that_cannot_call_itself_asks_with_its_tick() {
    let vm = start(|_| {});
    fake_host::fail(HostCall::Queue, INTERNAL_FAILURE);
    let (mut stream, mut other) = (waiting(&vm, PLAIN), waiting(&vm, PLAIN));
    assert!(!vm.turn() && vm.calls().is_empty());
    vm.tick();
    answer_next(&vm, 2, 0);
    assert!(stream.go_on() && other.go_on());
    let said = fake_host::logs().iter().filter(|line| line.contains("cannot call itself")).count();
    assert_eq!(said, 1);
}

#[test]
fn what_is_to_be_said_goes_with_the_tick_and_belongs_to_no_stream() {
    let vm = start(|_| {});
    let mut stream = waiting(&vm, PLAIN);
    vm.turn();
    answer_next(&vm, 1, 0);
    assert!(stream.go_on());
    fake_host::advance(250);
    vm.tick();
    let calls = vm.calls();
    assert_eq!((asked(&calls[0].body), calls[0].context), ((1, 0), 0));
    assert!(vm.push(&config(shared)) && fake_host::tick_ms() == Some(250));
}

#[test]
fn a_request_whose_body_is_not_read_waits_with_its_headers() {
    let vm = start(|json| json["headers_only"] = json!({"model_header": "x-model"}));
    let mut stream = vm.stream();
    let headers = [chat(), pairs(&[("x-model", "plain"), ("content-length", "17")])].concat();
    assert_eq!(stream.request(headers, false), Action::Pause);
    assert_eq!(stream.body(b"{\"model\":", false), Action::Pause);
    assert!(vm.turn());
    answer_next(&vm, 1, 0);
    assert!(stream.go_on());
    assert_eq!(stream.body(b"\"plain\"}", true), Action::Continue);
    let sent = stream.sent().unwrap();
    assert_eq!((&*sent.body, sent.ended), (&b"{\"model\":\"plain\"}"[..], true));
}

#[test]
fn a_host_that_fails_while_a_request_goes_on_keeps_nothing_of_it() {
    for call in HostCall::ALL {
        let vm = start(|_| {});
        let mut stream = waiting(&vm, RENAMED);
        assert!(vm.turn());
        fake_host::fail(call, INTERNAL_FAILURE);
        answer_next(&vm, 1, 0);
        fake_host::heal();
        if !stream.go_on() {
            assert!(stream.sent().is_none());
            stream.log();
            vm.tick();
            assert_eq!(team(&vm).1, super::nothing(), "{call:?}");
        }
    }
}
