//! Measures memory: after some calls, and with a thousand streams open, two workers.
//!
//! Each system is started anew and runs alone.
//!
//! Does not measure time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::bench::{Bench, Effort};
use crate::closed::{self, Clients, Extent};
use crate::columns;
use crate::connection::Connection;
use crate::error::BenchError;
use crate::kind::Kind;
use crate::rounds::progress;
use crate::section::Section;
use crate::section::chat::SIZE;
use crate::slice::Slice;
use crate::system::System;
use crate::upstream::Plan;

/// After a thousand calls, nothing under way.
pub(crate) const IDLE: &str = "idle";
/// With the streams open.
pub(crate) const OPEN: &str = "1,000 open streams";
const STREAMS: usize = 1000;
const WORKERS: usize = 2;
/// How long the streams have been running when memory is read.
const RUNNING: Duration = Duration::from_secs(2);

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 2, quick_rounds: 2, seconds: 0.0, connections: STREAMS };
    let mut kinds = vec![Kind::Plain, Kind::PlainDefault, Kind::farebox(3), Kind::farebox_with_attempts(3)];
    if !bench.options.quick {
        kinds.extend([Kind::Empty, Kind::farebox(6)]);
        kinds.extend(bench.peers());
    }
    let mut slices = Vec::new();
    for round in 0..bench.count(&effort) {
        for kind in &kinds {
            for system in bench.start(std::slice::from_ref(kind), WORKERS).await? {
                progress(&format!("memory · {kind} · round {}", round + 1));
                for mut slice in of(bench, &system, bench.connections(&effort)).await? {
                    slice.round = round;
                    slices.push(slice);
                }
            }
        }
    }
    let mut names: Vec<String> = Vec::new();
    for slice in &slices {
        if !names.contains(&slice.system) {
            names.push(slice.system.clone());
        }
    }
    bench.tables.push(columns::memory(&format!("Memory, {WORKERS} workers"), &slices, &names));
    bench.slices.extend(slices);
    Ok(())
}

async fn of(bench: &Bench, system: &System, streams: usize) -> Result<[Slice; 2], BenchError> {
    let slice = |load: &str, invalid: Option<String>| Slice {
        section: Section::Memory.name().into(),
        load: load.into(),
        system: system.kind.to_string(),
        workers: WORKERS,
        memory: system.memory(),
        invalid,
        ..Slice::default()
    };
    bench.provider.set(Plan::default()).await?;
    let request = Arc::new(system.chat(SIZE, false));
    let clients = Clients { address: system.address, request, sessions: 100 };
    let connections = closed::connect(system.address, 16).await?;
    let (connections, tally) = closed::run(&clients, connections, Extent::Calls(1000)).await;
    drop(connections);
    let idle = slice(IDLE, tally.complaint());

    bench.provider.set(Plan::stream(1000, Duration::from_millis(100))).await?;
    let request = Arc::new(system.chat(SIZE, true));
    let begun = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for session in 0..streams as u64 {
        let (request, begun, address) = (request.clone(), begun.clone(), system.address);
        tasks.spawn(async move {
            let mut head = Vec::new();
            request.head(session, &mut head);
            let mut connection = Connection::open(address).await?;
            connection.begin(&head, &request.body).await?;
            begun.fetch_add(1, Ordering::Relaxed);
            connection.listen().await;
            Ok::<(), std::io::Error>(())
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(30), async {
        while begun.load(Ordering::Relaxed) < streams {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(RUNNING).await;
    });
    let complaint = all.await.err().map(|_| format!("{} streams began", begun.load(Ordering::Relaxed)));
    // Whoever has ended by now was cut off, or refused.
    let ended = std::iter::from_fn(|| tasks.try_join_next()).count();
    let open = slice(OPEN, complaint.or_else(|| (ended > 0).then(|| format!("{ended} streams ended"))));
    tasks.shutdown().await;
    Ok([idle, open])
}
