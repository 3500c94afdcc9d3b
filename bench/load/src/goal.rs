//! Decides whether Farebox is as cheap as it is meant to be: one line for each goal, met or missed, with its figure.
//!
//! "Plain" is the cheaper of two plain Envoys, the one that Farebox is deployed in and one with Envoy's defaults, so
//! that no goal is met by making plain Envoy slow.
//!
//! Does not end the benchmark: a missed goal is a result.

use std::fmt;

use crate::kind::{Farebox, Kind};
use crate::ratio::Middle;
use crate::section::{FAR, MEBIBYTE, OPEN, PACED, REFUSALS, Section, near_at, rates};
use crate::slice::Slice;
use crate::summary::{Row, rows};

/// The system that goals are about: three budgets, access log and metrics.
pub(crate) const SUBJECT: &str = "farebox-3";

/// What became of a goal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// What it is about.
    pub(crate) goal: String,
    /// The figure, in words.
    pub(crate) figure: String,
    /// Whether it is met; `None`: nothing was measured.
    pub(crate) met: Option<bool>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "not measured",
        };
        write!(out, "{word:12}  {}: {}", self.goal, self.figure)
    }
}

/// What became of every goal.
pub(crate) fn verdicts(slices: &[Slice]) -> Vec<Verdict> {
    let chat = "1 KiB";
    let mut verdicts = vec![
        times(
            "(a) chat of 1 KiB, 3 budgets, log and metrics: at most 1.15 × plain",
            Section::Chat,
            chat,
            1.15,
            slices,
        ),
        times("(a) the same, second goal: at most 1.09 × plain", Section::Chat, chat, 1.09, slices),
        times("(b) stream of 1,000 events: at most 1.10 × plain", Section::Streams, PACED, 1.10, slices),
        times("(c) request of 1 MiB: at most 1.5 × plain", Section::Sizes, MEBIBYTE, 1.5, slices),
    ];
    for (load, _, _) in REFUSALS {
        let goal = format!("(d) refusal ({load}): less than a plain proxied call");
        verdicts.push(times(&goal, Section::Refusals, load, 1.0, slices));
    }
    verdicts.push(memory(slices));
    verdicts.push(peers(slices));
    verdicts.push(shared(slices));
    for rate in rates() {
        verdicts.extend(waiting(rate, slices));
    }
    verdicts
}

/// CPU time of a call, as a multiple of plain Envoy's.
fn times(goal: &str, section: Section, load: &str, limit: f64, slices: &[Slice]) -> Verdict {
    let found = over_plain(section, load, SUBJECT, slices);
    let figure = found.as_ref().map(|(plain, ratio)| {
        let Middle { median, at_least, at_most, .. } = ratio;
        format!("{median:.3} × {plain} (95 %: {at_least:.3}–{at_most:.3})")
    });
    let met = found.map(|(_, ratio)| ratio.median <= limit);
    Verdict { goal: goal.into(), figure: figure.unwrap_or_else(|| "–".into()), met }
}

/// The cheaper plain Envoy, and how many times its CPU time a system needs.
pub(crate) fn over_plain(
    section: Section,
    load: &str,
    system: &str,
    slices: &[Slice],
) -> Option<(String, Middle)> {
    let cheapest = cheapest_plain(section, load, slices, |row| row.cpu.map(|cpu| cpu.median))?;
    let rows = of(section, load, slices, &[system.to_owned()], &cheapest);
    rows.into_iter().find_map(|row| row.ratio).map(|ratio| (cheapest, ratio))
}

fn cheapest_plain(
    section: Section,
    load: &str,
    slices: &[Slice],
    cost: impl Fn(&Row) -> Option<f64>,
) -> Option<String> {
    let plain = [Kind::Plain, Kind::PlainDefault].map(|kind| kind.to_string());
    let rows = of(section, load, slices, &plain, "");
    let costs = rows.iter().filter_map(|row| Some((cost(row)?, row.system.clone())));
    costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, system)| system)
}

fn of(section: Section, load: &str, slices: &[Slice], systems: &[String], base: &str) -> Vec<Row> {
    let same = |slice: &&Slice| slice.section == section.name() && slice.load == load;
    let some: Vec<Slice> = slices.iter().filter(same).cloned().collect();
    rows(&some, systems, base)
}

