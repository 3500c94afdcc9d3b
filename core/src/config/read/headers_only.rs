//! Decides whether requests are sent by their headers alone, and refuses what such a configuration could not keep.
//!
//! A gateway that cannot read a body cannot hold a caller to what it says there. So a model list of a key, a budget for
//! each model, a limit on output, a cheaper model and a count of repeated requests are mistakes here rather than
//! promises.
//!
//! Does not read requests: see `llm_request/unread.rs`.

use super::cursor::{Cursor, Fields};
use super::syntax::HEADER;
use crate::config::HeadersOnly;

/// How requests are read without their bodies; `None`: with them.
pub(super) fn read(fields: &Fields<'_>) -> Option<HeadersOnly> {
    let at = fields.get("headers_only")?;
    let members = at.fields(&["model_header"])?;
    let header = members.get("model_header").and_then(|header| header.text_as(HEADER));
    if let Some(keys) = fields.get("keys").filter(Cursor::is_list) {
        for models in keys.items().unwrap_or_default().iter().filter_map(|key| key.member("models")) {
            models.fail(cannot("the model stands in the body"));
        }
    }
    if let Some(at) = fields.get("identity") {
        let sources = if at.is_list() { at.items().unwrap_or_default() } else { vec![at] };
        for models in sources.iter().filter(|at| at.is_object()).filter_map(|at| at.member("models")) {
            models.fail(cannot("the model stands in the body"));
        }
    }
    if let Some(budgets) = fields.get("budgets").filter(Cursor::is_list) {
        budgets.items().unwrap_or_default().iter().for_each(check_budget);
    }
    Some(HeadersOnly { model_header: header.map(|header| header.to_ascii_lowercase().into()) })
}

fn check_budget(budget: &Cursor<'_>) {
    if let Some(mode) = budget.member("mode").filter(|mode| says(mode, "strict")) {
        mode.fail(cannot("it lowers the output limit in the body"));
    }
    if let Some(downgrade) = budget.member("downgrade") {
        downgrade.fail(cannot("it names another model in the body"));
    }
    let Some(per) = budget.member("per") else { return };
    let parts = if per.is_list() { per.items().unwrap_or_default() } else { vec![per] };
    for part in parts {
        if says(&part, "model") {
            part.fail(cannot("the model stands in the body"));
        } else if says(&part, "request") {
            part.fail(cannot("requests are told apart by their bodies"));
        }
    }
}

fn says(at: &Cursor<'_>, word: &str) -> bool {
    at.is_text() && at.text() == Some(word)
}

fn cannot(why: &str) -> String {
    format!("cannot be kept with headers_only: {why}")
}
