//! Decides how much may be spent, by whom and over which window, and which counter that uses.

use std::rc::Rc;

use hashbrown::HashMap;

use super::cursor::{Cursor, Fields};
use super::names::Names;
use super::policy::MAX_COUNT;
use super::syntax::NAME;
use super::{Account, Budget, Per};
use crate::ledger::Limits;
use crate::money::PicoUsd;
use crate::window::Window;

const MEASURES: [&str; 3] = ["limit_usd", "limit_tokens", "limit_requests"];
const FIELDS: [&str; 7] =
    ["name", "per", "window", "limit_usd", "limit_tokens", "limit_requests", "overrides"];

/// Most budgets: every request reads and writes a counter of each.
const MAX_BUDGETS: usize = 16;

/// A budget with its limits.
#[derive(Debug)]
pub(super) struct Limited {
    /// The budget.
    pub budget: Rc<Budget>,
    limits: Limits,
    overrides: HashMap<Box<str>, Limits>,
}

impl Limited {
    /// The budget as it holds for the key `id` of `team`.
    pub(super) fn account(&self, id: &str, team: &str) -> Account {
        let subject = match self.budget.per {
            Per::Org => "*",
            Per::Team => team,
            Per::Key => id,
        };
        let own = self.overrides.get(subject).copied().unwrap_or_default();
        Account {
            budget: Rc::clone(&self.budget),
            subject: subject.into(),
            record: format!("fb/1/{}/{}/{subject}", self.budget.name, self.budget.per.name()).into(),
            limits: Limits {
                usd: own.usd.or(self.limits.usd),
                tokens: own.tokens.or(self.limits.tokens),
                requests: own.requests.or(self.limits.requests),
            },
        }
    }
}

/// The budgets in the order of the document.
pub(super) fn read(at: &Cursor<'_>, names: &Names<'_>) -> Vec<Limited> {
    let items = at.items().unwrap_or_default();
    if items.len() > MAX_BUDGETS {
        at.fail(format!("must have at most {MAX_BUDGETS} budgets, not {}", items.len()));
    }
    let mut first_uses: HashMap<&str, String> = HashMap::new();
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
        budgets.extend(read_budget(&fields, name, names));
    }
    budgets
}

fn read_budget(fields: &Fields<'_>, name: Option<&str>, names: &Names<'_>) -> Option<Limited> {
    let words = [("org", Per::Org), ("team", Per::Team), ("key", Per::Key)];
    let per = fields.get("per").map_or(Some(Per::Org), |at| at.word(&words));
    let window = fields.need("window").and_then(|at| at.word(&Window::NAMES));
    let limits = read_limits(fields);
    let overrides = fields.get("overrides");
    let overrides = overrides.map(|at| read_overrides(&at, per, names)).unwrap_or_default();
    let budget = Rc::new(Budget { name: name?.into(), per: per?, window: window? });
    Some(Limited { budget, limits, overrides })
}

fn read_limits(fields: &Fields<'_>) -> Limits {
    if MEASURES.iter().all(|measure| fields.get(measure).is_none()) {
        fields.fail(format!("must have at least one of {}", MEASURES.join(", ")));
    }
    let count = |key| fields.get(key).and_then(|at| at.count(0..=MAX_COUNT));
    Limits {
        usd: fields.get("limit_usd").and_then(|at| at.decimal(PicoUsd::parse)),
        tokens: count("limit_tokens"),
        requests: count("limit_requests"),
    }
}

/// Limits by team or key id. `per` is unknown if it is a mistake itself.
fn read_overrides(at: &Cursor<'_>, per: Option<Per>, names: &Names<'_>) -> HashMap<Box<str>, Limits> {
    if per == Some(Per::Org) {
        at.fail("a budget for the whole organisation has no overrides; set \"per\" to \"team\" or \"key\"");
        return HashMap::new();
    }
    let mut overrides = HashMap::new();
    for (subject, entry) in at.entries().unwrap_or_default() {
        match per {
            Some(Per::Team) => names.team(&entry, subject),
            Some(Per::Key) => names.id(&entry, subject),
            Some(Per::Org) | None => true,
        };
        if let Some(fields) = entry.fields(&MEASURES) {
            overrides.insert(subject.into(), read_limits(&fields));
        }
    }
    overrides
}
