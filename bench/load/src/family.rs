//! Decides how much time and memory a process has used, together with all that it started.
//!
//! Time is read from the kernel's own clock of a process (`clock_getcpuclockid`): it counts nanoseconds of all
//! threads, ended ones too, where `/proc/<pid>/stat` counts hundredths of a second.
//!
//! Does not tell user from system time: what matters is what a core was kept from.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

/// A process, and its children and theirs if it has any.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    root: Pid,
    has_children: bool,
}

/// Memory in kibibytes, summed over processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Resident now (RSS).
    pub(crate) rss_kib: u64,
    /// Resident now, with shared pages divided among those who share them (PSS).
    pub(crate) pss_kib: u64,
    /// The most that was ever resident (VmHWM).
    pub(crate) peak_kib: u64,
}

impl Family {
    /// Of `root`; children are looked for only if it `has_children`, because that means reading all of `/proc`.
    pub(crate) fn new(root: Pid, has_children: bool) -> Self {
        Self { root, has_children }
    }

    /// This program alone.
    pub(crate) fn this() -> Self {
        Self::new(Pid::this(), false)
    }

    /// The first of them.
    pub(crate) fn root(&self) -> Pid {
        self.root
    }

    /// All that run now, the first one first.
    pub(crate) fn members(&self) -> Vec<Pid> {
        let mut members = vec![self.root];
        if !self.has_children {
            return members;
        }
        let all: Vec<(Pid, Pid)> = everyone();
        let mut at = 0;
        while let Some(parent) = members.get(at).copied() {
            members.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            at += 1;
        }
        members
    }

    /// CPU time used so far. What a child used that ended and was awaited counts in hundredths of a second.
    pub(crate) fn cpu(&self) -> Duration {
        let members = self.members();
        let running: Duration = members.iter().filter_map(|pid| clock(*pid)).sum();
        let ended: Duration = if self.has_children {
            members.iter().map(|pid| of_ended_children(*pid)).sum()
        } else {
            Duration::ZERO
        };
        running + ended
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> Memory {
        let mut sum = Memory::default();
        for pid in self.members() {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            sum.rss_kib += field(&rollup, "Rss:");
            sum.pss_kib += field(&rollup, "Pss:");
            sum.peak_kib += field(&status, "VmHWM:");
        }
        sum
    }
}

/// Every process with its parent.
fn everyone() -> Vec<(Pid, Pid)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let stats = pids.filter_map(|pid| Some((pid, fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)));
    stats.filter_map(|(pid, stat)| Some((Pid::from_raw(pid), Pid::from_raw(stat_field(&stat, 4)?)))).collect()
}

fn clock(pid: Pid) -> Option<Duration> {
    let clock = ClockId::pid_cpu_clock_id(pid).ok()?;
    clock_gettime(clock).ok().map(Duration::from)
}

/// `cutime` and `cstime`.
fn of_ended_children(pid: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ticks: f64 = [16, 17].iter().filter_map(|at| stat_field::<f64>(&stat, *at)).sum();
    let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
    Duration::from_secs_f64(ticks / a_second)
}

/// A field of `/proc/<pid>/stat`, counted from 1 as in proc(5). The second is a name that may have spaces and
/// brackets in it, so the others are counted from its last bracket.
fn stat_field<T: std::str::FromStr>(stat: &str, at: usize) -> Option<T> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(at.checked_sub(3)?)?.trim().parse().ok()
}

/// A line such as `Rss:   1234 kB`.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 2 0 0 11 12 13 14 20 0 1 0 5 6 7";
        assert_eq!(stat_field::<i32>(stat, 4), Some(7));
        assert_eq!(stat_field::<u64>(stat, 16), Some(13));
        assert_eq!(stat_field::<u64>(stat, 17), Some(14));
        assert_eq!(stat_field::<u64>("nonsense", 4), None);
    }

    #[test]
    fn the_clock_of_a_process_counts_what_it_works() {
        let this = Family::this();
        let before = this.cpu();
        let started = std::time::Instant::now();
        while started.elapsed() < Duration::from_millis(30) {
            std::hint::black_box(0);
        }
        let used = this.cpu() - before;
        assert!(used > Duration::from_millis(1), "{used:?}");
    }

    #[test]
    fn a_family_has_its_children_in_it() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let members = Family::new(Pid::this(), true).members();
        let memory = Family::new(pid, false).memory();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(members.contains(&pid) && members.contains(&Pid::this()));
        assert!(memory.rss_kib > 0 && memory.peak_kib >= memory.rss_kib, "{memory:?}");
    }
}
