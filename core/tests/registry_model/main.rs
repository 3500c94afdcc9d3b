//! Two processes of two workers each read a registry that changes, over a network that loses, delays and cuts, from a
//! server that is emptied, set back and forgets. Keys never go back to an older version, and in the end each process has
//! what the server has.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on should stop"
)]

mod server;
mod world;

use proptest::prelude::*;
use world::{Step, World};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..6_usize).prop_map(Step::WriteKey),
        3 => (0..6_usize).prop_map(Step::RemoveKey),
        3 => (0..4_usize).prop_map(Step::WriteLimit),
        1 => (0..4_usize).prop_map(Step::RemoveLimit),
        6 => (1..600_u64).prop_map(Step::Pass),
        10 => (0..4_usize).prop_map(Step::Tick),
        8 => (0..4_usize).prop_map(Step::Arrive),
        2 => (0..4_usize).prop_map(Step::Late),
        2 => (0..4_usize).prop_map(Step::Lose),
        1 => (0..4_usize, 0..2_000_usize).prop_map(|(worker, at)| Step::Cut(worker, at)),
    ]
}

fn harm() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Empty),
        Just(Step::Save),
        Just(Step::Restore),
        Just(Step::ForgetScript),
        Just(Step::Weeks)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn each_process_has_what_the_server_has(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.play(step));
        world.calm();
        world.agrees();
    }

    #[test]
    fn what_is_removed_while_nobody_listens_is_dropped_when_it_was_forgotten(
        steps in prop::collection::vec(prop_oneof![12 => step(), 1 => Just(Step::Weeks)], 1..120)
    ) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.play(step));
        world.calm();
        world.agrees();
    }

    #[test]
    fn whatever_happens_to_the_server_keys_do_not_go_back_and_what_it_has_is_known(
        steps in prop::collection::vec(prop_oneof![12 => step(), 1 => harm()], 1..160)
    ) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.play(step));
        world.calm();
        world.knows_all();
    }
}

#[test]
fn many_keys_are_read_page_by_page() {
    let mut world = World::new();
    world.fill(1_700);
    world.calm();
    // Of two hundred keys each or so, and then one in each of nine seconds.
    assert!((2 * (8 + 9)..2 * (12 + 9)).contains(&world.reads()), "{}", world.reads());
    world.agrees();
}
