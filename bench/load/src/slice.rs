//! Decides how one slice of load is measured: warmed up first, then counted, with nothing under way at either end.
//!
//! A slice with one wrong answer in it is invalid and says why; so is one in which Envoy kept opening connections to
//! the upstream, because then connections are measured and not requests.
//!
//! Does not decide which slices there are: see `rounds.rs`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::closed::{self, Clients, Extent};
use crate::error::BenchError;
use crate::family::{Family, Memory};
use crate::machine::Busy;
use crate::open;
use crate::provider::Provider;
use crate::request::Request;
use crate::schedule::Schedule;
use crate::system::System;
use crate::tally::Spread;
use crate::upstream::Plan;

/// How requests follow one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Each when the last was answered, first to warm up and then counted.
    Closed {
        /// Not counted.
        warm: Extent,
        /// Counted.
        counted: Extent,
    },
    /// At fixed moments, after two calls on each connection that are not counted.
    Open {
        /// Counted.
        schedule: Schedule,
    },
}

/// What is put on a system.
#[derive(Clone)]
pub(crate) struct Load {
    /// What it is called in tables.
    pub(crate) name: String,
    /// What is sent.
    pub(crate) request: Rc<dyn Fn(&System) -> Request>,
    /// What the upstream does.
    pub(crate) plan: Plan,
    /// Connections of clients.
    pub(crate) connections: usize,
    /// Sessions of clients.
    pub(crate) sessions: u64,
    /// When requests are sent.
    pub(crate) pace: Pace,
}

impl Load {
    /// Asks for chats of `size` bytes.
    pub(crate) fn chat(size: usize, streams: bool) -> Rc<dyn Fn(&System) -> Request> {
        Rc::new(move |system| system.chat(size, streams))
    }
}

/// What was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// Section of the benchmark.
    pub(crate) section: String,
    /// Name of the load.
    pub(crate) load: String,
    /// Name of the system.
    pub(crate) system: String,
    /// Round, from 0.
    pub(crate) round: usize,
    /// Threads of the system that serve.
    pub(crate) workers: usize,
    /// Calls that were counted.
    pub(crate) calls: u64,
    /// How long they took all together.
    pub(crate) seconds: f64,
    /// CPU time of the system for a call, in microseconds.
    pub(crate) cpu_us: f64,
    /// CPU time of the upstream for a call, in microseconds.
    pub(crate) upstream_us: f64,
    /// CPU time of the generator of load for a call, in microseconds.
    pub(crate) generator_us: f64,
    /// Cores that this benchmark used in all, and
    pub(crate) cores: f64,
    /// cores that others used meanwhile.
    pub(crate) others: f64,
    /// Times of whole calls.
    pub(crate) whole: Spread,
    /// Times to the first byte of a body.
    pub(crate) first: Spread,
    /// How late the generator was.
    pub(crate) late: Spread,
    /// Connections that were opened to the upstream.
    pub(crate) connections: u64,
    /// Memory of the system at the end.
    pub(crate) memory: Memory,
    /// Why none of this counts; `None`: it does.
    pub(crate) invalid: Option<String>,
}

impl Slice {
    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.calls as f64 / self.seconds.max(1e-9)
    }

    /// What was used between two moments, for so many calls.
    pub(crate) fn between(before: &Reading, after: &Reading, calls: u64) -> Self {
        let time = after.at - before.at;
        let [system, upstream, generator] = [
            after.system.saturating_sub(before.system),
            after.upstream.saturating_sub(before.upstream),
            after.generator.saturating_sub(before.generator),
        ];
        let each = |used: Duration| used.as_secs_f64() * 1e6 / calls.max(1) as f64;
        let ours = system + upstream + generator;
        Slice {
            calls,
            seconds: time.as_secs_f64(),
            cpu_us: each(system),
            upstream_us: each(upstream),
            generator_us: each(generator),
            cores: ours.as_secs_f64() / time.as_secs_f64().max(1e-9),
            others: after.machine.by_others(before.machine, ours, time),
            ..Slice::default()
        }
    }
}

/// CPU time at one moment.
pub(crate) struct Reading {
    at: Instant,
    system: Duration,
    upstream: Duration,
    generator: Duration,
    machine: Busy,
}

impl Reading {
    /// Now.
    pub(crate) fn take(system: &System, provider: &Provider) -> Self {
        let this = Family::this().cpu();
        Self {
            system: system.cpu(),
            upstream: provider.cpu(),
            generator: this,
            machine: Busy::now(),
            at: Instant::now(),
        }
    }
}

/// Puts a load on a system and measures.
///
/// # Errors
/// If the system cannot be reached at all, or the upstream not be asked.
pub(crate) async fn measure(load: &Load, system: &System, provider: &Provider) -> Result<Slice, BenchError> {
    // Streams are warmed up by streams, but need not be long for it.
    provider.set(Plan { events: load.plan.events.min(1), ..load.plan }).await?;
    let request = Arc::new((load.request)(system));
    let clients = Clients { address: system.address, request, sessions: load.sessions };
    let connections = closed::connect(system.address, load.connections).await?;
    let warm = match load.pace {
        Pace::Closed { warm, .. } => warm,
        Pace::Open { .. } => Extent::Calls(2 * load.connections as u64),
    };
    let (connections, _) = closed::run(&clients, connections, warm).await;
    provider.set(load.plan).await?;
    let seen = provider.counts().await?;
    let before = Reading::take(system, provider);
    let (connections, tally) = match load.pace {
        Pace::Closed { counted, .. } => closed::run(&clients, connections, counted).await,
        Pace::Open { schedule } => open::run(&clients, connections, schedule).await?,
    };
    let after = Reading::take(system, provider);
    let memory = system.memory();
    drop(connections);
    let now = provider.counts().await?;
    // The connection that asks is not one of the system's.
    let opened = (now.connections - seen.connections).saturating_sub(1);
    let reached = now.requests - seen.requests;
    let mut slice = Slice::between(&before, &after, tally.calls);
    slice.load = load.name.clone();
    slice.system = system.kind.to_string();
    slice.whole = tally.whole.spread();
    slice.first = tally.first.spread();
    slice.late = tally.late.spread();
    slice.connections = opened;
    slice.memory = memory;
    let reopens = system.kind.is_envoy() && opened > 2 * load.connections as u64 + tally.calls / 50;
    let is_served = clients.request.expected == 200;
    slice.invalid = tally
        .complaint()
        .or_else(|| {
            reopens.then(|| format!("{opened} connections to the upstream for {} calls", tally.calls))
        })
        .or_else(|| doubt(tally.calls, reached, is_served));
    Ok(slice)
}

/// What is wrong with so many calls if so many of them reached the upstream: a gateway that answers from a cache does
/// not do what the others do.
fn doubt(calls: u64, reached: u64, is_served: bool) -> Option<String> {
    match (calls, is_served) {
        (0, _) => Some("no call was made".into()),
        (_, true) if reached < calls => Some(format!("{reached} of {calls} calls reached the upstream")),
        (_, false) if reached > 0 => Some(format!("{reached} refused calls reached the upstream")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_served_reach_the_upstream_and_refused_ones_do_not() {
        assert_eq!(doubt(10, 10, true), None);
        assert_eq!(doubt(10, 12, true), None); // it may be asked for its health, or twice
        assert_eq!(doubt(10, 0, false), None);
        assert!(doubt(10, 9, true).is_some());
        assert!(doubt(10, 1, false).is_some());
        assert!(doubt(0, 0, true).is_some());
    }
}
