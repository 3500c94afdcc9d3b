//! Decides what the gateway answers itself: the models a key may use, and what its budgets stand at.
//!
//! Every page is for the key that asks: none tells of what others may use.

mod models;
mod shown;
mod usage;

pub use models::{model, models};
pub use shown::show;
pub use usage::{stale, usage};

use crate::base::text::push_json_string;
use crate::denial::Reply;

/// The body of `/farebox/health`.
pub const HEALTH: &str = "{\"status\":\"ok\"}";

/// The answer to who asks for a page, of which this is the body.
#[must_use]
pub fn reply(body: String) -> Reply {
    let headers = vec![("content-type", "application/json".into()), ("cache-control", "no-store".into())];
    Reply { status: 200, headers, body }
}

fn push_optional(body: &mut String, text: Option<&str>) {
    match text {
        Some(text) => push_json_string(body, text),
        None => body.push_str("null"),
    }
}
