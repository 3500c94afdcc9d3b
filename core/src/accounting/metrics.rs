//! Decides what is counted and under which names.
//!
//! The host's statistics have neither labels nor an end, so labels are written into the name
//! (`…{team:search}`) for its `stats_tags` to take out again, and their values come from the configuration
//! alone: its teams, models and providers, and closed lists of this program. A metric is defined when it is
//! first needed and its id kept.
//!
//! What most requests count is gathered while requests overlap, and told to the host when the last of them has ended or
//! on the next tick: a call for each number of each request costs more than the counting.
//!
//! Does not know what a request was: it is told in a [`Measured`].

use core::cell::{Cell, RefCell};

use hashbrown::Equivalent;

use crate::accounting::settlement::{Charge, UsageSource};
use crate::base::hash::HashMap;

/// Kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Is what it was last set to, for the whole process.
    Gauge,
    /// Values that are counted by their size.
    Histogram,
}

/// The host's statistics.
pub trait Statistics {
    /// Defines a metric, or finds the one of this name. `None`: it cannot be counted, which fails no request.
    fn define(&self, kind: MetricKind, name: &str) -> Option<u32>;
    /// Adds to a counter.
    fn increment(&self, id: u32, by: u64);
    /// Records a value in a histogram, or makes it that of a gauge.
    fn record(&self, id: u32, value: u64);
}

/// What is counted of a request that was admitted.
#[derive(Debug)]
pub struct Measured<'a> {
    /// Whose budget it was.
    pub team: &'a str,
    /// The model, as the configuration names it.
    pub model: &'a str,
    /// Who answered it last.
    pub provider: &'a str,
    /// How it ended.
    pub outcome: &'static str,
    /// What all of its attempts are charged.
    pub charge: &'a Charge,
    /// From its arrival to its end, in milliseconds.
    pub duration_ms: u64,
    /// To the first byte of its answer's body, in milliseconds.
    pub ttft_ms: Option<u64>,
}

/// The metrics of one VM.
#[derive(Debug, Default)]
pub struct Metrics<S> {
    host: S,
    ids: RefCell<HashMap<String, Option<u32>>>,
    series: RefCell<HashMap<SeriesKey, Series>>,
    /// What the host was not told yet, by the ids of counters.
    gathered: RefCell<HashMap<u32, u64>>,
    /// Requests that were let through and have not ended.
    running: Cell<u64>,
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

impl<S: Statistics> Metrics<S> {
    /// Counts a request that was admitted and has ended.
    pub fn measured(&self, request: &Measured<'_>) {
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
        series.duration.into_iter().for_each(|id| self.host.record(id, duration_ms));
        if let (Some(id), Some(ttft_ms)) = (series.ttft, ttft_ms) {
            self.host.record(id, ttft_ms);
        }
    }

    /// A request was let through.
    pub fn request_begun(&self) {
        self.running.set(self.running.get() + 1);
    }

    /// A request that was let through has ended, and was counted.
    pub fn request_ended(&self) {
        self.running.set(self.running.get().saturating_sub(1));
        if self.running.get() == 0 {
            self.tell();
        }
    }

    /// Tells the host what was gathered.
    pub fn tell(&self) {
        self.gathered.borrow_mut().drain().for_each(|(id, by)| self.host.increment(id, by));
    }

    fn gather(&self, id: Option<u32>, by: u64) {
        if let Some(id) = id
            && by > 0
        {
            *self.gathered.borrow_mut().entry(id).or_default() += by;
        }
    }

    /// Counts a request that was refused, of a team if it is known, by a budget if it was one.
    pub fn denied(&self, team: Option<&str>, reason: &str, budget: Option<&str>) {
        let team = team.map(|team| ["{team:", team, "}"].concat()).unwrap_or_default();
        self.count(&["farebox_denied_total", &team, "{reason:", reason, "}"].concat(), 1);
        if let Some(name) = budget {
            let labels = [&team, "{budget:", name, "}{event:denied}"].concat();
            self.count(&["farebox_budget_events_total", &labels].concat(), 1);
        }
    }

    /// Counts an attempt that went wrong.
    pub fn attempt(&self, provider: &str, reason: &str) {
        self.count(
            &["farebox_failed_attempts_total{provider:", provider, "}{reason:", reason, "}"].concat(),
            1,
        );
    }

    /// Counts that a provider says that it does not have a model which the configuration names.
    pub fn resting_model(&self, provider: &str) {
        self.count(&["farebox_resting_models_total{provider:", provider, "}"].concat(), 1);
    }

    /// Counts that a target was passed over because nobody knows what it costs.
    pub fn unpriced_target(&self, provider: &str) {
        self.count(&["farebox_unpriced_targets_total{provider:", provider, "}"].concat(), 1);
    }

    /// Counts what a budget did.
    pub fn budget(&self, name: &str, event: &str) {
        self.count(&["farebox_budget_events_total{budget:", name, "}{event:", event, "}"].concat(), 1);
    }

    /// Counts something without labels of its own, or with labels in its name already. Nothing does not define it.
    pub fn count(&self, name: &str, by: u64) {
        if by > 0
            && let Some(id) = self.id(MetricKind::Counter, name)
        {
            self.host.increment(id, by);
        }
    }

    /// Says what something is now, for the whole process: a gauge is one for all workers.
    pub fn set(&self, name: &str, value: u64) {
        if let Some(id) = self.id(MetricKind::Gauge, name) {
            self.host.record(id, value);
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
        let id = self.host.define(kind, name);
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
