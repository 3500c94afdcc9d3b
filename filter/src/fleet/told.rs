//! Decides what is told of the ledger: to the other workers of this process that this one is there and what it has to say,
//! and to the operator what came and went, in the log and in metrics.

use farebox_core::base::window::Millis;
use farebox_core::budget::fleet::{Notice, workers};
use farebox_core::budget::ledger::{Put, Store};

use super::Fleet;
use crate::host::shared_store::SharedStore;

/// Where the workers of this process say that they call the ledger.
const WORKERS: &str = "fb/2/fleet-workers";

/// What the workers of this process have not said to the ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsaid {
    /// How old the oldest of it is, in milliseconds.
    pub(crate) lag_ms: u64,
    /// What of it is money.
    pub(crate) nano_usd: u64,
}

impl Unsaid {
    pub(crate) const LAG: &str = "farebox_ledger_lag_ms";
    pub(crate) const MONEY: &str = "farebox_ledger_unsent_nano_usd";
}

impl Fleet {
    /// Says now and then that this worker is there and what it has to say, and finds out how many there are and what all of
    /// them have. Without an answer it is as before.
    pub(super) fn count_workers(&self, now: Millis) {
        if now.since(self.counted.get()) < workers::SAYS_MS {
            return;
        }
        let Some(name) = self.ledger.used_as() else { return };
        self.counted.set(now);
        let Ok(stored) = SharedStore.get(WORKERS) else { return };
        let (list, version) = stored.map_or((Vec::new(), None), |(list, version)| (list, Some(version)));
        let (list, workers) = workers::heard_of(&name, self.ledger.backlog(), &list, now);
        match SharedStore.put(WORKERS, &list, version) {
            Ok(Put::Stored) => {
                self.ledger.set_workers(workers.count);
                let backlog = workers.backlog;
                self.unsaid.set(Some(Unsaid { lag_ms: backlog.lag_ms(now), nano_usd: backlog.nano_usd }));
            }
            // Somebody else was faster: with the next tick.
            _ => self.counted.set(Millis(0)),
        }
    }

    /// Counts the seconds in which this worker had no ledger.
    pub(super) fn count_absence(&self, now: Millis) {
        let Some(since) = self.ledger.away_since(now) else { return };
        let from = self.away_until.get().max(since);
        let seconds = now.since(from) / 1_000;
        if seconds > 0 {
            self.events.borrow_mut().push(("farebox_ledger_outage_seconds_total", seconds));
            self.away_until.set(from.plus(seconds * 1_000));
        }
    }

    /// Says what an operator wants to know, each once.
    pub(super) fn tell(&self) {
        for notice in self.ledger.notices() {
            match notice {
                Notice::OutOfReach(why) => {
                    log::error!("the ledger of the fleet is out of reach: {why}");
                    self.events.borrow_mut().push(("farebox_ledger_outages_total", 1));
                }
                Notice::Back => log::warn!("the ledger of the fleet answers again"),
                Notice::Lost => {
                    log::warn!(
                        "the ledger of the fleet has lost something: what is known here is said again"
                    );
                    self.events.borrow_mut().push(("farebox_ledger_losses_total", 1));
                }
                Notice::NotAnAccount(key) => {
                    log::error!(
                        "what the ledger has under '{key}' is no account: that budget cannot be used"
                    );
                }
            }
        }
    }
}
