//! Decides how many pods a gateway has: one where counters are in the memory of each, and two to ten where a ledger keeps them
//! for all.
//!
//! Does not know who makes the pods.

use super::{Plan, open};

/// How many there are, and why.
pub(super) struct Scale {
    pub(super) note: &'static str,
    pub(super) least: String,
    pub(super) most: String,
    /// What spreads pods with these labels over the nodes; nothing if there is one.
    pub(super) spread: String,
}

/// For `plan`, in pods that `labels` select.
pub(super) fn of(plan: &Plan<'_>, labels: &str) -> Scale {
    let (least, most) = bounds(plan);
    let [least, most] = match plan.is_open {
        true => ["least", "most"].map(open::part),
        false => [least, most].map(str::to_owned),
    };
    if plan.config.ledger.is_none() {
        let note = "# Every pod counts for itself: N pods allow up to N times what a budget does. One pod is exact; with a `ledger` any number is.";
        return Scale { note, least, most, spread: String::new() };
    }
    let spread = format!(
        "# On two nodes if there are two.\ntopologySpreadConstraints:\n\
         - {{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {{matchLabels: {labels}}}}}"
    );
    let note = "# They share their budgets by the ledger, so there may be any number.";
    Scale { note, least, most, spread }
}

/// The fewest and the most there are, if nobody says otherwise.
pub(super) fn bounds(plan: &Plan<'_>) -> (&'static str, &'static str) {
    if plan.config.ledger.is_none() { ("1", "1") } else { ("2", "10") }
}
