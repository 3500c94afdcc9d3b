//! Decides what a request may cost: `budget.json`, and how far the filter may be away from it.
//!
//! A budget that is far above what is used says nothing and hides what comes next, so being well below it fails too.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use crate::scenario::Played;
use crate::tally::Tally;

/// What to do about differences.
pub(crate) const ADVICE: &str = "If that is meant, have bench/counts/budget.json written anew: make counts-write, and say why in the commit.";

/// How far above its budget a number may be, in percent, if compilers have a say in it.
const TOLERANCE: u64 = 2;
/// Bytes more that may be moved: whether a block can grow where it stands depends on what lies behind it, and that on
/// the length of names of files in the module.
const MOVED: u64 = 256;
/// How far below its budget anything may be, in percent.
const SLACK: u64 = 10;
/// Numbers in the order of the file.
const MEASURES: [&str; 7] =
    ["instructions", "hostcalls", "bytes_in", "bytes_out", "bytes_moved", "allocations", "pages"];

/// What a scenario came to.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) name: String,
    pub(crate) tally: Tally,
    pub(crate) pages: u64,
}

impl Counted {
    /// The sum of all callbacks.
    pub(crate) fn new(name: String, played: &Played) -> Self {
        let mut tally = Tally::default();
        played.callbacks.iter().for_each(|callback| tally.add(&callback.tally));
        Self { name, tally, pages: played.pages }
    }

    fn measures(&self) -> [u64; 7] {
        let Self { tally, pages, .. } = self;
        let (into, out) = (tally.bytes_into(), tally.bytes_out());
        [tally.instructions, tally.calls(), into, out, tally.moved, tally.allocations, *pages]
    }
}

/// What everything may cost.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    wasm_bytes: Option<u64>,
    scenarios: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Budget {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It cannot be read or understood.
    pub(crate) fn read() -> Result<Self, Unreadable> {
        let text = std::fs::read_to_string(file()).map_err(Unreadable::File)?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, Unreadable> {
        let json: Value = serde_json::from_str(text).map_err(Unreadable::Json)?;
        let number = |value: &Value| value.as_u64().ok_or(Unreadable::NoNumber);
        let mut budget =
            Self { wasm_bytes: json.get("wasm_bytes").map(number).transpose()?, ..Self::default() };
        for (name, measures) in json.get("scenarios").and_then(Value::as_object).into_iter().flatten() {
            let scenario = budget.scenarios.entry(name.clone()).or_default();
            for (measure, value) in measures.as_object().into_iter().flatten() {
                scenario.insert(measure.clone(), number(value)?);
            }
        }
        Ok(budget)
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(crate) fn write(counted: &[Counted], wasm_bytes: u64) -> Result<(), Unreadable> {
        std::fs::write(file(), to_text(counted, wasm_bytes)).map_err(Unreadable::File)
    }

    /// What a measure of a scenario may come to.
    pub(crate) fn of(&self, scenario: &str, measure: &str) -> Option<u64> {
        self.scenarios.get(scenario)?.get(measure).copied()
    }

    /// Where the filter is not where its budget says.
    pub(crate) fn compare(&self, counted: &[Counted], wasm_bytes: u64) -> Vec<Difference> {
        let mut differences: Vec<_> =
            Difference::between("farebox.wasm", "bytes", self.wasm_bytes, wasm_bytes).into_iter().collect();
        for scenario in counted {
            for (measure, used) in MEASURES.into_iter().zip(scenario.measures()) {
                let budget = self.of(&scenario.name, measure);
                differences.extend(Difference::between(&scenario.name, measure, budget, used));
            }
        }
        let gone =
            self.scenarios.keys().filter(|name| counted.iter().all(|scenario| scenario.name != **name));
        differences.extend(gone.map(|name| Difference {
            scenario: name.clone(),
            measure: "scenario",
            used: 0,
            kind: Kind::Gone,
        }));
        differences
    }
}

/// One number that is not where its budget says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    scenario: String,
    measure: &'static str,
    used: u64,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// More than this is used.
    Above(u64),
    /// Much less than this is used.
    Below(u64),
    /// There is no budget.
    New,
    /// There is a budget for what is no scenario any more.
    Gone,
}

impl Difference {
    fn between(scenario: &str, measure: &'static str, budget: Option<u64>, used: u64) -> Option<Self> {
        let tolerance = match measure {
            "hostcalls" | "bytes_in" | "bytes_out" => 0,
            _ => TOLERANCE,
        };
        let more = if measure == "bytes_moved" { MOVED } else { 0 };
        let kind = match budget {
            None => Kind::New,
            Some(budget) if used * 100 > budget * (100 + tolerance) + more * 100 => Kind::Above(budget),
            Some(budget) if used * 100 < budget * (100 - SLACK) => Kind::Below(budget),
            Some(_) => return None,
        };
        Some(Self { scenario: scenario.to_owned(), measure, used, kind })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, measure, used, kind } = self;
        match kind {
            Kind::Above(budget) => {
                let percent = (used - budget) as f64 * 100.0 / (*budget).max(1) as f64;
                write!(f, "{scenario}: {used} {measure}, {percent:.1} % above the budget of {budget}")
            }
            Kind::Below(budget) => {
                let percent = (budget - used) as f64 * 100.0 / (*budget).max(1) as f64;
                write!(f, "{scenario}: {used} {measure}, {percent:.1} % below: lower the budget of {budget}")
            }
            Kind::New => write!(f, "{scenario}: {used} {measure}, and no budget"),
            Kind::Gone => write!(f, "{scenario}: there is a budget, but no such scenario"),
        }
    }
}

/// Why there are no budgets.
#[derive(Debug)]
pub(crate) enum Unreadable {
    File(std::io::Error),
    Json(serde_json::Error),
    NoNumber,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "bench/counts/budget.json: {error}"),
            Self::Json(error) => write!(f, "bench/counts/budget.json is no JSON: {error}"),
            Self::NoNumber => write!(f, "bench/counts/budget.json: every budget has to be a whole number"),
        }
    }
}

fn file() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "budget.json"].iter().collect()
}

/// The file's text: a line for each scenario, so that a change of one is a change of one line.
fn to_text(counted: &[Counted], wasm_bytes: u64) -> String {
    let lines: Vec<String> = counted
        .iter()
        .map(|scenario| {
            let measures: Vec<String> = MEASURES
                .iter()
                .zip(scenario.measures())
                .map(|(measure, value)| format!("\"{measure}\": {value}"))
                .collect();
            format!("    {:<34} {{{}}}", format!("\"{}\":", scenario.name), measures.join(", "))
        })
        .collect();
    format!("{{\n  \"wasm_bytes\": {wasm_bytes},\n  \"scenarios\": {{\n{}\n  }}\n}}\n", lines.join(",\n"))
}

#[cfg(test)]
mod tests;