fn memory(slices: &[Slice]) -> Verdict {
    let rss = |row: &Row| row.median(|slice| slice.memory.rss_kib as f64 / 1024.0);
    let goal = "(e) memory with 1,000 open streams, 2 workers: at most plain + 45 MiB".to_owned();
    let plain = cheapest_plain(Section::Memory, OPEN, slices, rss);
    let found = plain.and_then(|plain| {
        let rows = of(Section::Memory, OPEN, slices, &[plain.clone(), SUBJECT.to_owned()], "");
        let memory = |name: &str| rows.iter().find(|row| row.system == name).and_then(rss);
        Some((memory(SUBJECT)? - memory(&plain)?, plain))
    });
    match found {
        Some((more, plain)) => {
            Verdict { goal, figure: format!("{plain} + {more:.1} MiB"), met: Some(more <= 45.0) }
        }
        None => Verdict { goal, figure: "–".into(), met: None },
    }
}

/// What it costs that a fleet shares the budgets, far from their limits.
fn shared(slices: &[Slice]) -> Verdict {
    let goal =
        "(g) budgets of a fleet, far from their limits: at most 1.03 × the same without a ledger".to_owned();
    let one: Vec<Slice> = slices.iter().filter(|slice| slice.workers <= 1).cloned().collect();
    let fleet = Kind::farebox_of_a_fleet(3).to_string();
    let rows = of(Section::Ledger, FAR, &one, &[fleet], SUBJECT);
    let ratio = rows.into_iter().find_map(|row| row.ratio);
    let figure = ratio.map(|Middle { median, at_least, at_most, .. }| {
        format!("{median:.3} × {SUBJECT} (95 %: {at_least:.3}–{at_most:.3})")
    });
    let met = ratio.map(|ratio| ratio.median <= 1.03);
    Verdict { goal, figure: figure.unwrap_or_else(|| "–".into()), met }
}

/// How much longer a call takes that asks the ledger.
fn waiting(rate: u32, slices: &[Slice]) -> [Verdict; 2] {
    let load = near_at(rate);
    let of_fleet = |fleet| Farebox { budgets: 3, near_limit: true, fleet, ..Farebox::default() };
    let systems = [false, true].map(|fleet| Kind::Farebox(of_fleet(fleet)).to_string());
    let rows = of(Section::Ledger, &load, slices, &systems, "");
    let verdict = |name: &str, most: f64, time: fn(&Slice) -> f64| {
        let goal = format!("(h) near the limit, {load}: {name} at most {most} ms more");
        let times: Vec<f64> = rows.iter().filter_map(|row| row.median(time)).collect();
        match times.as_slice() {
            [without, with] => {
                let more = (with - without) / 1e3;
                Verdict { goal, figure: format!("{more:.2} ms"), met: Some(more <= most) }
            }
            _ => Verdict { goal, figure: "–".into(), met: None },
        }
    };
    [
        verdict("p50", 1.0, |slice: &Slice| slice.whole.p50_us),
        verdict("p99", 5.0, |slice: &Slice| slice.whole.p99_us),
    ]
}

