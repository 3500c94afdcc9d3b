//! Modes, growth, and what is said of a counter.

use std::rc::Rc;

#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::*;
use super::{EPOCH_MS, account, held, token_limit, tokens};
use crate::base::money::PicoUsd;
use crate::base::window::{Calendar, Millis, Window};

const NOW: Millis = Millis(0);

fn with(limits: Limits, change: impl Fn(&mut Budget)) -> Account {
    let mut budget = Budget::new("team", [Dimension::Team], Calendar::utc(Window::Hour), limits);
    change(&mut budget);
    Account::new(&Rc::new(budget), "search", &["search"])
}

#[test]
fn a_budget_that_only_watches_holds_beyond_its_limit_and_says_so() {
    let (store, account) =
        (MemoryStore::default(), with(token_limit(10), |it| it.at_limit = AtLimit::Shadow));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let fits = Room::Held { epoch: 0, percent: 80, short: None };
    assert_eq!(ledger.hold(&account, tokens(8), NOW), Ok(fits));
    let short = Room::Held { epoch: 0, percent: 160, short: Some(Measure::Tokens) };
    assert_eq!(ledger.hold(&account, tokens(8), NOW), Ok(short));
    assert_eq!(ledger.ask(&account, tokens(8), NOW), Ok(None));
}

#[test]
fn a_budget_that_only_checks_lets_pass_whatever_fits_or_not_while_something_is_left() {
    for (limits, last) in [
        (token_limit(10), Measure::Tokens),
        (Limits { usd: Some(PicoUsd(70)), ..Limits::default() }, Measure::Usd),
        (Limits { input_tokens: Some(10), ..Limits::default() }, Measure::InputTokens),
        (Limits { requests: Some(2), ..Limits::default() }, Measure::Requests),
    ] {
        let (store, account) = (MemoryStore::default(), with(limits, |it| it.mode = Mode::Check));
        let ledger = Ledger::new(&store, EPOCH_MS);
        let request = |charge| {
            let room = ledger.hold(&account, Amounts::REQUEST, NOW).unwrap();
            if let Room::Held { epoch, .. } = room {
                ledger.settle(&account, Amounts::REQUEST, epoch, tokens(charge), NOW).unwrap();
            }
            room
        };
        assert!(matches!(request(9), Room::Held { .. }), "{last:?}");
        assert!(matches!(request(90), Room::Held { .. }), "{last:?}");
        let Room::Short(short) = request(1) else { panic!("{last:?} has no room") };
        assert_eq!((short.measure, short.alone), (last, false));
    }
}

#[test]
fn a_hold_grows_if_there_is_room_or_it_is_forced_and_stays_as_it_was_if_not() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let held_now = || ledger.read(&account, NOW).unwrap().held();
    let epoch = held(ledger.hold(&account, tokens(60), NOW)).unwrap();
    assert!(held(ledger.regrow(&account, (tokens(60), epoch), tokens(100), false, NOW)).is_some());
    assert_eq!(held_now(), tokens(100));
    assert!(held(ledger.regrow(&account, (tokens(100), epoch), tokens(101), false, NOW)).is_none());
    assert_eq!(held_now(), tokens(100));
    assert!(held(ledger.regrow(&account, (tokens(100), epoch), tokens(101), true, NOW)).is_some());
    assert_eq!(held_now(), tokens(101));
}

#[test]
fn growing_makes_a_hold_as_young_as_a_new_one() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let epoch = held(ledger.hold(&account, tokens(60), NOW)).unwrap();
    let next = Millis(EPOCH_MS);
    let moved = held(ledger.regrow(&account, (tokens(60), epoch), tokens(70), false, next)).unwrap();
    assert_eq!(moved, EPOCH_MS);
    assert_eq!(ledger.read(&account, Millis(2 * EPOCH_MS)).unwrap().held(), tokens(70));
    // Forgotten, it is held again, all of it.
    let late = Millis(9 * EPOCH_MS);
    assert!(held(ledger.regrow(&account, (tokens(70), moved), tokens(80), false, late)).is_some());
    assert_eq!(ledger.read(&account, late).unwrap().held(), tokens(80));
}

