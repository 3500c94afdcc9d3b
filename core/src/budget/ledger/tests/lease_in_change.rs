//! What leases promise while configurations change under them, limits are passed, and the store fails.

use std::rc::Rc;

#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::*;
use super::lease::{Counted, others_see};
use super::{EPOCH_MS, account, held, in_window, token_limit, tokens};
use crate::base::window::{Calendar, Millis, Window};

const NOW: Millis = Millis(0);

/// An account of a budget that differs from the others here in what `change` does.
fn changed(limits: Limits, change: impl FnOnce(&mut Budget)) -> Account {
    let mut budget = Budget::new("team", [Dimension::Team], Calendar::utc(Window::Hour), limits);
    change(&mut budget);
    Account::new(&Rc::new(budget), "search", &["search"])
}

#[test]
fn a_lowered_limit_holds_at_once_for_what_is_leased_too() {
    let (store, leases) = (MemoryStore::default(), Leases::default());
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let (before, after) = (account(token_limit(1_000_000)), account(token_limit(10)));
    held(ledger.hold(&before, tokens(8), NOW)).unwrap();
    held(ledger.hold(&before, tokens(8), NOW)).unwrap();
    assert_eq!(held(ledger.hold(&after, tokens(1), NOW)), None);
    assert!(held(ledger.hold(&before, tokens(1), NOW)).is_some());
}

#[test]
fn a_longer_window_is_not_emptied_when_the_one_before_it_would_have_ended() {
    let (store, leases) = (MemoryStore::default(), Leases::default());
    let ledger = Ledger::new(&store, 60 * EPOCH_MS).with_leases(&leases);
    let before = in_window(Window::Minute, token_limit(100));
    let after = in_window(Window::Day, token_limit(100));
    let old = held(ledger.hold(&before, tokens(1), NOW)).unwrap();
    let new = held(ledger.hold(&after, tokens(1), NOW)).unwrap();
    ledger.settle(&before, tokens(1), old, tokens(1), NOW).unwrap();
    let longer = held(ledger.hold(&after, tokens(60), NOW)).unwrap();
    ledger.settle(&after, tokens(60), longer, tokens(60), NOW).unwrap();
    let later = Millis(90_000);
    ledger.tick(later).unwrap();
    assert_eq!(others_see(&store, &after, later), (tokens(1).plus(tokens(60)), tokens(1)));
    ledger.settle(&after, tokens(1), new, tokens(1), later).unwrap();
}

