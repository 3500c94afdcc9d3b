//! Writes numbers as tables for a terminal.

use std::fmt::Write;

use crate::budget::{Budget, Counted};
use crate::envoy::Callback;
use crate::tally::Tally;
use crate::vm::Function;

/// What the columns mean.
const LEGEND: &str = "\
instr    WebAssembly instructions that were executed; copying or filling memory is one, whatever its size
calls    of Envoy (hostcalls)
B in     bytes from Envoy into the filter's memory; B out: from the filter to Envoy; moved: copied or filled within
allocs   calls of the filter's allocator; handed: those of them by Envoy, to hand something over
pages    of 64 KiB: the memory of all VMs";

/// How many functions are shown.
const FUNCTIONS: usize = 45;

/// A row for each scenario, with the difference to its budget.
pub(crate) fn scenarios(counted: &[Counted], wasm_bytes: u64, budget: &Budget) -> String {
    let mut text = format!(
        "{:<34} {:>12} {:>9} {:>6} {:>11} {:>10} {:>11} {:>8} {:>6} {:>6}\n",
        "", "instr", "to budget", "calls", "B in", "B out", "moved", "allocs", "handed", "pages"
    );
    for Counted { name, tally, pages } in counted {
        let before = budget.of(name, "instructions").filter(|&before| before > 0);
        let change = before.map_or(String::new(), |before| {
            format!("{:+.1} %", (tally.instructions as f64 / before as f64 - 1.0) * 100.0)
        });
        let _ = writeln!(
            text,
            "{name:<34} {:>12} {change:>9} {:>6} {:>11} {:>10} {:>11} {:>8} {:>6} {pages:>6}",
            grouped(tally.instructions),
            tally.calls(),
            grouped(tally.bytes_into()),
            grouped(tally.bytes_out()),
            grouped(tally.moved),
            grouped(tally.allocations),
            tally.handed_over,
        );
    }
    let _ = write!(text, "\nfarebox.wasm has {} bytes\n\n{LEGEND}", grouped(wasm_bytes));
    text
}

/// A row for each callback of a scenario, alike neighbours as one, and then for each function of the host.
pub(crate) fn callbacks(name: &str, callbacks: &[Callback]) -> String {
    let mut text = format!(
        "{name}\n  {:<34} {:>6} {:>12} {:>6} {:>11} {:>10} {:>11} {:>8}  by call\n",
        "", "times", "instr", "calls", "B in", "B out", "moved", "allocs"
    );
    let mut sum = Tally::default();
    for alike in callbacks.chunk_by(|one, next| one.name == next.name) {
        let mut tally = Tally::default();
        alike.iter().for_each(|callback| tally.add(&callback.tally));
        sum.add(&tally);
        let title = alike.first().map_or("", |callback| &callback.name);
        row(&mut text, title, alike.len(), &tally);
    }
    row(&mut text, "all", callbacks.len(), &sum);
    let _ = writeln!(text, "\n  {:<34} {:>6} {:>11} {:>10}", "", "calls", "B in", "B out");
    for (call, crossings) in &sum.hostcalls {
        let (into, out) = (grouped(crossings.into), grouped(crossings.out));
        let _ = writeln!(text, "  {call:<34} {:>6} {into:>11} {out:>10}", crossings.calls);
    }
    text
}

fn row(text: &mut String, title: &str, times: usize, tally: &Tally) {
    let short = |name: &&'static str| name.trim_start_matches("proxy_").to_owned();
    let calls: Vec<String> = tally
        .hostcalls
        .iter()
        .map(|(name, crossings)| match crossings.calls {
            1 => short(name),
            calls => format!("{calls}×{}", short(name)),
        })
        .collect();
    let _ = writeln!(
        text,
        "  {title:<34} {times:>6} {:>12} {:>6} {:>11} {:>10} {:>11} {:>8}  {}",
        grouped(tally.instructions),
        tally.calls(),
        grouped(tally.bytes_into()),
        grouped(tally.bytes_out()),
        grouped(tally.moved),
        grouped(tally.allocations),
        if title == "all" { String::new() } else { calls.join(" ") },
    );
}

/// The functions with the most instructions of their own.
pub(crate) fn functions(name: &str, mut functions: Vec<Function>) -> String {
    functions.retain(|function| function.entered > 0 || function.total > 0);
    functions.sort_by_key(|function| std::cmp::Reverse((function.own, function.total)));
    let sum: u64 = functions.iter().map(|function| function.own).sum();
    let mut text = format!(
        "{name}: {} instructions in {} functions\n{:>12} {:>6} {:>12} {:>8}\n",
        grouped(sum),
        functions.len(),
        "own",
        "%",
        "with callees",
        "entered"
    );
    for Function { name, entered, own, total } in functions.iter().take(FUNCTIONS) {
        let percent = *own as f64 * 100.0 / sum.max(1) as f64;
        let (own, total, entered) = (grouped(*own), grouped(*total), grouped(*entered));
        let _ = writeln!(text, "{own:>12} {percent:>6.1} {total:>12} {entered:>8}  {name}");
    }
    text.push_str(
        "With callees: as far as it was called by its name, and more than once where it calls itself.",
    );
    text
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
