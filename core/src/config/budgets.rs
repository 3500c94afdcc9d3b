//! Decides how much may be spent, by whom and over which window, and which counter that uses.

use std::rc::Rc;

use hashbrown::HashMap;

use super::cursor::{Cursor, Fields};
use super::names::Names;
use super::policy::MAX_COUNT;
use super::syntax::NAME;
use super::{Budget, Dimension, Limits};
use crate::money::PicoUsd;
use crate::window::{Calendar, Window};

const MEASURES: [&str; 3] = ["limit_usd", "limit_tokens", "limit_requests"];
const FIELDS: [&str; 7] =
    ["name", "per", "window", "limit_usd", "limit_tokens", "limit_requests", "overrides"];

/// Most budgets: every request reads and writes a counter of each.
const MAX_BUDGETS: usize = 16;

/// The budgets in the order of the document.
pub(super) fn read(at: &Cursor<'_>, names: &Names<'_>) -> Vec<Rc<Budget>> {
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

fn read_budget(fields: &Fields<'_>, name: Option<&str>, _names: &Names<'_>) -> Option<Rc<Budget>> {
    let window = fields.need("window").and_then(|at| at.word(&Window::NAMES));
    let limits = read_limits(fields);
    let per = fields.get("per").map_or(Some(None), |at| {
        let mut words: Vec<_> = Dimension::NAMES.into_iter().map(|(name, per)| (name, Some(per))).collect();
        words.push(("org", None));
        at.word(&words)
    });
    let per: Vec<Dimension> = per?.into_iter().collect();
    Some(Rc::new(Budget::new(name?, per, Calendar::utc(window?), limits)))
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
        ..Limits::default()
    }
}