#[test]
fn asking_tells_what_a_hold_would_find_and_holds_nothing() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS);
    held(ledger.hold(&account, tokens(60), NOW)).unwrap();
    assert_eq!(ledger.ask(&account, tokens(40), NOW), Ok(None));
    let short = |alone, wanted| {
        let (spent, held) = (Amounts::default(), tokens(60));
        Short { measure: Measure::Tokens, alone, spent, held, wanted: tokens(wanted) }
    };
    assert_eq!(ledger.ask(&account, tokens(41), NOW), Ok(Some(short(false, 41))));
    assert_eq!(ledger.ask(&account, tokens(101), NOW), Ok(Some(short(true, 101))));
    assert_eq!(ledger.hold(&account, tokens(101), NOW), Ok(Room::Short(short(true, 101))));
    assert_eq!(short(false, 41).left(&account.limits), token_limit(40));
    let figures = Figures { measure: Measure::Tokens, limit: 100, spent: 0, held: 60, wanted: 41 };
    assert_eq!(short(false, 41).figures(&account.limits), figures);
    assert_eq!(ledger.read(&account, NOW).unwrap().held(), tokens(60));
}

#[test]
fn only_so_many_requests_run_at_a_time_whatever_the_window() {
    let (store, account) =
        (MemoryStore::default(), account(Limits { concurrent: Some(2), ..Limits::default() }));
    let ledger = Ledger::new(&store, 24 * 3_600_000);
    let epoch = held(ledger.hold(&account, tokens(1), NOW)).unwrap();
    held(ledger.hold(&account, tokens(1), NOW)).unwrap();
    let next_window = Millis(3_600_000);
    let Ok(Room::Short(short)) = ledger.hold(&account, tokens(1), next_window) else {
        panic!("a third runs")
    };
    assert_eq!((short.measure, short.left(&account.limits).concurrent), (Measure::Concurrent, Some(0)));
    ledger.settle(&account, tokens(1), epoch, tokens(1), next_window).unwrap();
    assert!(held(ledger.hold(&account, tokens(1), next_window)).is_some());
}

#[test]
fn the_percentage_is_that_of_the_nearest_limit_and_requests_that_run_do_not_count() {
    let limits = Limits { tokens: Some(200), requests: Some(3), concurrent: Some(1), ..Limits::default() };
    assert_eq!(limits.percent(tokens(100)), 50);
    assert_eq!(limits.percent(Amounts { requests: 2, ..tokens(100) }), 66);
    assert_eq!(limits.percent(tokens(500)), 250);
    assert_eq!(token_limit(0).percent(Amounts::default()), 100);
    assert_eq!(token_limit(1).percent(tokens(u64::MAX / 7)), u64::MAX);
    assert_eq!(Limits { concurrent: Some(0), ..Limits::default() }.percent(tokens(1)), 0);
}

#[test]
fn what_is_left_is_never_below_nothing_and_unlimited_stays_so() {
    let limits =
        Limits { usd: Some(PicoUsd(700)), output_tokens: Some(5), concurrent: Some(3), ..token_limit(50) };
    let left = limits.left(Amounts { output: 9, ..tokens(20) }, 1);
    let expected = Limits {
        usd: Some(PicoUsd(560)),
        tokens: Some(21),
        output_tokens: Some(0),
        concurrent: Some(2),
        ..Limits::default()
    };
    assert_eq!(left, expected);
}

#[test]
fn a_day_ends_at_midnight_of_its_place() {
    let at = |text| Millis::parse(text).unwrap();
    for (offset_minutes, before, after) in [
        (330, "2026-03-01T18:29:59Z", "2026-03-01T18:30:00Z"),
        (-300, "2026-03-02T04:59:59Z", "2026-03-02T05:00:00Z"),
    ] {
        let window = Calendar { window: Window::Day, offset_minutes };
        let (store, account) = (MemoryStore::default(), with(token_limit(9), |it| it.window = window));
        let ledger = Ledger::new(&store, EPOCH_MS);
        ledger.settle(&account, Amounts::default(), 0, tokens(9), at("2026-03-01T12:00:00Z")).unwrap();
        assert_eq!(held(ledger.hold(&account, tokens(9), at(before))), None);
        assert!(held(ledger.hold(&account, tokens(9), at(after))).is_some());
    }
}
