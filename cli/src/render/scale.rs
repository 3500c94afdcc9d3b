//! Decides how many pods a gateway has: one where counters are in the memory of each, and two to ten where a ledger keeps them
//! for all.
//!
//! Does not know who makes the pods.

use super::Plan;

/// How many there are, and why.
pub(super) struct Scale {
    pub(super) note: &'static str,
    pub(super) least: &'static str,
    pub(super) most: &'static str,
    /// What spreads pods with these labels over the nodes; nothing if there is one.
    pub(super) spread: String,
}

/// For `plan`, in pods that `labels` select.
pub(super) fn of(plan: &Plan<'_>, labels: &str) -> Scale {
    if plan.config.ledger.is_none() {
        let note = "# Every pod counts for itself: N pods allow up to N times what a budget does. One pod is exact; with a `ledger` any number is.";
        return Scale { note, least: "1", most: "1", spread: String::new() };
    }
    let spread = format!(
        "# On two nodes if there are two.\ntopologySpreadConstraints:\n\
         - {{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {{matchLabels: {labels}}}}}"
    );
    let note = "# They share their budgets by the ledger, so there may be any number.";
    Scale { note, least: "2", most: "10", spread }
}
