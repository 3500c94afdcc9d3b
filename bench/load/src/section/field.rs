//! Measures the load points at which gateways are commonly compared: users who wait for slow models, many small calls
//! over many connections, and five hundred calls a second for a minute.
//!
//! Does not tune anything for them: every system runs as in the other sections, with two workers.

use std::time::Duration;

use crate::bench::{Bench, Effort, names};
use crate::closed::Extent;
use crate::columns;
use crate::error::BenchError;
use crate::kind::Kind;
use crate::rounds::progress;
use crate::schedule::Schedule;
use crate::section::Section;
use crate::section::chat::SIZE;
use crate::slice::{Load, Pace, Slice, measure};
use crate::system::System;
use crate::table::{Table, number};
use crate::upstream::Plan;

const WORKERS: usize = 2;
/// Users, and what the upstream takes for an answer.
const USERS: [(usize, Duration); 3] =
    [(100, Duration::from_millis(500)), (100, Duration::from_millis(100)), (50, Duration::from_secs(2))];
/// How long users go on.
const LONG: Duration = Duration::from_secs(6);
/// Small calls over many connections, and the longest that they may take.
const SMALL: (u64, usize, Duration) = (50_000, 200, Duration::from_secs(10));
/// Calls a second of the long run, its length and its looks at memory.
const RATE: f64 = 500.0;
const STEADY: Duration = Duration::from_secs(60);
const LOOKS: u32 = 6;

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 1, quick_rounds: 1, seconds: LONG.as_secs_f64(), connections: 100 };
    let mut kinds = vec![Kind::Direct, Kind::Plain, Kind::farebox(3)];
    kinds.extend(bench.peers());
    let systems = bench.start(&kinds, WORKERS).await?;
    let time = Duration::from_secs_f64(bench.options.seconds.unwrap_or(effort.seconds));
    let load = |name: String, plan: Plan, connections: usize, counted: Extent| Load {
        name,
        request: Load::chat(SIZE, false),
        plan,
        connections,
        sessions: 100,
        pace: Pace::Closed { warm: Extent::Calls(connections as u64), counted },
    };
    let mut loads: Vec<Load> = USERS
        .iter()
        .map(|(users, delay)| {
            let most = *users as f64 / delay.as_secs_f64();
            let name =
                format!("{users} users, {} s, at most {} calls/s", delay.as_secs_f64(), number(Some(most)));
            load(name, Plan::plain(*delay), *users, Extent::Time(time))
        })
        .collect();
    let (calls, connections, longest) = SMALL;
    let name = format!("{} calls over {connections} connections", number(Some(calls as f64)));
    loads.push(load(name, Plan::default(), connections, Extent::Either(calls, longest)));
    let slices = bench.rounds(Section::Field, WORKERS, &loads, &systems, &effort).await?;
    let title = format!("Common load points, {WORKERS} workers");
    bench.tables.push(columns::times(&title, &slices, &names(&systems)));
    steady(bench, &systems).await
}

/// The long run, with looks at memory in between.
async fn steady(bench: &mut Bench, systems: &[System]) -> Result<(), BenchError> {
    let time = bench.options.seconds.map_or(STEADY, Duration::from_secs_f64);
    let name = format!("{} calls/s for {} s", number(Some(RATE)), number(Some(time.as_secs_f64())));
    let load = Load {
        name: name.clone(),
        request: Load::chat(SIZE, false),
        plan: Plan::default(),
        connections: 100,
        sessions: 100,
        pace: Pace::Open { schedule: Schedule { rate: RATE, time } },
    };
    let mut slices: Vec<Slice> = Vec::new();
    let header: Vec<String> =
        (0..=LOOKS).map(|look| format!("{} s", number(Some((time * look / LOOKS).as_secs_f64())))).collect();
    let mut header: Vec<&str> = header.iter().map(String::as_str).collect();
    header.insert(0, "RSS in MiB after");
    let mut memory = Table::new(&format!("Memory, {name}"), &header);
    for system in systems {
        progress(&format!("field · {} · {}", load.name, system.kind));
        let looks = async {
            let mut row = vec![system.kind.to_string()];
            for look in 0..=LOOKS {
                if look > 0 {
                    tokio::time::sleep(time / LOOKS).await;
                }
                row.push(format!("{:.1}", system.memory().rss_kib as f64 / 1024.0));
            }
            row
        };
        let (slice, row) = tokio::join!(measure(&load, system, &bench.provider), looks);
        let section = Section::Field.name().to_owned();
        slices.push(Slice { section, workers: WORKERS, ..slice? });
        if system.kind != Kind::Direct {
            memory.rows.push(row);
        }
    }
    bench.tables.push(columns::times(&format!("{name}, {WORKERS} workers"), &slices, &names(systems)));
    bench.tables.push(memory);
    bench.slices.extend(slices);
    Ok(())
}
