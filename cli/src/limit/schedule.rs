//! Decides how one reads which limits hold now, until when, and what then.

use farebox_core::base::money::PicoUsd;
use farebox_core::base::window::Millis;
use farebox_core::budget::ledger::Measure;
use farebox_core::config::Limits;
use farebox_core::registry::LimitEntry;
use serde_json::{Map, Value, json};

use super::each;
use crate::registry::spelled;

/// The limits of a subject from a moment on, one after the other; the first are those of now.
#[derive(Debug)]
pub(super) struct Schedule {
    now: Millis,
    /// Since when, and which.
    steps: Vec<(Millis, Limits)>,
}

impl Schedule {
    /// What holds from `now` on where `configured` holds without the entry.
    pub(super) fn of(entry: &LimitEntry, configured: &Limits, now: Millis) -> Self {
        let mut steps = vec![(now, entry.over(configured, now))];
        let mut at = now;
        while let Some(end) = entry.next_end(at) {
            at = end;
            steps.push((at, entry.over(configured, at)));
        }
        Self { now, steps }
    }

    /// What holds now.
    pub(super) fn now(&self) -> Limits {
        self.steps.first().map(|(_, limits)| *limits).unwrap_or_default()
    }

    /// The limits of `measure` one after the other, each from when on. Alike ones are one.
    pub(super) fn of_measure(&self, measure: Measure) -> Vec<(Millis, Option<u64>)> {
        let mut steps: Vec<(Millis, Option<u64>)> = Vec::new();
        for (from, limits) in &self.steps {
            let limit =
                each(limits).into_iter().find(|(other, _)| *other == measure).and_then(|(_, limit)| limit);
            if steps.last().is_none_or(|(_, last)| *last != limit) {
                steps.push((*from, limit));
            }
        }
        steps
    }

    /// A line for each measure that is other than in `before`, now or later.
    pub(super) fn changes(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (measure, _) in each(&Limits::default()) {
            let (was, is) = (before.of_measure(measure), self.of_measure(measure));
            if was == is {
                continue;
            }
            let first = |steps: &[(Millis, Option<u64>)]| steps.first().and_then(|(_, limit)| *limit);
            let (was, now) = (first(&was), first(&is));
            let mut line = match was == now {
                true => format!("{}: {}", measure.name(), limit_text(measure, now)),
                false => {
                    format!(
                        "{}: {} -> {}",
                        measure.name(),
                        limit_text(measure, was),
                        limit_text(measure, now)
                    )
                }
            };
            for (from, limit) in is.iter().skip(1) {
                let left = spelled(from.since(self.now));
                line.push_str(&format!(
                    " until {} ({left}), then {}",
                    from.to_rfc3339(),
                    limit_text(measure, *limit)
                ));
            }
            lines.push(line);
        }
        lines
    }

    /// For programs: what holds now and what then, of each measure that is limited at some time.
    pub(super) fn json(&self) -> Value {
        let mut all = Map::new();
        for (measure, _) in each(&Limits::default()) {
            let steps = self.of_measure(measure);
            if steps.iter().all(|(_, limit)| limit.is_none()) {
                continue;
            }
            let now = steps.first().and_then(|(_, limit)| *limit);
            let then: Vec<Value> = steps
                .iter()
                .skip(1)
                .map(|(from, limit)| json!({"from": from.to_rfc3339(), "limit": limit_json(measure, *limit)}))
                .collect();
            all.insert(measure.name().to_owned(), json!({"now": limit_json(measure, now), "then": then}));
        }
        Value::Object(all)
    }
}

/// A limit as one reads it.
pub(super) fn limit_text(measure: Measure, limit: Option<u64>) -> String {
    match (measure, limit) {
        (_, None) => "no limit".to_owned(),
        (Measure::Usd, Some(limit)) => format!("${}", PicoUsd(limit)),
        (_, Some(limit)) => limit.to_string(),
    }
}

/// The same for programs: money as a text, so that nothing rounds it.
pub(super) fn limit_json(measure: Measure, limit: Option<u64>) -> Value {
    match (measure, limit) {
        (_, None) => Value::Null,
        (Measure::Usd, Some(limit)) => Value::from(PicoUsd(limit).to_string()),
        (_, Some(limit)) => Value::from(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farebox_core::registry::Raised;

    fn requests(requests: u64) -> Limits {
        Limits { requests: Some(requests), ..Limits::default() }
    }

    #[test]
    fn what_holds_is_told_with_what_holds_then() {
        let now = Millis::parse("2026-11-28T22:40:00Z").unwrap();
        let configured = Limits { usd: Some(PicoUsd(20_000_000_000_000)), ..requests(10) };
        let none = Schedule::of(&LimitEntry::default(), &configured, now);
        let raised = Raised {
            limits: Limits { usd: Some(PicoUsd(50_000_000_000_000)), ..Limits::default() },
            until: Millis::parse("2026-11-29").unwrap(),
        };
        let entry = LimitEntry { raised: Some(raised), ..LimitEntry::default() };
        let raise = Schedule::of(&entry, &configured, now);
        assert_eq!(
            raise.changes(&none),
            ["usd: $20.00 -> $50.00 until 2026-11-29T00:00:00Z (1 h 20 min), then $20.00"]
        );
        assert_eq!(none.changes(&raise), ["usd: $50.00 -> $20.00"]);
        assert_eq!(raise.changes(&raise), Vec::<String>::new());
        assert_eq!(
            raise.json(),
            json!({
                "usd": {"now": "50.00", "then": [{"from": "2026-11-29T00:00:00Z", "limit": "20.00"}]},
                "requests": {"now": 10, "then": []},
            })
        );
        let both = LimitEntry { limits: requests(30), until: Some(now.plus(60_000)), ..entry };
        let lines = Schedule::of(&both, &Limits::default(), now).changes(&none);
        assert_eq!(
            lines.last().map(String::as_str),
            Some("requests: 10 -> 30 until 2026-11-28T22:41:00Z (1 min), then no limit")
        );
    }
}
