//! Measures one to four workers, which share every budget's counter: what they do together, and what a call costs.
//!
//! The generator of load and the upstream need cores too, so throughput stops growing where the machine is full; the
//! time of a call does not depend on that.
//!
//! Does not measure other gateways.

use crate::bench::{Bench, Effort, names};
use crate::columns;
use crate::error::BenchError;
use crate::kind::Kind;
use crate::section::Section;
use crate::section::chat::SIZE;
use crate::slice::Load;
use crate::upstream::Plan;

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 4, quick_rounds: 3, seconds: 0.8, connections: 64 };
    let kinds = [Kind::Plain, Kind::farebox(3), Kind::farebox(6)];
    let mut slices = Vec::new();
    let mut systems = Vec::new();
    for workers in 1..=4 {
        let load = Load {
            name: if workers == 1 { "1 worker".into() } else { format!("{workers} workers") },
            request: Load::chat(SIZE, false),
            plan: Plan::default(),
            connections: bench.connections(&effort),
            sessions: 100,
            pace: bench.pace(&effort),
        };
        let running = bench.start(&kinds, workers).await?;
        systems = names(&running);
        slices.extend(bench.rounds(Section::Workers, workers, &[load], &running, &effort).await?);
    }
    let base = bench.options.base.clone();
    bench.tables.push(columns::cpu("Workers, 64 connections, a chat of 1 KiB", &slices, &systems, &base));
    Ok(())
}
