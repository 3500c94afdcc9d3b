//! How often a request makes the filter call Envoy: most of what a request costs is there.

use std::collections::BTreeMap;

use super::*;
use crate::fake_host::{Call, calls};

/// The calls of one plain request, when everything that is done once has been done.
fn of_one_request(budgets: usize) -> BTreeMap<Call, usize> {
    let budget = |number| json!({"name": format!("b{number}"), "window": "day", "limit_requests": 1000});
    let vm = FakeVm::start(&config(|json| json["budgets"] = (0..budgets).map(budget).collect()));
    for _ in 0..2 {
        calls();
        let mut stream = vm.stream();
        let mut request = chat();
        request.extend(pairs(&[("content-length", &PLAIN.len().to_string()), ("user-agent", "curl")]));
        stream.request(request, false);
        stream.body(PLAIN.as_bytes(), true);
        stream.answer(200, JSON, false);
        stream.answer_body(ANSWER.as_bytes(), false);
        stream.answer_body(b"", true);
        stream.log();
    }
    calls()
}

#[test]
fn a_request_without_budgets_makes_these_calls_and_no_more() {
    let expected = [
        (Call::Clock, 4),
        (Call::GetHeaders, 2),
        (Call::ReplaceHeader, 2),
        (Call::RemoveHeader, 1),
        (Call::GetBuffer, 2),
        (Call::SetProperty, 3),
        (Call::Count, 7),
    ];
    assert_eq!(of_one_request(0), BTreeMap::from(expected));
}

#[test]
fn a_budget_costs_a_read_and_a_write_before_and_after() {
    for budgets in [1, 3, 6] {
        let calls = of_one_request(budgets);
        assert_eq!((calls[&Call::GetShared], calls[&Call::SetShared]), (2 * budgets, 2 * budgets));
        assert_eq!(calls.values().sum::<usize>(), of_one_request(0).values().sum::<usize>() + 4 * budgets);
    }
}
