//! Measures what it costs that a fleet shares its budgets: CPU time far from the limits, waiting near one, and what the
//! server of the ledger has to do for one and for four busy Envoys.
//!
//! Near the limit means that the ledger lends nothing beforehand, because very many share the account: then every
//! request asks and waits. The limit itself is far away all the same, so that none is refused.
//!
//! Everything is on one machine: the way to the server is loopback.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::bench::{Bench, Effort, names};
use crate::closed::{self, Clients};
use crate::columns;
use crate::error::BenchError;
use crate::kind::{Farebox, Kind};
use crate::ledger::{Done, Server};
use crate::open;
use crate::plugin::NEAR;
use crate::rounds::progress;
use crate::schedule::Schedule;
use crate::section::Section;
use crate::section::chat::SIZE;
use crate::slice::{Load, Pace};
use crate::system::System;
use crate::table::{Table, number};
use crate::tally::Tally;
use crate::upstream::Plan;

/// What is measured far from all limits.
pub(crate) const FAR: &str = "far from the limits";
/// Calls a second where every request asks.
const RATES: [u32; 2] = [200, 1000];
/// Envoys, workers and budgets of each for what the server has to do. Each uses an account for each budget.
const FLEETS: [(usize, usize, usize); 7] =
    [(1, 1, 1), (1, 1, 3), (1, 2, 3), (1, 4, 3), (4, 1, 3), (4, 2, 3), (4, 4, 3)];
/// Calls a second of each of these Envoys, its connections, and for how long.
const BUSY: f64 = 200.0;
const CONNECTIONS: usize = 32;
const TIME: Duration = Duration::from_secs(8);
/// Bytes of an exchange both ways, and of each account in it, as `docs/fleet-ledger.md` has it.
const BYTES: (f64, f64) = (135.0, 310.0);

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let server = Server::start(&bench.stage.envoy).await?;
    bench.stage.ledger = Some(server.address);
    far(bench, 1).await?;
    if !bench.options.quick {
        far(bench, 2).await?;
    }
    near(bench, &server).await?;
    load(bench, &server).await
}

/// The name of a load that is put near the limit.
pub(crate) fn near_at(rate: u32) -> String {
    format!("every request asks, {} calls/s", number(Some(f64::from(rate))))
}

/// The rates of these loads.
pub(crate) fn rates() -> [u32; 2] {
    RATES
}

/// CPU time far from the limits.
async fn far(bench: &mut Bench, workers: usize) -> Result<(), BenchError> {
    let effort = Effort { rounds: 20, quick_rounds: 12, seconds: 0.8, connections: 16 };
    let kinds = [Kind::farebox(3), Kind::farebox_of_a_fleet(3)];
    let load = Load {
        name: FAR.into(),
        request: Load::chat(SIZE, false),
        plan: Plan::default(),
        connections: bench.connections(&effort) * workers,
        sessions: 100,
        pace: bench.pace(&effort),
    };
    let systems = bench.start(&kinds, workers).await?;
    let slices = bench.rounds(Section::Ledger, workers, &[load], &systems, &effort).await?;
    let title = format!("A chat of 1 KiB whose three budgets a fleet shares, {workers} worker(s)");
    bench.tables.push(columns::cpu(&title, &slices, &names(&systems), &Kind::farebox(3).to_string()));
    Ok(())
}

