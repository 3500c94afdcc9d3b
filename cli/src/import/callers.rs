//! Decides what becomes of LiteLLM's virtual keys, teams and their budgets.
//!
//! A key of Farebox's has its id in it, so LiteLLM's cannot go on being used: each caller gets a new one, which goes into
//! a file for the operator alone and nowhere else. Limits of teams and keys become a few budgets with overrides, one for
//! each window. A window that does not exist here becomes the next longer one with the same limit: that can refuse
//! what was allowed, and never the other way round.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::models::named;
use super::{Draft, ImportError, free, id, text};
use crate::keygen;

/// Farebox's window for a duration of LiteLLM's, and whether it is longer.
pub(super) struct Windows(&'static str, bool);

/// The windows with their seconds.
const WINDOWS: [(&str, u64); 5] =
    [("minute", 60), ("hour", 3_600), ("day", 86_400), ("week", 604_800), ("month", 2_678_400)];

impl Windows {
    /// The window of `30d`, `1mo`, `60s`, …; without a duration, for ever.
    pub(super) fn of(duration: Option<&str>) -> Self {
        let Some(duration) = duration else { return Self("lifetime", false) };
        let digits = duration.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(duration.len());
        let (count, unit) = duration.split_at_checked(digits).unwrap_or_default();
        let unit = match unit {
            "s" | "" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            "mo" => 2_678_400,
            _ => 0,
        };
        let seconds = count.parse::<u64>().unwrap_or(0).saturating_mul(unit);
        // What people call a month.
        let seconds = if (28 * 86_400..=31 * 86_400).contains(&seconds) { 2_678_400 } else { seconds };
        match WINDOWS.iter().find(|(_, length)| *length >= seconds && seconds > 0) {
            Some((window, length)) => Self(window, *length != seconds),
            None => Self("lifetime", true),
        }
    }

    /// Its name; says so at `path` if it is longer than what was meant.
    pub(super) fn told(self, draft: &mut Draft, path: &str) -> &'static str {
        if self.1 {
            draft.note(
                path,
                format_args!("there is no such window: the same limit holds for each {}", self.0),
            );
        }
        self.0
    }
}

/// The limits of subjects, by what a budget is counted by and its window.
type Limits = BTreeMap<(&'static str, &'static str), Map<String, Value>>;

/// Members of keys and teams that are read, or that say nothing about what may be done.
const READ: [&str; 30] = [
    "token",
    "key",
    "key_name",
    "key_alias",
    "team_id",
    "team_alias",
    "models",
    "max_budget",
    "budget_duration",
    "expires",
    "rpm_limit",
    "tpm_limit",
    "max_parallel_requests",
    "blocked",
    "spend",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "budget_reset_at",
    "last_refreshed_at",
    "user_id",
    "members_with_roles",
    "members",
    "admins",
    "keys",
    "team_spend",
    "last_active",
    "last_used_at",
    "key_hash",
];

