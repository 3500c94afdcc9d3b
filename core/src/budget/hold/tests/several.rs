//! The promises of admission that concern several budgets at a time.

#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::*;
use crate::base::window::{Calendar, Window};
use crate::budget::ledger::{Dimension, Limits, MemoryStore};

const NOW: Millis = Millis(1_000);
const EPOCH_MS: u64 = 60_000;

fn wanted() -> Wanted {
    Wanted::exactly(Amounts::REQUEST)
}

fn account(
    name: &str,
    per: &[Dimension],
    limits: Limits,
    change: impl Fn(&mut Budget),
    value: &str,
) -> Rc<Account> {
    let mut budget = Budget::new(name, per, Calendar::utc(Window::Lifetime), limits);
    change(&mut budget);
    let values = if per.is_empty() { &[][..] } else { &[value][..] };
    Rc::new(Account::new(&Rc::new(budget), "search", values))
}

#[test]
fn a_budget_without_room_is_named_before_one_that_only_waits_for_a_turn() {
    let store = MemoryStore::default();
    let ledger = Ledger::new(&store, EPOCH_MS);
    let turns = account("turns", &[], Limits { concurrent: Some(1), ..Limits::default() }, |_| (), "");
    let hourly = |budget: &mut Budget| budget.window = Calendar::utc(Window::Hour);
    let room = account("room", &[], Limits { requests: Some(1), ..Limits::default() }, hourly, "");
    let accounts = [Rc::clone(&turns), Rc::clone(&room)];
    let (_hold, _) = admit(&ledger, &accounts, &wanted(), NOW).unwrap();
    let Err(Refusal::Short(named, short)) = admit(&ledger, &accounts, &wanted(), NOW) else {
        panic!("admitted")
    };
    assert_eq!((named, short.measure), (room, Measure::Requests));
}

#[test]
fn a_budget_that_only_watches_refuses_nobody_for_want_of_a_slot() {
    let store = MemoryStore::default();
    let ledger = Ledger::new(&store, EPOCH_MS);
    for (at_limit, admitted) in [(AtLimit::Shadow, true), (AtLimit::Deny, false)] {
        let limits = Limits { requests: Some(5), ..Limits::default() };
        let mut holds = Vec::new();
        let mut tell = None;
        for session in 0..20_000 {
            let few = |budget: &mut Budget| (budget.slots, budget.at_limit) = (1, at_limit);
            let name = if admitted { "watching" } else { "denying" };
            let account = account(name, &[Dimension::Session], limits, few, &format!("s{session}"));
            match admit(&ledger, &[account], &wanted(), NOW) {
                Ok((hold, noticed)) if noticed.uncounted.is_empty() => holds.push(hold),
                other => {
                    tell = Some(other.is_ok());
                    break;
                }
            }
        }
        assert_eq!(tell, Some(admitted), "{at_limit:?}");
    }
}

#[test]
fn a_refused_request_leaves_nothing_behind() {
    let store = MemoryStore::default();
    let ledger = Ledger::new(&store, EPOCH_MS);
    let open = account("open", &[], Limits { requests: Some(9), ..Limits::default() }, |_| (), "");
    let shut = account("shut", &[], Limits { requests: Some(0), ..Limits::default() }, |_| (), "");
    assert!(admit(&ledger, &[Rc::clone(&open), shut], &wanted(), NOW).is_err());
    assert!(ledger.read(&open, NOW).unwrap().is_idle());
}
