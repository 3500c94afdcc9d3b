//! Decides what is counted and under which names.
//!
//! Envoy's statistics have neither labels nor an end, so labels are written into the name
//! (`…{team:search}`) for the bootstrap's `stats_tags` to take out again, and their values come from the
//! configuration alone: its teams, models and providers, and closed lists of this program. A metric is
//! defined when it is first needed and its id kept.
//!
//! What most requests count is gathered while requests overlap, and told to Envoy when the last of them has ended or on
//! the next tick: a call for each number of each request costs more than the counting.
//!
//! Does not know what a request was: it is told in a [`Measured`].

use core::cell::RefCell;

use farebox_core::accounting::settlement::{Charge, UsageSource};
use hashbrown::Equivalent;

use farebox_core::base::hash::HashMap;

use crate::host::{self, MetricKind};

/// What is counted of a request that was admitted.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) team: &'a str,
    pub(crate) model: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) outcome: &'static str,
    pub(crate) charge: &'a Charge,
    pub(crate) duration_ms: u64,
    pub(crate) ttft_ms: Option<u64>,
}

/// The metrics of one VM.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    ids: RefCell<HashMap<String, Option<u32>>>,
    series: RefCell<HashMap<SeriesKey, Series>>,
    /// What Envoy was not told yet, by the ids of counters.
    gathered: RefCell<HashMap<u32, u64>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SeriesKey {
    team: Box<str>,
    model: Box<str>,
    provider: Box<str>,
    outcome: &'static str,
}

#[derive(Hash)]
struct SeriesRef<'a> {
    team: &'a str,
    model: &'a str,
    provider: &'a str,
    outcome: &'static str,
}

impl Equivalent<SeriesKey> for SeriesRef<'_> {
    fn equivalent(&self, key: &SeriesKey) -> bool {
        *key.team == *self.team
            && *key.model == *self.model
            && *key.provider == *self.provider
            && key.outcome == self.outcome
    }
}

/// The ids of everything that is counted for one team, model, provider and outcome.
#[derive(Clone, Copy, Debug)]
struct Series {
    requests: Option<u32>,
    tokens: [Option<u32>; 5],
    cost: Option<u32>,
    duration: Option<u32>,
    ttft: Option<u32>,
}

impl Metrics {
    /// Counts a request that was admitted and has ended.
    pub(crate) fn measured(&self, request: &Measured<'_>) {
        let Measured { team, model, provider, outcome, charge, duration_ms, ttft_ms } = *request;
        let series = self.series(SeriesRef { team, model, provider, outcome });
        self.gather(series.requests, 1);
        self.gather(self.id(MetricKind::Counter, by_source(charge.source)), 1);
        let tokens = &charge.tokens;
        let buckets = [
            tokens.input.saturating_add(tokens.input_audio).saturating_add(tokens.input_image),
            tokens.total_cache_read(),
            tokens.total_cache_write(),
            tokens.output.saturating_add(tokens.output_audio).saturating_add(tokens.output_image),
            tokens.reasoning,
        ];
        for (id, count) in series.tokens.into_iter().zip(buckets) {
            self.gather(id, count);
        }
        match charge.usd {
            Some(usd) => self.gather(series.cost, usd.to_nano()),
            None => self.count("farebox_unpriced_total", 1),
        }
        series.duration.into_iter().for_each(|id| host::record(id, duration_ms));
        if let (Some(id), Some(ttft_ms)) = (series.ttft, ttft_ms) {
            host::record(id, ttft_ms);
        }
    }

    /// Tells Envoy what was gathered.
    pub(crate) fn tell(&self) {
        self.gathered.borrow_mut().drain().for_each(|(id, by)| host::increment(id, by));
    }

    fn gather(&self, id: Option<u32>, by: u64) {
        if let Some(id) = id
            && by > 0
        {
            *self.gathered.borrow_mut().entry(id).or_default() += by;
        }
    }

    /// Counts a request that was refused, of a team if it is known, by a budget if it was one.
    pub(crate) fn denied(&self, team: Option<&str>, reason: &str, budget: Option<&str>) {
        let team = team.map(|team| ["{team:", team, "}"].concat()).unwrap_or_default();
        self.count(&["farebox_denied_total", &team, "{reason:", reason, "}"].concat(), 1);
        if let Some(name) = budget {
            let labels = [&team, "{budget:", name, "}{event:denied}"].concat();
            self.count(&["farebox_budget_events_total", &labels].concat(), 1);
        }
    }

