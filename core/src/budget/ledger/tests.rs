//! The promises of the ledger, under any order of events.

use std::rc::Rc;

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base::money::PicoUsd;
use crate::base::window::{Calendar, Millis, Window};

mod registry;
mod lease;
mod lease_in_change;
mod proven;
mod rules;
mod slots;

const EPOCH_MS: u64 = 60_000;

fn account(limits: Limits) -> Account {
    in_window(Window::Hour, limits)
}

fn in_window(window: Window, limits: Limits) -> Account {
    let budget = Budget::new("team", [Dimension::Team], Calendar::utc(window), limits);
    Account::new(&Rc::new(budget), "search", &["search"])
}

fn tokens(count: u64) -> Amounts {
    Amounts { usd: PicoUsd(count * 7), input: count, output: 0, requests: 1 }
}

fn token_limit(count: u64) -> Limits {
    Limits { tokens: Some(count), ..Limits::default() }
}

/// The epoch of a hold; `None` if there was no room.
fn held(room: Result<Room, StoreError>) -> Option<u64> {
    match room.unwrap() {
        Room::Held { epoch, .. } => Some(epoch),
        Room::Short(_) | Room::NoSlot | Room::Ask | Room::OutOfReach => None,
    }
}

#[test]
fn a_hold_takes_room_and_a_settlement_gives_the_rest_back() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let epoch = held(ledger.hold(&account, tokens(80), Millis(0))).unwrap();
    assert_eq!(held(ledger.hold(&account, tokens(21), Millis(0))), None);
    ledger.settle(&account, tokens(80), epoch, tokens(5), Millis(0)).unwrap();
    let counter = ledger.read(&account, Millis(0)).unwrap();
    assert_eq!((counter.spent(), counter.held()), (tokens(5), Amounts::default()));
    assert_eq!(held(ledger.hold(&account, tokens(95), Millis(0))), Some(0));
}

#[test]
fn the_whole_limit_may_be_used_and_nothing_more() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS);
    assert_eq!(held(ledger.hold(&account, tokens(100), Millis(0))), Some(0));
    assert_eq!(held(ledger.hold(&account, tokens(1), Millis(0))), None);
}

#[test]
fn a_new_window_starts_empty_and_keeps_what_is_held() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, 24 * 3_600_000);
    let epoch = held(ledger.hold(&account, tokens(60), Millis(0))).unwrap();
    ledger.settle(&account, tokens(60), epoch, tokens(60), Millis(0)).unwrap();
    ledger.hold(&account, tokens(30), Millis(1)).unwrap();
    let counter = ledger.read(&account, Millis(3_600_000)).unwrap();
    assert_eq!((counter.spent(), counter.held()), (Amounts::default(), tokens(30)));
}

#[test]
fn a_hold_nobody_settles_is_forgotten_within_two_epochs() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let ledger = Ledger::new(&store, EPOCH_MS);
    ledger.hold(&account, tokens(100), Millis(EPOCH_MS - 1)).unwrap();
    assert_eq!(held(ledger.hold(&account, tokens(1), Millis(2 * EPOCH_MS - 1))), None);
    assert_eq!(held(ledger.hold(&account, tokens(100), Millis(2 * EPOCH_MS))), Some(2 * EPOCH_MS));
}

#[test]
fn settling_after_the_hold_was_forgotten_still_charges_and_takes_nothing_from_others() {
    let (store, account) = (MemoryStore::default(), account(Limits::default()));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let epoch = held(ledger.hold(&account, tokens(50), Millis(0))).unwrap();
    ledger.hold(&account, tokens(9), Millis(5 * EPOCH_MS)).unwrap();
    ledger.settle(&account, tokens(50), epoch, tokens(40), Millis(5 * EPOCH_MS)).unwrap();
    let counter = ledger.read(&account, Millis(5 * EPOCH_MS)).unwrap();
    assert_eq!((counter.spent(), counter.held()), (tokens(40), tokens(9)));
}

#[test]
fn a_hold_nobody_settles_is_forgotten_though_epochs_have_become_longer() {
    let (store, account) = (MemoryStore::default(), account(token_limit(100)));
    let start = Millis(1_000 * 3_600_000 + 1);
    Ledger::new(&store, EPOCH_MS).hold(&account, tokens(100), start).unwrap();
    let ledger = Ledger::new(&store, 3_600_000);
    assert_eq!(held(ledger.hold(&account, tokens(1), start.plus(3_600_000))), None);
    assert!(held(ledger.hold(&account, tokens(100), start.plus(2 * 3_600_000))).is_some());
}

#[test]
fn a_hold_is_settled_though_epochs_have_become_longer_or_shorter() {
    for (before, after) in [(EPOCH_MS, 3_600_000), (3_600_000, EPOCH_MS)] {
        let (store, account) = (MemoryStore::default(), account(token_limit(100)));
        let start = Millis(1_000 * 3_600_000 + 59 * EPOCH_MS);
        let epoch = held(Ledger::new(&store, before).hold(&account, tokens(60), start)).unwrap();
        let ledger = Ledger::new(&store, after);
        ledger.hold(&account, tokens(9), start.plus(EPOCH_MS)).unwrap();
        ledger.settle(&account, tokens(60), epoch, tokens(50), start.plus(EPOCH_MS)).unwrap();
        let counter = ledger.read(&account, start.plus(EPOCH_MS)).unwrap();
        assert_eq!((counter.spent(), counter.held()), (tokens(50), tokens(9)));
    }
}

