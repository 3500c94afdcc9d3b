//! Decides which parts the benchmark has.
//!
//! Does not decide what a part does: each has a file of its own.

mod agent;
mod chat;
mod field;
mod latency;
mod ledger;
mod memory;
mod refusals;
mod sizes;
mod streams;
mod subjects;
mod workers;

pub(crate) use ledger::{FAR, near_at, prefix, rates};
pub(crate) use memory::OPEN;
pub(crate) use refusals::REFUSALS;
pub(crate) use sizes::MEBIBYTE;
pub(crate) use streams::PACED;

use crate::bench::Bench;
use crate::error::BenchError;

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Section {
    /// CPU time of a small chat, for every system
    Chat,
    /// CPU time of streams
    Streams,
    /// CPU time of larger requests
    Sizes,
    /// CPU time of a refusal, against that of a call that plain Envoy lets through
    Refusals,
    /// Memory, idle and with a thousand open streams
    Memory,
    /// One to four workers
    Workers,
    /// One to a hundred thousand sessions
    Subjects,
    /// Times of calls at fixed rates
    Latency,
    /// Load points at which gateways are commonly compared
    Field,
    /// A decision of an agent
    Agent,
    /// Budgets that a fleet shares
    Ledger,
}

impl Section {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Chat,
        Self::Streams,
        Self::Sizes,
        Self::Refusals,
        Self::Memory,
        Self::Workers,
        Self::Subjects,
        Self::Latency,
        Self::Field,
        Self::Agent,
        Self::Ledger,
    ];
    /// Those that goals are about.
    pub(crate) const GOALS: [Self; 5] =
        [Self::Chat, Self::Streams, Self::Sizes, Self::Refusals, Self::Memory];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Streams => "streams",
            Self::Sizes => "sizes",
            Self::Refusals => "refusals",
            Self::Memory => "memory",
            Self::Workers => "workers",
            Self::Subjects => "subjects",
            Self::Latency => "latency",
            Self::Field => "field",
            Self::Agent => "agent",
            Self::Ledger => "ledger",
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// If a system cannot be started or reached.
    pub(crate) async fn run(self, bench: &mut Bench) -> Result<(), BenchError> {
        match self {
            Self::Chat => chat::run(bench).await,
            Self::Streams => streams::run(bench).await,
            Self::Sizes => sizes::run(bench).await,
            Self::Refusals => refusals::run(bench).await,
            Self::Memory => memory::run(bench).await,
            Self::Workers => workers::run(bench).await,
            Self::Subjects => subjects::run(bench).await,
            Self::Latency => latency::run(bench).await,
            Self::Field => field::run(bench).await,
            Self::Agent => agent::run(bench).await,
            Self::Ledger => ledger::run(bench).await,
        }
    }
}
