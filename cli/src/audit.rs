//! Decides what `farebox audit` shows: who changed which key, limit or team, when, and what it was and is.
//!
//! The server keeps about the last 100,000 changes. Who can write to it can also write here.

use farebox_core::base::window::Millis;
use farebox_core::config::Pattern;
use serde_json::{Value, json};

use crate::ledger::Where;
use crate::registry::{Clocks, RegistryError, Store, Told, differences, printed};

/// Changes that are asked for at once.
const PAGE: usize = 500;

/// Shows who changed which key, limit or team, the newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Only since then: today, yesterday, 18:00, 2026-12-01, 2h or 7d ago; by the clocks of UTC
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only entries of this name, or pattern of one: key/ci, limit/team/*
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Only what they changed
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50)]
    count: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The changes as text.
///
/// # Errors
/// [`RegistryError`] if they cannot be read.
pub(crate) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let config = arguments.place.read()?;
    let mut store = Store::of(&config, &arguments.place)?;
    let since = arguments.since.as_deref().map(|text| Clocks::utc(store.now).since(text)).transpose();
    let since = since.map_err(|told| RegistryError::Refused(format!("--since: {told}")))?.unwrap_or_default();
    let found = find(arguments, &mut store, since)?;
    if arguments.json {
        let entries: Vec<Value> = found.iter().map(in_json).collect();
        return Ok(printed(&json!({"entries": entries})));
    }
    if found.is_empty() {
        return Ok("no such change".to_owned());
    }
    Ok(found.iter().map(in_words).collect::<Vec<_>>().join("\n"))
}

fn find(arguments: &Arguments, store: &mut Store<'_>, since: Millis) -> Result<Vec<Told>, RegistryError> {
    let name = arguments.name.as_deref().map(Pattern::new);
    let (mut found, mut before): (Vec<Told>, Option<String>) = (Vec::new(), None);
    loop {
        let page = store.told(before.as_deref(), PAGE)?;
        let is_last = page.len() < PAGE;
        before = page.last().map(|told| told.id.clone());
        for told in page {
            if told.at() < since || found.len() >= arguments.count {
                return Ok(found);
            }
            let is_wanted = name.as_ref().is_none_or(|name| name.matches(&told.name))
                && arguments.who.as_deref().is_none_or(|who| told.who == who);
            found.extend(is_wanted.then_some(told));
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// What an entry was or is; `null` if there was none.
fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn in_json(told: &Told) -> Value {
    json!({
        "at": told.at().to_rfc3339(),
        "who": told.who,
        "what": told.what,
        "name": told.name,
        "before": value(&told.before),
        "after": value(&told.after),
    })
}

fn in_words(told: &Told) -> String {
    // Whoever can write to the server wrote this; a terminal is not to be told anything by it.
    let plain = |text: &str| text.replace(char::is_control, "?");
    let line = format!(
        "{}  {}  {}  {}",
        told.at().to_rfc3339(),
        plain(&told.who),
        plain(&told.what),
        plain(&told.name)
    );
    let all = differences(&value(&told.before), &value(&told.after)).into_iter();
    let all = all.map(|(path, was, is)| format!("\n  {}: {was} -> {is}", plain(&path)));
    line + &all.collect::<String>()
}
