//! Decides what is said of the machine that measured, and how busy others kept it meanwhile.
//!
//! Figures of a machine that others use are worth little, so every slice says how much they used.
//!
//! Does not slow anybody down.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The machine and the versions of what ran on it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Model of the processor.
    pub(crate) processor: String,
    /// Cores that this program may use.
    pub(crate) cores: usize,
    /// Memory in gibibytes.
    pub(crate) memory_gib: f64,
    /// Version of Linux.
    pub(crate) kernel: String,
    /// Version of Envoy.
    pub(crate) envoy: String,
    /// The commit of this tree; with `+` if files differ from it.
    pub(crate) commit: String,
    /// When, in UTC.
    pub(crate) date: String,
    /// The command.
    pub(crate) command: String,
}

impl Machine {
    /// This machine, now.
    pub(crate) fn here(envoy: &Path, root: &Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
        let kib: f64 = kib.and_then(|kib| kib.parse().ok()).unwrap_or_default();
        let commit = said(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(root));
        // The report itself is in docs, and changes with every run.
        let status = ["status", "--porcelain", "-uno", "--", ".", ":!docs"];
        let changed = said(Command::new("git").args(status).current_dir(root));
        let version = said(Command::new(envoy).arg("--version"));
        Self {
            processor: processor.map_or_else(String::new, |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: (kib / 1024.0 / 1024.0 * 10.0).round() / 10.0,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            envoy: envoy_version(&version).to_owned(),
            commit: if changed.is_empty() { commit } else { format!("{commit}+") },
            date: said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M"])),
            command: std::env::args()
                .skip(1)
                .map(|argument| without_folders(&argument))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

/// The version in `PROGRAM  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
fn envoy_version(text: &str) -> &str {
    let version = text.split_once("version: ").and_then(|(_, version)| version.split('/').nth(1));
    version.unwrap_or("of an unknown version")
}

/// An argument as it is published: where files were on this machine is nobody's business.
fn without_folders(argument: &str) -> String {
    let paths = argument.split('=').map(|part| {
        let names =
            part.split(',').map(|path| path.rsplit('/').find(|name| !name.is_empty()).unwrap_or(path));
        names.collect::<Vec<_>>().join(",")
    });
    paths.collect::<Vec<_>>().join("=")
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

/// CPU time that all of the machine has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Busy {
    used: Duration,
    stolen: Duration,
}

impl Busy {
    /// Now.
    pub(crate) fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// user, nice, system, idle, iowait, irq, softirq, steal: in hundredths of a second on every Linux that matters.
    fn parse(stat: &str) -> Self {
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> =
            line.split_ascii_whitespace().skip(1).filter_map(|tick| tick.parse().ok()).collect();
        let at = |field: usize| Duration::from_millis(10 * ticks.get(field).copied().unwrap_or_default());
        Self { used: at(0) + at(1) + at(2) + at(5) + at(6), stolen: at(7) }
    }

    /// What others used since `before`, in cores, if we used `ours` in `time`; what the hypervisor kept is theirs.
    pub(crate) fn by_others(self, before: Self, ours: Duration, time: Duration) -> f64 {
        let used = self.used.saturating_sub(before.used) + self.stolen.saturating_sub(before.stolen);
        used.saturating_sub(ours).as_secs_f64() / time.as_secs_f64().max(1e-3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_envoy_is_found_behind_its_path() {
        let text = "/home/me/bin/envoy  version: 9e55809/1.40.0/Clean/RELEASE/BoringSSL";
        assert_eq!(envoy_version(text), "1.40.0");
        assert_eq!(envoy_version("/home/me: not found"), "of an unknown version");
    }

    #[test]
    fn a_published_command_names_files_and_no_folders() {
        for (argument, published) in [
            ("--wasm", "--wasm"),
            ("old=/home/me/farebox.wasm,/home/me/target/farebox", "old=farebox.wasm,farebox"),
            ("--docs=/home/me/docs/", "--docs=docs"),
            ("chat,streams", "chat,streams"),
        ] {
            assert_eq!(without_folders(argument), published);
        }
    }

    #[test]
    fn what_others_used_is_what_is_left_of_the_machine() {
        let before = Busy::parse("cpu  100 0 100 5000 0 0 0 0 0 0\ncpu0 1 2 3");
        let after = Busy::parse("cpu  180 5 125 5100 0 5 5 10 0 0\n");
        // 1.3 s were used, 0.8 s of it by us, in one second.
        let others = after.by_others(before, Duration::from_millis(800), Duration::from_secs(1));
        assert!((others - 0.5).abs() < 1e-9, "{others}");
        assert_eq!(after.by_others(before, Duration::from_secs(9), Duration::from_secs(1)), 0.0);
    }
}
