//! Whether the log and the metrics answer why a request was refused: which limit, how much of it was spent and held, and
//! how much the request wanted.

use farebox_tests::answers::Answers;
use farebox_tests::client::chat_body;
use farebox_tests::config;
use farebox_tests::gateway::Gateway;
use farebox_tests::script::Gate;
use serde_json::{Value, json};

/// What a record says of the budget that refused.
fn why(record: &Value) -> Value {
    let names = [
        "denied",
        "budget",
        "budget_measure",
        "budget_limit",
        "budget_spent",
        "budget_held",
        "budget_estimate",
    ];
    names.iter().map(|name| record[*name].clone()).collect()
}

/// What the record of a refusal says with only this budget, after one request that is answered, or still runs.
async fn refused(budget: Value, runs: bool) -> Value {
    let name = budget["name"].as_str().unwrap().to_owned();
    let mut config = config::with_budgets(json!([budget]));
    config["prices"] = json!({"local/*": {"input": 0, "output": 10}});
    let gateway = Gateway::new(config).await;
    let gate = Gate::closed();
    if runs {
        let (held_back, answers) = (gate.clone(), Answers::default());
        gateway.provider.answer(move |request| answers.reply(request).after(&held_back));
    }
    let mut body = chat_body("fast");
    body["max_tokens"] = json!(100);
    let first = tokio::spawn({
        let (client, body) = (gateway.client.clone(), body.clone());
        async move { client.post("/v1/chat/completions", &body).await.status }
    });
    let mut first = Some(first);
    if runs {
        gateway.provider.requested(1).await;
    } else {
        assert_eq!(first.take().unwrap().await.unwrap(), 200);
        gateway.envoy.record(1).await;
    }
    let answer = gateway.client.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    let record = gateway.envoy.record(if runs { 1 } else { 2 }).await;
    let named = [&record["team"], &record["key"], &record["outcome"], &record["model_requested"]];
    assert_eq!(named, [&json!("search"), &json!("demo"), &json!("denied"), &json!("fast")], "{record}");
    let denied = record["denied"].as_str().unwrap().to_owned();
    gate.open();
    if let Some(first) = first {
        assert_eq!(first.await.unwrap(), 200);
    }
    gateway.envoy.records(2).await;
    let metrics = gateway.envoy.metrics().await;
    assert_eq!(metrics.sum("farebox_denied_total", &[("team", "search"), ("reason", &denied)]), 1.0);
    let labels = [("team", "search"), ("budget", &*name), ("event", "denied")];
    assert_eq!(metrics.sum("farebox_budget_events_total", &labels), 1.0);
    why(&record)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_refusal_and_its_metric_answer_why() {
    // Money: the first answer of 5 tokens cost $0.00005, and the second request may cost $0.001.
    assert_eq!(
        refused(json!({"name": "money", "window": "day", "limit_usd": "0.00102"}), false).await,
        json!(["budget", "money", "usd", "0.00102", "0.00005", "0.00", "0.001"])
    );
    // What the first one holds and will not use.
    assert_eq!(
        refused(json!({"name": "held", "window": "day", "limit_usd": "0.0015"}), true).await,
        json!(["budget_held", "held", "usd", "0.0015", "0.00", "0.001", "0.001"])
    );
    assert_eq!(
        refused(json!({"name": "rate", "window": "hour", "limit_requests": 1}), false).await,
        json!(["budget", "rate", "requests", "1", "1", "0", "1"])
    );
    assert_eq!(
        refused(json!({"name": "lane", "window": "day", "limit_concurrent": 1}), true).await,
        json!(["budget_concurrency", "lane", "concurrent", "1", "0", "1", "1"])
    );
}
