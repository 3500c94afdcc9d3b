//! Decides how long a request may be held for its body, and which refusals wait for it too.
//!
//! An answer that is complete before its HTTP/1.1 request is makes the host close the connection, because what still comes
//! on it cannot be told from the next request. A client that shares its connections would lose one with every refusal, and
//! making a new one costs both sides more than the refusal. A long body, and one of unknown length, is not waited for.

use core::cell::RefCell;

use crate::base::window::Millis;
use crate::config::Config;
use crate::denial::{Client, Denial, Reply};
use crate::dialect::{Dialect, Endpoint};
use crate::request::context::RequestContext;

/// The longest body that a refusal waits for. Less than Envoy holds of headers, so it gives a stranger no more room.
pub const REFUSED_BYTES: u64 = 16 * 1024;
/// How long a stream may be held before it is doubted that this host lets a held stream see its body. Doubt ends with the
/// first body that is seen.
const DOUBT_MS: u64 = 5_000;

/// A stream whose body is still on its way.
#[derive(Debug)]
pub struct Waiting {
    since: Millis,
    limit_ms: u64,
    /// Its caller is known. What a stranger leaves undone says nothing of this host.
    known: bool,
    dialect: Dialect,
    request_id: String,
    /// Why it was given up, if it was.
    pub given_up: RefCell<Option<GivenUp>>,
}

/// What became of a stream that waited for too long.
#[derive(Debug)]
pub struct GivenUp {
    /// What it is told.
    pub denial: Denial,
    /// Whether the client could be told.
    pub told: bool,
}

impl Waiting {
    /// That of a request whose headers are here, and who will be answered in this `dialect`.
    #[must_use]
    pub fn new(config: &Config, context: &RequestContext, dialect: Dialect) -> Self {
        Self {
            since: context.arrived,
            limit_ms: config.request_body_ms,
            known: context.key.is_some(),
            dialect,
            request_id: context.request_id.clone(),
            given_up: RefCell::new(None),
        }
    }

    /// Why it waits no longer, if it does not. `body_seen`: a held stream has seen its body at this host.
    #[must_use]
    pub fn overdue(&self, body_seen: bool, now: Millis) -> Option<Denial> {
        let waited = now.since(self.since);
        let doubtful = !body_seen && waited >= DOUBT_MS;
        if waited < self.limit_ms && !doubtful {
            return None;
        }
        Some(if body_seen || !self.known { Denial::TooSlow } else { Denial::HostUnsupported })
    }

    /// What its client is told.
    #[must_use]
    pub fn reply(&self, denial: &Denial, now: Millis) -> Reply {
        denial.reply(self.dialect, Client::Other, &self.request_id, now)
    }
}

/// The dialect in which a request is refused whose body is waited for.
#[must_use]
pub fn dialect(endpoint: Option<Endpoint>) -> Dialect {
    // Only Ollama's clients ask for a page with a body.
    endpoint.map_or(Dialect::Ollama, Endpoint::dialect)
}

/// Whether a refusal is told when the body is here. `bodiless`: none comes.
#[must_use]
pub fn is_deferred(denial: &Denial, context: &RequestContext, config: &Config, bodiless: bool) -> bool {
    let is_short = context.length.is_some_and(|length| length <= REFUSED_BYTES);
    let at_once = matches!(denial, Denial::HostUnsupported | Denial::TooLarge(_));
    !bodiless && is_short && !at_once && config.headers_only.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_held_request_is_given_up_when_its_time_is_over_or_when_this_host_shows_nobody_a_body() {
        let config = testing::config(|json| json["limits"] = serde_json::json!({"request_body_seconds": 30}));
        let key = config.keys.values().next().cloned();
        let known = Waiting::new(&config, &RequestContext { key, ..Default::default() }, Dialect::OpenAi);
        let stranger = Waiting::new(&config, &RequestContext::default(), Dialect::OpenAi);
        for (waiting, body_seen, ms, denial) in [
            (&known, true, 29_999, None),
            (&known, true, 30_000, Some(Denial::TooSlow)),
            (&known, false, 4_999, None),
            (&known, false, 5_000, Some(Denial::HostUnsupported)),
            (&stranger, false, 5_000, Some(Denial::TooSlow)),
            (&stranger, true, 5_000, None),
        ] {
            assert_eq!(waiting.overdue(body_seen, Millis(ms)), denial, "{body_seen} {ms}");
        }
    }

    #[test]
    fn a_refusal_waits_for_a_body_that_is_short_and_for_no_other() {
        let config = testing::config(|_| {});
        let refused = |length, denial: &Denial, bodiless| {
            is_deferred(denial, &RequestContext { length, ..Default::default() }, &config, bodiless)
        };
        assert!(refused(Some(REFUSED_BYTES), &Denial::TooSlow, false));
        assert!(!refused(Some(REFUSED_BYTES + 1), &Denial::TooSlow, false));
        assert!(!refused(None, &Denial::TooSlow, false), "nobody knows how long it is");
        assert!(!refused(Some(1), &Denial::TooSlow, true), "nothing comes");
        assert!(!refused(Some(1), &Denial::HostUnsupported, false), "it would not be seen");
    }
}
