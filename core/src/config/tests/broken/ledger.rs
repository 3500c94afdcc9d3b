//! What is told about mistakes in the ledger of a fleet, and what it is if nobody says more.

use super::*;
use crate::registry::{OnColdStart, RegistrySettings};

#[test]
fn a_ledger_of_which_nothing_is_said_has_usual_timings_and_keeps_the_budgets() {
    let budgets = r#"[{"name": "a", "window": "day", "limit_usd": 1},
        {"name": "loop", "per": ["session", "request"], "window": "day", "limit_requests": 9},
        {"name": "own", "scope": "process", "window": "day", "limit_usd": 1}]"#;
    let config = parse(&with("budgets", &format!(r#"{budgets}, "ledger": {{}}"#))).unwrap();
    let scopes = config.budgets.iter().map(|budget| budget.scope);
    assert_eq!(scopes.collect::<Vec<_>>(), [Scope::Fleet, Scope::Process, Scope::Process]);
    let ledger = config.ledger.unwrap();
    assert_eq!((&*ledger.cluster, &*ledger.settings.prefix), ("ledger", "farebox"));
    assert_eq!((ledger.settings.interval_ms, ledger.settings.epoch_ms), (250, 30_000));
    assert_eq!(ledger.settings.tail_ms, 7_200_000, "two epochs of holds");
    assert!(
        parse(&with("budgets", budgets)).unwrap().budgets.iter().all(|budget| budget.scope == Scope::Process)
    );
}

#[test]
fn who_waits_for_a_ledger_waits_longer_than_its_grace() {
    let wait_ms = |ledger: &str| {
        let budgets = format!(r#"[{{"name": "a", "window": "day", "limit_usd": 1}}], "ledger": {ledger}"#);
        parse(&with("budgets", &budgets)).unwrap().ledger.unwrap().settings.wait_ms
    };
    assert_eq!(wait_ms("{}"), 3_000);
    assert_eq!(wait_ms(r#"{"grace_ms": 4000}"#), 5_000);
    assert_eq!(wait_ms(r#"{"interval_ms": 1000, "epoch_seconds": 60}"#), 10_000, "8 intervals, and 2 more");
    assert_eq!(wait_ms(r#"{"grace_ms": 4000, "wait_ms": 200}"#), 200);
}

#[test]
fn a_registry_is_there_if_it_is_named() {
    let registry = |ledger: &str| {
        let budgets = format!(r#"[{{"name": "a", "window": "day", "limit_usd": 1}}], "ledger": {ledger}"#);
        parse(&with("budgets", &budgets)).unwrap().ledger.unwrap().registry
    };
    assert_eq!(registry("{}"), None);
    assert_eq!(registry(r#"{"registry": {}}"#), Some(RegistrySettings::default()));
    let own = RegistrySettings { interval_ms: 500, on_cold_start: OnColdStart::Configured };
    assert_eq!(registry(r#"{"registry": {"interval_ms": 500, "on_cold_start": "configured"}}"#), Some(own));
}

#[test]
fn what_is_wrong_with_a_ledger_is_told() {
    check(&[
        (
            "ledger",
            r#"{"registry": {"interval": 7, "interval_ms": 7, "on_cold_start": "allow"}}"#,
            &[
                "ledger.registry.interval: unknown key (did you mean \"interval_ms\"?)",
                "ledger.registry.interval_ms: must be a whole number from 100 to 60000",
                "ledger.registry.on_cold_start: must be one of deny, configured",
            ],
        ),
        ("ledger", "7", &["ledger: must be an object, not a number"]),
        ("ledger", r#"{"clutser": "a"}"#, &["ledger.clutser: unknown key (did you mean \"cluster\"?)"]),
        ("ledger", r#"{"endpoints": []}"#, &["ledger.endpoints: must have at least one endpoint"]),
        (
            "ledger",
            r#"{"endpoints": ["valkey:6379", "redis://a", "rediss://b:6380"]}"#,
            &[
                "ledger.endpoints: must all be redis:// or all be rediss://",
                "ledger.endpoints[0]: must be redis:// or rediss:// with a host and an optional port, \
                 like redis://valkey:6379",
            ],
        ),
        (
            "ledger",
            r#"{"endpoints": ["redis://a"], "tls": {"host": "a:1", "ca_file": "ca.pem"}}"#,
            &[
                "ledger.tls: only means something with \"endpoints\" that are rediss://",
                "ledger.tls.host: must be the name that the certificate is for, without a port",
                "ledger.tls.ca_file: must be a path that begins with \"/\", without query and fragment",
            ],
        ),
        (
            "ledger",
            r#"{"mode": "cluster", "db": 3}"#,
            &[
                "ledger: \"mode\": \"cluster\" needs \"networks\": where a node may be to which another one leads",
                "ledger.db: a cluster has one database only",
            ],
        ),
        (
            "ledger",
            r#"{"networks": ["10.0.0.0/8"]}"#,
            &["ledger.networks: only means something in \"mode\": \"cluster\""],
        ),
        (
            "ledger",
            r#"{"mode": "cluster", "networks": ["10.0.0.0/33", "10.0.0.0", "fd00::/8"]}"#,
            &[
                "ledger.networks[0]: must be a network like 10.0.0.0/8",
                "ledger.networks[1]: must be a network like 10.0.0.0/8",
            ],
        ),
        (
            "ledger",
            r#"{"username": "u", "interval_ms": 1000, "epoch_seconds": 31, "grace_ms": 6999}"#,
            &[
                "ledger.username: needs a \"password\"",
                "ledger.epoch_seconds: must be at least 32 s: 32 times \"interval_ms\"",
                "ledger.grace_ms: must be at least 7000: 7 times \"interval_ms\"",
            ],
        ),
        ("ledger", r#"{"on_outage": "allow"}"#, &["ledger.on_outage: must be one of deny, allotment, local"]),
    ]);
}

#[test]
fn a_password_of_a_ledger_that_is_not_set_is_told() {
    let text = with("ledger", r#"{"password": {"env": "LEDGER_PASSWORD"}}"#);
    let told = Config::parse(text.as_bytes(), |_| None).unwrap_err().to_string();
    assert!(told.starts_with("ledger.password.env: LEDGER_PASSWORD is not set"), "{told}");
}

#[test]
fn a_budget_of_a_fleet_without_a_ledger_or_beyond_what_it_counts_is_told() {
    let budget = |rest: &str| format!(r#"[{{"name": "a", "window": "day", {rest}}}]"#);
    let with_ledger = |rest: &str| format!(r#"{}, "ledger": {{}}"#, budget(rest));
    let told =
        "the ledger of a fleet counts exactly up to $9000000 in a window; \"scope\": \"process\" counts more";
    check(&[
        (
            "budgets",
            &budget(r#""limit_usd": 1, "scope": "fleet""#),
            &["budgets[0].scope: needs a \"ledger\" that the fleet shares"],
        ),
        ("budgets", &with_ledger(r#""limit_usd": 9000000"#), &[]),
        ("budgets", &with_ledger(r#""limit_usd": 9000001"#), &[&format!("budgets[0].limit_usd: {told}")]),
        ("budgets", &with_ledger(r#""limit_usd": 9000001, "scope": "process""#), &[]),
        (
            "budgets",
            &with_ledger(r#""per": "team", "limit_usd": 1, "overrides": {"search": {"limit_usd": 9000001}}"#),
            &[&format!("budgets[0].overrides: {told}")],
        ),
    ]);
}
