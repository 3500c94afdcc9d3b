//! Decides the order of slices: rounds, in each of which every system gets the same load once, in a new random order.
//!
//! Before the first round everybody gets the load once for practice: V8 compiles functions anew when they have been
//! called often, and that belongs to no call.
//!
//! So whatever changes over minutes (other users of the machine, the clock of the processor, what the kernel does at
//! night) changes for all of them, and whatever follows from the order evens out.
//!
//! Does not compare: see `summary.rs`.

use std::io::{IsTerminal, Write};

use farebox_readers::dice::Dice;

use crate::error::BenchError;
use crate::provider::Provider;
use crate::slice::{Load, Slice, measure};
use crate::system::System;

/// What is run, and how often.
pub(crate) struct Rounds<'a> {
    /// Section of the benchmark.
    pub(crate) section: &'a str,
    /// How many.
    pub(crate) rounds: usize,
    /// Threads of each system that serve.
    pub(crate) workers: usize,
    /// The loads, one after the other.
    pub(crate) loads: &'a [Load],
    /// Who gets them.
    pub(crate) systems: &'a [System],
}

/// Measures all of it.
///
/// # Errors
/// If a system cannot be reached. What goes wrong in a slice is said in it.
pub(crate) async fn run(
    plan: &Rounds<'_>,
    provider: &Provider,
    dice: &mut Dice,
) -> Result<Vec<Slice>, BenchError> {
    let mut slices = Vec::new();
    for load in plan.loads {
        for system in plan.systems.iter().filter(|_| plan.rounds > 1) {
            progress(&format!("{} · {} · practice of {}", plan.section, load.name, system.kind));
            measure(load, system, provider).await?;
        }
        for round in 0..plan.rounds {
            let mut order: Vec<&System> = plan.systems.iter().collect();
            dice.shuffle(&mut order);
            for system in order {
                let mut slice = measure(load, system, provider).await?;
                slice.section = plan.section.to_owned();
                slice.round = round;
                slice.workers = plan.workers;
                if let Some(why) = &slice.invalid {
                    let words = system.last_words();
                    let _ = writeln!(std::io::stderr(), "  {} {}: {why}\n{words}", slice.load, slice.system);
                }
                slices.push(slice);
            }
            progress(&format!("{} · {} · round {} of {}", plan.section, load.name, round + 1, plan.rounds));
        }
    }
    Ok(slices)
}

/// Says how far it is, where somebody may be watching.
pub(crate) fn progress(text: &str) {
    let mut error = std::io::stderr();
    if error.is_terminal() {
        let _ = write!(error, "\r\x1b[K  {text}");
        let _ = error.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_follows_from_its_seed_and_loses_nobody() {
        let order = |seed| {
            let mut list: Vec<u32> = (0..8).collect();
            Dice::new(seed).shuffle(&mut list);
            list
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..8).collect::<Vec<u32>>());
    }

    #[test]
    fn every_place_is_as_likely_as_any_other() {
        let mut dice = Dice::new(1);
        let mut first = [0_u32; 4];
        for _ in 0..4000 {
            let mut list = [0, 1, 2, 3];
            dice.shuffle(&mut list);
            first[list[0]] += 1;
        }
        assert!(first.iter().all(|count| (900..1100).contains(count)), "{first:?}");
    }
}
