//! Decides which columns the tables of the report have.
//!
//! Does not draw them: see `table.rs`.

use crate::ratio::Middle;
use crate::slice::Slice;
use crate::summary::{Row, rows};
use crate::table::{Table, number};

/// CPU time for a call, and how it compares.
pub(crate) fn cpu(title: &str, slices: &[Slice], systems: &[String], base: &str) -> Table {
    let rows = rows(slices, systems, base);
    let several = rows.first().is_some_and(|first| rows.iter().any(|row| row.load != first.load));
    let over = format!("÷ {base}");
    let mut table = Table::new(
        title,
        &["system", "CPU µs/call", &over, "95 %", "min–max", "calls/s", "p50 µs", "p99 µs", "generator µs"],
    );
    for row in &rows {
        let name = if several { format!("{} · {}", row.load, row.system) } else { row.system.clone() };
        table.rows.push(vec![
            name,
            number(row.cpu.map(|cpu| cpu.median)),
            ratio(row.ratio, |middle| format!("{:.3}", middle.median)),
            ratio(row.ratio, |middle| format!("{:.3}–{:.3}", middle.at_least, middle.at_most)),
            ratio(row.ratio, |middle| format!("{:.2}–{:.2}", middle.min, middle.max)),
            number(row.rate.map(|rate| rate.median)),
            number(row.median(|slice| slice.whole.p50_us)),
            number(row.median(|slice| slice.whole.p99_us)),
            number(row.median(|slice| slice.generator_us)),
        ]);
    }
    table.notes = notes(&rows);
    table
}

/// Times of calls.
pub(crate) fn times(title: &str, slices: &[Slice], systems: &[String]) -> Table {
    let rows = rows(slices, systems, "");
    let several = rows.first().is_some_and(|first| rows.iter().any(|row| row.load != first.load));
    let mut table = Table::new(
        title,
        &[
            "system",
            "calls/s",
            "mean ms",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "longest ms",
            "late p99 ms",
            "CPU µs/call",
        ],
    );
    let milliseconds = |microseconds: Option<f64>| number(microseconds.map(|time| time / 1e3));
    for row in &rows {
        let name = if several { format!("{} · {}", row.load, row.system) } else { row.system.clone() };
        table.rows.push(vec![
            name,
            number(row.rate.map(|rate| rate.median)),
            milliseconds(row.median(|slice| slice.whole.mean_us)),
            milliseconds(row.median(|slice| slice.whole.p50_us)),
            milliseconds(row.median(|slice| slice.whole.p90_us)),
            milliseconds(row.median(|slice| slice.whole.p99_us)),
            milliseconds(row.median(|slice| slice.whole.max_us)),
            milliseconds(row.median(|slice| slice.late.p99_us).filter(|late| *late > 0.0)),
            number(row.cpu.map(|cpu| cpu.median)),
        ]);
    }
    table.notes = notes(&rows);
    table
}

/// Memory.
pub(crate) fn memory(title: &str, slices: &[Slice], systems: &[String]) -> Table {
    let rows = rows(slices, systems, "");
    let mut table = Table::new(title, &["load · system", "RSS MiB", "PSS MiB", "peak MiB"]);
    let mebibytes = |kib: Option<f64>| kib.map_or_else(|| "–".into(), |kib| format!("{:.1}", kib / 1024.0));
    for row in &rows {
        table.rows.push(vec![
            format!("{} · {}", row.load, row.system),
            mebibytes(row.median(|slice| slice.memory.rss_kib as f64)),
            mebibytes(row.median(|slice| slice.memory.pss_kib as f64)),
            mebibytes(row.median(|slice| slice.memory.peak_kib as f64)),
        ]);
    }
    table.notes = rows.iter().filter(|row| row.invalid > 0).map(invalid).collect();
    table
}

fn invalid(row: &Row) -> String {
    format!("{} · {}: {} slices were invalid and do not count.", row.load, row.system, row.invalid)
}

/// What has to be known about the rows: how many rounds, what was invalid, how busy the machine was.
pub(crate) fn notes(rows: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    let rounds = rows.iter().filter_map(|row| row.rate.map(|rate| rate.count)).max().unwrap_or_default();
    let others: Vec<f64> = rows.iter().filter_map(|row| row.median(|slice| slice.others)).collect();
    let others = crate::ratio::middle(&others).map(|middle| middle.median);
    notes.push(format!("{rounds} rounds; others used {} cores meanwhile (median).", number(others)));
    for row in rows.iter().filter(|row| row.invalid > 0) {
        notes.push(format!(
            "{} · {}: {} slices were invalid and do not count.",
            row.load, row.system, row.invalid
        ));
    }
    notes
}

fn ratio(middle: Option<Middle>, text: impl Fn(Middle) -> String) -> String {
    middle.map_or_else(|| "–".into(), text)
}
