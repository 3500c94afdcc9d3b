//! Very many requests over several Envoys: at once at one limit, and one after the other over a bad network.
//!
//! `make ledger-storms` has a hundred thousand of the latter; otherwise there are a few.

use farebox_readers::dice::Dice;
use farebox_tests::config::DEMO;
use farebox_tests::crowd::{TinyProvider, ask_each};
use farebox_tests::envoy::{Envoy, Setup};
use farebox_tests::envoys::plugin;
use farebox_tests::faults::Faults;
use farebox_tests::patience::until;
use farebox_tests::valkey::Valkey;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const AT_ONCE: usize = 5_000;
const KEY: &str = "farebox:{all}:org/:0";
/// What the ledger counts for one answer: nano-dollars, tokens in, tokens out, requests.
const CHARGE: [u64; 4] = [61_000, 11, 5, 1];

fn budget(limit: u64) -> Value {
    json!([{"name": "all", "window": "lifetime", "limit_requests": limit}])
}

async fn start(count: usize, plugin: &Value, ledger: SocketAddr, provider: &TinyProvider) -> Vec<Envoy> {
    let mut envoys = Vec::new();
    for _ in 0..count {
        let setup = Setup::new(plugin).workers(2).ledger(ledger).without_access_log();
        envoys.push(setup.start_before(provider.address()).await);
    }
    envoys
}

/// Sends so many requests to each of the Envoys over so many connections. Returns how often which status came.
async fn send(envoys: &[Envoy], each: usize, connections: usize) -> BTreeMap<u16, usize> {
    let all = envoys.iter().map(|envoy| ask_each(envoy, DEMO, (0, each), connections));
    let mut sum = BTreeMap::new();
    for (status, count) in futures_util::future::join_all(all).await.into_iter().flatten() {
        *sum.entry(status).or_default() += count;
    }
    sum
}

/// Waits until the ledger has so many requests, and looks whether it has all of what they used.
async fn has(valkey: &Valkey, count: u64) {
    until(&format!("{count} requests in the ledger"), async || {
        let account = valkey.account(KEY).await?;
        assert!(account.spent.requests <= count, "{count}: {account:?}");
        (account.spent.requests == count).then_some(())
    })
    .await;
    let account = valkey.account(KEY).await.unwrap();
    assert_eq!(account.spent.numbers(), CHARGE.map(|each| each * count));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_thousand_requests_at_once_as_many_get_through_as_the_budget_has_room_for() {
    const LIMIT: u64 = 1_000;
    for count in [2, 4] {
        let (valkey, provider) = (Valkey::start().await, TinyProvider::start().await);
        let plugin = plugin(budget(LIMIT), json!({"wait_ms": 30_000}));
        let envoys = start(count, &plugin, valkey.address(), &provider).await;
        // A ledger that is new lends nothing for a while.
        assert_eq!(send(&envoys[..1], 1, 1).await, BTreeMap::from([(200, 1)]));
        let began = Instant::now();
        let statuses = send(&envoys, AT_ONCE / count, AT_ONCE / count).await;
        println!("{count} Envoys, {AT_ONCE} requests at once: {statuses:?} in {:?}", began.elapsed());
        let admitted = usize::try_from(LIMIT).unwrap() - 1;
        assert_eq!(statuses, BTreeMap::from([(200, admitted), (429, AT_ONCE - admitted)]));
        assert_eq!(provider.served(), LIMIT);
        has(&valkey, LIMIT).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_charged_once_whatever_becomes_of_calls_of_the_ledger() {
    let wanted = std::env::var("FAREBOX_CHARGES").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000);
    let (valkey, provider) = (Valkey::start().await, TinyProvider::start().await);
    let faults = Faults::before(valkey.address()).await;
    let plugin = plugin(budget(1_000_000_000), json!({"interval_ms": 100, "epoch_seconds": 30}));
    let envoys = start(4, &plugin, faults.address(), &provider).await;
    let (mut through, mut others, mut dice) = (0, 0, Dice::new(17));
    let (began, mut rounds) = (Instant::now(), 0);
    while through < wanted {
        faults.seeded(dice.next(), 5 + dice.below(40), 1 + dice.below(1_500));
        let mut pauses = JoinSet::new();
        if dice.below(3) == 0 {
            valkey.pause();
            let ms = 100 + dice.below(2_500);
            pauses.spawn(tokio::time::sleep(Duration::from_millis(ms)));
        }
        let sent = send(&envoys, 500, 8);
        tokio::pin!(sent);
        let statuses = tokio::select! {
            biased;
            Some(_) = pauses.join_next() => {
                valkey.go_on();
                sent.await
            }
            statuses = &mut sent => {
                valkey.go_on();
                statuses
            }
        };
        assert!(statuses.keys().all(|status| [200, 503].contains(status)), "{statuses:?}");
        through += statuses.get(&200).copied().unwrap_or(0) as u64;
        others += statuses.get(&503).copied().unwrap_or(0);
        rounds += 1;
    }
    faults.heal();
    println!("{rounds} rounds, {through} through, {others} refused, {:?}", began.elapsed());
    assert_eq!(provider.served(), through);
    has(&valkey, through).await;
}
