//! Decides what `--dynamic` does: a configuration as a bootstrap and the files in which Envoy looks for listeners and
//! clusters, replaced so that a running Envoy takes them over, and what of it a running Envoy does not take over.
//!
//! Keys, limits, models and providers change daily. A restart would set every counter to zero, so that each budget could be
//! spent once more, and would end the streams. A listener that comes anew keeps the counters: they belong to the name of
//! the virtual machine and not to the listener.
//!
//! Does not talk to Envoy, which watches the folder itself.

mod files;
mod retired;
mod split;

use core::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use farebox_core::config::{Budget, Config, Scope};
use serde_json::Value;

use self::files::File;
use self::split::Parts;
use super::sheet::without_idle_anchors;
use super::{Options, Plan, bootstrap};
use crate::source;

/// Writes a whole envoy.yaml from a plugin configuration, or in its place files that a running Envoy takes over.
#[derive(Debug, clap::Args)]
pub(super) struct Command {
    #[command(flatten)]
    pub(super) options: Options,
    /// Write a bootstrap, and listeners and clusters that a running Envoy takes over, into this folder; again to update
    #[arg(long, value_name = "FOLDER")]
    dynamic: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Written {
    /// For the standard output.
    pub(super) text: String,
    /// What whoever runs an Envoy has to know.
    pub(super) notes: Vec<String>,
}

/// The configuration for `plan`, or the files that were written in its place.
///
/// # Errors
/// What stands in the way of the files.
pub(super) fn write(command: &Command, plan: &Plan<'_>) -> Result<Written, String> {
    let whole = bootstrap::write(&command.options, plan);
    let Some(folder) = &command.dynamic else {
        return Ok(Written { text: without_idle_anchors(&whole), notes: Vec::new() });
    };
    let name = folder.to_str().filter(|name| !name.contains(char::is_control));
    let name = name.ok_or("the name of the folder has what Envoy cannot be told")?;
    let Parts { bootstrap, clusters, listeners } = split::split(&whole, name, plan.source);
    let file = |name: &str, text: &str| File::read(folder.join(name), &without_idle_anchors(text));
    let (mut clusters, listeners) = (file(split::CLUSTERS, &clusters)?, file(split::LISTENERS, &listeners)?);
    if listeners.is_changed() {
        retired::keep(&mut clusters);
    }
    // First the clusters: a listener that is there before its clusters answers 503. Every file is looked at before one is
    // written.
    let files = [clusters, listeners, file(split::BOOTSTRAP, &bootstrap)?];
    std::fs::create_dir_all(folder).map_err(|cause| files::error(folder, "cannot be made", &cause))?;
    let [_, listeners, bootstrap] = &files;
    let notes = [restart(bootstrap, plan.config), environment(listeners)].into_iter().flatten().collect();
    let mut text = String::new();
    for file in &files {
        let done = match file.before {
            Some(_) if !file.is_changed() => "as it was",
            Some(_) => "replaced",
            None => "written",
        };
        file.write()?;
        let _ = writeln!(text, "{}: {done}", file.path.display());
    }
    if bootstrap.before.is_none() {
        let _ = writeln!(text, "start with: envoy -c {}", bootstrap.path.display());
    }
    Ok(Written { text: text.trim_end().to_owned(), notes })
}

/// Says what a running Envoy does not take over.
fn restart(bootstrap: &File, config: &Config) -> Option<String> {
    let (before, after) = (parsed(bootstrap.before.as_deref()?), parsed(&bootstrap.text));
    if before.is_some() && before == after {
        return None;
    }
    let members =
        |value: &Option<Value>| value.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (members(&before), members(&after));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let changed: Vec<&str> =
        names.filter(|name| before.get(*name) != after.get(*name)).map(String::as_str).collect();
    let is_kept = |budget: &Rc<Budget>| budget.scope == Scope::Fleet;
    let lost =
        if config.budgets.iter().all(is_kept) { "" } else { ", with which its own counters begin at zero" };
    Some(format!(
        "{}: a running Envoy does not read this again, and {} changed: that waits for a restart{lost}",
        bootstrap.path.display(),
        changed.join(", ")
    ))
}

/// Says which variables the filter did not read before.
fn environment(listeners: &File) -> Option<String> {
    let (before, after) = (variables(listeners.before.as_deref()?), variables(&listeners.text));
    let new: Vec<String> = after.into_iter().filter(|name| !before.contains(name)).collect();
    (!new.is_empty()).then(|| {
        format!(
            "{}: {} of a running Envoy's environment must have been set when it started. If not, it goes on with the \
             configuration from before, or without a key that is optional, until it is restarted",
            listeners.path.display(),
            new.join(", ")
        )
    })
}

/// The variables that filters of these listeners are handed.
fn variables(listeners: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = parsed(listeners).map(|value| vec![value]).unwrap_or_default();
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(members) => {
                let listed = members.get("host_env_keys").and_then(Value::as_array).into_iter().flatten();
                for name in listed.filter_map(Value::as_str) {
                    if !names.iter().any(|known| known == name) {
                        names.push(name.to_owned());
                    }
                }
                rest.extend(members.into_iter().map(|(_, member)| member));
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    names
}

fn parsed(yaml: &str) -> Option<Value> {
    serde_json::from_str(&source::to_json(yaml).ok()?).ok()
}

/// What `path` is called where it is written down for Envoy.
fn beside(folder: &str, name: &str) -> String {
    Path::new(folder).join(name).to_str().unwrap_or(name).to_owned()
}
