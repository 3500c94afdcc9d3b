//! Decides what is told of the registry: in the log what came and went, in metrics how it stands.

use super::{Registry, RegistryNotice};
use crate::accounting::metrics::{Metrics, Statistics};
use crate::base::window::Millis;
use crate::budget::fleet::told::Line;

/// Counts what an operator wants to know, and returns what to write of it into the log, each once.
pub fn notices<M: Statistics>(registry: &Registry, metrics: &Metrics<M>) -> Vec<Line> {
    let line = |notice| {
        let (is_error, text) = match notice {
            RegistryNotice::Complete(entries) => {
                (false, format!("the registry was read: {entries} keys, limits and teams"))
            }
            RegistryNotice::OutOfReach(why) => {
                metrics.count("farebox_registry_outages_total", 1);
                (true, format!("the registry is out of reach, and holds as it was last read: {why}"))
            }
            RegistryNotice::Back => (false, "the registry answers again".to_owned()),
            RegistryNotice::Lost => {
                metrics.count("farebox_registry_losses_total", 1);
                let text = "the registry has lost something: it is read anew, and what it lost stands while this process runs";
                (true, text.to_owned())
            }
            RegistryNotice::Forgot => {
                let text = "the registry was not read for so long that it has forgotten what was removed: it is read anew";
                (false, text.to_owned())
            }
            RegistryNotice::Unreadable(name, why) => {
                let text =
                    format!("entry '{name}' of the registry is not understood, and lets nobody in: {why}");
                (true, text)
            }
            RegistryNotice::Store(error) => (true, format!("what the registry says cannot be kept: {error}")),
        };
        Line { is_error, text }
    };
    registry.notices().into_iter().map(line).collect()
}

/// Sets the gauges.
pub fn measure<M: Statistics>(registry: &Registry, metrics: &Metrics<M>, now: Millis) {
    let Some(standing) = registry.standing(now) else { return };
    metrics.set("farebox_registry_age_ms", standing.age_ms);
    metrics.set("farebox_registry_entries", standing.entries);
    metrics.set("farebox_registry_unreadable", standing.unreadable);
    metrics.set("farebox_registry_version", standing.version);
}
