//! The promises of registrations: what is in use stays, and what nobody has goes.

use core::cell::Cell;
use std::rc::Rc;

#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::registrations::{LASTS_S, RECORD};
use super::super::*;
use super::{EPOCH_MS, held, token_limit, tokens};
use crate::base::window::{Calendar, Millis, Window};

const MINUTE: u64 = 60_000;

fn budget(name: &str, per: Dimension) -> Rc<Budget> {
    Rc::new(Budget::new(name, [per], Calendar::utc(Window::Lifetime), token_limit(1_000)))
}

/// Charges something, as a VM does that remembers it.
fn spend<S: Store>(ledger: &Ledger<'_, S>, registry: &mut BudgetRegistry, account: &Account, now: Millis) {
    registry.used(account);
    let epoch = held(ledger.hold(account, tokens(5), now)).unwrap();
    ledger.settle(account, tokens(5), epoch, tokens(5), now).unwrap();
}

/// Ticks from minute to minute; says how many records were emptied by each VM.
fn pass<S: Store>(
    ledger: &Ledger<'_, S>,
    vms: &mut [(&mut BudgetRegistry, &[Rc<Budget>])],
    minutes: core::ops::Range<u64>,
) -> Vec<usize> {
    let mut emptied = vec![0; vms.len()];
    for minute in minutes {
        for ((registry, live), emptied) in vms.iter_mut().zip(&mut emptied) {
            *emptied += registry.tick(ledger, live, Millis(minute * MINUTE)).unwrap();
        }
    }
    emptied
}

#[test]
fn a_removed_budget_keeps_its_counter_for_an_hour_and_loses_it_then() {
    for per in [Dimension::Team, Dimension::Session] {
        let store = MemoryStore::default();
        let (ledger, mut registry) = (Ledger::new(&store, EPOCH_MS), BudgetRegistry::default());
        let live = [budget("gone", per)];
        let account = Account::new(&live[0], "search", &["one"]);
        pass(&ledger, &mut [(&mut registry, &live)], 0..95);
        spend(&ledger, &mut registry, &account, Millis(95 * MINUTE));
        assert_eq!(pass(&ledger, &mut [(&mut registry, &[])], 95..155), [0]);
        assert_eq!(ledger.read(&account, Millis(155 * MINUTE)).unwrap().spent(), tokens(5));
        assert_eq!(pass(&ledger, &mut [(&mut registry, &[])], 155..190), [1]);
        assert_eq!(store.get(&account.record).unwrap().unwrap().0, b"");
        // Back again, it starts with nothing.
        pass(&ledger, &mut [(&mut registry, &live)], 190..191);
        spend(&ledger, &mut registry, &account, Millis(191 * MINUTE));
        assert_eq!(ledger.read(&account, Millis(191 * MINUTE)).unwrap().spent(), tokens(5));
    }
}

#[test]
fn a_budget_that_another_vm_still_has_keeps_its_counter() {
    let store = MemoryStore::default();
    let (ledger, mut new, mut old) =
        (Ledger::new(&store, EPOCH_MS), BudgetRegistry::default(), BudgetRegistry::default());
    let live = [budget("draining", Dimension::Team)];
    let account = Account::new(&live[0], "search", &["one"]);
    pass(&ledger, &mut [(&mut new, &live), (&mut old, &live)], 0..1);
    spend(&ledger, &mut new, &account, Millis(0));
    assert_eq!(pass(&ledger, &mut [(&mut new, &[]), (&mut old, &live)], 1..500), [0, 0]);
    // The other VM has not used it, so it is the first that has to find out.
    assert_eq!(pass(&ledger, &mut [(&mut new, &[]), (&mut old, &[])], 500..600), [1, 0]);
}

#[test]
fn what_somebody_holds_is_not_emptied() {
    let store = MemoryStore::default();
    let (ledger, mut registry) = (Ledger::new(&store, 5 * 3_600_000), BudgetRegistry::default());
    let live = [budget("gone", Dimension::Session)];
    let account = Account::new(&live[0], "search", &["one"]);
    pass(&ledger, &mut [(&mut registry, &live)], 0..1);
    registry.used(&account);
    let epoch = held(ledger.hold(&account, tokens(5), Millis(0))).unwrap();
    assert_eq!(pass(&ledger, &mut [(&mut registry, &[])], 1..200), [0]);
    ledger.settle(&account, tokens(5), epoch, tokens(5), Millis(200 * MINUTE)).unwrap();
    assert_eq!(pass(&ledger, &mut [(&mut registry, &[])], 200..211), [1]);
}

#[test]
fn after_a_long_sleep_others_may_claim_before_anything_is_emptied() {
    let store = MemoryStore::default();
    let (ledger, mut new, mut old) =
        (Ledger::new(&store, EPOCH_MS), BudgetRegistry::default(), BudgetRegistry::default());
    let live = [budget("draining", Dimension::Team)];
    let account = Account::new(&live[0], "search", &["one"]);
    pass(&ledger, &mut [(&mut new, &live), (&mut old, &live)], 0..1);
    spend(&ledger, &mut new, &account, Millis(0));
    assert_eq!(pass(&ledger, &mut [(&mut new, &[]), (&mut old, &live)], 1_000..1_100), [0, 0]);
}

/// A store that counts its calls.
#[derive(Default)]
struct Counted(MemoryStore, Cell<usize>, Cell<usize>);

impl Store for Counted {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.1.set(self.1.get() + 1);
        self.0.get(key)
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        self.2.set(self.2.get() + 1);
        self.0.put(key, value, version)
    }
}

