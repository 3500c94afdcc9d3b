//! Decides how attempts are written down: as JSON objects, one behind the other, which the record takes as they are.

use farebox_core::chain::Leg;
use farebox_core::route::Destination;
use farebox_core::text::push_json_string;

/// The attempts before one, and what is known of this one.
#[derive(Debug)]
pub(crate) struct Trail {
    text: String,
}

impl Trail {
    /// An attempt at `destination`, after those that `before` is about.
    pub(crate) fn new(before: &[u8], destination: &Destination, leg: Leg) -> Self {
        let mut text = String::from_utf8_lossy(before).into_owned();
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str("{\"provider\":");
        push_json_string(&mut text, &destination.provider.name);
        text.push_str(",\"model\":");
        push_json_string(&mut text, &destination.model);
        text.push_str(",\"credential\":");
        match destination.provider.keys().get(leg.key) {
            Some(key) => push_json_string(&mut text, &key.env),
            None => text.push_str("null"),
        }
        Self { text }
    }

    /// All attempts, this one with how it went.
    pub(crate) fn with(&self, reason: &str, status: Option<u64>, ms: u64) -> String {
        let status = status.map_or_else(|| "null".to_owned(), |status| status.to_string());
        format!("{},\"reason\":\"{reason}\",\"status\":{status},\"ms\":{ms}}}", self.text)
    }
}
