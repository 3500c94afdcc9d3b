//! Long bodies that are on their way: who may not send one, what they take, and that every ending gives it back.

use super::*;
use crate::fake_host::{Stream, advance, counter};

const MIB: u64 = 1024 * 1024;

/// A gateway with a budget that lets two requests run, and room for bodies as it is unless it is said.
fn start_with(budgets: Value, pending: Value) -> FakeVm {
    FakeVm::start(&config(|json| {
        json["budgets"] = budgets;
        json["limits"] = pending;
    }))
}

fn lane() -> Value {
    json!([{"name": "lane", "per": "key", "window": "day", "limit_concurrent": 2}])
}

/// A request whose body will have `length` bytes, or does not say how many.
fn upload(vm: &FakeVm, id: &str, length: Option<u64>) -> Stream {
    let mut request = head("POST", "/v1/chat/completions", id);
    if let Some(length) = length {
        request.extend(pairs(&[("content-length", &length.to_string())]));
    }
    let mut stream = vm.stream();
    assert_eq!(stream.request(request, false), Action::Pause);
    stream
}

/// The status, the reason and when to come again.
fn refusal(stream: &mut Stream) -> Option<(u32, String, String)> {
    let response = stream.response()?;
    Some((
        response.status,
        response.header("x-farebox-denied").concat(),
        response.header("retry-after").concat(),
    ))
}

fn no_turn() -> Option<(u32, String, String)> {
    Some((429, "budget_concurrency".into(), "1".into()))
}

fn running(vm: &FakeVm) -> Value {
    usage(vm, "demo")["budgets"][0]["held"]["requests"].clone()
}

/// A chat request with so many bytes more than it needs.
fn padded(bytes: usize) -> String {
    PLAIN.replace("Hi", &"a".repeat(bytes))
}

#[test]
fn a_long_body_waits_for_no_turn_and_is_refused_by_its_headers() {
    let vm = start_with(lane(), json!({}));
    let (first, _second) = (upload(&vm, "demo", Some(30 * MIB)), upload(&vm, "demo", Some(30 * MIB)));
    for _ in 0..18 {
        let mut refused = upload(&vm, "demo", Some(30 * MIB));
        assert_eq!(refusal(&mut refused), no_turn());
        assert_eq!(refused.log()["denied"], "budget_concurrency");
    }
    assert_eq!(running(&vm), 2);
    assert_eq!(refusal(&mut upload(&vm, "ads", Some(30 * MIB))), None, "another key has turns of its own");
    let mut first = first;
    first.reset(0x4000);
    first.log();
    drop(first);
    assert_eq!(running(&vm), 1);
    assert_eq!(refusal(&mut upload(&vm, "demo", Some(30 * MIB))), None);
}

#[test]
fn a_body_of_unknown_length_takes_its_turn_when_it_is_long() {
    let vm = start_with(lane(), json!({}));
    let _others = [upload(&vm, "demo", Some(MIB)), upload(&vm, "demo", Some(MIB))];
    let mut stream = upload(&vm, "demo", None);
    stream.body(&[b' '; 60_000], false);
    assert_eq!(refusal(&mut stream), None);
    stream.body(&[b' '; 6_000], false);
    assert_eq!(refusal(&mut stream), no_turn());
}

