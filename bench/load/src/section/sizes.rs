//! Measures what larger requests cost, up to 10 MiB. A filter that reads a request has to hold all of it, which a
//! plain proxy need not.
//!
//! Does not measure larger answers: see `streams.rs`.

use std::rc::Rc;

use crate::bench::{Bench, Effort};
use crate::error::BenchError;
use crate::kind::Kind;
use crate::plugin::RENAMED;
use crate::request::Draft;
use crate::section::Section;
use crate::slice::Load;
use crate::system::System;
use crate::upstream::Plan;

/// The load of which there is a goal.
pub(crate) const MEBIBYTE: &str = "1 MiB";
const SIZE: usize = 1 << 20;

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 6, quick_rounds: 5, seconds: 0.6, connections: 4 };
    let (connections, pace) = (bench.connections(&effort), bench.pace(&effort));
    let load = |name: &str, size: usize| Load {
        name: name.into(),
        request: Load::chat(size, false),
        plan: Plan::default(),
        connections,
        sessions: 10,
        pace,
    };
    let renamed = Load { request: Rc::new(another_model), ..load("1 MiB, model renamed", SIZE) };
    let mut loads = vec![load(MEBIBYTE, SIZE)];
    if !bench.options.quick {
        loads = vec![load("10 KiB", 10 << 10), load("100 KiB", 100 << 10), load(MEBIBYTE, SIZE), renamed];
        loads.push(load("10 MiB", 10 << 20));
    }
    let kinds =
        [Kind::Plain, Kind::PlainDefault, Kind::Empty, Kind::farebox(3), Kind::farebox_with_attempts(3)];
    bench.compare(Section::Sizes, "Larger requests, one worker", &kinds, &loads, &effort).await?;
    let mut others = bench.peers();
    if others.is_empty() || bench.options.quick {
        return Ok(());
    }
    let load = load(MEBIBYTE, SIZE);
    others.splice(0..0, [Kind::Plain, Kind::farebox(3)]);
    bench.compare(Section::Sizes, "1 MiB, other gateways", &others, &[load], &effort).await
}

/// A chat for which Farebox has to write another model's name into the body.
fn another_model(system: &System) -> crate::request::Request {
    let manner = &system.manner;
    let model = if matches!(system.kind, Kind::Farebox(_)) { RENAMED } else { &manner.model };
    let (path, headers) = (manner.path.as_str(), manner.headers.as_slice());
    system.request(&Draft { path, headers, model, size: SIZE, streams: false, tools: 0, expected: 200 })
}
