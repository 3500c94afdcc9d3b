//! Measures what streams cost: an event every millisecond, each in a packet of its own as models send them, and for
//! comparison a thousand events all at once.
//!
//! Does not measure memory: see `memory.rs`.

use std::time::Duration;

use crate::bench::{Bench, Effort};
use crate::closed::Extent;
use crate::error::BenchError;
use crate::kind::Kind;
use crate::section::Section;
use crate::section::chat::SIZE;
use crate::slice::{Load, Pace};
use crate::upstream::Plan;

/// The load of which there is a goal.
pub(crate) const PACED: &str = "1,000 events";
/// When no more streams are begun: a gateway that takes a millisecond for an event would otherwise take half an hour.
const LONGEST: Duration = Duration::from_secs(8);
/// Time between two events.
const BEAT: Duration = Duration::from_millis(1);

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 6, quick_rounds: 5, seconds: 0.6, connections: 24 };
    let connections = bench.connections(&effort);
    // Whole streams are counted, so slices are so many of them and not so long.
    let load = |name: &str, events: u32, each: u64, pace: Duration| Load {
        name: name.into(),
        request: Load::chat(SIZE, true),
        plan: Plan::stream(events, pace),
        connections,
        sessions: 10,
        pace: Pace::Closed {
            warm: Extent::Either(connections as u64, LONGEST),
            counted: Extent::Either(connections as u64 * each, LONGEST),
        },
    };
    let mut loads = vec![load(PACED, 1000, 1, BEAT)];
    if !bench.options.quick {
        loads = vec![
            load("10 events", 10, 30, BEAT),
            load("100 events", 100, 5, BEAT),
            load(PACED, 1000, 1, BEAT),
        ];
        loads.push(load("1,000 events at once", 1000, 10, Duration::ZERO));
    }
    let mut kinds = vec![Kind::Plain, Kind::PlainDefault, Kind::farebox(3), Kind::farebox_with_attempts(3)];
    if !bench.options.quick {
        kinds.insert(2, Kind::Empty);
        kinds.extend(bench.peers());
    }
    bench.compare(Section::Streams, "Streams, one worker", &kinds, &loads, &effort).await
}
