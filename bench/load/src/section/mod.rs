//! Decides which parts the benchmark has.
//!
//! Does not decide what a part does: each has a file of its own.

mod chat;

use crate::bench::Bench;
use crate::error::BenchError;

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Section {
    /// CPU time of a small chat, for every system
    Chat,
}

impl Section {
    /// All of them.
    pub(crate) const ALL: [Self; 1] = [Self::Chat];
    /// Those that goals are about.
    pub(crate) const GOALS: [Self; 1] = [Self::Chat];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// If a system cannot be started or reached.
    pub(crate) async fn run(self, bench: &mut Bench) -> Result<(), BenchError> {
        match self {
            Self::Chat => chat::run(bench).await,
        }
    }
}
