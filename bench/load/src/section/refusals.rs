//! Measures what a refusal costs, against an ordinary call through plain Envoy: whoever is refused should cost less
//! than whoever is served.
//!
//! Does not measure what the upstream saves.

use std::rc::Rc;

use crate::bench::{Bench, Effort};
use crate::error::BenchError;
use crate::kind::Kind;
use crate::plugin::SPENT;
use crate::request::{Draft, Request};
use crate::section::Section;
use crate::section::chat::SIZE;
use crate::slice::Load;
use crate::system::System;
use crate::upstream::Plan;

/// The loads: name, key that is shown and status that Farebox answers.
pub(crate) const REFUSALS: [(&str, &str, u16); 2] =
    [("unknown key", "fb_bench_thisIsNotTheSecretOfThatKey", 401), ("budget spent", SPENT, 429)];

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 8, quick_rounds: 6, seconds: 0.5, connections: 16 };
    let loads = REFUSALS.map(|(name, key, status)| Load {
        name: name.into(),
        request: Rc::new(move |system| refused(system, key, status)),
        plan: Plan::default(),
        connections: bench.connections(&effort),
        sessions: 100,
        pace: bench.pace(&effort),
    });
    let kinds = [Kind::Plain, Kind::PlainDefault, Kind::farebox(3), Kind::farebox_with_attempts(3)];
    let title = "Refusals by Farebox, against calls that plain Envoy lets through, one worker";
    bench.compare(Section::Refusals, title, &kinds, &loads, &effort).await
}

/// A chat with this key for Farebox; for the others an ordinary one.
fn refused(system: &System, key: &str, status: u16) -> Request {
    if !matches!(system.kind, Kind::Farebox(_)) {
        return system.chat(SIZE, false);
    }
    let headers = [("authorization".to_owned(), format!("Bearer {key}"))];
    let manner = &system.manner;
    system.request(&Draft {
        path: &manner.path,
        headers: &headers,
        model: &manner.model,
        size: SIZE,
        streams: false,
        tools: 0,
        expected: status,
    })
}
