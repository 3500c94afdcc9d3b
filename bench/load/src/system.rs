//! Decides what a running system is to the benchmark: an address, what has to be said to it, and a process whose time
//! and memory are its own.
//!
//! Does not start it: see `stage.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

use crate::family::Memory;
use crate::kind::Kind;
use crate::process::Process;
use crate::request::{Draft, Request};

/// A running system. Dropping it ends it.
pub(crate) struct System {
    /// What it is.
    pub(crate) kind: Kind,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// What clients say to it.
    pub(crate) manner: Manner,
    process: Option<Process>,
    // Dropped after the process, which writes into it.
    _folder: Option<TempDir>,
}

/// What clients say to a system, whatever they want.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// Path of the endpoint for chats.
    pub(crate) path: String,
    /// Headers, with the caller's key.
    pub(crate) headers: Vec<(String, String)>,
    /// Name of the model.
    pub(crate) model: String,
}

impl System {
    /// A system with its process, and the folder of its files.
    pub(crate) fn new(
        kind: Kind,
        address: SocketAddr,
        manner: Manner,
        process: Option<Process>,
        folder: Option<TempDir>,
    ) -> Self {
        Self { kind, address, manner, process, _folder: folder }
    }

    /// CPU time it has used; nothing if there is no proxy.
    pub(crate) fn cpu(&self) -> Duration {
        self.process.as_ref().map_or(Duration::ZERO, |process| process.family.cpu())
    }

    /// Memory it uses now; nothing if there is no proxy.
    pub(crate) fn memory(&self) -> Memory {
        self.process.as_ref().map_or_else(Memory::default, |process| process.family.memory())
    }

    /// The end of what it wrote.
    pub(crate) fn last_words(&self) -> String {
        self.process.as_ref().map_or_else(String::new, Process::last_words)
    }

    /// A chat of `size` bytes as this system expects it.
    pub(crate) fn chat(&self, size: usize, streams: bool) -> Request {
        self.request(&Draft {
            path: &self.manner.path,
            headers: &self.manner.headers,
            model: &self.manner.model,
            size,
            streams,
            tools: 0,
            expected: 200,
        })
    }

    /// Any request.
    pub(crate) fn request(&self, draft: &Draft<'_>) -> Request {
        Request::new(draft)
    }
}
