//! Budgets while requests go from target to target: charged once, and nothing stays held.

use super::{COST_AT_B, MESSAGES};
use farebox_core::base::money::PicoUsd;
use farebox_readers::dice::Dice;
use farebox_tests::answers::Answers;
use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, DEMO};
use farebox_tests::fleet::{self, Fleet, NAMES, error};
use farebox_tests::patience::until;
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::{Value, json};

/// Cost in pico-dollars.
pub(super) fn cost(value: &Value) -> u64 {
    PicoUsd::parse(value.as_str().unwrap()).unwrap().0
}

/// Waits until the budget `org` holds nothing more.
async fn nothing_held(fleet: &Fleet) -> Value {
    until("nothing to be held", async || {
        let usage = fleet.client.usage("org").await;
        (usage["held"] == config::nothing()).then_some(usage)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_enough_for_the_dearest_target_and_what_is_charged_is_the_price_of_the_one_that_answered()
 {
    let fleet = Fleet::new(fleet::plugin()).await;
    let gate = Gate::closed();
    fleet.a().reply(error(529, &[]).after(&gate));
    let mut body = chat_body("abc");
    body["max_tokens"] = json!(50);
    let client = fleet.client.clone();
    let request = tokio::spawn(async move { client.post(super::CHAT, &body).await });
    fleet.a().requested(1).await;
    let held = fleet.client.usage("org").await["held"].clone();
    let count = |part: &str| held[part].as_u64().unwrap();
    assert_eq!(count("output_tokens"), 50, "{held}");
    let dearest = (4 * count("input_tokens") + 40 * count("output_tokens")) * 1_000_000;
    assert_eq!(cost(&held["usd"]), dearest, "{held}");
    gate.open();
    assert_eq!(request.await.unwrap().status, 200);
    let usage = nothing_held(&fleet).await;
    assert_eq!((&usage["spent"]["usd"], &usage["spent"]["requests"]), (&json!(COST_AT_B), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_during_a_failover_leaves_nothing_held() {
    let mut plugin = fleet::plugin();
    plugin["failover"] = json!({"first_token_seconds": 600});
    let fleet = Fleet::new(plugin).await;
    let silent = Reply::default().then(Step::Await(Gate::closed()));
    let held = Reply::event_stream().chunk(b": nothing yet\n\n").then(Step::Await(Gate::closed()));
    let mut asked = 0;
    for (first, second) in
        [(silent.clone(), None), (error(529, &[]), Some(silent)), (error(529, &[]), Some(held))]
    {
        fleet.a().reply(first);
        let at = if let Some(second) = second {
            fleet.b().reply(second);
            fleet.b()
        } else {
            fleet.a()
        };
        let before = at.count();
        let client = Client::new(&fleet.envoy, DEMO);
        let request = tokio::spawn(async move { client.stream_chat("fast", json!({})).await.status });
        at.requested(before + 1).await;
        request.abort();
        asked += 1;
        let record = fleet.envoy.record(asked).await;
        assert_eq!(record["outcome"], "client_disconnect", "{record}");
        let last = record["attempts"].as_array().unwrap().last().unwrap();
        assert_eq!(last["reason"], "abandoned", "{record}");
        let usage = nothing_held(&fleet).await;
        assert_eq!(usage["spent"]["requests"], asked);
    }
    let total: u64 = fleet.envoy.records(asked).await.iter().map(|record| cost(&record["cost_usd"])).sum();
    assert_eq!(cost(&fleet.client.usage("org").await["spent"]["usd"]), total);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_that_a_strict_budget_sets_is_in_every_attempt() {
    let mut plugin = fleet::plugin();
    plugin["budgets"] = json!([{"name": "org", "window": "lifetime", "limit_usd": "0.01", "mode": "strict"}]);
    let fleet = Fleet::new(plugin).await;
    for provider in [fleet.a(), fleet.b()] {
        provider.reply(error(529, &[]));
    }
    let mut body = chat_body("abc");
    body["max_tokens"] = json!(4_000);
    let answer = fleet.client.post(super::CHAT, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let limit: u64 = answer.header("x-farebox-output-limit").unwrap().parse().unwrap();
    // At $40 a million, the dearest: fewer than 250.
    assert!((150..250).contains(&limit), "{limit}");
    for provider in &fleet.providers {
        let request = provider.last();
        assert_eq!(request.json()["max_tokens"], limit, "{request:?}");
        assert_eq!(request.header("content-length"), [request.body.len().to_string()]);
    }
    nothing_held(&fleet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_stream_says_that_it_used_is_charged_too() {
    let fleet = Fleet::new(fleet::plugin()).await;
    let answers = Answers { prompt: 1_000, ..Answers::default() };
    let start = answers.message_events().swap_remove(0);
    let error = b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n";
    fleet.a().reply(Reply::events(&[start, error.to_vec()]));
    let mut body = chat_body("fast");
    body["stream"] = json!(true);
    body["max_tokens"] = json!(50);
    let mut events = fleet.client.stream(MESSAGES, &body).await;
    assert_eq!(events.status, 200);
    events.all().await;
    let record = fleet.envoy.record(1).await;
    assert_eq!(record["attempts"][0]["reason"], "stream_error", "{record}");
    // 1,000 in at `a`, of which the output so far is a placeholder; 11 in and 5 out at `b`.
    assert_eq!(cost(&record["cost_usd"]), (1_000 + 2 * 11 + 20 * 5) * 1_000_000, "{record}");
    assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(1_011), &json!(5)), "{record}");
    let usage = nothing_held(&fleet).await;
    assert_eq!((&usage["spent"]["usd"], &usage["spent"]["requests"]), (&record["cost_usd"], &json!(1)));
}

/// What a provider does about one call of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Status(u16),
    Reset,
    Stream,
}

impl Fault {
    fn draw(dice: &mut Dice, streamed: bool) -> Self {
        match dice.below(8) {
            0..=3 => Self::None,
            4 => Self::Status(529),
            5 => Self::Status(429),
            6 => Self::Reset,
            _ if streamed => Self::Stream,
            _ => Self::Status(500),
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::None => "ok",
            Self::Status(429) => "rate_limited",
            Self::Status(_) => "status",
            Self::Reset => "no_answer",
            Self::Stream => "stream_error",
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_calls_with_faults_at_three_providers_go_in_order_and_cost_what_their_records_say() {
    let mut succeeded = 0;
    for seed in [1, 2, 3] {
        let fleet = Fleet::new(fleet::plugin()).await;
        let mut dice = Dice::new(seed);
        let (mut counts, mut sum) = ([0; 3], 0);
        for call in 1..=10 {
            let streamed = dice.below(2) == 0;
            let faults = [(); 3].map(|()| Fault::draw(&mut dice, streamed));
            for (provider, fault) in fleet.providers.iter().zip(faults) {
                let event = b"data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n".to_vec();
                match fault {
                    Fault::None => provider.answer(|request| Answers::default().reply(request)),
                    Fault::Status(status) => provider.reply(error(status, &[])),
                    Fault::Reset => provider.reply(Reply::default().then(Step::Reset)),
                    Fault::Stream => provider.reply(Reply::events(&[event])),
                }
            }
            let mut events =
                fleet.client.stream_chat("abc", json!({"stream": streamed, "max_tokens": 50})).await;
            events.all().await;
            let good = faults.iter().position(|fault| *fault == Fault::None);
            let asked = good.map_or(3, |good| good + 1);
            counts.iter_mut().take(asked).for_each(|count| *count += 1);
            assert_eq!(fleet.counts(), counts, "seed {seed}, call {call}: {faults:?}");
            let record = fleet.envoy.record(call).await;
            let attempts: Vec<(&str, &str)> = record["attempts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|attempt| (attempt["provider"].as_str().unwrap(), attempt["reason"].as_str().unwrap()))
                .collect();
            let expected: Vec<_> = NAMES.into_iter().zip(faults.map(Fault::reason)).take(asked).collect();
            assert_eq!(attempts, expected, "seed {seed}, call {call}: {record}");
            let price = good.map_or(0, |good| [1, 2, 4][good] * (11 + 10 * 5) * 1_000_000);
            assert_eq!(cost(&record["cost_usd"]), price, "{record}");
            assert_eq!(events.status == 200, good.is_some() || faults[2] == Fault::Stream, "{faults:?}");
            succeeded += usize::from(good.is_some());
            sum += price;
        }
        let usage = nothing_held(&fleet).await;
        assert_eq!((cost(&usage["spent"]["usd"]), &usage["spent"]["requests"]), (sum, &json!(10)));
    }
    println!("{succeeded} of 30 calls succeeded while every provider failed half of what it was asked");
}
