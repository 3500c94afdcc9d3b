//! Decides how a process is started, measured and ended.
//!
//! Processes end when their value is dropped, when this program panics (the release profile aborts, so nothing is
//! dropped then: see [`end_all`]) and when it is killed (`guard.rs`). They are ended by their ids and never by
//! name: other Envoys on the machine are other people's.
//!
//! Does not know what runs.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::error::BenchError;
use crate::family::Family;

/// Bytes of a log that are shown when something does not start.
const TAIL: usize = 4_000;

/// Processes that run now, for [`end_all`].
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
/// Processes that were started, for [`ever_started`].
static STARTED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A running process and all that it started. Dropping it ends them.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// The processes whose time and memory count.
    pub(crate) family: Family,
}

/// What to start.
pub(crate) struct Start<'a> {
    /// The program.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// The only core it may use; `None`: all.
    pub(crate) core: Option<usize>,
    /// Whether it starts others, whose time and memory are its own.
    pub(crate) has_children: bool,
    /// Variables of its environment.
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be run, or its log not be written.
    pub(crate) fn start(start: Start<'_>) -> Result<Self, BenchError> {
        let this = std::env::current_exe().map_err(BenchError::io("this program"))?;
        let log = File::create(&start.log).map_err(BenchError::file(&start.log))?;
        let both = log.try_clone().map_err(BenchError::file(&start.log))?;
        let mut command = Command::new(this);
        command.arg("guard").arg("--parent").arg(std::process::id().to_string());
        if let Some(core) = start.core {
            command.arg("--core").arg(core.to_string());
        }
        command.arg("--").arg(start.program).args(&start.arguments).envs(start.environment);
        command.process_group(0).stdin(Stdio::null()).stdout(both).stderr(log);
        let child = command.spawn().map_err(BenchError::file(start.program))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
        for list in [&RUNNING, &STARTED] {
            if let Ok(mut pids) = list.lock() {
                pids.push(pid);
            }
        }
        Ok(Self { child, log: start.log, family: Family::new(pid, start.has_children) })
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// All that it wrote.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of what it wrote.
    pub(crate) fn last_words(&self) -> String {
        let text = self.written();
        let from = text.char_indices().rev().nth(TAIL).map_or(0, |(at, _)| at);
        text.get(from..).unwrap_or_default().to_owned()
    }

    /// Looks every 20 ms until `look` finds something.
    ///
    /// # Errors
    /// If the process ends, or nothing is found within `patience`.
    pub(crate) async fn until<T>(
        &mut self,
        name: &str,
        patience: Duration,
        mut look: impl AsyncFnMut(&Self) -> Option<T>,
    ) -> Result<T, BenchError> {
        let found = tokio::time::timeout(patience, async {
            loop {
                if let Some(found) = look(self).await {
                    return Some(found);
                }
                if self.ended() {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let found = found.await.ok().flatten();
        found.ok_or_else(|| BenchError::NotReady { name: name.to_owned(), log: self.last_words() })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(self.family.root(), &self.family.members());
        let _ = self.child.wait();
        if let Ok(mut running) = RUNNING.lock() {
            running.retain(|pid| *pid != self.family.root());
        }
    }
}

/// Ends everything that was started and still runs.
pub(crate) fn end_all() {
    // A panic may have left the lock poisoned; the list is good all the same.
    let running = RUNNING.lock().map_or_else(|poisoned| poisoned.into_inner().clone(), |pids| pids.clone());
    for pid in running {
        end(pid, &Family::new(pid, true).members());
    }
}

/// Everything that was ever started.
pub(crate) fn ever_started() -> Vec<Pid> {
    STARTED.lock().map(|pids| pids.clone()).unwrap_or_default()
}

fn end(root: Pid, members: &[Pid]) {
    let _ = killpg(root, Signal::SIGKILL);
    for member in members {
        let _ = kill(*member, Signal::SIGKILL);
    }
}
