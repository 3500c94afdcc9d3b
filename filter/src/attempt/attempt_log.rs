//! Decides how attempts are written down: as JSON objects, one behind the other, which the record takes as they are.
//!
//! An attempt is written down before it is known how it goes, as one that got no answer, because nobody is asked when
//! a connection fails. How long that took is not known for the same reason.

use farebox_core::base::text::push_json_string;
use farebox_core::failover::plan::{Attempt, Failure};
use farebox_core::request::route::Destination;

/// How the last attempt is written down as long as it has no answer.
const UNANSWERED: &str = "\"reason\":\"no_answer\",\"status\":null,\"ms\":null}";
/// The same when its client did not wait for one.
const ABANDONED: &str = "\"reason\":\"abandoned\",\"status\":null,\"ms\":null}";

/// The attempts before one, and what is known of this one.
#[derive(Debug)]
pub(crate) struct AttemptLog {
    text: String,
}

impl AttemptLog {
    /// An attempt at `destination`, after those that `before` is about.
    pub(crate) fn new(before: &[u8], destination: &Destination, attempt: Attempt) -> Self {
        let mut text = String::from_utf8_lossy(before).into_owned();
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str("{\"provider\":");
        push_json_string(&mut text, &destination.provider.name);
        text.push_str(",\"model\":");
        push_json_string(&mut text, &destination.model);
        text.push_str(",\"credential\":");
        match destination.provider.keys().get(attempt.key) {
            Some(key) => push_json_string(&mut text, &key.env),
            None => text.push_str("null"),
        }
        text.push(',');
        Self { text }
    }

    /// All attempts, this one without an answer.
    pub(crate) fn unanswered(&self) -> String {
        [&self.text, UNANSWERED].concat()
    }

    /// All attempts, this one with an answer that was passed on after `ms`.
    pub(crate) fn passed(&self, status: u64, ms: u64) -> String {
        let reason = if (200..300).contains(&status) { "ok" } else { "refused" };
        format!("{}\"reason\":\"{reason}\",\"status\":{status},\"ms\":{ms}}}", self.text)
    }

    /// All attempts, this one with an answer that was none after `ms`.
    pub(crate) fn failed(&self, failure: Failure, status: u64, ms: u64) -> String {
        format!("{}\"reason\":\"{}\",\"status\":{status},\"ms\":{ms}}}", self.text, failure.reason())
    }
}

/// Whether the last attempt of a log has no answer.
pub(crate) fn ends_unanswered(attempt_log: &[u8]) -> bool {
    attempt_log.ends_with(UNANSWERED.as_bytes())
}

/// The log of a request whose client left: nobody knows what its last attempt would have come to.
pub(crate) fn abandoned(attempt_log: String) -> String {
    match attempt_log.strip_suffix(UNANSWERED) {
        Some(before) => [before, ABANDONED].concat(),
        None => attempt_log,
    }
}