    /// Counts an attempt that went wrong.
    pub(crate) fn attempt(&self, provider: &str, reason: &str) {
        self.count(
            &["farebox_failed_attempts_total{provider:", provider, "}{reason:", reason, "}"].concat(),
            1,
        );
    }

    /// Counts that a provider says that it does not have a model which the configuration names.
    pub(crate) fn resting_model(&self, provider: &str) {
        self.count(&["farebox_resting_models_total{provider:", provider, "}"].concat(), 1);
    }

    /// Counts that a target was passed over because nobody knows what it costs.
    pub(crate) fn unpriced_target(&self, provider: &str) {
        self.count(&["farebox_unpriced_targets_total{provider:", provider, "}"].concat(), 1);
    }

    /// Counts what a budget did.
    pub(crate) fn budget(&self, name: &str, event: &str) {
        self.count(&["farebox_budget_events_total{budget:", name, "}{event:", event, "}"].concat(), 1);
    }

    /// Counts something without labels of its own, or with labels in its name already.
    pub(crate) fn count(&self, name: &str, by: u64) {
        if let Some(id) = self.id(MetricKind::Counter, name) {
            host::increment(id, by);
        }
    }

    /// Says what something is now, for the whole process: a gauge is one for all workers.
    pub(crate) fn set(&self, name: &str, value: u64) {
        if let Some(id) = self.id(MetricKind::Gauge, name) {
            host::record(id, value);
        }
    }

    fn series(&self, key: SeriesRef<'_>) -> Series {
        if let Some(series) = self.series.borrow().get(&key) {
            return *series;
        }
        let SeriesRef { team, model, provider, outcome } = key;
        let model = label(model);
        let labels = format!("{{team:{team}}}{{model:{model}}}{{provider:{provider}}}");
        let tokens =
            |kind| self.id(MetricKind::Counter, &format!("farebox_tokens_total{labels}{{type:{kind}}}"));
        let histogram =
            |name| self.id(MetricKind::Histogram, &format!("{name}{{model:{model}}}{{provider:{provider}}}"));
        let requests = format!("farebox_requests_total{labels}{{outcome:{outcome}}}");
        let series = Series {
            requests: self.id(MetricKind::Counter, &requests),
            tokens: ["input", "cache_read", "cache_write", "output", "reasoning"].map(tokens),
            cost: self.id(MetricKind::Counter, &format!("farebox_cost_nano_usd_total{labels}")),
            duration: histogram("farebox_request_duration_ms"),
            ttft: histogram("farebox_time_to_first_token_ms"),
        };
        let (team, model, provider) = (key.team.into(), key.model.into(), key.provider.into());
        let owned = SeriesKey { team, model, provider, outcome };
        self.series.borrow_mut().insert(owned, series);
        series
    }

    fn id(&self, kind: MetricKind, name: &str) -> Option<u32> {
        if let Some(id) = self.ids.borrow().get(name) {
            return *id;
        }
        let id = host::define_metric(kind, name).ok();
        self.ids.borrow_mut().insert(name.to_owned(), id);
        id
    }
}

fn by_source(source: UsageSource) -> &'static str {
    match source {
        UsageSource::Provider => "farebox_usage_source_total{source:provider}",
        UsageSource::ProviderPartial => "farebox_usage_source_total{source:provider_partial}",
        UsageSource::Estimated => "farebox_usage_source_total{source:estimated}",
        UsageSource::Unread => "farebox_usage_source_total{source:unread}",
        UsageSource::Implausible => "farebox_usage_source_total{source:implausible}",
        UsageSource::None => "farebox_usage_source_total{source:none}",
    }
}

/// A value that does not end its label early. Teams and providers cannot have braces in their names;
/// models can.
fn label(value: &str) -> String {
    value.replace(['{', '}'], "_")
}

#[cfg(test)]
mod tests {
    /// Where metrics are named.
    const SOURCES: [&str; 6] = [
        include_str!("metrics.rs"),
        include_str!("fleet/told.rs"),
        include_str!("attempt/reach.rs"),
        include_str!("gateway/access_log.rs"),
        include_str!("vm.rs"),
        include_str!("attempt/retry.rs"),
    ];

    #[test]
    fn every_metric_that_an_alert_looks_at_is_counted_somewhere() {
        let rules = include_str!("../../envoy/observability/alerts.yaml");
        let names = rules.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let names: Vec<&str> = names.filter(|name| name.starts_with("farebox_")).collect();
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            assert!(SOURCES.iter().any(|source| source.contains(name)), "{name}");
        }
    }
}
