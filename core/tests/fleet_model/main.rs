//! The budgets of a fleet under storms: several Envoys with several workers each, a network that loses, cuts, repeats
//! and delays, a server that stops and forgets, all in virtual time and with the real script.
//!
//! Three things are checked. No admission takes more than the limit. Each charge is in the ledger's sum once. And when
//! all is quiet nothing stays allotted, and who fits gets in.
//!
//! `FAREBOX_SEEDS=100 cargo test --release -p farebox-core --test fleet_model` runs more seeds.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

mod server;
mod style;
mod world;

use style::STYLES;
use world::World;

#[allow(clippy::disallowed_methods, reason = "how many seeds is no secret")]
fn seeds() -> u64 {
    std::env::var("FAREBOX_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1)
}

fn storms(name: &str) {
    let style = STYLES.iter().find(|style| style.name == name).unwrap();
    for seed in 0..seeds() {
        let tally = World::new(seed, *style).run();
        assert!(tally.admitted > 0, "{name}: nobody was admitted");
        println!("{name} {seed}: {tally:?}");
    }
}

macro_rules! storms {
    ($($test:ident: $name:literal,)*) => { $(#[test] fn $test() { storms($name); })* };
}

storms! {
    a_fleet_budget_holds_when_all_is_well: "calm",
    a_fleet_budget_holds_against_a_herd: "herd",
    a_fleet_budget_holds_when_calls_are_lost: "lossy",
    a_fleet_budget_holds_when_calls_overtake_each_other: "late",
    a_fleet_budget_counts_what_exceeds_its_hold: "exceeding",
    a_fleet_budget_holds_at_the_edges_of_its_windows: "windows",
    a_fleet_budget_holds_while_limits_change: "pushes",
    a_fleet_budget_holds_when_processes_die: "crashes",
    a_fleet_budget_that_forgives_holds: "forgiving",
    a_fleet_limit_of_running_requests_holds: "lanes",
    a_fleet_budget_holds_against_a_herd_over_a_bad_network: "late herd",
    a_fleet_budget_holds_when_the_server_stops: "stops",
    a_fleet_budget_that_forgives_holds_when_the_server_stops: "stops, forgiving",
    a_fleet_budget_holds_when_the_server_is_emptied: "emptied",
    a_fleet_budget_holds_when_a_replica_takes_over: "failover",
    a_fleet_budget_holds_when_an_older_state_is_loaded: "restored",
}
