//! Measures what a small chat costs: 1 KiB there, half a KiB back, for every system there is.
//!
//! Does not measure latency: see `latency.rs`.

use crate::bench::{Bench, Effort};
use crate::error::BenchError;
use crate::kind::Kind;
use crate::section::Section;
use crate::slice::Load;
use crate::upstream::Plan;

/// Bytes of the request.
pub(crate) const SIZE: usize = 1024;

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let mut kinds = vec![Kind::Plain, Kind::PlainDefault, Kind::PlainLog, Kind::Empty, Kind::farebox(3)];
    kinds.extend([Kind::farebox_each_writes(3), Kind::farebox_with_attempts(3)]);
    if !bench.options.quick {
        kinds.push(Kind::Direct);
        kinds.extend([0, 1, 6].map(Kind::farebox));
        kinds.sort();
    }
    kinds.extend(bench.peers());
    if bench.options.smoke {
        kinds = vec![Kind::Plain, Kind::Empty, Kind::farebox(3)];
    }
    let effort = Effort { rounds: 15, quick_rounds: 10, seconds: 0.6, connections: 16 };
    let load = Load {
        name: "1 KiB".into(),
        request: Load::chat(SIZE, false),
        plan: Plan::default(),
        connections: bench.connections(&effort),
        sessions: 100,
        pace: bench.pace(&effort),
    };
    bench.compare(Section::Chat, "A chat of 1 KiB, one worker", &kinds, &[load], &effort).await
}
