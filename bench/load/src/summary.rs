//! Decides what the slices of a section say together: for every load and system the median over rounds, and the
//! median of its ratios to the base within each round.
//!
//! Invalid slices count nowhere but in their number.
//!
//! Does not draw tables: see `table.rs`.

use crate::ratio::{Middle, middle, ratio};
use crate::slice::Slice;

/// What the slices of one system under one load say.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Name of the load.
    pub(crate) load: String,
    /// Name of the system.
    pub(crate) system: String,
    /// CPU time of a call in microseconds.
    pub(crate) cpu: Option<Middle>,
    /// Its ratio to the base.
    pub(crate) ratio: Option<Middle>,
    /// Calls a second.
    pub(crate) rate: Option<Middle>,
    /// Those that count.
    slices: Vec<Slice>,
    /// Slices that do not count.
    pub(crate) invalid: usize,
}

impl Row {
    /// The median over rounds of anything about a slice.
    pub(crate) fn median(&self, of: impl Fn(&Slice) -> f64) -> Option<f64> {
        let numbers: Vec<f64> = self.slices.iter().map(of).collect();
        middle(&numbers).map(|middle| middle.median)
    }
}

/// The rows of these slices, in the order in which `systems` are named, load by load.
pub(crate) fn rows(slices: &[Slice], systems: &[String], base: &str) -> Vec<Row> {
    let mut loads: Vec<(&str, usize)> = Vec::new();
    for slice in slices {
        if !loads.contains(&(&slice.load, slice.workers)) {
            loads.push((&slice.load, slice.workers));
        }
    }
    let mut rows = Vec::new();
    for (load, workers) in loads {
        let of = |system: &str| -> Vec<&Slice> {
            let same =
                |slice: &&Slice| slice.load == load && slice.workers == workers && slice.system == system;
            slices.iter().filter(same).collect()
        };
        for system in systems {
            let all = of(system);
            if !all.is_empty() {
                rows.push(row(load, system, &all, &of(base)));
            }
        }
    }
    rows
}

fn row(load: &str, system: &str, all: &[&Slice], base: &[&Slice]) -> Row {
    let valid: Vec<&Slice> = all.iter().copied().filter(|slice| slice.invalid.is_none()).collect();
    let numbers = |of: fn(&Slice) -> f64| -> Vec<f64> { valid.iter().map(|slice| of(slice)).collect() };
    let pairs: Vec<(f64, f64)> =
        valid.iter().filter_map(|slice| Some((slice.cpu_us, partner(slice, base)?))).collect();
    let has_cpu = valid.iter().any(|slice| slice.cpu_us > 0.0);
    Row {
        load: load.to_owned(),
        system: system.to_owned(),
        cpu: middle(&numbers(|slice| slice.cpu_us)).filter(|_| has_cpu),
        ratio: ratio(&pairs).filter(|_| has_cpu),
        rate: middle(&numbers(Slice::rate)),
        slices: valid.iter().map(|slice| (*slice).clone()).collect(),
        invalid: all.len() - valid.len(),
    }
}

/// CPU time of a call of the base in the same round.
fn partner(slice: &Slice, base: &[&Slice]) -> Option<f64> {
    let found = base.iter().find(|other| other.round == slice.round && other.invalid.is_none());
    found.map(|other| other.cpu_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(system: &str, round: usize, cpu_us: f64) -> Slice {
        let (load, system) = ("chat".to_owned(), system.to_owned());
        Slice { load, system, round, cpu_us, calls: 10, seconds: 1.0, ..Slice::default() }
    }

    #[test]
    fn a_system_is_compared_with_the_base_of_its_own_round() {
        let mut slices =
            vec![slice("plain", 0, 10.0), slice("farebox-3", 0, 11.0), slice("farebox-3", 1, 24.0)];
        slices.push(slice("plain", 1, 20.0));
        let rows = rows(&slices, &["plain".into(), "farebox-3".into()], "plain");
        let [plain, farebox] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(plain.ratio.unwrap().median, 1.0);
        assert!((farebox.ratio.unwrap().median - 1.15).abs() < 1e-9);
        assert_eq!(farebox.rate.unwrap().median, 10.0);
    }

    #[test]
    fn an_invalid_slice_counts_on_neither_side() {
        let mut slices = vec![slice("plain", 0, 10.0), slice("farebox-3", 0, 11.0)];
        slices.extend([slice("plain", 1, 1.0), slice("farebox-3", 1, 11.0)]);
        slices[2].invalid = Some("1 × status 503".into());
        let rows = rows(&slices, &["plain".into(), "farebox-3".into()], "plain");
        assert_eq!(rows[0].invalid, 1);
        assert_eq!((rows[1].invalid, rows[1].ratio.unwrap().count), (0, 1));
        assert!((rows[1].ratio.unwrap().median - 1.1).abs() < 1e-9);
    }
}
