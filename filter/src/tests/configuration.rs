//! Configurations that come, are refused, or change while requests run.

use proxy_wasm::types::Action;

use super::*;
use crate::fake_host::{Call, INTERNAL_FAILURE, fail, heal, logs, shared_data, tick_ms};

#[test]
fn a_configuration_is_said_in_one_line_and_asks_for_ticks() {
    let _vm = start();
    let lines = logs();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("3 keys, 3 providers, 3 models, 2 budgets"), "{lines:?}");
    assert_eq!(tick_ms(), Some(500));
}

#[test]
fn a_configuration_that_is_gone_leaves_no_timer_behind() {
    let vm = start();
    assert_eq!((vm.end(), tick_ms()), (true, Some(0)));
}

#[test]
fn a_refused_configuration_leaves_the_one_before() {
    let vm = start();
    let broken = [
        String::new(),
        "{".into(),
        "\u{feff}{}".into(),
        config(|json| json["modles"] = json!({})),
        config(|json| json["providers"]["local"]["credentials"] = json!([{"env": "FAREBOX_TEST_UNSET"}])),
    ];
    for broken in broken {
        assert!(!vm.push(&broken), "{broken}");
        assert_eq!(answered(&vm)["outcome"], "ok");
        assert!(!vm.configure_again(&broken), "{broken}");
        assert_eq!(answered(&vm)["outcome"], "ok");
    }
    assert!(logs().iter().any(|line| line.contains("configuration refused") && line.contains("models")));
}

#[test]
fn a_configuration_without_ticks_is_refused_whole() {
    let vm = start();
    let before = answered(&vm)["config"].clone();
    fail(Call::Tick, INTERNAL_FAILURE);
    assert!(!vm.configure_again(&config(|json| json["unpriced"] = "allow".into())));
    heal();
    assert_eq!(answered(&vm)["config"], before);
}

#[test]
fn configuring_writes_no_shared_data() {
    let vm = start();
    assert!(shared_data().is_empty());
    answered(&vm);
    let before = shared_data();
    assert_eq!(before.len(), 3, "two counters, and which budgets are in use");
    assert!(vm.push(&config(|json| json["hold"] = json!({"output_tokens": 7}))));
    assert!(!vm.push("{}"));
    vm.tick();
    assert_eq!(shared_data(), before);
    let _other = FakeVm::another(&config(|_| {}));
    assert_eq!(shared_data(), before);
}

#[test]
fn a_stream_keeps_the_configuration_it_began_with() {
    let vm = start();
    let mut stream = held(&vm);
    let old = answered(&vm)["config"].clone();
    assert!(vm.push(&config(|json| {
        json["models"] =
            json!({"fast": [{"provider": "paid", "model": "p-2"}], "plain": [{"provider": "dead"}]});
        json["prices"] = json!({"local/plain": {"input": 1000, "output": 1000}});
        json["keys"][0]["enabled"] = false.into();
        json["budgets"] = json!([{"name": "new", "window": "day", "limit_requests": 0}]);
    })));
    assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Continue);
    assert_eq!(stream.sent().unwrap().cluster.as_deref(), Some("local-cluster"));
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    let record = stream.log();
    assert_eq!((&record["cost_usd"], &record["config"]), (&json!("0.00002"), &old));
    let mut next = vm.stream();
    next.request(chat(), false);
    assert_eq!(next.response().unwrap().header("x-farebox-denied"), ["key_disabled"]);
    assert!(vm.push(&config(|_| {})));
    assert_eq!(team(&vm), (amounts("0.00004", 30, 2), nothing()));
}

#[test]
fn a_hold_is_settled_by_the_configuration_it_was_made_with() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    assert!(vm.push(&config(|json| {
        json["budgets"] = json!([{"name": "team", "per": "key", "window": "day", "limit_usd": 1}]);
        json["prices"]["local/plain"] = json!({"input": 9, "output": 9});
        json["on_disconnect"] = "bill_hold".into();
        json["hold"] = json!({"epoch_seconds": 60});
    })));
    assert_eq!(stream.log()["cost_usd"], "0.00022", "at the old prices");
    assert!(vm.push(&config(|_| {})));
    let (spent, held) = team(&vm);
    assert_eq!((&spent["requests"], held), (&json!(1), nothing()));
}

#[test]
fn streams_of_an_earlier_configuration_are_still_watched() {
    let vm = start();
    let mut slow = held(&vm);
    slow.body(b"{", false);
    assert!(vm.push(&config(|json| json["limits"]["request_body_seconds"] = 600.into())));
    crate::fake_host::advance(30_000);
    vm.tick();
    assert_eq!((slow.replies(), slow.response().unwrap().status), (1, 408));
}

#[test]
fn a_body_seen_under_an_earlier_configuration_ends_all_doubt() {
    let vm = start();
    answered(&vm);
    assert!(vm.push(&config(|json| json["unpriced"] = "allow".into())));
    let mut slow = held(&vm);
    crate::fake_host::advance(5_000);
    vm.tick();
    assert_eq!(slow.replies(), 0);
}

#[test]
fn a_budget_whose_window_gets_longer_still_ends() {
    let window = |window: &str| {
        config(|json| {
            json["budgets"] = json!([{"name": "b", "window": window, "limit_requests": 1}]);
        })
    };
    let vm = FakeVm::start(&window("minute"));
    answered(&vm);
    assert!(vm.push(&window("hour")));
    let mut second = held(&vm);
    assert_eq!(second.body(PLAIN.as_bytes(), true), Action::Pause, "what was spent is not forgotten");
    crate::fake_host::advance(3_600_000);
    assert_eq!(answered(&vm)["outcome"], "ok");
}

#[test]
fn without_a_configuration_nothing_is_let_through() {
    let vm = FakeVm::without_a_configuration();
    let mut stream = vm.stream();
    assert_eq!(stream.request(chat(), false), Action::Pause);
    assert_eq!(stream.response().unwrap().status, 503);
    assert_eq!(stream.log()["denied"], "host_unsupported");
    vm.tick();
}
