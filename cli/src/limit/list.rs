//! Decides what is listed of the limits that the registry gives: beside what the configuration says, what holds now, until
//! when, and what then.

use farebox_core::base::window::Millis;
use farebox_core::budget::ledger::Measure;
use farebox_core::config::{Budget, Config, Limits};
use farebox_core::registry::{Entry, EntryName, LimitEntry};
use serde_json::{Value, json};

use super::each;
use super::schedule::{Schedule, limit_text};
use crate::ledger::{Where, lines};
use crate::registry::{RegistryError, Store, Stored, printed};

/// Lists the limits that were set or raised
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Only this budget
    budget: Option<String>,
    /// Only this subject
    subject: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Limits of a subject.
struct Found<'a> {
    budget: &'a str,
    subject: &'a str,
    stored: &'a Stored,
    entry: LimitEntry,
    /// `None`: the configuration has no such budget.
    configured: Option<Limits>,
}

/// The limits as text.
///
/// # Errors
/// [`RegistryError`] if they cannot be read.
pub(super) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    let config = arguments.place.read()?;
    let mut store = Store::of(&config, &arguments.place)?;
    let now = store.now;
    let all = store.all("limit/")?;
    let names: Vec<(String, &Stored)> =
        all.entries.iter().map(|(rest, stored)| (format!("limit/{rest}"), stored)).collect();
    let found: Vec<Found<'_>> = names
        .iter()
        .filter_map(|(name, stored)| Found::of(&config, name, stored))
        .filter(|found| {
            arguments.budget.as_deref().is_none_or(|budget| found.budget == budget)
                && arguments.subject.as_deref().is_none_or(|subject| found.subject == subject)
        })
        .collect();
    if arguments.json {
        let limits: Vec<Value> = found.iter().map(|found| found.json(now)).collect();
        return Ok(printed(&json!({"limits": limits, "unreadable": all.unreadable})));
    }
    let mut text = match found.is_empty() {
        true => "the registry gives no such limits: those of the configuration hold".to_owned(),
        false => table(&found, now),
    };
    for name in &all.unreadable {
        text.push_str(&format!("\ncannot be read: {name}"));
    }
    Ok(text)
}

impl<'a> Found<'a> {
    fn of(config: &Config, name: &'a str, stored: &'a Stored) -> Option<Self> {
        let EntryName::Limit { budget, subject } = EntryName::parse(name)? else { return None };
        let Entry::Limit(entry) = stored.entry else { return None };
        let own = config.budgets.iter().find(|own| *own.name == *budget);
        let limits = |own: &Budget| own.limits_of(subject);
        Some(Self { budget, subject, stored, entry, configured: own.map(|own| limits(own)) })
    }

    /// The measures that it says something of.
    fn measures(&self) -> Vec<Measure> {
        let raised = self.entry.raised.map(|raised| raised.limits).unwrap_or_default();
        let all = each(&self.entry.limits.over(&raised));
        all.into_iter().filter_map(|(measure, limit)| limit.map(|_| measure)).collect()
    }

    fn schedule(&self, now: Millis) -> Schedule {
        Schedule::of(&self.entry, &self.configured.unwrap_or_default(), now)
    }

    fn json(&self, now: Millis) -> Value {
        let entry: Value = serde_json::from_str(&self.stored.entry.to_json()).unwrap_or_default();
        json!({
            "budget": self.budget,
            "subject": self.subject,
            "in_configuration": self.configured.is_some(),
            "changed_at": self.stored.changed_at().to_rfc3339(),
            "limits": self.schedule(now).json(),
            "entry": entry,
        })
    }
}

fn table(found: &[Found<'_>], now: Millis) -> String {
    let heads = ["budget", "subject", "measure", "configured", "now", "until", "then"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for one in found {
        let schedule = one.schedule(now);
        for measure in one.measures() {
            let of = |limits: Limits| each(&limits).into_iter().find(|(other, _)| *other == measure);
            let configured = one
                .configured
                .and_then(of)
                .map_or_else(|| "no such budget".to_owned(), |(_, limit)| limit_text(measure, limit));
            let steps = schedule.of_measure(measure);
            let mut steps = steps.iter();
            let step = |step: Option<&(Millis, Option<u64>)>| {
                step.map_or_else(|| "-".to_owned(), |(_, limit)| limit_text(measure, *limit))
            };
            let (first, second) = (steps.next(), steps.next());
            let has_ended = super::still_holding(one.entry, now) == LimitEntry::default();
            let until = match second {
                _ if has_ended => "has ended".to_owned(),
                Some((at, _)) => at.to_rfc3339(),
                None => "-".to_owned(),
            };
            rows.push(vec![
                one.budget.to_owned(),
                one.subject.to_owned(),
                measure.name().to_owned(),
                configured,
                step(first),
                until,
                step(second),
            ]);
        }
    }
    lines(&rows)
}
