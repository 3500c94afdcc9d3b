//! A hundred thousand sessions, each with a name of its own: neither memory nor metrics grow with them.

use farebox_tests::client::Client;
use farebox_tests::config::{self, DEMO};
use farebox_tests::crowd::{self, TinyProvider};
use farebox_tests::envoy::{Envoy, Setup};
use serde_json::json;
use std::time::Instant;
use tokio::sync::Mutex;

/// One crowd at a time: both measure.
static TURN: Mutex<()> = Mutex::const_new(());

/// After so many sessions every place of the smallest budget is taken, and Envoy has all the memory that it wants
/// for its connections.
const WARM_UP: usize = 20_000;
const SESSIONS: usize = 100_000;
const CONNECTIONS: usize = 48;
/// What the allocator may do on its own, in kibibytes. A hundred bytes for each session would be 7,800.
const SLACK_KIB: u64 = 6_000;

async fn series(envoy: &Envoy) -> usize {
    let text = envoy.admin("/stats/prometheus").await;
    text.lines().filter(|line| !line.starts_with('#')).count()
}

/// Lets all sessions ask once. Returns how many were answered and how many refused.
async fn crowd(when_full: &str) -> (usize, usize) {
    let _turn = TURN.lock().await;
    let mut config = config::with_budgets(json!([
        {"name": "team", "per": "team", "window": "lifetime", "limit_requests": 1_000_000},
        {"name": "run", "per": "session", "window": "lifetime", "limit_usd": 1, "slots": 1024,
            "when_full": when_full},
    ]));
    config["models"] = json!({"fast": [{"provider": "local"}]});
    let provider = TinyProvider::start().await;
    let envoy = Setup::new(&config).workers(2).without_access_log().start_before(provider.address()).await;
    let started = Instant::now();
    let mut statuses = crowd::ask_each(&envoy, DEMO, (0, WARM_UP), CONNECTIONS).await;
    let before = (envoy.resident_kib(), series(&envoy).await);
    for from in (WARM_UP..SESSIONS).step_by(WARM_UP) {
        for (status, count) in crowd::ask_each(&envoy, DEMO, (from, from + WARM_UP), CONNECTIONS).await {
            *statuses.entry(status).or_default() += count;
        }
    }
    let after = (envoy.resident_kib(), series(&envoy).await);
    println!(
        "when_full {when_full}: {SESSIONS} sessions in {:.1?}, {statuses:?}; memory {:?} -> {:?} KiB, series {} -> {}",
        started.elapsed(),
        before.0,
        after.0,
        before.1,
        after.1
    );
    assert_eq!(before.1, after.1, "no series is about a session");
    if let (Some(before), Some(after)) = (before.0, after.0) {
        assert!(after <= before + SLACK_KIB, "{before} KiB have become {after} KiB");
    }
    let count = |status| statuses.get(&status).copied().unwrap_or_default();
    let (answered, refused) = (count(200), count(429));
    assert_eq!(answered + refused, SESSIONS, "{statuses:?}");
    let usage = Client::new(&envoy, DEMO).usage("team").await;
    assert_eq!((&usage["spent"]["requests"], &usage["held"]), (&json!(answered), &config::nothing()));
    let metrics = envoy.metrics().await;
    assert_eq!(metrics.sum("farebox_denied_total", &[("reason", "budget_slots")]), refused as f64);
    (answered, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_sessions_of_which_the_idle_ones_are_forgotten() {
    assert_eq!(crowd("evict").await, (SESSIONS, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_sessions_of_which_only_the_first_find_a_place() {
    // A place for each of about 1,024 is promised; they fall at random, so there are some for chance.
    let (answered, _) = crowd("deny").await;
    assert!((1_024..=9 * 1_024).contains(&answered), "{answered}");
}
