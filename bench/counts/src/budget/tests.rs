use std::collections::BTreeMap;

use super::*;
use crate::tally::Crossings;

fn counted(instructions: u64, calls: u64) -> Vec<Counted> {
    let hostcalls = BTreeMap::from([("proxy_log", Crossings { calls, into: 40, out: 50 })]);
    let tally = Tally { instructions, moved: 60, allocations: 100, handed_over: 1, hostcalls };
    vec![Counted { name: "chat".to_owned(), tally, pages: 20 }]
}

fn budget() -> Budget {
    Budget::parse(&to_text(&counted(1000, 10), 5000)).unwrap()
}

fn said(budget: &Budget, counted: &[Counted], wasm_bytes: u64) -> Vec<String> {
    budget.compare(counted, wasm_bytes).iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_written_is_within_its_own_budget() {
    assert_eq!(said(&budget(), &counted(1000, 10), 5000), Vec::<String>::new());
}

#[test]
fn instructions_may_be_two_percent_above_and_ten_below() {
    for instructions in [900, 1020] {
        assert_eq!(said(&budget(), &counted(instructions, 10), 5000), Vec::<String>::new());
    }
    assert_eq!(
        said(&budget(), &counted(1021, 10), 5000),
        ["chat: 1021 instructions, 2.1 % above the budget of 1000"]
    );
    assert_eq!(
        said(&budget(), &counted(899, 10), 5000),
        ["chat: 899 instructions, 10.1 % below: lower the budget of 1000"]
    );
}

#[test]
fn one_more_hostcall_is_too_many() {
    assert_eq!(
        said(&budget(), &counted(1000, 11), 5000),
        ["chat: 11 hostcalls, 10.0 % above the budget of 10"]
    );
}

#[test]
fn a_filter_that_grew_is_told_by_its_bytes() {
    assert_eq!(
        said(&budget(), &counted(1000, 10), 5101),
        ["farebox.wasm: 5101 bytes, 2.0 % above the budget of 5000"]
    );
}

#[test]
fn a_scenario_and_a_budget_without_each_other_are_told() {
    let mut others = counted(1000, 10);
    "else".clone_into(&mut others[0].name);
    let said = said(&budget(), &others, 5000);
    assert_eq!(said.first().unwrap(), "else: 1000 instructions, and no budget");
    assert_eq!(said.last().unwrap(), "chat: there is a budget, but no such scenario");
}

#[test]
fn a_budget_that_is_no_number_is_refused() {
    let error = Budget::parse(r#"{"scenarios": {"chat": {"instructions": "many"}}}"#).unwrap_err();
    assert_eq!(error.to_string(), "bench/counts/budget.json: every budget has to be a whole number");
}
