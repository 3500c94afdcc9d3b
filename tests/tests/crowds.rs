//! A hundred thousand sessions, each with a name of its own: neither memory nor metrics grow with them.

use farebox_tests::client::Client;
use farebox_tests::config::{self, DEMO};
use farebox_tests::crowd::{self, TinyProvider};
use farebox_tests::envoy::{Envoy, Setup};
use farebox_tests::patience::until;
use serde_json::json;
use std::collections::BTreeSet;
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

/// Everything at `/stats/prometheus`, without the values.
async fn series(envoy: &Envoy) -> BTreeSet<String> {
    let text = envoy.admin("/stats/prometheus").await;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
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
    let envoy = Setup::new(&config)
        .workers(2)
        .without_access_log()
        .own_process()
        .start_before(provider.address())
        .await;
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
        before.1.len(),
        after.1.len()
    );
    // Envoy has some of its own for what happens for the first time.
    let new: Vec<&String> = after.1.difference(&before.1).collect();
    assert!(new.len() <= 8 && !new.iter().any(|series| series.contains("farebox_")), "{new:?}");
    if let (Some(before), Some(after)) = (before.0, after.0) {
        assert!(after <= before + SLACK_KIB, "{before} KiB have become {after} KiB");
    }
    let count = |status| statuses.get(&status).copied().unwrap_or_default();
    let (answered, refused) = (count(200), count(429));
    assert_eq!(answered + refused, SESSIONS, "{statuses:?}");
    // A request is settled a moment after its answer has been read.
    until("the end of the last requests", async || {
        let usage = Client::new(&envoy, DEMO).usage("team").await;
        let settled = usage["spent"]["requests"] == answered && usage["held"] == config::nothing();
        let denied = envoy.metrics().await.sum("farebox_denied_total", &[("reason", "budget_slots")]);
        (settled && denied == refused as f64).then_some(())
    })
    .await;
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