#[test]
fn what_leases_hold_and_owe_is_in_the_store_in_every_measure() {
    let (store, leases, account) =
        (MemoryStore::default(), Leases::default(), account(token_limit(1_000_000)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    let epoch = held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    // Dear, but no more tokens than were held: somebody may have a configuration by now that limits dollars.
    let dear = Amounts { usd: crate::base::money::PicoUsd(1_000_000), ..tokens(8) };
    ledger.settle(&account, tokens(8), epoch, dear, NOW).unwrap();
    for _ in 0..100 {
        held(ledger.hold(&account, tokens(0), NOW)).unwrap();
    }
    let (spent, holds) = others_see(&store, &account, NOW);
    assert!(spent.plus(holds).usd >= dear.usd);
    assert!(holds.requests >= 101);
}

#[test]
fn a_budget_that_only_checks_from_now_on_counts_what_was_owed_to_it() {
    let (store, leases, before) = (MemoryStore::default(), Leases::default(), account(token_limit(10)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    held(ledger.hold(&before, tokens(0), NOW)).unwrap();
    let epoch = held(ledger.hold(&before, tokens(10), NOW)).unwrap();
    ledger.settle(&before, tokens(10), epoch, tokens(10), NOW).unwrap();
    let after = changed(token_limit(10), |budget| budget.mode = Mode::Check);
    assert_eq!(held(ledger.hold(&after, Amounts::REQUEST, NOW)), None);
}

#[test]
fn what_grew_beyond_a_limit_leaves_no_room_for_others_when_it_ends() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let others = Ledger::new(&store, EPOCH_MS);
    let theirs = held(others.hold(&account, tokens(60), NOW)).unwrap();
    others.settle(&account, tokens(60), theirs, tokens(60), NOW).unwrap();
    held(ledger.hold(&account, tokens(10), NOW)).unwrap();
    let epoch = held(ledger.hold(&account, tokens(10), NOW)).unwrap();
    let grown = held(ledger.regrow(&account, (tokens(10), epoch), tokens(90), true, NOW)).unwrap();
    ledger.settle(&account, tokens(90), grown, tokens(20), NOW).unwrap();
    assert_eq!(held(ledger.hold(&account, tokens(11), NOW)), None);
    assert!(held(ledger.hold(&account, tokens(10), NOW)).is_some());
}

#[test]
fn a_budget_that_only_watches_says_what_it_would_have_refused() {
    let (store, leases) = (MemoryStore::default(), Leases::default());
    let account = changed(token_limit(100), |budget| budget.at_limit = AtLimit::Shadow);
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    held(ledger.hold(&account, tokens(1), NOW)).unwrap();
    let epoch = held(ledger.hold(&account, tokens(200), NOW)).unwrap();
    ledger.settle(&account, tokens(200), epoch, tokens(150), NOW).unwrap();
    let room = ledger.hold(&account, tokens(1), NOW).unwrap();
    assert!(matches!(room, Room::Held { short: Some(Measure::Tokens), .. }), "{room:?}");
}

#[test]
fn what_cannot_be_released_is_given_back_by_the_next_tick() {
    let (store, leases, account) = (Counted::default(), Leases::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let epoch = held(ledger.hold(&account, tokens(100), NOW)).unwrap();
    store.2.set(true);
    // Who was refused by another budget gives back what it has of this one, and does not come again.
    let _ = ledger.settle(&account, tokens(100), epoch, Amounts::default(), NOW);
    assert!(ledger.tick(NOW).is_err());
    store.2.set(false);
    ledger.tick(NOW).unwrap();
    assert_eq!(others_see(&store, &account, NOW).1, Amounts::default());
}

#[test]
fn a_lease_that_was_forgotten_lets_nobody_in() {
    let (store, leases, account) =
        (MemoryStore::default(), Leases::default(), account(token_limit(1_000_000)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    // No tick came for so long that the store has nothing of it any more.
    let late = Millis(3 * EPOCH_MS);
    assert_eq!(others_see(&store, &account, late).1, Amounts::default());
    held(ledger.hold(&account, tokens(8), late)).unwrap();
    assert!(tokens(24).within(others_see(&store, &account, late).1));
}

#[test]
fn a_clock_that_steps_back_over_an_epoch_takes_nothing_from_others() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(1_000)));
    let ledger = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let others = Ledger::new(&store, EPOCH_MS);
    let (before, after) = (Millis(EPOCH_MS - 1), Millis(EPOCH_MS));
    let epoch = held(ledger.hold(&account, tokens(8), after)).unwrap();
    held(others.hold(&account, tokens(30), before)).unwrap();
    let second = held(ledger.hold(&account, tokens(8), before)).unwrap();
    ledger.settle(&account, tokens(8), epoch, tokens(5), before).unwrap();
    ledger.tick(before).unwrap();
    ledger.settle(&account, tokens(8), second, tokens(5), after).unwrap();
    assert_eq!(others_see(&store, &account, after), (tokens(5).plus(tokens(5)), tokens(30)));
}

#[test]
fn charges_that_are_owed_when_a_window_ends_count_in_the_next() {
    let (store, leases) = (MemoryStore::default(), Leases::default());
    let account = in_window(Window::Minute, token_limit(200));
    let ledger = Ledger::new(&store, 60 * EPOCH_MS).with_leases(&leases);
    held(ledger.hold(&account, tokens(8), NOW)).unwrap();
    let epoch = held(ledger.hold(&account, tokens(50), NOW)).unwrap();
    ledger.settle(&account, tokens(50), epoch, tokens(40), NOW).unwrap();
    let next = Millis(60_000);
    ledger.tick(next).unwrap();
    assert_eq!(others_see(&store, &account, next), (tokens(40), tokens(8)));
}

#[test]
fn epochs_of_another_length_lose_no_charge_and_leave_nothing_held() {
    let (store, leases, account) = (MemoryStore::default(), Leases::default(), account(token_limit(1_000)));
    let long = Ledger::new(&store, 60 * EPOCH_MS).with_leases(&leases);
    let short = Ledger::new(&store, EPOCH_MS).with_leases(&leases);
    let now = Millis(90 * EPOCH_MS);
    let first = held(long.hold(&account, tokens(8), now)).unwrap();
    let second = held(short.hold(&account, tokens(8), now)).unwrap();
    short.tick(now).unwrap();
    assert_eq!(others_see(&store, &account, now).1, tokens(8).plus(tokens(8)));
    long.settle(&account, tokens(8), first, tokens(5), now).unwrap();
    short.settle(&account, tokens(8), second, tokens(5), now).unwrap();
    assert_eq!(others_see(&store, &account, now), (tokens(5).plus(tokens(5)), Amounts::default()));
}
