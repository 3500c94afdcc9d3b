//! Requests that count tokens: free of budgets, and limited by themselves.

use super::*;

const COUNT: &str = "/v1/responses/input_tokens";

fn counts(vm: &FakeVm, id: &str) -> crate::fake_host::Stream {
    let mut stream = vm.stream();
    if stream.request(head("POST", COUNT, id), false) == Action::Pause && stream.response().is_none() {
        stream.body(PLAIN.as_bytes(), true);
    }
    stream
}

#[test]
fn a_count_of_tokens_is_in_no_budget_and_is_answered_when_all_are_spent() {
    let budget =
        json!([{"name": "one", "per": "key", "window": "day", "limit_requests": 1, "limit_concurrent": 1}]);
    let vm = FakeVm::start(&config(|json| json["budgets"] = budget));
    for _ in 0..3 {
        assert!(counts(&vm, "demo").sent().is_some());
    }
    let mut first = admitted(&vm, PLAIN);
    first.answer(200, JSON, false);
    first.answer_body(ANSWER.as_bytes(), true);
    first.log();
    let mut spent = vm.stream();
    spent.request(chat(), false);
    spent.body(PLAIN.as_bytes(), true);
    assert_eq!(spent.response().unwrap().header("x-farebox-denied"), ["budget"]);
    assert!(counts(&vm, "demo").sent().is_some());
}

#[test]
fn a_count_of_tokens_needs_a_good_key_and_each_key_has_so_many_a_minute() {
    let vm = FakeVm::start(&config(|json| json["limits"] = json!({"count_requests_per_minute": 2})));
    assert_eq!(counts(&vm, "nobody").response().unwrap().header("x-farebox-denied"), ["invalid_key"]);
    assert!(counts(&vm, "demo").sent().is_some() && counts(&vm, "demo").sent().is_some());
    let mut third = counts(&vm, "demo");
    let reply = third.response().unwrap();
    assert_eq!((reply.status, reply.header("x-farebox-denied")), (429, vec!["count_requests".to_owned()]));
    let wait: u64 = reply.header("retry-after")[0].parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(reply.header("x-should-retry"), [""; 0]);
    assert!(admitted(&vm, PLAIN).sent().is_some(), "other requests go on");
    crate::fake_host::advance(60_000);
    assert!(counts(&vm, "demo").sent().is_some());
}
