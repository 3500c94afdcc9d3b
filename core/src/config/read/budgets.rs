//! Decides how much may be used, by whom and until when, and what happens then: the `budgets`.
//!
//! What would have no effect is a mistake rather than ignored: an operator who writes it believes that it
//! holds.
//!
//! Does not know which counter a request uses: see `subject.rs`.

use std::rc::Rc;

use crate::base::hash::HashMap;

use super::cursor::{Cursor, Fields};
use super::names::Names;
use super::syntax::NAME;
use super::{calendar, dimensions, downgrades, measures, overrides};
use crate::base::money::PicoUsd;
use crate::config::{AtLimit, Budget, Dimension, Limits, Mode, Running, Scope, WhenAbsent, WhenFull};

const FIELDS: [&str; 21] = [
    "name",
    "per",
    "scope",
    "window",
    "utc_offset",
    "limit_usd",
    "limit_tokens",
    "limit_input_tokens",
    "limit_output_tokens",
    "limit_requests",
    "limit_concurrent",
    "overrides",
    "mode",
    "at_limit",
    "downgrade",
    "warn_percent",
    "running",
    "slots",
    "when_full",
    "forget_after_seconds",
    "when_absent",
];

/// Most budgets: every request reads and writes a counter of each.
const MAX_BUDGETS: usize = 16;

/// Most warnings of one budget.
const MAX_WARNINGS: usize = 4;

/// What is only about budgets that are counted by something callers name.
const CLAIMED_ONLY: [&str; 3] = ["slots", "when_full", "forget_after_seconds"];

/// More than this in a window the ledger of a fleet cannot count exactly: nine million dollars.
const MOST_OF_FLEET: PicoUsd = PicoUsd(9_000_000 * 1_000_000_000_000);

/// The budgets in the order of the document. `has_ledger`: there is a ledger that a fleet shares.
pub(super) fn read(at: &Cursor<'_>, names: &Names<'_>, has_ledger: bool) -> Vec<Rc<Budget>> {
    let items = at.items().unwrap_or_default();
    if items.len() > MAX_BUDGETS {
        at.fail(format!("must have at most {MAX_BUDGETS} budgets, not {}", items.len()));
    }
    let mut first_uses: HashMap<&str, String> = HashMap::default();
    let mut budgets = Vec::with_capacity(items.len());
    for item in &items {
        let Some(fields) = item.fields(&FIELDS) else { continue };
        let name = fields.need("name").and_then(|name| {
            let text = name.text_as(NAME)?;
            match first_uses.get(text) {
                Some(first) => name.fail(format!("{first} has this name already")),
                None => drop(first_uses.insert(text, item.path().to_owned())),
            }
            Some(text)
        });
        budgets.extend(read_budget(&fields, name, names, has_ledger).map(Rc::new));
    }
    budgets
}

fn read_budget(
    fields: &Fields<'_>,
    name: Option<&str>,
    names: &Names<'_>,
    has_ledger: bool,
) -> Option<Budget> {
    let per = fields.get("per").map_or(Some(Vec::new()), |at| dimensions::read(&at, names));
    let window = calendar::read(fields);
    let limits = measures::read(fields);
    let others = fields.get("overrides");
    let overrides = others.as_ref().map(|at| overrides::read(at, per.as_deref(), names)).unwrap_or_default();
    // An override that is there tells for itself if it limits nothing.
    if others.is_none_or(|at| at.is_object() && at.entries().is_some_and(|entries| entries.is_empty())) {
        measures::need_one(fields);
    }
    let (mode, at_limit) = (word(fields, "mode", &Mode::NAMES), word(fields, "at_limit", &AtLimit::NAMES));
    let downgrade = fields.get("downgrade").and_then(|at| downgrades::read(&at, names));
    let warn_percent = fields.get("warn_percent").map(|at| read_warnings(&at)).unwrap_or_default();
    let running = word(fields, "running", &Running::NAMES);
    let slots = fields.get("slots").and_then(|at| at.count(1_024..=262_144));
    let when_full = word(fields, "when_full", &WhenFull::NAMES);
    let forget = fields.get("forget_after_seconds").and_then(|at| at.count(60..=31_622_400));
    let when_absent = word(fields, "when_absent", &WhenAbsent::NAMES);
    if at_limit == Some(AtLimit::Shadow) {
        check_watching(fields, running);
    }
    if let Some(per) = &per {
        check_meaning(fields, per, names.listed().is_some());
    }
    let scope = read_scope(fields, per.as_deref().unwrap_or_default(), has_ledger);
    if scope == Scope::Fleet {
        check_countable(fields, &limits, overrides.all());
    }
    let usual = Budget::new(name?, per?, window?, limits);
    Some(Budget {
        scope,
        listed: names.listed(),
        overrides,
        mode: mode.unwrap_or(usual.mode),
        at_limit: at_limit.unwrap_or(usual.at_limit),
        downgrade,
        warn_percent,
        running: running.unwrap_or(usual.running),
        slots: slots.and_then(|slots| u32::try_from(slots).ok()).unwrap_or(usual.slots),
        when_full: when_full.unwrap_or(usual.when_full),
        when_absent: when_absent.unwrap_or(usual.when_absent),
        forget_ms: forget.map_or(usual.forget_ms, |seconds| seconds.saturating_mul(1_000)),
        ..usual
    })
}

