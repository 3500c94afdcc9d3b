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

use std::sync::Arc;

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
        if slow && world.chance.one_in(3) {
            world.interfere(&whole);
        }
        if world.chance.one_in(if slow { 8 } else { 12 }) {
            let most = if slow { 300_000 } else { 4_000 };
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
        if world.chance.one_in(if slow { 200 } else { 60 }) {
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
    for _ in 0..10 {
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
