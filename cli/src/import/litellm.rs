//! Decides what a proxy configuration of LiteLLM says in Farebox's words.
//!
//! Whatever it has that is not read here is listed: a setting that nobody looked at is the one that is missed later.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::callers::{self, Windows};
use super::{Draft, ImportError, models};
use crate::source::Source;

/// Makes a configuration out of LiteLLM's config.yaml.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// LiteLLM's config.yaml; - reads the standard input
    file: PathBuf,
    /// Its virtual keys and teams, as JSON: {"keys": […], "teams": […]}, as /key/list and /team/list have them
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Where the callers' new keys are written, as JSON by id; for you alone to read (without it: nobody has them)
    #[arg(long, value_name = "FILE", requires = "keys")]
    secrets: Option<PathBuf>,
}

pub(super) fn read(options: &Options) -> Result<Draft, ImportError> {
    let config = document(&options.file)?;
    if !config.is_object() {
        return Err(ImportError::Shape("LiteLLM's configuration must be an object with a model_list"));
    }
    let mut draft = Draft::default();
    models::read(&mut draft, &config);
    settings(&mut draft, &config);
    match &options.keys {
        Some(file) => {
            let made = callers::read(&mut draft, &document(file)?)?;
            match &options.secrets {
                Some(file) => callers::write(file, &made)?,
                None if !made.is_empty() => draft.notes.push(
                    "keys: LiteLLM's keys are no keys of Farebox's, so each caller needs a new one: import again with \
                     --secrets, or farebox keygen --rotate ID --into FILE"
                        .to_owned(),
                ),
                None => {}
            }
        }
        None => draft.notes.push(
            "keys: none were given (--keys): make some with farebox keygen --into FILE, one of them with --admin"
                .to_owned(),
        ),
    }
    Ok(draft)
}

fn document(file: &std::path::Path) -> Result<Value, ImportError> {
    let Source { json, .. } = Source::read(file).map_err(ImportError::Source)?;
    serde_json::from_str(&json).map_err(|_| ImportError::Shape("what should be JSON is not"))
}

/// What a member of a section means here; `None`: something that `models` reads.
fn meaning(section: &str, name: &str) -> Option<&'static str> {
    Some(match (section, name) {
        (_, "fallbacks" | "context_window_fallbacks" | "default_fallbacks" | "model_group_alias") => {
            return None;
        }
        ("litellm_settings", "max_budget" | "budget_duration") | (_, "num_retries") => return None,
        ("general_settings", "master_key") => {
            "is not brought over: make a key with farebox keygen --admin, which sees what others have spent"
        }
        ("general_settings", "database_url") => {
            "is not needed: keys are in the configuration, counters in Envoy"
        }
        (_, "drop_params") => "is not brought over: bodies go on as the caller wrote them",
        (_, "request_timeout" | "timeout") => {
            "is not brought over: see failover.silence_seconds and first_token_seconds"
        }
        (_, "routing_strategy") => {
            "is not brought over: targets are taken by weight, endpoints of one by Envoy"
        }
        (_, "success_callback" | "failure_callback" | "callbacks") => {
            "is not brought over: every request has a record in Envoy's access log"
        }
        (_, "cache" | "cache_params") => "is not brought over: Farebox keeps no answers",
        (_, "redis_host" | "redis_port" | "redis_password" | "redis_url") => {
            "is not needed; but several Envoys do not share their counters"
        }
        _ => "has no counterpart here",
    })
}

fn settings(draft: &mut Draft, config: &Value) {
    for (name, value) in config.as_object().into_iter().flatten() {
        match name.as_str() {
            "model_list" => {}
            "litellm_settings" | "router_settings" | "general_settings" => {
                for member in value.as_object().into_iter().flatten().map(|(member, _)| member) {
                    if let Some(what) = meaning(name, member) {
                        draft.note(&format!("{name}.{member}"), what);
                    }
                }
            }
            _ => draft.note(name, "has no counterpart here"),
        }
    }
    let setting = |member: &str| {
        let sections = ["router_settings", "litellm_settings"];
        sections.iter().find_map(|section| config.get(section)?.get(member)).cloned()
    };
    if let Some(retries) = setting("num_retries").and_then(|value| value.as_u64()) {
        draft.settings.insert("failover".to_owned(), json!({"attempts": (retries + 1).clamp(1, 5)}));
        draft.note(
            "num_retries",
            "became failover.attempts: a request is tried at the next target, not the same one",
        );
    }
    if let Some(limit) = setting("max_budget").filter(Value::is_number) {
        let duration = setting("budget_duration");
        let duration = duration.as_ref().and_then(Value::as_str);
        let window = Windows::of(duration).told(draft, "litellm_settings.budget_duration");
        draft.budgets.insert(0, json!({"name": "org", "window": window, "limit_usd": limit}));
    }
}
