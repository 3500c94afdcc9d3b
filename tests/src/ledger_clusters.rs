//! Envoy's clusters of a ledger as `farebox render` writes them, for tests of what they are like.

use crate::bootstrap;
use crate::workspace;
use serde_json::Value;

/// Those of the plugin configuration's member `ledger`.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn rendered(ledger: &Value) -> Vec<Value> {
    let sample = std::fs::read(workspace::root().join("envoy/farebox.json")).expect("there is a sample");
    let mut plugin: Value = serde_json::from_slice(&sample).expect("JSON");
    plugin["ledger"] = ledger.clone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("farebox.json");
    std::fs::write(&file, plugin.to_string()).expect("the folder can be written");
    let text = bootstrap::written(&file, "1.40");
    let mut bootstrap: Value = serde_saphyr::from_str(&text).expect("what is written is YAML");
    let clusters = bootstrap["static_resources"]["clusters"].take();
    let Value::Array(mut clusters) = clusters else { panic!("there are clusters") };
    let is_of_ledger =
        |cluster: &Value| cluster["name"].as_str().is_some_and(|name| name.starts_with("ledger"));
    clusters.retain(is_of_ledger);
    assert!(!clusters.is_empty(), "{text}");
    clusters
}
