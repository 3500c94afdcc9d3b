//! The promises of budgets, kept by several workers at once under every interleaving that a seed can think of.
//!
//! Each worker is a thread of which every store call waits for its turn, over a store that does exactly what
//! Proxy-Wasm shared data does. A plain reference model is told of every write the moment the store takes it, and
//! every counter of the record must then say what the model says. A failure names its seed.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

mod chance;
mod plan;
mod reference;
mod shared;
mod verdict;
mod worker;
mod world;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use farebox_core::base::window::{Calendar, Millis, Window};
use farebox_core::budget::ledger::{
    Account, Amounts, Budget, Dimension, Ledger, Limits, MemoryStore, Room, Store, WhenFull,
};

use chance::Chance;
use plan::{Style, first, pushed};
use world::{Seen, World};

/// Runs one case to its end.
fn case(seed: u64, style: Style, workers: usize, steps: u64, slow: bool) -> Seen {
    let mut chance = Chance(seed);
    let all = first(style, &mut chance);
    if all.is_empty() {
        return Seen::default();
    }
    let mut world = World::new(chance, style, workers, Arc::new(all.clone()));
    let whole = Arc::new(all.clone());
    for _ in 0..steps {
        world.step();
        if slow && world.chance.one_in(2) {
            world.interfere(&whole);
        }
        if world.chance.one_in(if slow { 8 } else { 12 }) {
            let most = if slow { 600_000 } else { 4_000 };
            let ms = world.chance.from(0, most);
            world.pass(ms);
        }
        if world.chance.one_in(80) {
            let ms = world.chance.from(20_000, 70_000);
            world.pass(ms);
        }
        if world.chance.one_in(400) {
            let ms = world.chance.from(600_000, 2 * 86_400_000);
            world.sleep(ms);
        }
        if world.chance.one_in(if slow { 120 } else { 60 }) {
            world.config = Arc::new(pushed(&world.config, &all, style, &mut world.chance));
        }
        if style == Style::Strict {
            world.reference.check_within();
        }
    }
    // All requests end: nothing is held that nobody lost.
    world.end_requests(None);
    world.reference.check_all(world.now, &world.shared);
    world.pass(2 * worker::EPOCH_MS);
    world.reference.check_nothing_held(world.now, &world.shared);
    // All budgets are removed: their counters go.
    world.configure_all(&Arc::default());
    for _ in 0..11 {
        world.pass(630_000);
        world.tick_all();
    }
    world.check_emptied();
    world.seen
}

/// Runs cases on threads of their own, so that a failure can be told by its seed.
fn cases(seeds: core::ops::Range<u64>, style: Style, workers: usize, steps: u64, slow: bool) -> Seen {
    let mut sum = Seen::default();
    for seed in seeds {
        let ran = std::thread::spawn(move || case(seed, style, workers, steps, slow)).join();
        let seen =
            ran.unwrap_or_else(|_| panic!("seed {seed} of {style:?}, {workers} workers, slow: {slow}"));
        sum.calls += seen.calls;
        sum.conflicts += seen.conflicts;
        sum.admitted += seen.admitted;
        sum.refused += seen.refused;
        sum.without_slot += seen.without_slot;
        sum.uncounted += seen.uncounted;
        sum.failed += seen.failed;
        sum.died += seen.died;
        sum.emptied += seen.emptied;
        sum.evicted += seen.evicted;
    }
    println!("{sum:?}");
    sum
}

#[test]
fn budgets_keep_their_promises_under_any_interleaving() {
    let seen = cases(0..60, Style::Wild, 3, 900, false);
    assert!(seen.conflicts > 100 && seen.died > 10 && seen.failed > 10, "{seen:?}");
    assert!(
        seen.refused > 100 && seen.without_slot > 10 && seen.uncounted > 10 && seen.evicted > 10,
        "{seen:?}"
    );
}

#[test]
fn counters_of_removed_budgets_are_given_up_and_no_others() {
    let seen = cases(1_000..1_030, Style::Wild, 3, 900, true);
    assert!(seen.emptied > 100, "{seen:?}");
}

#[test]
fn strict_budgets_are_never_overspent() {
    let seen = cases(2_000..2_030, Style::Strict, 4, 900, false);
    assert!(seen.admitted > 100 && seen.refused > 100, "{seen:?}");
}

#[test]
#[ignore = "takes minutes; for changes to the ledger"]
fn budgets_keep_their_promises_in_many_more_cases() {
    for (from, style, workers, slow) in [
        (10_000, Style::Wild, 2, false),
        (20_000, Style::Wild, 5, false),
        (30_000, Style::Wild, 3, true),
        (40_000, Style::Strict, 3, false),
    ] {
        cases(from..from + 500, style, workers, 1_500, slow);
    }
}

#[test]
fn names_that_callers_make_up_take_no_more_memory_than_the_slots_have() {
    for (when_full, names) in
        [(WhenFull::Evict, 100_000), (WhenFull::Deny, 30_000), (WhenFull::Allow, 30_000)]
    {
        let store = MemoryStore::default();
        let ledger = Ledger::new(&store, worker::EPOCH_MS);
        let limits = Limits { requests: Some(9), ..Limits::default() };
        let mut budget = Budget::new("talk", [Dimension::Session], Calendar::utc(Window::Lifetime), limits);
        (budget.slots, budget.when_full) = (1, when_full);
        let budget = Rc::new(budget);
        let (mut records, mut placed) = (BTreeMap::new(), 0);
        for name in 0..names {
            let account = Account::new(&budget, "search", &[&format!("session {name}")]);
            if let Room::Held { epoch, .. } = ledger.hold(&account, Amounts::REQUEST, Millis(1)).unwrap() {
                ledger.settle(&account, Amounts::REQUEST, epoch, Amounts::REQUEST, Millis(1)).unwrap();
                placed += 1;
            }
            let (value, _) = store.get(&account.record).unwrap().unwrap();
            records.insert(account.record, value.len());
        }
        // A record has nine places; a counter of these takes well below sixty bytes with its tag.
        assert_eq!((records.len(), placed < names), (1_024, when_full != WhenFull::Evict));
        assert!(records.values().all(|&bytes| bytes <= 1 + 9 * 60), "{:?}", records.values().max());
    }
}