#[test]
fn every_ending_of_a_long_body_gives_its_turn_and_its_bytes_back() {
    type Outcome = (&'static str, fn(&FakeVm, &mut Stream));
    let endings: [Outcome; 7] = [
        ("reset", |_, stream| stream.reset(0x4000)),
        ("refused for what it says", |_, stream| {
            stream.body(&[b' '; 100_000], true);
        }),
        ("larger than it may be", |_, stream| {
            stream.body(&vec![b' '; 1_100_000], false);
        }),
        ("given up", |vm, _| {
            advance(60_000);
            vm.tick();
        }),
        ("Envoy answers", |_, stream| stream.envoy_answers(413, "request_payload_too_large", 0)),
        ("ends with trailers", |_, stream| {
            stream.body(&[b' '; 100_000], false);
            stream.trailers();
        }),
        ("answered", |_, stream| {
            assert_eq!(stream.body(padded(100_000).as_bytes(), true), Action::Continue);
            stream.answer(200, JSON, false);
            stream.answer_body(ANSWER.as_bytes(), true);
        }),
    ];
    let limits = json!({
        "request_body_bytes": MIB, "pending_body_bytes": MIB, "pending_body_bytes_per_key": MIB,
    });
    for (name, ends) in endings {
        let vm = start_with(lane(), limits.clone());
        let mut stream = upload(&vm, "demo", Some(MIB));
        assert_eq!((running(&vm), refusal(&mut stream)), (json!(1), None), "{name}");
        ends(&vm, &mut stream);
        stream.log();
        drop(stream);
        assert_eq!(running(&vm), 0, "{name}");
        assert_eq!(refusal(&mut upload(&vm, "demo", Some(MIB))), None, "{name}");
    }
}

#[test]
fn a_request_does_not_stand_in_its_own_way_and_runs_on() {
    let vm = start_with(
        json!([{"name": "lane", "per": "key", "window": "day", "limit_concurrent": 1}]),
        json!({}),
    );
    let mut stream = upload(&vm, "demo", Some(100_000));
    assert_eq!(stream.body(padded(100_000).as_bytes(), true), Action::Continue);
    assert_eq!(refusal(&mut upload(&vm, "demo", Some(100_000))), no_turn());
    stream.log();
    assert_eq!(refusal(&mut upload(&vm, "demo", Some(100_000))), None);
}

#[test]
fn a_caller_with_nothing_left_is_refused_before_a_long_body_by_every_worker() {
    let budgets = json!([{"name": "day", "per": "team", "window": "day", "limit_requests": 1}]);
    let vm = start_with(budgets.clone(), json!({}));
    answered(&vm);
    let other = FakeVm::another(&config(|json| {
        json["budgets"] = budgets;
        json["limits"] = json!({});
    }));
    for vm in [&vm, &other] {
        let mut stream = upload(vm, "demo", Some(MIB));
        assert_eq!(refusal(&mut stream).unwrap().1, "budget");
        assert_eq!(stream.response().unwrap().header("x-farebox-budget"), ["day"]);
    }
}

#[test]
fn what_a_key_may_have_on_its_way_is_bounded_and_other_keys_have_room() {
    let limits = json!({
        "request_body_bytes": MIB, "pending_body_bytes": 3 * MIB, "pending_body_bytes_per_key": 2 * MIB,
    });
    let vm = start_with(json!([]), limits);
    let mut open: Vec<Stream> = (0..2).map(|_| upload(&vm, "demo", Some(MIB))).collect();
    let own = Some((429, "pending_bodies_of_key".to_owned(), "1".to_owned()));
    assert_eq!(refusal(&mut upload(&vm, "demo", Some(MIB))), own);
    open.push(upload(&vm, "ads", Some(MIB)));
    assert_eq!(refusal(open.last_mut().unwrap()), None);
    let all = Some((503, "pending_bodies".to_owned(), "1".to_owned()));
    assert_eq!(refusal(&mut upload(&vm, "ads", Some(MIB))), all);

    // What is short, or does not say how long it is, is counted when it comes; what is whole waits for nothing.
    let mut piece = upload(&vm, "ads", Some(100));
    piece.body(b"{", false);
    assert_eq!(refusal(&mut piece), all);
    let record = piece.log();
    assert_eq!((&record["outcome"], &record["denied"]), (&json!("denied"), &json!("pending_bodies")));
    answered(&vm);
    assert_eq!(counter("farebox_denied_total{team:ads}{reason:pending_bodies}"), Some(1));
    drop(open);
    assert_eq!(refusal(&mut upload(&vm, "ads", Some(MIB))), None);
}

#[test]
fn twenty_five_megabytes_of_sound_and_a_body_as_long_as_it_may_be_have_room() {
    let vm = start_with(json!([]), json!({}));
    let mut uploads: Vec<Stream> =
        [25_000_000, 25_000_000, 25_000_000, 32 * MIB].map(|length| upload(&vm, "demo", Some(length))).into();
    assert!(uploads.iter_mut().all(|stream| refusal(stream).is_none()));
    let vm = start_with(json!([]), json!({"request_body_bytes": 1024 * MIB}));
    assert_eq!(refusal(&mut upload(&vm, "demo", Some(1024 * MIB))), None);
}
