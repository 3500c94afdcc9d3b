//! Decides what is told of the ledger: to the other workers of this process that this one is there and what it has to say,
//! and to the operator what came and went, in the log and in metrics.

use core::cell::Cell;

use crate::accounting::metrics::{Metrics, Statistics};
use crate::base::window::Millis;
use crate::budget::fleet::{FleetLedger, Notice, workers};
use crate::budget::ledger::{Put, Store};

/// Where the workers of this process say that they call the ledger.
const WORKERS: &str = "fb/2/fleet-workers";
/// How old the oldest is of what the workers of this process have not said to the ledger, in milliseconds.
const LAG: &str = "farebox_ledger_lag_ms";
/// What of it is money, in nano-dollars.
const UNSENT: &str = "farebox_ledger_unsent_nano_usd";

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether something does not work; else it is only worth knowing.
    pub is_error: bool,
    /// What it says.
    pub text: String,
}

/// What one worker has told so far.
#[derive(Debug, Default)]
pub struct Told {
    /// When it last said that it is there.
    said: Cell<Millis>,
    /// Until when the time that the ledger has been away is counted.
    away_until: Cell<Millis>,
}

impl Told {
    /// Says now and then that this worker is there and what it has to say, and finds out how many there are and what all of
    /// them have. Without an answer it is as before.
    pub fn count_workers<S: Store, M: Statistics>(
        &self,
        ledger: &FleetLedger,
        store: &S,
        metrics: &Metrics<M>,
        now: Millis,
    ) {
        if now.since(self.said.get()) < workers::SAYS_MS {
            return;
        }
        let Some(name) = ledger.used_as() else { return };
        let Ok(stored) = store.get(WORKERS) else { return };
        let (list, version) = stored.map_or((Vec::new(), None), |(list, version)| (list, Some(version)));
        let (list, workers) = workers::heard_of(&name, ledger.backlog(), &list, now);
        // Where somebody else was faster it is said with the next tick.
        if store.put(WORKERS, &list, version) == Ok(Put::Stored) {
            self.said.set(now);
            ledger.set_workers(workers.count);
            metrics.set(LAG, workers.backlog.lag_ms(now));
            metrics.set(UNSENT, workers.backlog.nano_usd);
        }
    }

    /// Counts the seconds in which this worker had no ledger.
    pub fn count_absence<M: Statistics>(&self, ledger: &FleetLedger, metrics: &Metrics<M>, now: Millis) {
        let Some(since) = ledger.away_since(now) else { return };
        let from = self.away_until.get().max(since);
        let seconds = now.since(from) / 1_000;
        metrics.count("farebox_ledger_outage_seconds_total", seconds);
        self.away_until.set(from.plus(seconds * 1_000));
    }

    /// Counts what an operator wants to know, and returns what to write of it into the log, each once.
    pub fn notices<M: Statistics>(&self, ledger: &FleetLedger, metrics: &Metrics<M>) -> Vec<Line> {
        let line = |notice| match notice {
            Notice::OutOfReach(why) => {
                metrics.count("farebox_ledger_outages_total", 1);
                Line { is_error: true, text: format!("the ledger of the fleet is out of reach: {why}") }
            }
            Notice::Back => {
                Line { is_error: false, text: "the ledger of the fleet answers again".to_owned() }
            }
            Notice::Lost => {
                metrics.count("farebox_ledger_losses_total", 1);
                let text = "the ledger of the fleet has lost something: what is known here is said again";
                Line { is_error: false, text: text.to_owned() }
            }
            Notice::NotAnAccount(key) => {
                let text =
                    format!("what the ledger has under '{key}' is no account: that budget cannot be used");
                Line { is_error: true, text }
            }
        };
        ledger.notices().into_iter().map(line).collect()
    }
}
