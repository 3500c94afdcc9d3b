//! Measures what a small chat costs: 1 KiB there, half a KiB back, for every system there is.
//!
//! Does not measure latency.

use std::rc::Rc;

use crate::bench::{Bench, Effort};
use crate::error::BenchError;
use crate::kind::Kind;
use crate::slice::Load;
use crate::upstream::Plan;

/// Bytes of the request.
pub(crate) const SIZE: usize = 1024;

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let mut kinds = vec![Kind::Direct, Kind::Plain, Kind::PlainDefault, Kind::PlainLog, Kind::Empty];
    kinds.extend([0, 1, 3, 6].map(Kind::farebox));
    kinds.push(Kind::farebox_with_attempts(3));
    kinds.extend(bench.peers());
    let effort = Effort { rounds: 15, quick_rounds: 8, seconds: 0.6, connections: 16 };
    let pace = bench.pace(&effort);
    let load = Load {
        name: "chat 1 KiB".into(),
        request: Rc::new(|system| system.chat(SIZE, false)),
        plan: Plan::default(),
        connections: bench.connections(&effort),
        sessions: 100,
        pace,
    };
    bench.compare("chat", "A chat of 1 KiB, one worker", &kinds, 1, &[load], &effort).await
}