#[test]
fn a_window_that_has_become_longer_or_shorter_ends_when_the_new_one_does() {
    let with = |window| in_window(window, Limits::default());
    let store = MemoryStore::default();
    let ledger = Ledger::new(&store, EPOCH_MS);
    let spent = |window, now| ledger.read(&with(window), now).unwrap().spent();
    let day = 86_400_000;
    let start = Millis(20_000 * day + 1);
    ledger.settle(&with(Window::Minute), tokens(0), 0, tokens(5), start).unwrap();
    assert_eq!(spent(Window::Day, start.plus(day - 2)), tokens(5));
    assert_eq!(spent(Window::Day, start.plus(day)), Amounts::default());
    ledger.settle(&with(Window::Day), tokens(0), 0, tokens(7), start.plus(day)).unwrap();
    assert_eq!(spent(Window::Minute, start.plus(day + EPOCH_MS)), Amounts::default());
    assert_eq!(spent(Window::Lifetime, start.plus(9 * day)), tokens(7));
}

#[test]
fn a_clock_that_steps_back_resets_nothing() {
    let (store, account) = (MemoryStore::default(), account(Limits::default()));
    let ledger = Ledger::new(&store, EPOCH_MS);
    let later = Millis(10 * 3_600_000);
    let epoch = held(ledger.hold(&account, tokens(5), later)).unwrap();
    ledger.settle(&account, tokens(5), epoch, tokens(5), Millis(0)).unwrap();
    let counter = ledger.read(&account, Millis(0)).unwrap();
    assert_eq!((counter.spent(), counter.held()), (tokens(5), Amounts::default()));
}

#[test]
fn what_is_not_a_counter_is_an_error_and_stays_as_it_is() {
    let (store, account) = (MemoryStore::default(), account(Limits::default()));
    store.put(&account.record, b"something else", None).unwrap();
    let ledger = Ledger::new(&store, EPOCH_MS);
    assert_eq!(ledger.hold(&account, tokens(1), Millis(0)), Err(StoreError::Unreadable));
    assert_eq!(store.get(&account.record).unwrap().unwrap().0, b"something else");
}

/// A store in which another worker adds a request between every read and write.
struct Busy(MemoryStore, core::cell::Cell<u32>);

impl Store for Busy {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        let seen = self.0.get(key);
        if self.1.get() > 0 {
            self.1.set(self.1.get() - 1);
            Ledger::new(&self.0, EPOCH_MS).hold(&account(Limits::default()), tokens(1), Millis(0)).unwrap();
        }
        seen
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        self.0.put(key, value, version)
    }
}

#[test]
fn a_lost_race_is_run_again_and_no_update_is_lost() {
    let store = Busy(MemoryStore::default(), core::cell::Cell::new(20));
    let ledger = Ledger::new(&store, EPOCH_MS);
    assert_eq!(held(ledger.hold(&account(token_limit(100)), tokens(1), Millis(0))), Some(0));
    assert_eq!(ledger.read(&account(Limits::default()), Millis(0)).unwrap().held().tokens(), 21);
}

proptest! {
    #[test]
    fn a_stored_counter_reads_back_as_it_was(words in prop::collection::vec(any::<u64>(), 15)) {
        let mut stored = Vec::new();
        words.iter().for_each(|&word| number::write_number(&mut stored, word));
        let mut again = Vec::new();
        Counter::read(&mut stored.as_slice()).unwrap().write(&mut again);
        prop_assert_eq!(again, stored);
    }

    /// Holds and settlements in any order, at moments that go on and now and then jump over windows and
    /// epochs: what is spent and held never passes the limit at the moment of a hold, what was settled in
    /// a window is what is spent in it, and when all is settled nothing is held.
    #[test]
    fn money_is_conserved_in_any_order(
        steps in prop::collection::vec((0u64..4, 1u64..40, 0u64..3 * EPOCH_MS), 1..200), limit in 1u64..400,
    ) {
        let (store, account) = (MemoryStore::default(), account(token_limit(limit)));
        let ledger = Ledger::new(&store, EPOCH_MS);
        let (mut now, mut open, mut spent, mut window) = (Millis(0), Vec::new(), 0, Millis(0));
        for (kind, amount, wait) in steps {
            now = now.plus(if kind == 3 { wait } else { 0 });
            if Window::Hour.begins_at(now) != window {
                (window, spent) = (Window::Hour.begins_at(now), 0);
            }
            if kind == 0 && !open.is_empty() {
                let (amount_held, epoch): (u64, u64) = open.swap_remove(usize::try_from(amount).unwrap() % open.len());
                let charge = amount.min(amount_held);
                ledger.settle(&account, tokens(amount_held), epoch, tokens(charge), now).unwrap();
                spent += charge;
            } else if let Some(epoch) = held(ledger.hold(&account, tokens(amount), now)) {
                open.push((amount, epoch));
                let counter = ledger.read(&account, now).unwrap();
                prop_assert!(counter.used().tokens() <= limit);
            }
            let epoch = now.0 - now.0 % EPOCH_MS;
            let live: u64 = open.iter().filter(|(_, of)| of + EPOCH_MS >= epoch).map(|(held, _)| held).sum();
            let counter = ledger.read(&account, now).unwrap();
            prop_assert_eq!((counter.spent().tokens(), counter.held().tokens()), (spent, live));
        }
    }
}
