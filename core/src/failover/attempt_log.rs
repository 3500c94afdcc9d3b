//! Decides how the attempts of a request are written down, one after the other.
//!
//! An attempt is written down before it is known how it goes, as one that got no answer, because nobody is asked when
//! a connection fails. How long that took is not known for the same reason.
//!
//! The record is the only place where this is JSON.

use std::borrow::Cow;

use crate::base::headers::is_success;
use crate::base::text::push_json_string;
use crate::failover::plan::Failure;
use crate::request::route::Destination;

/// What came of an attempt whose client did not wait for an answer.
const ABANDONED: &str = "abandoned";

/// The attempts of one request so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptLog(pub(super) Vec<LoggedAttempt>);

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoggedAttempt {
    pub(super) provider: String,
    pub(super) model: String,
    /// The name of the key that it was sent with, if it was sent with one.
    pub(super) credential: Option<String>,
    /// What came of it.
    pub(super) reason: Cow<'static, str>,
    /// The status of its answer, and after how many milliseconds that came.
    pub(super) answer: Option<(u64, u64)>,
}

impl AttemptLog {
    /// One more attempt, which has no answer yet: at `destination`, with the `key`-th of its keys.
    pub fn begin(&mut self, destination: &Destination, key: usize) {
        self.0.push(LoggedAttempt {
            provider: destination.provider.name.to_string(),
            model: destination.model.clone(),
            credential: destination.provider.keys().get(key).map(|key| key.env.to_string()),
            reason: Failure::NoAnswer.reason().into(),
            answer: None,
        });
    }

    /// The last attempt got an answer that is passed on, `ms` after it began.
    pub fn passed(&mut self, status: u64, ms: u64) {
        let reason = if is_success(status) { "ok" } else { "refused" };
        self.answered(reason, (status, ms));
    }

    /// The last attempt got an answer that was none, `ms` after it began.
    pub fn failed(&mut self, failure: Failure, status: u64, ms: u64) {
        self.answered(failure.reason(), (status, ms));
    }

    fn answered(&mut self, reason: &'static str, answer: (u64, u64)) {
        if let Some(last) = self.0.last_mut() {
            (last.reason, last.answer) = (reason.into(), Some(answer));
        }
    }

    /// The client did not wait: nobody knows what the last attempt would have come to, if it had no answer.
    pub fn abandon(&mut self) {
        if let Some(last) = self.0.last_mut().filter(|last| last.answer.is_none()) {
            last.reason = ABANDONED.into();
        }
    }

    /// Whether nothing was written down: nobody follows the attempts of this request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the last attempt was waited for and got no answer.
    #[must_use]
    pub fn ends_unanswered(&self) -> bool {
        self.0.last().is_some_and(|last| last.answer.is_none() && last.reason != ABANDONED)
    }

    /// JSON objects with commas in between, as the record has them.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.0.len() * 128);
        for LoggedAttempt { provider, model, credential, reason, answer } in &self.0 {
            if !json.is_empty() {
                json.push(',');
            }
            json.push_str("{\"provider\":");
            push_json_string(&mut json, provider);
            json.push_str(",\"model\":");
            push_json_string(&mut json, model);
            json.push_str(",\"credential\":");
            match credential {
                Some(name) => push_json_string(&mut json, name),
                None => json.push_str("null"),
            }
            json.push_str(",\"reason\":");
            push_json_string(&mut json, reason);
            json.push_str(&match answer {
                Some((status, ms)) => format!(",\"status\":{status},\"ms\":{ms}}}"),
                None => ",\"status\":null,\"ms\":null}".into(),
            });
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn log(attempts: usize) -> AttemptLog {
        let attempt = |index: usize| LoggedAttempt {
            provider: format!("p\"{index}"),
            model: "m".into(),
            credential: (index > 0).then(|| "KEY".into()),
            reason: Failure::NoAnswer.reason().into(),
            answer: None,
        };
        AttemptLog((0..attempts).map(attempt).collect())
    }

    #[test]
    fn an_attempt_log_is_a_list_of_json_objects_in_the_record() {
        let mut attempt_log = log(2);
        attempt_log.failed(Failure::Access(401), 401, 12);
        attempt_log.0.rotate_left(1);
        assert_eq!(
            attempt_log.to_json(),
            "{\"provider\":\"p\\\"1\",\"model\":\"m\",\"credential\":\"KEY\",\"reason\":\"unauthorized\",\"status\":401,\"ms\":12},\
             {\"provider\":\"p\\\"0\",\"model\":\"m\",\"credential\":null,\"reason\":\"no_answer\",\"status\":null,\"ms\":null}"
        );
        assert_eq!(AttemptLog::default().to_json(), "");
    }

    #[test]
    fn an_attempt_log_ends_unanswered_until_an_answer_comes_or_the_client_leaves() {
        let mut attempt_log = log(1);
        assert!(attempt_log.ends_unanswered() && !AttemptLog::default().ends_unanswered());
        attempt_log.passed(404, 3);
        assert!(!attempt_log.ends_unanswered());
        attempt_log.abandon();
        assert!(attempt_log.to_json().contains("\"refused\""), "it was answered before the client left");
        let mut attempt_log = log(1);
        attempt_log.abandon();
        assert!(!attempt_log.ends_unanswered() && attempt_log.to_json().contains("\"abandoned\""));
    }
}
