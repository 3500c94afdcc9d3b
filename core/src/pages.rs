//! Decides what the gateway answers itself: the models a key may use, and what its budgets stand at.
//!
//! Every page is for the key that asks: none tells of what others may use.

mod models;
mod shown;
mod usage;

pub use models::{model, models, show};
pub use shown::shown;
pub use usage::usage;

use crate::base::text::push_json_string;

/// The body of `/farebox/health`.
pub const HEALTH: &str = "{\"status\":\"ok\"}";

fn push_optional(body: &mut String, text: Option<&str>) {
    match text {
        Some(text) => push_json_string(body, text),
        None => body.push_str("null"),
    }
}
