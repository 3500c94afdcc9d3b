//! The promises of leases, kept by several workers at once under every interleaving that a seed can think of.
//!
//! Each worker is a thread with leases of its own, of which every store call waits for its turn. A plain sum of what
//! requests hold and were charged says what is true; the store must never say less, nobody may be let in
//! beyond that, and when all have ended both must be the same. A failure names its seed.
//!
//! Slots, claims and admissions by several budgets are the business of `budgets_model`.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

#[path = "../budgets_model/chance.rs"]
mod chance;
mod plan;
mod record;
#[path = "../budgets_model/shared.rs"]
mod shared;
mod verdict;
mod worker;
mod world;

use chance::Chance;
use plan::Style;
use world::{EPOCH_MS, Seen, World};

/// Runs one case to its end.
fn case(seed: u64, style: Style, workers: usize, steps: u64) -> Seen {
    let mut world = World::new(Chance(seed), style, workers);
    for _ in 0..steps {
        world.step();
        if style.turns && world.chance.one_in(12) {
            let ms = world.chance.from(0, 4_000);
            world.pass(ms);
        }
        if style.epochs && world.chance.one_in(40) {
            // A machine that sleeps: holds are forgotten, charges are not.
            let ms = world.chance.from(0, 4 * EPOCH_MS);
            world.now = world.now.plus(ms);
        }
        if style.pushes && world.chance.one_in(60) {
            world.push();
        }
        if !style.dies && !style.epochs && world.chance.one_in(100) {
            world.check_after_ticks();
        }
    }
    // All requests end: that alone brings everything to the store, unless it failed or a worker died.
    world.end_all();
    if style.fails || style.epochs {
        world.tick_all();
    }
    if style.dies || style.epochs {
        world.now = world.now.plus(2 * 3_600_000 + 2 * EPOCH_MS);
        world.check_ended();
    } else {
        world.check_exactly();
    }
    world.seen
}

/// Runs cases on threads of their own, so that a failure can be told by its seed.
fn cases(seeds: core::ops::Range<u64>, style: Style, workers: usize, steps: u64) -> Seen {
    let mut sum = Seen::default();
    for seed in seeds {
        let ran = std::thread::spawn(move || case(seed, style, workers, steps)).join();
        let seen = ran.unwrap_or_else(|_| panic!("seed {seed} of {style:?}, {workers} workers"));
        sum.calls += seen.calls;
        sum.conflicts += seen.conflicts;
        sum.admitted += seen.admitted;
        sum.leased += seen.leased;
        sum.refused += seen.refused;
        sum.known += seen.known;
        sum.failed += seen.failed;
        sum.died += seen.died;
        sum.turned += seen.turned;
    }
    println!("{sum:?}");
    sum
}

const CALM: Style =
    Style { fails: false, dies: false, pushes: false, epochs: false, turns: false, strict: false };
const STYLES: [Style; 8] = [
    CALM,
    Style { fails: true, ..CALM },
    Style { pushes: true, ..CALM },
    Style { turns: true, ..CALM },
    Style { fails: true, pushes: true, turns: true, ..CALM },
    Style { fails: true, dies: true, ..CALM },
    Style { fails: true, dies: true, pushes: true, turns: true, ..CALM },
    Style { fails: true, pushes: true, epochs: true, ..CALM },
];

#[test]
fn leases_keep_their_promises_under_any_interleaving() {
    for (from, style) in (0..).step_by(1_000).zip(STYLES) {
        let seen = cases(from..from + 20, style, 3, 1_200);
        assert!(
            seen.conflicts > 20 && seen.leased > 100 && seen.refused > 100 && seen.known > 10,
            "{seen:?}"
        );
        assert!((seen.failed > 10) == style.fails && (seen.died > 10) == style.dies, "{seen:?}");
        assert!((seen.turned > 100) == style.turns, "{seen:?}");
    }
}

#[test]
fn strict_budgets_are_never_overspent_by_leases() {
    for turns in [false, true] {
        let style = Style { fails: true, strict: true, turns, ..CALM };
        let seen = cases(50_000..50_030, style, 4, 1_200);
        assert!(seen.leased > 100 && seen.refused > 100, "{seen:?}");
    }
}

#[test]
#[ignore = "takes minutes; for changes to leases"]
fn leases_keep_their_promises_in_many_more_cases() {
    for (from, style) in (100_000..).step_by(10_000).zip(STYLES) {
        for workers in [2, 3, 5] {
            let from = from + 1_000 * workers as u64;
            cases(from..from + 300, style, workers, 2_000);
        }
    }
}