/// Where it is counted: with all that share the ledger, if there is one. What is counted by the request itself has a new
/// counter for nearly every request, and each would have to be asked for: that is counted by each process, unless it is
/// said otherwise.
fn read_scope(fields: &Fields<'_>, per: &[Dimension], has_ledger: bool) -> Scope {
    let usual = if has_ledger && !per.contains(&Dimension::Request) { Scope::Fleet } else { Scope::Process };
    let scope = word(fields, "scope", &Scope::NAMES);
    if let Some(at) = fields.get("scope").filter(|_| scope == Some(Scope::Fleet) && !has_ledger) {
        at.fail("needs a \"ledger\" that the fleet shares");
    }
    scope.unwrap_or(usual)
}

/// Tells which limits are too large for the ledger of a fleet.
fn check_countable<'l>(fields: &Fields<'_>, own: &Limits, others: impl Iterator<Item = &'l Limits>) {
    let too_large = |limits: &Limits| limits.usd.is_some_and(|usd| usd > MOST_OF_FLEET);
    let told =
        "the ledger of a fleet counts exactly up to $9000000 in a window; \"scope\": \"process\" counts more";
    if let Some(at) = fields.get("limit_usd").filter(|_| too_large(own)) {
        at.fail(told);
    }
    let mut others = others;
    if let Some(at) = fields.get("overrides").filter(|_| others.any(too_large)) {
        at.fail(told);
    }
}

fn word<T: Clone>(fields: &Fields<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
    fields.get(key).and_then(|at| at.word(words))
}

/// One percentage or a list of them; sorted, each once.
fn read_warnings(at: &Cursor<'_>) -> Box<[u64]> {
    if !at.is_list() {
        return at.count(1..=100).into_iter().collect();
    }
    let items = at.items().unwrap_or_default();
    if items.len() > MAX_WARNINGS {
        at.fail(format!("must have at most {MAX_WARNINGS} percentages, not {}", items.len()));
    }
    let mut percentages: Vec<u64> = items.iter().filter_map(|item| item.count(1..=100)).collect();
    percentages.sort_unstable();
    percentages.dedup();
    percentages.into()
}

/// Tells what a budget cannot do that only watches.
fn check_watching(fields: &Fields<'_>, running: Option<Running>) {
    if let Some(at) = fields.get("running").filter(|_| running == Some(Running::Cut)) {
        at.fail("a budget that only watches cuts no answer; leave \"at_limit\" out");
    }
}

/// Tells what means nothing for a budget that is counted by `per`.
fn check_meaning(fields: &Fields<'_>, per: &[Dimension], has_others: bool) {
    let has_slots = |of: &Dimension| of.is_claimed() || (has_others && of.is_of_key());
    if !per.iter().any(has_slots) {
        for at in CLAIMED_ONLY.iter().filter_map(|key| fields.get(key)) {
            at.fail(
                "only means something if callers name what the budget is counted by: \
                 user, agent, session, workflow, request or header:<name>",
            );
        }
    }
    let may_be_absent = |dimension: &Dimension| match dimension {
        Dimension::Label(_) => true,
        Dimension::Request => false,
        other => other.is_claimed(),
    };
    if let Some(at) = fields.get("when_absent").filter(|_| !per.iter().any(may_be_absent)) {
        at.fail(
            "only means something if what the budget is counted by may be absent: \
             user, agent, session, workflow, label:<name> or header:<name>",
        );
    }
}
