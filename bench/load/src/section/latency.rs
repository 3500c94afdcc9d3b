//! Measures how long a call takes at fixed rates, each counted from the moment it was meant to be sent.
//!
//! Does not find the highest rate: see `field.rs` for closed loops.

use std::time::Duration;

use crate::bench::{Bench, Effort, names};
use crate::columns;
use crate::error::BenchError;
use crate::kind::Kind;
use crate::schedule::Schedule;
use crate::section::Section;
use crate::section::chat::SIZE;
use crate::slice::{Load, Pace};
use crate::upstream::Plan;

/// Calls a second. Not all gateways reach the higher one, so they are asked for the lower one alone.
const LOW: u32 = 200;
const HIGH: u32 = 2000;

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 2, quick_rounds: 2, seconds: 3.0, connections: 64 };
    let time = Duration::from_secs_f64(bench.options.seconds.unwrap_or(effort.seconds));
    let load = |rate: u32, connections: usize| Load {
        name: format!("{} calls/s", crate::table::number(Some(f64::from(rate)))),
        request: Load::chat(SIZE, false),
        plan: Plan::default(),
        connections,
        sessions: 100,
        pace: Pace::Open { schedule: Schedule { rate: f64::from(rate), time } },
    };
    let connections = bench.connections(&effort);
    let mut kinds = vec![Kind::Direct, Kind::Plain, Kind::PlainDefault, Kind::PlainLog, Kind::Empty];
    kinds.extend([Kind::farebox(3), Kind::farebox(6), Kind::farebox_with_attempts(3)]);
    kinds.extend(bench.peers());
    let systems = bench.start(&kinds, 1).await?;
    let mut slices = bench.rounds(Section::Latency, 1, &[load(LOW, connections)], &systems, &effort).await?;
    let (envoys, _): (Vec<_>, Vec<_>) =
        systems.into_iter().partition(|system| !matches!(system.kind, Kind::Peer(_)));
    slices.extend(bench.rounds(Section::Latency, 1, &[load(HIGH, connections)], &envoys, &effort).await?);
    let all: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    let mut all = all;
    all.extend(names(&envoys).into_iter().filter(|name| name.contains('@')));
    bench.tables.push(columns::times("Latency at fixed rates, a chat of 1 KiB, one worker", &slices, &all));
    Ok(())
}
