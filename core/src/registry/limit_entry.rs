//! Decides which limits the registry gives a subject of a budget, and until when.
//!
//! ```text
//! ## limits of the configuration (its override over the budget's own)
//! ## ▸ those of the entry over them, until `until`
//! ## ▸ those of `raised` over these, until its `until`
//! ```
//!
//! Each says only what it changes: a measure that it does not name stays as it is.

use serde_json::{Map, Value};

use crate::base::window::Millis;
use crate::budget::ledger::Limits;

/// Limits of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitEntry {
    /// The limits that are other than the configuration's.
    pub limits: Limits,
    /// First moment at which they hold no longer.
    pub until: Option<Millis>,
    /// What holds for a while on top of that.
    pub raised: Option<Raised>,
}

/// Limits that hold for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The limits.
    pub limits: Limits,
    /// First moment at which they hold no longer.
    pub until: Millis,
}

impl LimitEntry {
    /// What it changes at `now`; `None`: nothing any more.
    #[must_use]
    pub fn at(&self, now: Millis) -> Option<Limits> {
        Some(self.over(&Limits::default(), now)).filter(Limits::any)
    }

    /// The limits at `now` of a subject that has `configured` by the configuration.
    #[must_use]
    pub fn over(&self, configured: &Limits, now: Millis) -> Limits {
        let own = if self.until.is_none_or(|until| now < until) {
            self.limits.over(configured)
        } else {
            *configured
        };
        self.raised.filter(|raised| now < raised.until).map_or(own, |raised| raised.limits.over(&own))
    }

    /// When the next of its parts ends after `now`.
    #[must_use]
    pub fn next_end(&self, now: Millis) -> Option<Millis> {
        let raised = self.raised.map(|raised| raised.until);
        [self.until, raised].into_iter().flatten().filter(|until| *until > now).min()
    }

    /// As it is stored: compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = Map::new();
        add_limits(&mut json, &self.limits);
        if let Some(until) = self.until {
            json.insert("until".to_owned(), until.to_rfc3339().into());
        }
        if let Some(Raised { limits, until }) = &self.raised {
            let mut raised = Map::new();
            add_limits(&mut raised, limits);
            raised.insert("until".to_owned(), until.to_rfc3339().into());
            json.insert("raised".to_owned(), Value::Object(raised));
        }
        Value::Object(json).to_string()
    }
}

fn add_limits(json: &mut Map<String, Value>, limits: &Limits) {
    // Money as a text, so that nothing on its way rounds it.
    let usd = limits.usd.map(|usd| Value::from(usd.to_string()));
    let counts = [
        ("limit_tokens", limits.tokens),
        ("limit_input_tokens", limits.input_tokens),
        ("limit_output_tokens", limits.output_tokens),
        ("limit_requests", limits.requests),
        ("limit_concurrent", limits.concurrent),
    ];
    let counts = counts.into_iter().filter_map(|(name, count)| Some((name, Value::from(count?))));
    let all = usd.map(|usd| ("limit_usd", usd)).into_iter().chain(counts);
    json.extend(all.map(|(name, value)| (name.to_owned(), value)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raise_holds_until_its_end_and_then_the_rest_does() {
        let requests = |requests| Limits { requests: Some(requests), ..Limits::default() };
        let tokens = Limits { tokens: Some(9), ..Limits::default() };
        let entry = LimitEntry {
            limits: requests(20),
            until: Some(Millis(200)),
            raised: Some(Raised { limits: requests(30), until: Millis(100) }),
        };
        let of = |now| entry.over(&tokens.over(&requests(10)), Millis(now));
        assert_eq!(of(99), tokens.over(&requests(30)));
        assert_eq!(of(100), tokens.over(&requests(20)));
        assert_eq!(of(200), tokens.over(&requests(10)));
        let ends: Vec<Option<Millis>> =
            [99, 100, 200].map(|now| entry.next_end(Millis(now))).into_iter().collect();
        assert_eq!(ends, [Some(Millis(100)), Some(Millis(200)), None]);
    }
}
