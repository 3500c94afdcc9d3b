//! Decides which models a budget sends requests to when it has little left: the `downgrade` of a budget.

use super::cursor::Cursor;
use super::names::Names;
use super::syntax::{MODEL, SERVED_MODEL};
use crate::base::pattern::Pattern;
use crate::config::Downgrade;

/// From which percentage of a limit on requests go to the cheaper model, unless it is said.
const FROM_PERCENT: u64 = 80;

/// Every model.
const ANY: &str = "*";

pub(super) fn read(at: &Cursor<'_>, names: &Names<'_>) -> Option<Downgrade> {
    let fields = at.fields(&["model", "from_percent"])?;
    let model = fields.need("model");
    let from_percent = fields.get("from_percent").and_then(|at| at.count(1..=100)).unwrap_or(FROM_PERCENT);
    let model = model?;
    if !model.is_object() {
        return Some(Downgrade::new([(ANY, name(&model, names)?)], from_percent));
    }
    let entries = model.entries()?;
    if entries.is_empty() {
        model.fail("must name at least one model");
    }
    let mut steps = Vec::with_capacity(entries.len());
    for (from, to) in &entries {
        let known = to.key_is(from, MODEL) && (Pattern::is_pattern(from) || names.model(to, from));
        if let Some(name) = name(to, names).filter(|_| known) {
            steps.push((*from, name));
        }
    }
    let downgrade = Downgrade::new(steps, from_percent);
    if let Some(step) = downgrade.circle()
        && let Some((_, to)) = entries.iter().find(|(from, _)| **from == *step.from)
    {
        to.fail(format!(
            "\"{}\" leads back to itself; say for the model that is to be the last that it leads to itself",
            step.to
        ));
    }
    Some(downgrade)
}

fn name<'a>(at: &Cursor<'a>, names: &Names<'_>) -> Option<&'a str> {
    at.text_as(SERVED_MODEL).filter(|name| names.model(at, name))
}
