use std::rc::Rc;

use super::*;
use crate::base::window::{Calendar, Millis, Window};
use crate::budget::ledger::{Account, Amounts, Budget, Dimension, Limits, Mode, Room, Scope};

const NOW: Millis = Millis(1_900_000_000_000);

fn budget(per: &[Dimension], mode: Mode, limit: u64) -> Rc<Budget> {
    let limits = Limits { requests: Some(limit), ..Limits::default() };
    let budget = Budget::new("a", per, Calendar::utc(Window::Lifetime), limits);
    Rc::new(Budget { scope: Scope::Fleet, mode, ..budget })
}

fn vm(instance: &str) -> FleetLedger {
    let fleet = FleetLedger::new(instance.to_owned());
    fleet.configure(&Rc::new(Settings::default()));
    fleet
}

fn hold(fleet: &FleetLedger, account: &Account) -> Room {
    fleet.hold(account, Amounts::REQUEST, Turn::Answered, NOW)
}

/// Asks for `account`, and has it answered that so many requests are granted and so many spent.
fn ask(fleet: &FleetLedger, account: &Account, granted: u64, spent: u64) {
    fleet.wait(1, &[(Rc::new(account.clone()), Amounts::REQUEST)], NOW, NOW);
    for call in fleet.wake(NOW) {
        answer(fleet, &call, granted, spent, NOW);
    }
    assert_eq!(fleet.ready(NOW).len(), 1);
}

/// Has a call about one account answered. That of the requests that run may come besides.
fn answer(fleet: &FleetLedger, call: &Call, granted: u64, spent: u64, now: Millis) {
    let answer = format!("0 0 0 0 0 0 {granted} 0 0 0 {spent} 0 0 0 {granted}");
    let count = if String::from_utf8_lossy(&call.bytes).contains(":running") { 2 } else { 1 };
    let answers = format!("${}\r\n{answer}\r\n", answer.len()).repeat(count);
    let reply = format!("*{}\r\n:{}\r\n:1\r\n:0\r\n{answers}", 3 + count, now.0);
    fleet.answered(call.id, Some(reply.as_bytes()), now);
}

#[test]
fn a_fleet_budget_that_only_checks_lets_nobody_in_once_its_limit_is_reached() {
    for (spent, held) in [(9, true), (10, false), (11, false)] {
        let (fleet, account) = (vm("i1"), Account::new(&budget(&[], Mode::Check, 10), "t", &[]));
        assert_eq!(hold(&fleet, &account), Room::Ask);
        ask(&fleet, &account, 0, spent);
        let room = hold(&fleet, &account);
        let as_it_should =
            if held { matches!(room, Room::Held { .. }) } else { matches!(room, Room::Short(_)) };
        assert!(as_it_should, "{spent}: {room:?}");
    }
    let limits = Limits { tokens: Some(100), ..Limits::default() };
    let tokens = Budget { limits, ..Rc::into_inner(budget(&[], Mode::Check, 1)).unwrap() };
    let (fleet, account) = (vm("i1"), Account::new(&Rc::new(tokens), "t", &[]));
    ask(&fleet, &account, 0, 0);
    let Room::Held { epoch, .. } = hold(&fleet, &account) else { panic!("nothing was spent") };
    let charge = Amounts { input: 60, output: 40, ..Amounts::REQUEST };
    fleet.settle(&account, Amounts::REQUEST, epoch, charge, NOW);
    assert!(matches!(hold(&fleet, &account), Room::Short(_)), "a request more would be one too many");
}

#[test]
fn subjects_that_callers_make_up_are_bounded_and_forgotten_when_they_hold_nothing() {
    let fleet = vm("i1");
    let per = budget(&[Dimension::Session], Mode::Hold, 10);
    let named = |number: u32| Account::new(&per, "t", &[&number.to_string()]);
    let mut number = 0;
    while hold(&fleet, &named(number)) == Room::Ask {
        number += 1;
        assert!(number <= 65_536, "there is no end to them");
    }
    assert_eq!(hold(&fleet, &named(number)), Room::NoSlot);
    // What the configuration names has a place at any time.
    assert_eq!(hold(&fleet, &Account::new(&budget(&[], Mode::Hold, 10), "t", &[])), Room::Ask);
    let _ = fleet.tick(NOW.plus(1_000));
    assert_eq!(hold(&fleet, &named(number)), Room::Ask, "those that hold nothing were forgotten");
}

#[test]
fn a_vm_without_a_name_of_its_own_says_nothing_to_the_ledger() {
    let (fleet, account) = (vm(""), Account::new(&budget(&[], Mode::Hold, 10), "t", &[]));
    assert_eq!(hold(&fleet, &account), Room::Ask);
    fleet.wait(1, &[(Rc::new(account), Amounts::REQUEST)], NOW, NOW);
    assert!(fleet.wake(NOW).is_empty() && fleet.tick(NOW.plus(300)).is_empty());
    let gave_up = fleet.ready(NOW.plus(60_000));
    assert_eq!(gave_up.first().map(|ready| ready.turn), Some(Turn::GaveUp));
}

#[test]
fn a_request_that_waited_in_vain_is_told_of_a_limit_only_where_one_is_reached() {
    for (spent, is_short) in [(0, false), (9, false), (10, true)] {
        let (fleet, account) = (vm("i1"), Account::new(&budget(&[], Mode::Hold, 10), "t", &[]));
        fleet.wait(1, &[(Rc::new(account.clone()), Amounts::REQUEST)], NOW, NOW);
        fleet.wake(NOW).iter().for_each(|call| answer(&fleet, call, 0, spent, NOW));
        let room = fleet.hold(&account, Amounts::REQUEST, Turn::GaveUp, NOW);
        let as_it_should = if is_short { matches!(room, Room::Short(_)) } else { room == Room::OutOfReach };
        assert!(as_it_should, "{spent}: {room:?}");
    }
}

