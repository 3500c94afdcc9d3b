//! Decides what a run leaves behind: tables and goals on the terminal, and on demand `benchmark.md` with its figures
//! between two markers, the raw data as lines of JSON and an image.
//!
//! What is written by hand in `benchmark.md` stays. Everything between the markers is of one run, so figures of
//! different builds never stand side by side.
//!
//! Does not measure.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::bench::Bench;
use crate::chart::{Bar, Tone, draw};
use crate::error::BenchError;
use crate::goal;
use crate::kind::Kind;
use crate::ratio::middle;
use crate::section::Section;
use crate::slice::Slice;
use crate::summary::rows;
use crate::table::number;

const BEGIN: &str = "<!-- written by make bench: from here -->";
const END: &str = "<!-- written by make bench: to here -->";
/// Cores that others may use before a run is called disturbed.
const QUIET: f64 = 0.1;

/// Everything, for a terminal.
pub(crate) fn text(bench: &Bench) -> String {
    let mut text = String::new();
    for table in &bench.tables {
        let _ = writeln!(text, "{}", table.text());
    }
    for line in missing(bench) {
        let _ = writeln!(text, "{line}");
    }
    if let Some(line) = disturbed(&bench.slices) {
        let _ = writeln!(text, "{line}\n");
    }
    // Whoever asks for parts need not be told what the others would have said.
    let is_part = !bench.options.only.is_empty();
    for verdict in goal::verdicts(&bench.slices).iter().filter(|verdict| !is_part || verdict.met.is_some()) {
        let _ = writeln!(text, "{verdict}");
    }
    text
}

/// Writes `benchmark.md` and the folder `benchmark` into `docs`.
///
/// # Errors
/// If a file cannot be written, or `benchmark.md` has no markers.
pub(crate) fn write(bench: &Bench, docs: &Path) -> Result<(), BenchError> {
    let page = docs.join("benchmark.md");
    let text = fs::read_to_string(&page).map_err(BenchError::file(&page))?;
    let text =
        replaced(&text, &markdown(bench)).ok_or_else(|| BenchError::Form(page.display().to_string()))?;
    let folder = docs.join("benchmark");
    fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
    let mut lines = serde_json::json!({"machine": bench.machine}).to_string();
    for slice in &bench.slices {
        let line = serde_json::to_string(slice).map_err(|error| BenchError::Form(error.to_string()))?;
        let _ = write!(lines, "\n{line}");
    }
    lines.push('\n');
    for (path, text) in
        [(page, text), (folder.join("results.jsonl"), lines), (folder.join("results.svg"), picture(bench))]
    {
        fs::write(&path, text).map_err(BenchError::file(&path))?;
    }
    Ok(())
}

/// The page with other figures in it; `None` if it has no place for them.
fn replaced(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", figures.trim()))
}

fn markdown(bench: &Bench) -> String {
    let machine = &bench.machine;
    let mut text = String::new();
    if bench.options.quick {
        let _ = writeln!(text, "**A quick run: what the goals need and nothing else, with few rounds.**\n");
    }
    if let Some(line) = disturbed(&bench.slices) {
        let _ = writeln!(text, "**{line}**\n");
    }
    let _ = writeln!(text, "| | |\n|---|---|");
    let memory = format!("{} cores, {} GiB", machine.cores, machine.memory_gib);
    for (name, value) in [
        ("Processor", machine.processor.as_str()),
        ("Machine", &memory),
        ("Linux", &machine.kernel),
        ("Envoy", &machine.envoy),
        ("Commit", &machine.commit),
        ("Date (UTC)", &machine.date),
        ("Command", &format!("`farebox-bench {}`", machine.command)),
    ] {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    for peer in bench.known_peers() {
        if let Ok(version) = &peer.version {
            let _ = writeln!(text, "| {} | {version} |", peer.name);
        }
    }
    let _ = writeln!(text);
    for line in missing(bench) {
        let _ = writeln!(text, "{line}\n");
    }
    let _ = writeln!(text, "### Goals\n\n| goal | figure | |\n|---|---|---|");
    for verdict in goal::verdicts(&bench.slices) {
        let word = verdict.met.map_or("not measured", |met| if met { "met" } else { "missed" });
        let _ = writeln!(text, "| {} | {} | {word} |", verdict.goal, verdict.figure);
    }
    let _ = writeln!(text, "\n![CPU time of a chat of 1 KiB](benchmark/results.svg)\n");
    for table in &bench.tables {
        let _ = writeln!(text, "{}", table.markdown());
    }
    text
}

/// Other gateways that could not be measured, and why.
fn missing(bench: &Bench) -> Vec<String> {
    let peers = bench.known_peers().iter();
    peers
        .filter_map(|peer| Some(format!("Not measured: {} ({}).", peer.name, peer.version.as_ref().err()?)))
        .collect()
}

/// What has to be said if others used the machine.
fn disturbed(slices: &[Slice]) -> Option<String> {
    let others: Vec<f64> = slices.iter().filter(|slice| slice.calls > 0).map(|slice| slice.others).collect();
    let others = middle(&others)?.median;
    let figure = number(Some(others));
    (others > QUIET).then(|| {
        format!("Others used {figure} cores of this machine meanwhile: these figures show that the tool works, no more.")
    })
}

fn picture(bench: &Bench) -> String {
    let mut systems: Vec<String> = Vec::new();
    let chats: Vec<Slice> =
        bench.slices.iter().filter(|slice| slice.section == Section::Chat.name()).cloned().collect();
    for slice in &chats {
        if !systems.contains(&slice.system) {
            systems.push(slice.system.clone());
        }
    }
    let base = bench.options.base.as_str();
    let mut bars: Vec<Bar> = rows(&chats, &systems, base).iter().filter_map(|row| bar(row, base)).collect();
    bars.sort_by(|a, b| a.median.total_cmp(&b.median));
    let machine = &bench.machine;
    let rounds = chats.iter().map(|slice| slice.round + 1).max().unwrap_or_default();
    let subtitle = format!(
        "Chat of 1 KiB, one worker, median of {rounds} rounds and where half of them lie. Envoy {}, {} cores, {}.",
        machine.envoy, machine.cores, machine.date
    );
    draw("CPU time per request", &subtitle, "times the CPU time of plain Envoy (1.0)", &bars)
}

fn bar(row: &crate::summary::Row, base: &str) -> Option<Bar> {
    let (ratio, cpu) = (row.ratio?, row.cpu?);
    let tone = match row.system.parse() {
        _ if row.system == base => Tone::Base,
        Ok(Kind::Farebox(_)) => Tone::Ours,
        _ => Tone::Other,
    };
    let (name, half) = (row.system.clone(), (ratio.lower, ratio.upper));
    Some(Bar { name, median: ratio.median, half, cpu_us: cpu.median, tone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays() {
        let page = format!("# Title\n\nMethod.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n");
        let new = replaced(&page, "\nnew\n").unwrap();
        assert_eq!(new, format!("# Title\n\nMethod.\n\n{BEGIN}\n\nnew\n\n{END}\n\nAfter.\n"));
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert_eq!(replaced("no place", "new"), None);
    }

    #[test]
    fn a_disturbed_machine_is_named() {
        let slice = |others| Slice { others, calls: 1, ..Slice::default() };
        assert_eq!(disturbed(&[slice(0.02), slice(0.05), slice(0.9)]), None);
        assert!(disturbed(&[slice(0.5), slice(0.9)]).unwrap().starts_with("Others used 0.700 cores"));
        assert_eq!(disturbed(&[]), None);
    }
}
