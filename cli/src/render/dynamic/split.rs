//! Decides which parts of a whole configuration a running Envoy takes over: listeners and clusters, each in a file of
//! its own; the rest is the bootstrap.
//!
//! The text is cut and not written anew, so that it says the same with the same comments, whatever it was written for.
//! What one file refers to and the other has is put down in both.
//!
//! Does not write files.

use std::collections::{BTreeSet, VecDeque};

use super::super::sheet::{Sheet, is_plain_key, scalar};
use super::beside;

/// What the files are called.
pub(super) const BOOTSTRAP: &str = "envoy.yaml";
pub(super) const CLUSTERS: &str = "cds.yaml";
pub(super) const LISTENERS: &str = "lds.yaml";

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";

/// What `envoy --mode validate` does with one file.
const VALIDATED: &str = "checks all of it, the filter's configuration included, without starting anything.";

/// The texts of the files.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) bootstrap: String,
    pub(super) clusters: String,
    pub(super) listeners: String,
}

/// The parts of `whole`, for files in `folder`.
pub(super) fn split(whole: &str, folder: &str, source: &str) -> Parts {
    let lines: Vec<&str> = whole.lines().collect();
    let (mut bootstrap, mut clusters, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
    let mut section = Section::Bootstrap;
    for line in &lines {
        section = match *line {
            "static_resources:" => Section::Static,
            "  listeners:" => Section::Listeners,
            "  clusters:" => Section::Clusters,
            "  secrets:" => Section::Secrets,
            line if !line.is_empty() && !line.starts_with([' ', '#']) => Section::Bootstrap,
            _ => section,
        };
        match section {
            Section::Bootstrap | Section::Secrets | Section::Static => bootstrap.push(*line),
            Section::Listeners => listeners.push(*line),
            Section::Clusters => clusters.push(*line),
        }
    }
    let resources = |what: &str, kind: &str, section: &[&str]| {
        let items = section.iter().skip(1).map(|line| line.strip_prefix("  ").unwrap_or(line));
        let items = with_anchors(items.flat_map(|line| typed(line, kind)), &lines).join("\n");
        let source = source.replace(char::is_control, " ");
        let values =
            [("what", what), ("folder", folder), ("source", &*source), ("resources", items.trim_end())];
        Sheet::default().put(include_str!("resources.yaml"), &values)
    };
    Parts {
        clusters: resources("Clusters", CLUSTER, &clusters),
        listeners: resources("Listeners", LISTENER, &listeners),
        bootstrap: bootstrap_of(&bootstrap, folder),
    }
}

/// Where a line belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Bootstrap,
    Static,
    Listeners,
    Clusters,
    Secrets,
}

/// What is left, with what names the other files.
fn bootstrap_of(lines: &[&str], folder: &str) -> String {
    let has_secrets = lines.contains(&"  secrets:");
    let has_node = lines.iter().any(|line| line.starts_with("node:"));
    let in_folder = |name| scalar(&beside(folder, name));
    let dynamic = Sheet::default().put(
        include_str!("dynamic.yaml"),
        &[
            ("clusters", &in_folder(CLUSTERS)),
            ("listeners", &in_folder(LISTENERS)),
            ("folder", &scalar(folder)),
        ],
    );
    let mut text = String::new();
    let mut is_head = true;
    for line in lines {
        // What it says about itself is said of one file.
        let said = line
            .replace("`farebox render envoy ", &format!("`farebox render envoy --dynamic {folder} "))
            .replace("envoy -c envoy.yaml", &format!("envoy -c {}", beside(folder, BOOTSTRAP)))
            .replace(VALIDATED, "does not read the files that are named below: `farebox check` does.");
        let line = if is_head { &said } else { *line };
        if is_head && !line.is_empty() && !line.starts_with('#') {
            is_head = false;
            if !has_node {
                text.push_str(include_str!("node.yaml"));
            }
        }
        if line == "static_resources:" {
            text.push_str(&dynamic);
            text.push('\n');
            if !has_secrets {
                continue;
            }
        }
        text.push_str(line);
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// A line of a list of resources; a resource says first what it is.
fn typed(line: &str, kind: &str) -> Vec<String> {
    match line.strip_prefix("- ") {
        Some(first) => vec![format!("- \"@type\": {kind}"), format!("  {first}")],
        None => vec![line.to_owned()],
    }
}

/// `part` with what it refers to, out of `whole`, where it refers to it first.
fn with_anchors(part: impl Iterator<Item = String>, whole: &[&str]) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut rest: VecDeque<String> = part.collect();
    let mut lines = Vec::new();
    while let Some(line) = rest.pop_front() {
        let alias = line.split_once(": *").filter(|(key, _)| is_plain_key(key));
        if let Some((key, name)) = alias.filter(|(_, name)| !known.contains(*name))
            && let Some(definition) = definition(whole, name, key)
        {
            // It may refer to others itself.
            definition.into_iter().rev().for_each(|line| rest.push_front(line));
            continue;
        }
        if let Some((_, rest)) = line.split_once(": &").filter(|(key, _)| is_plain_key(key)) {
            known.insert(rest.split(' ').next().unwrap_or_default().to_owned());
        }
        lines.push(line);
    }
    lines
}

/// What `&name` in `whole` stands for, as the value of `key`.
fn definition(whole: &[&str], name: &str, key: &str) -> Option<Vec<String>> {
    let anchor = |line: &str| {
        let (key, rest) = line.split_once(": &").filter(|(key, _)| is_plain_key(key))?;
        let (found, value) = rest.split_once(' ').map_or((rest, ""), |(found, value)| (found, value));
        (found == name).then(|| (column(key), value.to_owned()))
    };
    let (at, (from, value)) =
        whole.iter().enumerate().find_map(|(at, line)| anchor(line).map(|found| (at, found)))?;
    let first = if value.is_empty() { format!("{key}: &{name}") } else { format!("{key}: &{name} {value}") };
    let to = column(key);
    let is_inside = |line: &&&str| line.trim().is_empty() || column(line) > from;
    let mut lines: Vec<String> = whole
        .iter()
        .skip(at + 1)
        .take_while(is_inside)
        .map(|line| line.get(from..).filter(|inside| !inside.is_empty()))
        .map(|line| line.map(|line| format!("{}{line}", " ".repeat(to))).unwrap_or_default())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.insert(0, first);
    Some(lines)
}

/// How far in a key is, behind what makes it one of a list.
fn column(line: &str) -> usize {
    let text = line.trim_start();
    line.len() - text.trim_start_matches("- ").len()
}