/// Whether every other gateway that was there needs more CPU time for a call.
fn peers(slices: &[Slice]) -> Verdict {
    let goal = "(f) less CPU time for a chat of 1 KiB than every other gateway".to_owned();
    let mut systems: Vec<String> = Vec::new();
    for slice in slices {
        if !systems.contains(&slice.system) {
            systems.push(slice.system.clone());
        }
    }
    let is_peer = |name: &str| matches!(name.parse(), Ok(Kind::Peer(_)));
    let rows = of(Section::Chat, "1 KiB", slices, &systems, SUBJECT);
    let ours = rows.iter().find(|row| row.system == SUBJECT).and_then(|row| row.cpu);
    let others: Vec<(f64, &str)> = rows
        .iter()
        .filter(|row| is_peer(&row.system))
        .filter_map(|row| Some((row.ratio?.median, row.system.as_str())))
        .collect();
    if ours.is_none() || others.is_empty() {
        return Verdict { goal, figure: "no other gateway was measured".into(), met: None };
    }
    let figures: Vec<String> =
        others.iter().map(|(ratio, name)| format!("{name} {ratio:.2} × {SUBJECT}")).collect();
    Verdict { goal, figure: figures.join(", "), met: Some(others.iter().all(|(ratio, _)| *ratio > 1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Memory;
    use crate::tally::Spread;

    fn slice(section: Section, load: &str, system: &str, cpu_us: f64) -> Slice {
        let (section, load, system) = (section.name().to_owned(), load.to_owned(), system.to_owned());
        Slice { section, load, system, cpu_us, calls: 1, seconds: 1.0, ..Slice::default() }
    }

    fn chat(plain: f64, default: f64, farebox: f64) -> Vec<Slice> {
        let slices = [("plain", plain), ("plain-default", default), ("farebox-3", farebox)];
        slices.map(|(system, cpu)| slice(Section::Chat, "1 KiB", system, cpu)).to_vec()
    }

    fn met(slices: &[Slice], goal: &str) -> Option<bool> {
        verdicts(slices).into_iter().find(|verdict| verdict.goal.starts_with(goal)).unwrap().met
    }

    #[test]
    fn the_cheaper_plain_envoy_is_the_measure() {
        assert_eq!(met(&chat(100.0, 120.0, 114.0), "(a) chat"), Some(true));
        assert_eq!(met(&chat(100.0, 90.0, 114.0), "(a) chat"), Some(false));
        assert_eq!(met(&chat(100.0, 120.0, 114.0), "(a) the same"), Some(false));
        assert_eq!(met(&chat(100.0, 120.0, 109.0), "(a) the same"), Some(true));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        assert!(verdicts(&[]).iter().all(|verdict| verdict.met.is_none()));
        assert!(verdicts(&[]).iter().all(|verdict| verdict.to_string().starts_with("not measured")));
        let mut invalid = chat(100.0, 100.0, 100.0);
        invalid[2].invalid = Some("1 × status 500".into());
        assert_eq!(met(&invalid, "(a) chat"), None);
    }

    #[test]
    fn memory_is_a_difference() {
        let open = |system: &str, mebibytes: u64| Slice {
            memory: Memory { rss_kib: mebibytes * 1024, ..Memory::default() },
            ..slice(Section::Memory, OPEN, system, 0.0)
        };
        let slices = |farebox| [open("plain", 60), open("plain-default", 70), open("farebox-3", farebox)];
        assert_eq!(met(&slices(105), "(e)"), Some(true));
        assert_eq!(met(&slices(106), "(e)"), Some(false));
    }

    #[test]
    fn what_a_ledger_costs_is_held_against_the_same_without_one() {
        let far = |system: &str, cpu| slice(Section::Ledger, FAR, system, cpu);
        let slices = |fleet| [far("farebox-3", 100.0), far("farebox-3-fleet", fleet)];
        assert_eq!(met(&slices(103.0), "(g)"), Some(true));
        assert_eq!(met(&slices(104.0), "(g)"), Some(false));
        let near = |system: &str, p50_us| {
            let whole = Spread { p50_us, ..Spread::default() };
            Slice { whole, ..slice(Section::Ledger, &near_at(200), system, 1.0) }
        };
        let slices = |fleet| [near("farebox-3-near", 1_000.0), near("farebox-3-near-fleet", fleet)];
        assert_eq!(met(&slices(2_000.0), "(h) near the limit, every request asks, 200"), Some(true));
        assert_eq!(met(&slices(2_100.0), "(h) near the limit, every request asks, 200"), Some(false));
    }

    #[test]
    fn one_cheaper_gateway_is_enough_to_miss() {
        let mut slices = chat(100.0, 100.0, 110.0);
        assert_eq!(met(&slices, "(f)"), None);
        slices.push(slice(Section::Chat, "1 KiB", "a-gateway", 300.0));
        assert_eq!(met(&slices, "(f)"), Some(true));
        slices.push(slice(Section::Chat, "1 KiB", "another-gateway", 109.0));
        assert_eq!(met(&slices, "(f)"), Some(false));
    }
}
