//! The promises of records that subjects share.

use std::rc::Rc;

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::slots::places;
use super::super::*;
use super::{EPOCH_MS, held, token_limit, tokens};
use crate::base::window::{Calendar, Millis, Window};

/// A budget with the fewest places that a record can have.
fn budget(when_full: WhenFull) -> Rc<Budget> {
    let calendar = Calendar::utc(Window::Lifetime);
    let mut budget = Budget::new("talk", [Dimension::Session], calendar, token_limit(1_000));
    (budget.slots, budget.when_full) = (1, when_full);
    Rc::new(budget)
}

/// Accounts of `count` sessions that share a record.
fn together(budget: &Rc<Budget>, count: usize) -> Vec<Account> {
    let all = (0..).map(|name: u32| Account::new(budget, "search", &[&name.to_string()]));
    all.filter(|account| account.record.ends_with("#3")).take(count).collect()
}

fn spend(ledger: &Ledger<'_, MemoryStore>, account: &Account, now: Millis) -> bool {
    let epoch = held(ledger.hold(account, tokens(5), now));
    epoch.inspect(|&epoch| ledger.settle(account, tokens(5), epoch, tokens(5), now).unwrap()).is_some()
}

fn spent(ledger: &Ledger<'_, MemoryStore>, account: &Account, now: Millis) -> u64 {
    ledger.read(account, now).unwrap().spent().tokens()
}

#[test]
fn a_full_record_refuses_the_next_subject_or_forgets_who_was_idle_for_the_longest() {
    for (when_full, first) in [(WhenFull::Deny, 5), (WhenFull::Allow, 5), (WhenFull::Evict, 0)] {
        let (store, budget) = (MemoryStore::default(), budget(when_full));
        let ledger = Ledger::new(&store, EPOCH_MS);
        let accounts = together(&budget, places(1) + 1);
        let (last, others) = accounts.split_last().unwrap();
        others.iter().for_each(|account| assert!(spend(&ledger, account, Millis(0))));
        assert_eq!(spend(&ledger, last, Millis(0)), when_full == WhenFull::Evict);
        assert_eq!(spent(&ledger, &accounts[0], Millis(0)), first);
        assert!(others.iter().skip(1).all(|account| spent(&ledger, account, Millis(0)) == 5));
    }
}

#[test]
fn nobody_is_forgotten_who_has_a_request_running_until_its_hold_is() {
    let (store, budget) = (MemoryStore::default(), budget(WhenFull::Evict));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let accounts = together(&budget, places(1) + 1);
    let (last, others) = accounts.split_last().unwrap();
    for account in others {
        assert!(spend(&ledger, account, Millis(0)));
        held(ledger.hold(account, tokens(1), Millis(0))).unwrap();
    }
    assert_eq!(ledger.hold(last, tokens(1), Millis(EPOCH_MS)), Ok(Room::NoSlot));
    // Their requests were lost; nothing else is known of them than what they spent.
    assert!(held(ledger.hold(last, tokens(1), Millis(2 * EPOCH_MS))).is_some());
}

#[test]
fn a_record_with_fewer_places_than_before_gets_rid_of_the_others() {
    let (store, many, few) = (MemoryStore::default(), Rc::new(sized(5_000)), budget(WhenFull::Evict));
    let ledger = Ledger::new(&store, EPOCH_MS);
    together(&many, places(5_000)).iter().for_each(|account| assert!(spend(&ledger, account, Millis(0))));
    let accounts = together(&few, places(5_000) + 1);
    assert!(spend(&ledger, accounts.last().unwrap(), Millis(0)));
    let left = accounts.iter().filter(|account| spent(&ledger, account, Millis(0)) > 0).count();
    assert_eq!(left, places(1));
}

fn sized(slots: u32) -> Budget {
    let calendar = Calendar::utc(Window::Lifetime);
    Budget { slots, ..Budget::new("talk", [Dimension::Session], calendar, token_limit(1_000)) }
}

#[test]
fn an_idle_subject_is_forgotten_after_its_time_and_not_before() {
    let (store, budget) = (MemoryStore::default(), budget(WhenFull::Deny));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let accounts = together(&budget, places(1) + 1);
    let (last, others) = accounts.split_last().unwrap();
    others.iter().for_each(|account| assert!(spend(&ledger, account, Millis(0))));
    assert!(!spend(&ledger, last, Millis(budget.forget_ms - 1)));
    assert!(spend(&ledger, last, Millis(budget.forget_ms)));
}

#[test]
fn a_request_that_is_released_leaves_no_place_taken() {
    let (store, budget) = (MemoryStore::default(), budget(WhenFull::Deny));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let accounts = together(&budget, 1);
    let epoch = held(ledger.hold(&accounts[0], tokens(5), Millis(0))).unwrap();
    ledger.settle(&accounts[0], tokens(5), epoch, Amounts::default(), Millis(0)).unwrap();
    assert_eq!(store.get(&accounts[0].record).unwrap().unwrap().0, [FORMAT]);
}

#[test]
fn the_settlement_of_a_forgotten_subject_is_taken_but_costs_nobody_else_a_place() {
    let (store, budget) = (MemoryStore::default(), budget(WhenFull::Deny));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let accounts = together(&budget, places(1) + 1);
    let (last, others) = accounts.split_last().unwrap();
    let epoch = held(ledger.hold(last, tokens(5), Millis(0))).unwrap();
    let later = Millis(9 * EPOCH_MS);
    others.iter().for_each(|account| assert!(spend(&ledger, account, later)));
    ledger.settle(last, tokens(5), epoch, tokens(5), later).unwrap();
    assert_eq!(spent(&ledger, last, later), 0);
    assert!(others.iter().all(|account| spent(&ledger, account, later) == 5));
    // With a place it is charged as ever.
    let again = later.plus(budget.forget_ms);
    ledger.settle(last, tokens(5), epoch, tokens(5), again).unwrap();
    assert_eq!(spent(&ledger, last, again), 5);
}

#[test]
fn subjects_of_different_teams_have_different_counters() {
    let (store, budget) = (MemoryStore::default(), budget(WhenFull::Deny));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let (mine, yours) = (Account::new(&budget, "search", &["s"]), Account::new(&budget, "ads", &["s"]));
    assert!(spend(&ledger, &mine, Millis(0)));
    assert_eq!((spent(&ledger, &mine, Millis(0)), spent(&ledger, &yours, Millis(0))), (5, 0));
}

proptest! {
    /// Whatever is stored, reading and changing it is an answer or an error, and adds one entry at most.
    #[test]
    fn no_stored_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300), own: bool, at: u64) {
        let (store, budget) = (MemoryStore::default(), budget(WhenFull::Evict));
        let ledger = Ledger::new(&store, EPOCH_MS);
        let account = Account::new(&budget, "search", &["s"]);
        let mut stored = vec![FORMAT];
        if own {
            // As the entry of the subject itself.
            stored.extend(account.tag.unwrap());
        }
        stored.extend(bytes);
        store.put(&account.record, &stored, None).unwrap();
        let now = Millis(at);
        let _ = ledger.read(&account, now);
        let _ = ledger.records().content(&account.record, true, now);
        if let Ok(Room::Held { epoch, .. }) = ledger.hold(&account, tokens(1), now) {
            let _ = ledger.settle(&account, tokens(1), epoch, tokens(1), now);
        }
        let (record, _) = store.get(&account.record).unwrap().unwrap();
        prop_assert!(record.len() <= stored.len() + 17 + 255);
    }
}
