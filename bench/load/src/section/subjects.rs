//! Measures whether it matters how many sessions there are whose budgets are counted: one, a hundred, or a hundred
//! thousand, each of which has been seen before.
//!
//! Does not measure their memory: `docs/budgets.md` says what a session takes.

use std::sync::Arc;

use crate::bench::{Bench, Effort, names};
use crate::closed::{self, Clients, Extent};
use crate::columns;
use crate::error::BenchError;
use crate::kind::{Farebox, Kind};
use crate::rounds::progress;
use crate::section::Section;
use crate::section::chat::SIZE;
use crate::slice::Load;
use crate::table::number;
use crate::upstream::Plan;

const SESSIONS: [(&str, u64); 3] = [("1 session", 1), ("100 sessions", 100), ("100,000 sessions", 100_000)];

/// Runs it.
///
/// # Errors
/// If a system cannot be started or reached.
pub(crate) async fn run(bench: &mut Bench) -> Result<(), BenchError> {
    let effort = Effort { rounds: 4, quick_rounds: 3, seconds: 0.8, connections: 16 };
    let with_places = Farebox { budgets: 6, many_slots: true, ..Farebox::default() };
    let systems = bench.start(&[Kind::Plain, Kind::farebox(6), Kind::Farebox(with_places)], 1).await?;
    let loads = SESSIONS.map(|(name, sessions)| Load {
        name: name.into(),
        request: Load::chat(SIZE, false),
        plan: Plan::default(),
        connections: bench.connections(&effort),
        sessions,
        pace: bench.pace(&effort),
    });
    let [few @ .., many] = &loads;
    let mut slices = bench.rounds(Section::Subjects, 1, few, &systems, &effort).await?;
    let mut notes = Vec::new();
    for system in systems.iter().filter(|system| matches!(system.kind, Kind::Farebox(_))) {
        progress(&format!("subjects · {} · {} calls first", system.kind, many.sessions));
        let before = system.memory().rss_kib;
        let request = Arc::new(system.chat(SIZE, false));
        let clients = Clients { address: system.address, request, sessions: many.sessions };
        let connections = closed::connect(system.address, many.connections).await?;
        closed::run(&clients, connections, Extent::Calls(many.sessions)).await;
        let more = system.memory().rss_kib.saturating_sub(before) as f64 / 1024.0;
        let more = number(Some(more));
        notes.push(format!("{}: {more} MiB more after a call of each of the 100,000 sessions.", system.kind));
    }
    slices.extend(bench.rounds(Section::Subjects, 1, std::slice::from_ref(many), &systems, &effort).await?);
    let base = bench.options.base.clone();
    let mut table = columns::cpu("Sessions, six budgets, one worker", &slices, &names(&systems), &base);
    table.notes.extend(notes);
    table.notes.push(
        "farebox-6 has 1,024 places for the sessions of a team and forgets who was idle for the longest; \
         farebox-6-slots has a place for each."
            .into(),
    );
    bench.tables.push(table);
    Ok(())
}
