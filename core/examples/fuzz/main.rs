//! Feeds every parser with damaged inputs for as long as it is told, and stops at the first that breaks a rule.
//!
//! `cargo run -p farebox-core --example fuzz -- [seconds [seed]]`, or `make fuzz`. The seeds are the
//! transcripts and a few requests and configurations; an input is a seed after some mutations. Needs no
//! nightly compiler and no instrumentation; in exchange it does not look for new paths by itself.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on should stop, and this one is given a time"
)]

mod answers;
mod ledger;
mod mutation;
mod requests;

#[allow(dead_code, reason = "the transcripts' own tests use the rest")]
#[path = "../../tests/transcripts/billing.rs"]
mod billing;
#[allow(dead_code, reason = "the transcripts' own tests use the rest")]
#[path = "../../tests/transcripts/transcript.rs"]
mod transcript;

use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant, SystemTime};

use mutation::Random;

/// One parser: damages a seed, feeds it, and tells which rule was broken, with the input.
type Target = (&'static str, fn(&mut Random) -> Result<(), String>);

const TARGETS: [Target; 11] = [
    ("JSON scanner", answers::scanner),
    ("event splitter", answers::events),
    ("AWS message splitter", answers::messages),
    ("meter", answers::meter),
    ("hiding of usage chunks", answers::hiding),
    ("request in JSON", requests::json),
    ("request in a form", requests::form),
    ("configuration", requests::configuration),
    ("path", requests::path),
    ("framing by headers", answers::framing),
    ("ledger reply", ledger::reply),
];

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let seconds = arguments.next().unwrap_or(10);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = arguments.next().unwrap_or(u64::from(now.subsec_nanos()) ^ now.as_secs());
    println!("{seconds} seconds from seed {seed}");
    let each = Duration::from_secs(seconds) / u32::try_from(TARGETS.len()).unwrap();
    for (name, target) in TARGETS {
        let (mut random, start, mut executions) = (Random::new(seed), Instant::now(), 0u64);
        while start.elapsed() < each {
            let before = random.clone();
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| target(&mut random)));
            if !matches!(outcome, Ok(Ok(()))) {
                println!("{name}, execution {executions} from seed {seed}, {before:?}: {outcome:?}");
                std::process::exit(1);
            }
            executions += 1;
        }
        println!("  {executions:>9} executions  {name}");
    }
}
