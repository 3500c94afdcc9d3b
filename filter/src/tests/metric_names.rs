//! Alerts look at metrics that are counted.

/// Where metrics are named.
const SOURCES: [&str; 7] = [
    include_str!("../../../core/src/accounting/metrics.rs"),
    include_str!("../../../core/src/exchange/measured.rs"),
    include_str!("../attempt/reach.rs"),
    include_str!("../gateway/access_log.rs"),
    include_str!("../vm.rs"),
    include_str!("../../../core/src/budget/fleet/told.rs"),
    include_str!("../../../core/src/registry/told.rs"),
];

#[test]
fn every_metric_that_an_alert_looks_at_is_counted_somewhere() {
    let rules = include_str!("../../../envoy/observability/alerts.yaml");
    let names = rules.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names: Vec<&str> = names.filter(|name| name.starts_with("farebox_")).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(SOURCES.iter().any(|source| source.contains(name)), "{name}");
    }
}
