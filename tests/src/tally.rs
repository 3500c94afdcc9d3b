//! Reckons up what a gateway let pass: from the access log, independently of its counters.

use crate::envoy::Envoy;
use crate::patience::until;
use farebox_core::base::money::PicoUsd;
use farebox_core::base::window::Millis;
use serde_json::Value;

/// A request that was admitted, from its line in the access log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record.
    pub record: Value,
    /// When it arrived, in milliseconds.
    pub began: u64,
    /// When it ended, in milliseconds.
    pub ended: u64,
    /// Charged, in pico-dollars.
    pub usd: u64,
    /// Charged input tokens.
    pub input: u64,
    /// Charged output tokens.
    pub output: u64,
}

impl Entry {
    /// What was charged in a unit.
    #[must_use]
    pub fn charged(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Usd => self.usd,
            Unit::Tokens => self.input + self.output,
        }
    }
}

/// What a limit is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pico-dollars.
    Usd,
    /// Tokens.
    Tokens,
}

/// Every request that was admitted, once none runs any more and all are in the log.
///
/// # Panics
/// If that does not come.
pub async fn entries(envoy: &Envoy) -> Vec<Entry> {
    let lines = until("the end of every request", async || {
        let active = envoy.stat(r"^http\.farebox\.downstream_rq_active$").await;
        let total = envoy.stat(r"^http\.farebox\.downstream_rq_total$").await;
        let lines = if active == 0 { envoy.log_lines() } else { Vec::new() };
        (lines.len() as u64 == total && total > 0).then_some(lines)
    })
    .await;
    lines.into_iter().filter_map(entry).collect()
}

fn entry(mut line: Value) -> Option<Entry> {
    let record = line["farebox"].take();
    let usd = PicoUsd::parse(record["cost_usd"].as_str()?).expect("a cost is an amount").0;
    let began = line["time"].as_str().and_then(Millis::parse).expect("a line has a time").0;
    let count = |member: &str| record[member].as_u64().unwrap_or_default();
    Some(Entry {
        began,
        ended: began + line["duration_ms"].as_u64().expect("a line has a duration"),
        usd,
        input: count("input_tokens"),
        output: count("output_tokens"),
        record,
    })
}

/// The largest sum of `weight` over entries that ran at one time. Moments are known to the millisecond, so entries
/// that touch count together.
#[must_use]
pub fn peak(entries: &[&Entry], weight: impl Fn(&Entry) -> u64) -> u64 {
    let mut moments: Vec<(u64, bool, u64)> = Vec::new();
    for entry in entries {
        moments.push((entry.began, false, weight(entry)));
        moments.push((entry.ended + 1, true, weight(entry)));
    }
    moments.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, ends, weight) in moments {
        now = if ends { now - weight } else { now + weight };
        most = most.max(now);
    }
    most
}
