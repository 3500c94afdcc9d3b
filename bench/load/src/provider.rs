//! Decides how the benchmark speaks with its upstream, a process of its own: what it should answer, and how many
//! connections and requests it has seen.
//!
//! Does not answer: see `upstream/`.

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

use crate::error::BenchError;
use crate::get::{ask, get};
use crate::process::{Process, Start};
use crate::upstream::{COUNTS, PLAN, Plan};

/// The running upstream.
pub(crate) struct Provider {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

/// What the upstream has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections that were opened.
    pub(crate) connections: u64,
    /// Requests that came.
    pub(crate) requests: u64,
}

impl Provider {
    /// Starts it.
    ///
    /// # Errors
    /// If it does not serve.
    pub(crate) async fn start(core: Option<usize>) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::io("a temporary folder"))?;
        let this = std::env::current_exe().map_err(BenchError::io("this program"))?;
        let start = Start {
            program: &this,
            arguments: vec!["upstream".into()],
            log: folder.path().join("upstream.log"),
            core,
            has_children: false,
            environment: Vec::new(),
        };
        let mut process = Process::start(start)?;
        let port = async |process: &Process| process.written().lines().next()?.parse::<u16>().ok();
        let port = process.until("the upstream", Duration::from_secs(10), port).await?;
        Ok(Self { address: ([127, 0, 0, 1], port).into(), process, _folder: folder })
    }

    /// What it answers from now on.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn set(&self, plan: Plan) -> Result<(), BenchError> {
        match ask(self.address, "PUT", PLAN, &plan.to_string()).await? {
            (200, _) => Ok(()),
            (status, _) => Err(BenchError::Doubt(format!("the upstream says {status} to its plan"))),
        }
    }

    /// What it has seen. The connection that asks is counted too.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) async fn counts(&self) -> Result<Counts, BenchError> {
        let (_, text) = get(self.address, COUNTS).await?;
        let mut numbers = text.split(' ').filter_map(|number| number.parse().ok());
        match (numbers.next(), numbers.next()) {
            (Some(connections), Some(requests)) => Ok(Counts { connections, requests }),
            _ => Err(BenchError::Form(text)),
        }
    }

    /// CPU time it has used.
    pub(crate) fn cpu(&self) -> Duration {
        self.process.family.cpu()
    }
}