fn with_limits(concurrent: Option<u64>) -> Account {
    let limits = Limits { requests: Some(100), concurrent, ..Limits::default() };
    let budget = Budget { limits, ..Rc::into_inner(budget(&[], Mode::Hold, 1)).unwrap() };
    Account::new(&Rc::new(budget), "t", &[])
}

/// What this VM says of the requests that run.
fn lanes(fleet: &FleetLedger) -> Option<u64> {
    let parts = fleet.parts();
    parts.iter().find(|part| part.key.ends_with(":running")).map(|part| part.held.requests)
}

#[test]
fn requests_that_run_when_a_limit_of_these_is_pushed_count_and_end_once() {
    let (fleet, unlimited, limited) = (vm("i1"), with_limits(None), with_limits(Some(3)));
    ask(&fleet, &unlimited, 10, 0);
    let begin = |account: &Account| match hold(&fleet, account) {
        Room::Held { epoch, .. } => epoch,
        other => panic!("{other:?}"),
    };
    let end = |account: &Account, epoch: u64| {
        fleet.settle(account, Amounts::REQUEST, epoch, Amounts::REQUEST, NOW);
    };
    let epochs = [begin(&unlimited), begin(&unlimited)];
    assert_eq!(lanes(&fleet), None);
    fleet.begin(&[Rc::clone(&limited.budget)], NOW);
    assert_eq!(lanes(&fleet), Some(2), "they are said before another request comes");
    let said = fleet.tick(NOW.plus(300));
    assert!(said.iter().any(|call| String::from_utf8_lossy(&call.bytes).contains(":running")));

    assert_eq!(hold(&fleet, &limited), Room::Ask);
    ask(&fleet, &limited, 3, 0);
    let epoch = begin(&limited);
    assert_eq!(lanes(&fleet), Some(3));
    assert_eq!(hold(&fleet, &limited), Room::Ask, "there is no lane left");
    for epoch in epochs {
        end(&unlimited, epoch);
    }
    assert_eq!(lanes(&fleet), Some(1), "that of the newest still runs");
    end(&limited, epoch);
    assert_eq!(lanes(&fleet), Some(0));
}

#[test]
fn a_request_that_ends_does_not_bring_the_limits_back_that_it_came_with() {
    let (fleet, before, after) = (vm("i1"), with_limits(None), with_limits(Some(1)));
    ask(&fleet, &before, 10, 0);
    let Room::Held { epoch, .. } = hold(&fleet, &before) else { panic!("there is room") };
    fleet.wait(2, &[(Rc::new(after), Amounts::REQUEST)], NOW, NOW);
    fleet.settle(&before, Amounts::REQUEST, epoch, Amounts::REQUEST, NOW);
    let calls = fleet.wake(NOW);
    let text = String::from_utf8_lossy(&calls.first().expect("it is asked").bytes).into_owned();
    assert!(text.contains(":running") && text.contains(" - - - - 1 "), "{text}");
}

#[test]
fn a_busy_worker_calls_once_when_it_is_its_turn() {
    for (workers, calls_of_four_seconds) in [(1, 16), (2, 8), (4, 4), (8, 4)] {
        let (fleet, account) = (vm("i1"), Account::new(&budget(&[], Mode::Hold, 1_000), "t", &[]));
        fleet.set_workers(workers);
        ask(&fleet, &account, 100, 0);
        let mut calls = 0;
        for tick in 1..=16 {
            let now = NOW.plus(250 * tick);
            let room = fleet.hold(&account, Amounts::REQUEST, Turn::First, now);
            let Room::Held { epoch, .. } = room else { panic!("{room:?}") };
            fleet.settle(&account, Amounts::REQUEST, epoch, Amounts::REQUEST, now);
            for call in fleet.tick(now) {
                calls += 1;
                answer(&fleet, &call, 100, tick, now);
            }
        }
        assert_eq!(calls, calls_of_four_seconds, "{workers} workers");
    }
}

#[test]
fn what_is_wished_for_lasts_until_the_worker_has_its_turn_again() {
    for (interval_ms, workers) in [(250, 1), (250, 4), (5_000, 1), (5_000, 4)] {
        let fleet = FleetLedger::new("i1".to_owned());
        fleet.configure(&Rc::new(Settings { interval_ms, ..Settings::default() }));
        fleet.set_workers(workers);
        let account = Account::new(&budget(&[], Mode::Hold, 1_000_000), "t", &[]);
        ask(&fleet, &account, 1_000, 0);
        let wished = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let item = text.split("\r\n").find(|line| line.starts_with("i1.")).map(str::to_owned);
            item.and_then(|item| item.split(' ').nth(24)?.parse::<u64>().ok())
        };
        // A hundred requests in each second.
        let mut wish = 0;
        for tick in 1..=2 * interval_ms * workers / 10 {
            let now = NOW.plus(10 * tick);
            let _ = fleet.hold(&account, Amounts::REQUEST, Turn::First, now);
            if tick % 25 == 0 {
                wish = fleet
                    .tick(now)
                    .iter()
                    .filter_map(|call| wished(&call.bytes))
                    .chain([wish])
                    .max()
                    .unwrap();
            }
        }
        let until_then = 100 * interval_ms * workers / 1_000;
        assert!(wish >= until_then, "{interval_ms} ms, {workers} workers: {wish} for {until_then}");
    }
}
