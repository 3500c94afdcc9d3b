//! Decides whether the benchmark still works: one tiny slice, and nothing left running.
//!
//! Does not look at the figures but for their being there: a test that depends on the speed of a machine fails on
//! another one.

use std::collections::BTreeSet;

use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::bench::Bench;
use crate::error::BenchError;
use crate::family::Family;

/// Checks what a smoke run measured.
///
/// # Errors
/// If a system is missing, a slice is invalid or something was not measured.
pub(crate) fn check(bench: &Bench) -> Result<(), BenchError> {
    let systems: BTreeSet<&str> = bench.slices.iter().map(|slice| slice.system.as_str()).collect();
    let expected = BTreeSet::from(["plain", "empty", "farebox-3"]);
    if systems != expected {
        return Err(BenchError::Doubt(format!("{systems:?} were measured and not {expected:?}")));
    }
    for slice in &bench.slices {
        let system = &slice.system;
        if let Some(why) = &slice.invalid {
            return Err(BenchError::Doubt(format!("{system}: {why}")));
        }
        let figures =
            [slice.cpu_us, slice.upstream_us, slice.generator_us, slice.seconds, slice.whole.p50_us];
        if slice.calls == 0 || slice.memory.rss_kib == 0 || figures.iter().any(|figure| *figure <= 0.0) {
            return Err(BenchError::Doubt(format!("{system}: not everything was measured: {slice:?}")));
        }
    }
    Ok(())
}

/// Checks, after the end of a run, that what it had started is gone.
///
/// # Errors
/// If something still runs.
pub(crate) fn check_end(started: &[Pid]) -> Result<(), BenchError> {
    let children = Family::new(Pid::this(), true).members().len() - 1;
    let alive = started.iter().filter(|pid| kill(**pid, None).is_ok()).count();
    match children + alive {
        0 => Ok(()),
        left => Err(BenchError::Doubt(format!("{left} processes are left over"))),
    }
}
