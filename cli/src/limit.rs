//! Decides what `farebox limit` does: gives subjects of budgets other limits while Envoys run, for good or for a while.
//! What was spent stays counted.

mod list;
mod raise;
mod schedule;
mod set;
mod subject;
mod unset;

use farebox_core::base::window::Millis;
use farebox_core::budget::ledger::{Amounts, Measure};
use farebox_core::config::{Budget, Config, Limits};
use farebox_core::registry::{Entry, EntryName, LimitEntry};

use serde_json::Value;

use self::schedule::Schedule;
use crate::ledger::Where;
use crate::registry::{Clocks, Deed, Doing, RegistryError, Store, Stored};

/// Shows and changes the limits of subjects while Envoys run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Set(set::Arguments),
    Raise(raise::Arguments),
    Unset(unset::Arguments),
    List(list::Arguments),
}

/// Whose limit.
#[derive(Debug, clap::Args)]
struct Whose {
    #[command(flatten)]
    place: Where,
    /// The budget
    budget: String,
    /// The subject: the values that the budget is counted by, joined by /; * for a budget of everyone
    subject: String,
    #[command(flatten)]
    doing: Doing,
}

/// What was done, as text.
///
/// # Errors
/// [`RegistryError`] if nothing was done.
pub(crate) fn run(arguments: &Arguments) -> Result<String, RegistryError> {
    match &arguments.command {
        Command::Set(arguments) => set::run(arguments),
        Command::Raise(arguments) => raise::run(arguments),
        Command::Unset(arguments) => unset::run(arguments),
        Command::List(arguments) => list::run(arguments),
    }
}

impl Whose {
    fn name(&self) -> EntryName<'_> {
        EntryName::Limit { budget: &self.budget, subject: &self.subject }
    }

    /// What the registry has of it.
    fn stored(&self, store: &mut Store<'_>) -> Result<(Option<Stored>, LimitEntry), RegistryError> {
        let stored = store.get(self.name())?;
        let entry = match &stored {
            Some(Stored { entry: Entry::Limit(entry), .. }) => still_holding(*entry, store.now),
            _ => LimitEntry::default(),
        };
        Ok((stored, entry))
    }
}

/// `entry` without what has ended.
fn still_holding(entry: LimitEntry, now: Millis) -> LimitEntry {
    let raised = entry.raised.filter(|raised| now < raised.until);
    match entry.until.is_none_or(|until| now < until) {
        true => LimitEntry { raised, ..entry },
        false => LimitEntry { limits: Limits::default(), until: None, raised },
    }
}

/// When what is said of `budget` until `text` ends, by the budget's clocks.
fn until(budget: &Budget, now: Millis, text: &str) -> Result<Millis, RegistryError> {
    let clocks = Clocks { now, offset_minutes: budget.window.offset_minutes };
    clocks.until(text).map_err(|told| RegistryError::Refused(format!("--until: {told}")))
}

/// Those of `limits` that `named` does not have.
fn others(limits: &Limits, named: &Limits) -> Limits {
    Limits {
        usd: limits.usd.filter(|_| named.usd.is_none()),
        tokens: limits.tokens.filter(|_| named.tokens.is_none()),
        input_tokens: limits.input_tokens.filter(|_| named.input_tokens.is_none()),
        output_tokens: limits.output_tokens.filter(|_| named.output_tokens.is_none()),
        requests: limits.requests.filter(|_| named.requests.is_none()),
        concurrent: limits.concurrent.filter(|_| named.concurrent.is_none()),
    }
}

/// Each measure and its limit, money in pico-dollars.
fn each(limits: &Limits) -> [(Measure, Option<u64>); 6] {
    limits.measures(Amounts::default(), 0).map(|(measure, _, limit)| (measure, limit))
}

/// The measures that are limited, as options are named.
fn named(limits: &Limits) -> String {
    let names = each(limits).into_iter().filter_map(|(measure, limit)| limit.map(|_| option(measure)));
    names.collect::<Vec<_>>().join(", ")
}

fn option(measure: Measure) -> String {
    format!("--{}", measure.name().replace('_', "-"))
}

impl Whose {
    /// Does `deed`, after which the limits are as in `after` and not `before`; what there is to say of it.
    fn carry_out(
        &self,
        config: &Config,
        store: &mut Store<'_>,
        deed: Deed,
        before: &Schedule,
        after: &Schedule,
    ) -> Result<String, RegistryError> {
        let mut lines = after.changes(before);
        if lines.is_empty() {
            lines.push("what holds stays as it is".to_owned());
        }
        let done = self.doing.carry_out(config, store, Deed { lines, ..deed })?;
        if !self.doing.json {
            return Ok(done.text());
        }
        let members = [
            ("budget", Value::from(self.budget.as_str())),
            ("subject", Value::from(self.subject.as_str())),
            ("limits_before", before.json()),
            ("limits", after.json()),
        ];
        Ok(done.json(members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()))
    }
}
