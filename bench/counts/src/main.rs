//! Counts what the built filter executes for a request, and what it asks of Envoy: numbers that are the same on every
//! machine, so a change that costs is seen in a review and not in production.
//!
//! ```text
//! farebox-counts show [--callbacks] [NAME]   the table; of the scenarios with NAME in their names; or by callback
//! farebox-counts profile NAME                which functions a scenario spends its instructions in
//! farebox-counts check                       compares with budget.json and fails where it differs
//! farebox-counts write                       writes budget.json anew
//! farebox-counts hint FROM INTO              writes the filter with hints of which branches are likely
//! ```
//!
//! The filter is the file that `make build` makes. It is not measured here how long anything takes: that is for a real
//! Envoy to say, whose compiler makes something else of it than an interpreter.

#![forbid(unsafe_code)]

mod abi;
mod boundary;
mod branches;
mod budget;
mod callout;
mod envoy;
mod failure;
mod host;
mod instrument;
mod outline;
mod payload;
mod scenario;
mod table;
mod tally;
mod vm;
mod wasi;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use branches::Taken;
use budget::{Budget, Counted};
use scenario::Scenario;
use vm::Code;

const USAGE: &str =
    "farebox-counts show [--callbacks] [NAME] | profile NAME | check | write | hint FROM INTO";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["show"] => show(""),
        ["show", "--callbacks"] => callbacks(""),
        ["show", "--callbacks", name] => callbacks(name),
        ["show", name] => show(name),
        ["profile", name] => profile(name),
        ["check"] => check(),
        ["write"] => write(),
        ["hint", from, into] => hint(Path::new(from), into),
        _ => Err(USAGE.to_owned()),
    };
    // A reader that has gone is no failure: hence no `println!`.
    match outcome {
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

/// The table of the scenarios with `name` in their names.
fn show(name: &str) -> Result<String, String> {
    let (filter, size) = filter(false)?;
    let budget = Budget::read().unwrap_or_default();
    Ok(table::scenarios(&count(&filter, name)?, size, &budget))
}

/// Their callbacks.
fn callbacks(name: &str) -> Result<String, String> {
    let (filter, _) = filter(false)?;
    let mut text = Vec::new();
    for scenario in named(name)? {
        let played = scenario.play(&filter).map_err(|failure| format!("{}: {failure}", scenario.name))?;
        text.push(table::callbacks(&scenario.name, &played.callbacks));
    }
    Ok(text.join("\n"))
}

/// The functions of the first scenario with `name` in its name.
fn profile(name: &str) -> Result<String, String> {
    let (filter, _) = filter(true)?;
    let scenarios = named(name)?;
    let Some(scenario) = scenarios.first() else { return Err(USAGE.to_owned()) };
    let played = scenario.play(&filter).map_err(|failure| format!("{}: {failure}", scenario.name))?;
    Ok(table::functions(&scenario.name, played.functions))
}

fn check() -> Result<String, String> {
    let (filter, size) = filter(false)?;
    let budget = Budget::read().map_err(|error| error.to_string())?;
    let counted = count(&filter, "")?;
    let differences = budget.compare(&counted, size);
    if differences.is_empty() {
        return Ok(format!("  {} scenarios are within their budgets", counted.len()));
    }
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    Err(format!("{}\n{}", lines.join("\n"), budget::ADVICE))
}

fn write() -> Result<String, String> {
    let (filter, size) = filter(false)?;
    let counted = count(&filter, "")?;
    Budget::write(&counted, size).map_err(|error| error.to_string())?;
    Ok(table::scenarios(&counted, size, &Budget::default()))
}

/// Writes the filter with hints of its branches.
fn hint(from: &Path, into: &str) -> Result<String, String> {
    let plain = read(from)?;
    let counting = branches::count(&plain).map_err(|fault| fault.to_string())?;
    let instrumented = instrument::instrument(&counting, false).map_err(|fault| fault.to_string())?;
    let code = Code::new(instrumented).map_err(|fault| fault.to_string())?;
    let mut taken: Vec<Taken> = Vec::new();
    for scenario in scenario::all().iter().filter(|scenario| !scenario.is_start()) {
        let played = scenario.play(&code).map_err(|failure| format!("{}: {failure}", scenario.name))?;
        for counted in played.branches {
            taken.resize(counted.len(), Taken::default());
            taken.iter_mut().zip(counted).for_each(|(sum, more)| sum.add(more));
        }
    }
    let (hinted, hints) = branches::hint(&plain, &taken).map_err(|fault| fault.to_string())?;
    std::fs::write(into, hinted).map_err(|error| format!("{into} cannot be written: {error}"))?;
    Ok(format!("  {hints} of {} branches are likely or unlikely", taken.len()))
}

/// The filter with counters in it, and its size without them.
fn filter(by_function: bool) -> Result<(Code, u64), String> {
    let path = built().ok_or("where this program stands is not known, and so not where the filter is")?;
    let module = read(&path)?;
    let instrumented = instrument::instrument(&module, by_function).map_err(|fault| fault.to_string())?;
    let code = Code::new(instrumented).map_err(|fault| fault.to_string())?;
    Ok((code, module.len() as u64))
}

fn read(module: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(module)
        .map_err(|error| format!("{} cannot be read ({error}): run make build", module.display()))
}

/// The built filter stands in the same target folder as this program.
fn built() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("wasm32-wasip1/release/farebox.wasm"))
}

fn named(name: &str) -> Result<Vec<Scenario>, String> {
    let mut scenarios = scenario::all();
    scenarios.retain(|scenario| scenario.name.contains(name));
    if scenarios.is_empty() { Err(format!("no scenario has {name:?} in its name")) } else { Ok(scenarios) }
}

fn count(filter: &Code, name: &str) -> Result<Vec<Counted>, String> {
    let mut counted = Vec::new();
    for scenario in named(name)? {
        let played = scenario.play(filter).map_err(|failure| format!("{}: {failure}", scenario.name))?;
        counted.push(Counted::new(scenario.name, &played));
    }
    Ok(counted)
}
