//! What an operator can see of a running Envoy: statistics, Prometheus metrics, the access log, the
//! dumped configuration.

use crate::envoy::Envoy;
use crate::patience::{until, within};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// One line of `/stats/prometheus`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// Everything at `/stats/prometheus` that Farebox exports.
#[derive(Clone, Debug)]
pub struct Metrics(pub Vec<Sample>);

impl Metrics {
    /// The samples of `name` that carry all of `labels`.
    #[must_use]
    pub fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let carries = |sample: &Sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|known| known == value))
        };
        self.0.iter().filter(|sample| sample.name == name && carries(sample)).collect()
    }

    /// The sum of [`matching`](Self::matching); zero if there are none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).iter().map(|sample| sample.value).sum()
    }
}

impl Envoy {
    /// The body of a path at the admin interface.
    ///
    /// # Panics
    /// If admin does not answer.
    pub async fn admin(&self, path: &str) -> String {
        let answer =
            within("admin", self.http.get(self.admin_url(path)).send()).await.expect("admin answers");
        String::from_utf8_lossy(&answer.bytes().await.expect("admin answers")).into_owned()
    }

    /// The counters and gauges whose names match `pattern`, a regular expression.
    pub async fn stats(&self, pattern: &str) -> BTreeMap<String, u64> {
        let text = self.admin(&format!("/stats?filter={pattern}")).await;
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }

    /// The sum of the counters and gauges whose names match `pattern`.
    pub async fn stat(&self, pattern: &str) -> u64 {
        self.stats(pattern).await.values().sum()
    }

    /// Waits until [`stat`](Self::stat) is at least `value`.
    pub async fn stat_reaches(&self, pattern: &str, value: u64) {
        until(&format!("{pattern} to reach {value}"), async || {
            (self.stat(pattern).await >= value).then_some(())
        })
        .await;
    }

    /// Farebox's metrics as Prometheus would scrape them.
    pub async fn metrics(&self) -> Metrics {
        let text = self.admin("/stats/prometheus").await;
        Metrics(text.lines().filter(|line| line.starts_with("farebox_")).map(parse_sample).collect())
    }

    /// The records in the access log, once there are `count`, except those of requests that the filter
    /// itself answered (`outcome` is `local`): few tests are about them, many make some.
    ///
    /// # Panics
    /// If they do not come, or one is not a record.
    pub async fn records(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} records in the access log"), async || {
            let records = self.records_so_far();
            (records.len() >= count).then_some(records)
        })
        .await
    }

    /// The newest of `count` records.
    pub async fn record(&self, count: usize) -> Value {
        self.records(count).await.swap_remove(count - 1)
    }

    /// The complete lines of the access log right now.
    ///
    /// # Panics
    /// If a line is not JSON.
    #[must_use]
    pub fn log_lines(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.access_log_path()).unwrap_or_default();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let line = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        whole.lines().map(line).collect()
    }

    /// What [`records`](Self::records) finds right now.
    fn records_so_far(&self) -> Vec<Value> {
        let records = self.log_lines().into_iter().map(|mut line| line["farebox"].take());
        records
            .filter(|record| {
                record.is_object() && record["outcome"] != "local" && record["outcome"] != "not_seen"
            })
            .collect()
    }
}

/// Reads `name{label="value",…} number`. Farebox's label values contain no quotes and no commas.
fn parse_sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
    Sample {
        name: name.to_owned(),
        labels: labels.map(|(label, value)| (label.to_owned(), value.trim_matches('"').to_owned())).collect(),
        value: value.parse().expect("a sample's value is a number"),
    }
}
