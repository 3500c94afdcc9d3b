//! Decides how long a cluster stays that is not needed any more: as long as the listener that sent requests there.
//!
//! Envoy takes over the file of the clusters and the file of the listeners one after the other. Were a cluster gone first,
//! requests that the listener from before still takes would find nothing and get 503. So it stays beside the new ones
//! when the listeners change, and goes with the next time that the files are written.

use core::fmt::Write as _;

use serde_json::Value;

use super::files::File;
use super::parsed;

const WHY: &str = "\n# Not used any more. What still comes by the listener from before may go there; the next `farebox render` takes it out.\n";
/// How a cluster begins that was kept: on one line, unlike all others.
const KEPT: &str = "- {";

/// Adds to `clusters` what it had and does not have any more, except what was kept before.
pub(super) fn keep(clusters: &mut File) {
    let Some(before) = clusters.before.as_deref() else { return };
    let kept: Vec<Value> = before.lines().filter(|line| line.starts_with(KEPT)).flat_map(resources).collect();
    let after = resources(&clusters.text);
    let has = |clusters: &[Value], one: &Value| clusters.iter().any(|other| other["name"] == one["name"]);
    let retired = resources(before).into_iter().filter(|one| !has(&after, one) && !has(&kept, one));
    let mut is_first = true;
    for cluster in retired {
        if core::mem::take(&mut is_first) {
            clusters.text.push_str(WHY);
        }
        // JSON is YAML, and refers to nothing that may have changed.
        let _ = writeln!(clusters.text, "- {cluster}");
    }
}

/// The resources of a file, or of some lines of one.
fn resources(yaml: &str) -> Vec<Value> {
    match parsed(yaml) {
        Some(Value::Array(resources)) => resources,
        Some(Value::Object(mut members)) => match members.remove("resources") {
            Some(Value::Array(resources)) => resources,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
