//! What control planes have really sent for manifests (`make mesh RECORD=1` writes it into `tests/recorded`), and where two
//! configurations of Envoy differ.
//!
//! Does not know which differences matter: the test that compares says so.

use crate::workspace;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

/// A folder below `k8s/` when it was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The resources that were applied.
    pub manifests: Vec<Value>,
    /// What Envoy showed of them: connection manager, route, clusters and filters.
    pub sent: Value,
}

impl Recorded {
    /// What was recorded of a folder.
    ///
    /// # Panics
    /// If it was not.
    #[must_use]
    pub fn of(folder: &str) -> Self {
        let path = workspace::root().join(format!("tests/recorded/{}.json", folder.replace('/', "-")));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut sent: Value = serde_json::from_str(&text).expect("JSON");
        let manifests = sent["manifests"].take().as_array().expect("resources").clone();
        sent.as_object_mut().expect("members").remove("manifests");
        Self { manifests, sent }
    }
}

/// Where two configurations differ: the path, what the first one has there, and what the second one has.
#[must_use]
pub fn differences(ours: &Value, theirs: &Value) -> Vec<(String, Value, Value)> {
    let (ours, theirs) = (leaves(ours), leaves(theirs));
    let mut found = Vec::new();
    for (path, ours) in &ours {
        let theirs = theirs.get(path).unwrap_or(&Value::Null);
        if !are_same(ours, theirs) {
            found.push((path.clone(), ours.clone(), theirs.clone()));
        }
    }
    let missing = theirs.iter().filter(|(path, _)| !ours.contains_key(*path));
    found.extend(missing.map(|(path, theirs)| (path.clone(), Value::Null, theirs.clone())));
    found
}

/// Whether both mean the same: numbers of 64 bits are shown as texts, and durations with three digits.
fn are_same(ours: &Value, theirs: &Value) -> bool {
    let plain = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match text.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok()) {
            Some(seconds) => format!("{seconds}s"),
            None => text,
        }
    };
    ours == theirs || plain(ours) == plain(theirs)
}

/// Every value that has no parts, by its path. Parts of a list that have names are found by them, and their order is a value of
/// its own.
fn leaves(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect(String::new(), value, &mut found);
    found
}

fn collect(path: String, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                collect(format!("{path}/{key}"), member, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let names: Vec<&str> = items.iter().filter_map(|item| item["name"].as_str()).collect();
            let are_named = names.len() == items.len();
            if are_named {
                found.insert(format!("{path}#"), json!(names));
            }
            for (number, item) in items.iter().enumerate() {
                let name = names.get(number).filter(|_| are_named);
                // The second of two with one name.
                let is_again = name.is_some_and(|name| names.iter().take(number).any(|known| known == name));
                let key = match name {
                    Some(name) if is_again => format!("{name} {number}"),
                    Some(name) => (*name).to_owned(),
                    None => number.to_string(),
                };
                collect(format!("{path}[{key}]"), item, found);
            }
        }
        Value::Null => {}
        // A list without parts is none.
        Value::Array(items) if items.is_empty() => {}
        _ => drop(found.insert(path, value.clone())),
    }
}