#[test]
fn registrations_that_are_fresh_are_not_written_again_and_nothing_is_read_between_two_ticks() {
    let store = Counted::default();
    let (ledger, mut one, mut other) =
        (Ledger::new(&store, EPOCH_MS), BudgetRegistry::default(), BudgetRegistry::default());
    let live = [budget("team", Dimension::Team)];
    pass(&ledger, &mut [(&mut one, &live), (&mut other, &live)], 0..10);
    assert_eq!((store.1.get(), store.2.get()), (2, 1));
    // A budget that is new is registered at once.
    let more = [Rc::clone(&live[0]), budget("new", Dimension::Team)];
    pass(&ledger, &mut [(&mut one, &more)], 5..6);
    assert_eq!((store.1.get(), store.2.get()), (3, 2));
}

#[test]
fn a_tick_makes_no_more_than_about_a_thousand_calls_however_much_is_to_be_emptied() {
    let store = Counted::default();
    let (ledger, mut registry) = (Ledger::new(&store, EPOCH_MS), BudgetRegistry::default());
    let live = [budget("sessions", Dimension::Session), budget("team", Dimension::Team)];
    pass(&ledger, &mut [(&mut registry, &live)], 0..1);
    for name in 0..8_000 {
        spend(&ledger, &mut registry, &Account::new(&live[0], "a", &[&name.to_string()]), Millis(0));
    }
    for name in 0..800 {
        spend(&ledger, &mut registry, &Account::new(&live[1], "a", &[&name.to_string()]), Millis(0));
    }
    let mut emptied = 0;
    for minute in 1..LASTS_S / 60 + 30 {
        let before = store.1.get() + store.2.get();
        emptied += registry.tick(&ledger, &[], Millis(minute * MINUTE)).unwrap();
        assert!(store.1.get() + store.2.get() - before <= 1_000);
    }
    assert!(emptied > 1_800, "{emptied}");
}

#[test]
fn when_there_is_no_room_for_a_claim_nothing_is_emptied() {
    let store = MemoryStore::default();
    let (ledger, mut registry, mut many) =
        (Ledger::new(&store, EPOCH_MS), BudgetRegistry::default(), BudgetRegistry::default());
    let live = [budget("gone", Dimension::Team)];
    let account = Account::new(&live[0], "search", &["one"]);
    pass(&ledger, &mut [(&mut registry, &live)], 0..1);
    spend(&ledger, &mut registry, &account, Millis(0));
    let all: Vec<Rc<Budget>> = (0..1_100).map(|n| budget(&format!("b{n}"), Dimension::Team)).collect();
    assert_eq!(pass(&ledger, &mut [(&mut many, &all), (&mut registry, &[])], 1..200), [0, 0]);
    assert!(store.get(RECORD).unwrap().unwrap().0.len() < 20_000);
    assert_eq!(pass(&ledger, &mut [(&mut many, &[]), (&mut registry, &[])], 200..320), [0, 1]);
}

#[test]
fn a_list_that_cannot_be_read_empties_nothing_and_stays_as_it_is() {
    let store = MemoryStore::default();
    store.put(RECORD, b"something else", None).unwrap();
    let (ledger, mut registry) = (Ledger::new(&store, EPOCH_MS), BudgetRegistry::default());
    let live = budget("gone", Dimension::Team);
    spend(&ledger, &mut registry, &Account::new(&live, "search", &["one"]), Millis(0));
    for minute in 0..300 {
        let ticked = registry.tick(&ledger, &[], Millis(minute * MINUTE));
        assert_eq!(ticked, Err(StoreError::Unreadable));
    }
    assert_eq!(store.get(RECORD).unwrap().unwrap().0, b"something else");
}

/// A store in which another VM has the budget again, and uses it, right after something is read.
struct Meddling {
    store: MemoryStore,
    account: Account,
    /// What is read, and how many more times until it happens.
    after: (String, Cell<u32>),
    /// Whether it charges something too.
    spends: bool,
}

impl Store for Meddling {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        let seen = self.store.get(key);
        let (after, left) = &self.after;
        if *after == key && left.replace(left.get().wrapping_sub(1)) == 1 {
            let (ledger, mut registry) = (Ledger::new(&self.store, EPOCH_MS), BudgetRegistry::default());
            let now = Millis(110 * MINUTE);
            registry.tick(&ledger, &[Rc::clone(&self.account.budget)], now).unwrap();
            if self.spends {
                spend(&ledger, &mut registry, &self.account, now);
            }
        }
        seen
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        self.store.put(key, value, version)
    }
}

#[test]
fn a_budget_that_comes_back_in_the_last_moment_keeps_what_is_used_of_it() {
    // The list is read when a registration is due, and again before anything is emptied.
    for (reads, spends, left) in [(1, false, 5), (1, true, 10), (2, true, 10), (0, true, 10)] {
        let live = [budget("back", Dimension::Session)];
        let account = Account::new(&live[0], "search", &["one"]);
        let key = if reads == 0 { account.record.to_string() } else { RECORD.to_owned() };
        let after = (key, Cell::new(0));
        let store = Meddling { store: MemoryStore::default(), account: account.clone(), after, spends };
        let (ledger, mut registry) = (Ledger::new(&store, EPOCH_MS), BudgetRegistry::default());
        pass(&ledger, &mut [(&mut registry, &live)], 0..1);
        spend(&ledger, &mut registry, &account, Millis(0));
        pass(&ledger, &mut [(&mut registry, &[])], 1..90);
        store.after.1.set(reads.max(1));
        assert_eq!(pass(&ledger, &mut [(&mut registry, &[])], 90..130), [0], "{reads}");
        assert_eq!(ledger.read(&account, Millis(130 * MINUTE)).unwrap().spent().tokens(), left, "{reads}");
    }
}