/// Reads keys and teams; the ids of the keys with their new secrets.
pub(super) fn read(draft: &mut Draft, document: &Value) -> Result<Vec<(String, String)>, ImportError> {
    let list = |name: &str| document.get(name).and_then(Value::as_array).cloned();
    let keys = document.as_array().cloned().or_else(|| list("keys"));
    let keys =
        keys.ok_or(ImportError::Shape("the keys must be a list, or an object with \"keys\" and \"teams\""))?;
    let mut limits = Limits::new();
    let mut teams: BTreeMap<String, (String, Value)> = BTreeMap::new();
    for (index, team) in list("teams").unwrap_or_default().into_iter().enumerate() {
        let path = format!("teams[{index}]");
        let wanted = text(&team, "team_alias").or_else(|| text(&team, "team_id")).unwrap_or("team");
        let name = free(&id(wanted), |name| teams.values().any(|(taken, _)| taken == name));
        unread(draft, &team, &path);
        limit(draft, &mut limits, &team, ("team", &name), &path);
        teams.insert(text(&team, "team_id").unwrap_or(wanted).to_owned(), (name, team));
    }
    let mut made: Vec<(String, String)> = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let path = format!("keys[{index}]");
        if !key.is_object() {
            draft.note(&path, "says nothing but a hash; list the keys with what belongs to them");
            continue;
        }
        let wanted = text(key, "key_alias").map(id).filter(|id| !id.is_empty());
        let name =
            free(wanted.as_deref().unwrap_or("key"), |name| made.iter().any(|(taken, _)| taken == name));
        let team_id = text(key, "team_id");
        let team = team_id.and_then(|team| teams.get(team));
        if let (Some(_), None) = (team_id, team) {
            draft.note(&format!("{path}.team_id"), "no such team was given: its limits are not brought over");
        }
        let own_team = team_id.map(id).filter(|id| !id.is_empty()).unwrap_or_else(|| "default".to_owned());
        unread(draft, key, &path);
        limit(draft, &mut limits, key, ("key", &name), &path);
        let secret = keygen::secret(&name).map_err(|_| ImportError::NoRandomness)?;
        let mut entry = Map::from_iter([
            ("id".to_owned(), json!(name)),
            ("sha256".to_owned(), json!(keygen::hash(&secret))),
            ("team".to_owned(), json!(team.map_or(own_team, |(name, _)| name.clone()))),
        ]);
        let models = models(key).or_else(|| models(team.map(|(_, team)| team)?));
        if let Some(models) = models {
            entry.insert("models".to_owned(), json!(models));
        }
        if let Some(expires) = text(key, "expires") {
            entry.insert("expires".to_owned(), json!(moment(expires)));
        }
        let blocked = |value: &Value| value.get("blocked").and_then(Value::as_bool) == Some(true);
        if blocked(key) || team.is_some_and(|(_, team)| blocked(team)) {
            entry.insert("enabled".to_owned(), json!(false));
        }
        draft.keys.push(Value::Object(entry));
        made.push((name, secret));
    }
    for ((per, window), overrides) in limits {
        let name = format!("{per}-{window}");
        draft.budgets.push(json!({"name": name, "per": per, "window": window, "overrides": overrides}));
    }
    Ok(made)
}

/// The models that something may ask for; `None`: every one, or those of its team.
fn models(value: &Value) -> Option<Vec<String>> {
    let names = value.get("models")?.as_array()?.iter().filter_map(Value::as_str);
    let names: Vec<String> = names.map(named).collect();
    let is_all = |name: &String| name.starts_with("all-") || name == "*";
    (!names.is_empty() && !names.iter().any(is_all)).then_some(names)
}

/// A moment as Farebox reads it: with a zone, and without a fraction of a second.
fn moment(text: &str) -> String {
    let seconds = text.get(..19).map(|start| start.replace(' ', "T"));
    let zone = text.get(19..).unwrap_or_default();
    let zone = zone.find(['+', '-', 'Z']).and_then(|at| zone.get(at..)).unwrap_or("Z");
    seconds.map_or_else(|| text.to_owned(), |seconds| format!("{seconds}{zone}"))
}

/// Takes down the limits of the subject `name`.
fn limit(
    draft: &mut Draft,
    limits: &mut Limits,
    value: &Value,
    (per, name): (&'static str, &str),
    path: &str,
) {
    let number = |member: &str| value.get(member).filter(|limit| limit.is_number()).cloned();
    if let Some(usd) = number("max_budget") {
        let duration = text(value, "budget_duration");
        let window = Windows::of(duration).told(draft, &format!("{path}.budget_duration"));
        set(limits, (per, window), name, "limit_usd", usd);
    }
    for (member, measure) in [
        ("rpm_limit", "limit_requests"),
        ("tpm_limit", "limit_tokens"),
        ("max_parallel_requests", "limit_concurrent"),
    ] {
        if let Some(limit) = number(member) {
            set(limits, (per, "minute"), name, measure, limit);
        }
    }
}

fn set(limits: &mut Limits, of: (&'static str, &'static str), name: &str, measure: &str, limit: Value) {
    let own = limits.entry(of).or_default().entry(name.to_owned()).or_insert_with(|| json!({}));
    if let Some(own) = own.as_object_mut() {
        own.insert(measure.to_owned(), limit);
    }
}

/// Notes what says something and is not read.
fn unread(draft: &mut Draft, value: &Value, path: &str) {
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    let members = value.as_object().into_iter().flatten();
    for (name, _) in members.filter(|(name, value)| !READ.contains(&name.as_str()) && says(value)) {
        draft.note(&format!("{path}.{name}"), "has no counterpart here");
    }
}

/// Writes the new keys down, for the operator alone.
pub(super) fn write(file: &Path, made: &[(String, String)]) -> Result<(), ImportError> {
    let keys: Map<String, Value> = made.iter().map(|(id, key)| (id.clone(), json!(key))).collect();
    let text = serde_json::to_string_pretty(&keys).unwrap_or_default();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut file| writeln!(file, "{text}"));
    written.map_err(|error| ImportError::Secrets(file.to_owned(), error))
}
