//! Counters that cannot be read or written, or that somebody else writes at the same moment.

use proxy_wasm::types::Action;

use super::*;
use crate::fake_host::{
    Call, INTERNAL_FAILURE, before_next_write, counter, fail, fail_after, heal, put_shared_data, shared_data,
};

#[test]
fn without_counters_nothing_is_let_through() {
    for (call, passes) in
        [(Call::GetShared, 0), (Call::SetShared, 0), (Call::GetShared, 1), (Call::SetShared, 1)]
    {
        let vm = start();
        let mut stream = held(&vm);
        fail_after(passes, call, INTERNAL_FAILURE);
        assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Pause, "{call:?}");
        let response = stream.response().unwrap();
        assert_eq!(response.status, 503, "{call:?}");
        assert_eq!(response.header("x-farebox-denied"), ["store_unavailable"], "{call:?}");
        assert_eq!((stream.replies(), stream.sent().is_none()), (1, true), "{call:?}");
        let record = stream.log();
        assert_eq!(record["denied"], "store_unavailable", "{call:?}");
    }
}

#[test]
fn a_usage_page_without_counters_says_so() {
    let vm = start();
    fail(Call::GetShared, INTERNAL_FAILURE);
    let mut stream = vm.stream();
    stream.request(head("GET", "/farebox/usage", "demo"), true);
    assert_eq!(stream.response().unwrap().header("x-farebox-denied"), ["store_unavailable"]);
}

#[test]
fn a_counter_of_another_format_is_not_overwritten() {
    let vm = start();
    put_shared_data("fb/2/team/team/search", b"something else");
    let mut stream = held(&vm);
    assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Pause);
    assert_eq!(stream.response().unwrap().header("x-farebox-denied"), ["store_unavailable"]);
    assert_eq!(shared_data()[&b"fb/2/team/team/search"[..]].0, b"something else");
}

#[test]
fn a_charge_that_cannot_be_written_is_kept_and_written_on_a_later_tick() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    fail(Call::SetShared, INTERNAL_FAILURE);
    assert_eq!(stream.log()["outcome"], "ok");
    assert_eq!(counter("farebox_unsettled_total"), Some(1));
    vm.tick();
    heal();
    let (spent, held) = team(&vm);
    assert_eq!((spent, &held["requests"]), (nothing(), &json!(1)));
    vm.tick();
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()));
    vm.tick();
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()), "it is written once");
}

#[test]
fn a_charge_that_one_budget_took_is_written_to_the_other_alone() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    fail_after(1, Call::SetShared, INTERNAL_FAILURE);
    stream.log();
    heal();
    vm.tick();
    let page = usage(&vm, "demo");
    for budget in page["budgets"].as_array().unwrap() {
        assert_eq!((&budget["spent"]["requests"], &budget["held"]["requests"]), (&json!(1), &json!(0)));
    }
}

#[test]
fn a_kept_charge_is_written_though_a_new_configuration_came_in_between() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    fail(Call::SetShared, INTERNAL_FAILURE);
    stream.log();
    drop(stream);
    heal();
    assert!(vm.push(&config(|json| json["unpriced"] = "allow".into())));
    vm.tick();
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()));
}

#[test]
fn two_workers_that_both_find_no_counter_lose_neither_request() {
    let vm = start();
    let other = FakeVm::another(&config(|_| {}));
    let mut stream = held(&vm);
    before_next_write(move || drop(admitted(&other, PLAIN)));
    assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Continue);
    let page = usage(&vm, "demo");
    assert_eq!(page["budgets"][0]["held"]["requests"], 2);
    assert_eq!(page["budgets"][1]["held"]["requests"], 2);
}

#[test]
fn two_workers_that_both_see_room_for_one_let_one_through() {
    let one = config(|json| json["budgets"] = json!([{"name": "all", "window": "day", "limit_requests": 1}]));
    let vm = FakeVm::start(&one);
    let other = FakeVm::another(&one);
    let mut stream = held(&vm);
    before_next_write(move || drop(admitted(&other, PLAIN)));
    assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Pause);
    assert_eq!(stream.response().unwrap().header("x-farebox-budget"), ["all"]);
    assert_eq!(usage(&vm, "demo")["budgets"][0]["held"]["requests"], 1);
}

#[test]
fn a_charge_written_in_between_is_not_lost_either() {
    let vm = start();
    answered(&vm);
    let other = FakeVm::another(&config(|_| {}));
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    before_next_write(move || drop(answered(&other)));
    stream.log();
    assert_eq!(team(&vm), (amounts("0.00006", 45, 3), nothing()));
}
