//! Decides that a process ends with the benchmark, even if that is killed: `farebox-bench guard` asks the kernel for
//! it and becomes the program it was told to run.
//!
//! A handler cannot run after SIGKILL, and what is left over on a machine spoils every later measurement on it.
//!
//! Does not wait and does not supervise: after the `exec` it is gone.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use crate::error::BenchError;

/// Becomes a program that ends with its parent.
#[derive(Debug, clap::Args)]
pub(crate) struct Guard {
    /// The process that this one must not outlive
    #[arg(long)]
    parent: i32,
    /// The only core to run on
    #[arg(long)]
    core: Option<usize>,
    /// What to become
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Becomes the program. Returns only if that fails.
pub(crate) fn become_it(guard: &Guard) -> BenchError {
    let refused = |error: nix::Error| BenchError::io("guard")(error.into());
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        return refused(error);
    }
    if getppid() != Pid::from_raw(guard.parent) {
        return BenchError::Interrupted; // the parent ended before the kernel was asked
    }
    if let Some(core) = guard.core
        && let Err(error) = pin(Pid::from_raw(0), core)
    {
        return error;
    }
    let Some((program, arguments)) = guard.command.split_first() else {
        return BenchError::Missing("a command".into());
    };
    BenchError::io(program.to_string_lossy())(Command::new(program).args(arguments).exec())
}

/// Lets a process (0: this thread) run on one core only.
///
/// # Errors
/// If there is no such core.
pub(crate) fn pin(process: Pid, core: usize) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(process, &set))
        .map_err(|error| BenchError::io("pin")(error.into()))
}
