//! Decides what is odd about a registry of keys, limits and teams.

use std::net::IpAddr;

use super::Advisor;

impl Advisor<'_> {
    /// Whether there may be callers that the configuration does not know.
    pub(super) fn has_registry(&self) -> bool {
        self.config.ledger.as_ref().is_some_and(|ledger| ledger.registry.is_some())
    }

    pub(super) fn registry(&mut self) {
        let Some(ledger) = self.config.ledger.as_ref().filter(|ledger| ledger.registry.is_some()) else {
            return;
        };
        let is_elsewhere = ledger.endpoints.iter().any(|endpoint| !is_here(&endpoint.host));
        if is_elsewhere && ledger.password_env.is_none() {
            self.say(
                "ledger.registry",
                "the ledger wants no password: whoever reaches it can make keys that are let in, and raise limits",
            );
        }
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