/// Waiting near a limit.
async fn near(bench: &mut Bench, server: &Server) -> Result<(), BenchError> {
    let effort = Effort { rounds: 5, quick_rounds: 3, seconds: 3.0, connections: 64 };
    let time = Duration::from_secs_f64(bench.options.seconds.unwrap_or(effort.seconds));
    let loads = RATES.map(|rate| Load {
        name: near_at(rate),
        request: Load::chat(SIZE, false),
        plan: Plan::default(),
        connections: effort.connections,
        sessions: 100,
        pace: Pace::Open { schedule: Schedule { rate: f64::from(rate), time } },
    });
    let of = |fleet| Farebox { budgets: 3, near_limit: true, fleet, ..Farebox::default() };
    let kinds = [Kind::Farebox(of(false)), Kind::Farebox(of(true))];
    let systems = bench.start(&kinds, 1).await?;
    let prefixes: Vec<String> = systems.iter().map(|system| prefix(&system.kind)).collect();
    let crowding = async {
        loop {
            for prefix in &prefixes {
                if let Err(error) = server.crowd(prefix, NEAR).await {
                    return error;
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let measuring = server.during(bench.rounds(Section::Ledger, 1, &loads, &systems, &effort));
    let (done, slices) = tokio::select! {
        measured = measuring => measured?,
        error = crowding => return Err(error),
    };
    let slices = slices?;
    let mut table =
        columns::times("Near a limit: every request asks the ledger, one worker", &slices, &names(&systems));
    let of_fleet = |system: &str| system.parse().is_ok_and(|kind: Kind| kind.uses_ledger());
    let calls: u64 = slices.iter().filter(|slice| of_fleet(&slice.system)).map(|slice| slice.calls).sum();
    table.notes.push(format!(
        "The server was asked {} times, the practice before the rounds included, for {} counted calls.",
        number(Some(done.commands as f64)),
        number(Some(calls as f64)),
    ));
    bench.tables.push(table);
    Ok(())
}

/// What the server has to do.
async fn load(bench: &mut Bench, server: &Server) -> Result<(), BenchError> {
    let time = bench.options.seconds.map_or(TIME, Duration::from_secs_f64);
    let header = [
        "busy Envoys × workers, accounts",
        "commands/s each",
        "bytes/s each",
        "bytes a command",
        "as the formula has it",
        "server CPU µs a command",
        "cores of the server",
        "p50 ms",
        "p99 ms",
    ];
    let mut table = Table::new("The ledger's server, far from the limits, every 250 ms", &header);
    let (idle, ()) = server.during(tokio::time::sleep(time)).await?;
    table.notes.push(format!(
        "Idle, the server takes {} cores; that is taken off.",
        number(Some(idle.cpu.as_secs_f64() / time.as_secs_f64()))
    ));
    for (envoys, workers, budgets) in FLEETS {
        progress(&format!("ledger · {envoys} Envoys of {workers} workers"));
        let kinds = vec![Kind::farebox_of_a_fleet(budgets); envoys];
        let systems = bench.start(&kinds, workers).await?;
        // Workers find out how many they are, and are lent something.
        busy(&systems, Duration::from_secs(4)).await?;
        let (mut done, tally) = server.during(busy(&systems, time)).await?;
        done.cpu = done.cpu.saturating_sub(idle.cpu);
        let tally = tally?;
        if let Some(complaint) = tally.complaint() {
            table.notes.push(format!("{envoys} × {workers}, {budgets}: {complaint}"));
        }
        table.rows.push(row((envoys, workers, budgets), &done, &tally, time));
    }
    bench.tables.push(table);
    Ok(())
}

fn row(
    (envoys, workers, accounts): (usize, usize, usize),
    done: &Done,
    tally: &Tally,
    time: Duration,
) -> Vec<String> {
    let each = |count: u64| count as f64 / time.as_secs_f64() / envoys as f64;
    let commands = done.commands.max(1) as f64;
    let whole = tally.whole.spread();
    let figures = [
        each(done.commands),
        each(done.bytes),
        done.bytes as f64 / commands,
        BYTES.0 + accounts as f64 * BYTES.1,
        done.cpu.as_secs_f64() * 1e6 / commands,
        done.cpu.as_secs_f64() / time.as_secs_f64(),
        whole.p50_us / 1e3,
        whole.p99_us / 1e3,
    ];
    let name = [format!("{envoys} × {workers}, {accounts}")];
    name.into_iter().chain(figures.map(|figure| number(Some(figure)))).collect()
}

/// Keeps all of them busy for so long.
async fn busy(systems: &[System], time: Duration) -> Result<Tally, BenchError> {
    let mut tasks = JoinSet::new();
    for system in systems {
        let request = Arc::new(system.chat(SIZE, false));
        let clients = Clients { address: system.address, request, sessions: 100 };
        let connections = closed::connect(system.address, CONNECTIONS).await?;
        tasks.spawn(async move { open::run(&clients, connections, Schedule { rate: BUSY, time }).await });
    }
    let mut all = Tally::new();
    while let Some(ended) = tasks.join_next().await {
        let (_, tally) = ended.map_err(|error| BenchError::Doubt(error.to_string()))??;
        all.join(&tally);
    }
    Ok(all)
}

/// What the keys of a system's ledger begin with.
pub(crate) fn prefix(kind: &Kind) -> String {
    kind.to_string().replace('@', "-")
}
