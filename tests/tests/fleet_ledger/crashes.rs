//! What becomes of a budget when an Envoy of a fleet dies, or when all are restarted.

use farebox_tests::accounts::NANO;
use farebox_tests::answers::Answers;
use farebox_tests::envoy::Setup;
use farebox_tests::envoys::{COST_MICRO_USD, Envoys, plugin, requests};
use farebox_tests::patience::until;
use farebox_tests::script::Gate;
use farebox_tests::valkey::Valkey;
use serde_json::{Value, json};
use std::time::Instant;

const MICRO: u64 = NANO / 1_000_000;
const LIMIT_MICRO_USD: u64 = 3_000;
/// What a request holds at least: twenty tokens of output.
const HOLD_MICRO_USD: u64 = 200;
const RUNNING: usize = 5;
const EPOCH_MS: u128 = 2_000;

/// Timings that make an epoch as short as it may be.
fn quick(more: Value) -> Value {
    let mut ledger = json!({"interval_ms": 50, "epoch_seconds": EPOCH_MS / 1_000, "grace_ms": 400});
    ledger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_budget_is_one_over_all_envoys_and_over_a_restart_of_all() {
    let valkey = Valkey::start().await;
    let setup = Setup::new(&plugin(requests(10), json!({}))).ledger(valkey.address());
    let mut fleet = Envoys::start(2, setup.own_process()).await;
    assert_eq!(fleet.crowd(40).await, 10, "two Envoys with two workers each");
    fleet.settled("day", 10).await;
    assert_eq!(fleet.crowd(4).await, 0);
    fleet.restart().await;
    assert_eq!(fleet.crowd(4).await, 0, "a restart gives nobody a fresh budget");
    fleet.settled("day", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_envoy_was_lent_is_charged_or_free_again_some_epochs_after_it_was_killed() {
    for lost in ["charge", "forgive"] {
        let valkey = Valkey::start().await;
        let limit_usd = format!("0.00{LIMIT_MICRO_USD}");
        let budgets = json!([{"name": "all", "window": "lifetime", "limit_usd": limit_usd}]);
        let plugin = plugin(budgets, quick(json!({"lost": lost})));
        let mut fleet = Envoys::start(2, Setup::new(&plugin).ledger(valkey.address()).own_process()).await;
        let account = async || valkey.account("farebox:{all}:org/:0").await.unwrap_or_default();

        let (gate, answers) = (Gate::closed(), Answers::default());
        let held = gate.clone();
        fleet.provider.answer(move |request| answers.reply(request).after(&held));
        for _ in 0..RUNNING {
            let client = fleet.clients[0].clone();
            tokio::spawn(async move { client.try_send("POST", "/v1/chat/completions", chat()).await });
        }
        fleet.provider.requested(RUNNING).await;
        let running = RUNNING as u64 * HOLD_MICRO_USD * MICRO;
        until("what is held to be in the ledger", async || {
            (account().await.allotted.nano_usd >= running).then_some(())
        })
        .await;
        let lent = account().await.allotted.nano_usd;
        fleet.kill(0);
        let killed = Instant::now();
        gate.open();

        // Others are served meanwhile: an epoch in which nobody asks makes nobody silent.
        let mut through = 0;
        let mut ended = None;
        until("the end of an epoch, and of the budget", async || {
            let admitted = fleet.crowd(1).await as u64;
            through += admitted;
            let now = account().await;
            let used = now.spent.nano_usd + now.allotted.nano_usd;
            assert!(used <= LIMIT_MICRO_USD * MICRO, "{lost}: {now:?}");
            if now.for_silent.nano_usd >= running && ended.is_none() {
                ended = Some(killed.elapsed().as_millis());
            }
            // What the dead one had may come back within two epochs.
            (admitted == 0 && killed.elapsed().as_millis() > 3 * EPOCH_MS).then_some(())
        })
        .await;
        let (now, spent) = (account().await, through * COST_MICRO_USD * MICRO);
        assert_eq!(now.spent.nano_usd, spent + now.for_silent.nano_usd, "{lost}: {through} {now:?}");
        let left = LIMIT_MICRO_USD * MICRO - now.spent.nano_usd;
        if lost == "charge" {
            let ended = ended.expect("it is charged");
            println!("charged {} after {ended} ms, {through} of others", now.for_silent.nano_usd);
            // Its last word was at most a third of an epoch before.
            assert!((EPOCH_MS / 2..4 * EPOCH_MS).contains(&ended), "{ended} ms");
            assert!(now.for_silent.nano_usd <= lent, "{lent} {now:?}");
        } else {
            assert_eq!(now.for_silent.nano_usd, 0);
        }
        assert!(left < (HOLD_MICRO_USD + 100) * MICRO, "{lost}: all that is left is used: {now:?}");
    }
}

fn chat() -> String {
    farebox_tests::client::chat_body("fast").to_string()
}
