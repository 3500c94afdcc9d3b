//! The official SDKs, in their default settings: they decide whether answers and refusals are well-formed.

use farebox_tests::answers::Answers;
use farebox_tests::client::Client;
use farebox_tests::config::{self, DEMO, UPSTREAM_MODEL};
use farebox_tests::gateway::Gateway;
use farebox_tests::sdk;
use serde_json::{Value, json};

/// A budget that is spent and does not come back for hours: the SDKs would sleep or try again if let.
fn spent() -> Value {
    config::with_budgets(json!([{"name": "trams", "per": "team", "window": "lifetime", "limit_requests": 0}]))
}

fn at_once(error: &Value) -> bool {
    error["seconds"].as_f64().unwrap() < 1.0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_sdk_works_unchanged() {
    let gateway = Gateway::basic().await;
    let seen = sdk::run("openai_chat", &gateway.envoy, DEMO).await;
    let text = json!(Answers::default().text.concat());
    for (member, expected) in [
        ("plain", text.clone()),
        ("usage", json!([11, 5])),
        ("streamed", text.clone()),
        ("usage_chunks", json!(0)),
        ("asked_usage", json!([16])),
        ("response", text),
        ("embedding", json!([0.25, -0.5])),
    ] {
        assert_eq!(seen[member], expected, "{member}");
    }
    let mut models: Vec<&str> = seen["models"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    models.sort_unstable();
    assert_eq!(models, ["fast", UPSTREAM_MODEL]);
    let records = gateway.envoy.records(5).await;
    let charged = records.iter().filter(|record| record["usage_source"] == "provider").count();
    assert_eq!(charged, 5, "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_sdk_gives_up_at_once_on_a_spent_budget() {
    let gateway = Gateway::new(spent()).await;
    let seen = sdk::run("openai_refused", &gateway.envoy, DEMO).await;
    for attempt in ["budget", "streamed"] {
        let error = &seen[attempt];
        assert_eq!((&error["class"], &error["status"]), (&json!("RateLimitError"), &json!(429)), "{seen}");
        assert_eq!(
            (&error["code"], &error["type"]),
            (&json!("insufficient_quota"), &json!("insufficient_quota"))
        );
        assert!(error["message"].as_str().unwrap().contains("trams"), "{error}");
        assert!(error["request_id"].is_string() && at_once(error), "{error}");
    }
    assert_eq!(
        (&seen["model"]["class"], &seen["model"]["code"]),
        (&json!("NotFoundError"), &json!("model_not_found"))
    );
    assert_eq!(gateway.envoy.records(3).await.len(), 3, "one attempt each");
    assert_eq!(gateway.provider.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anthropic_sdk_works_unchanged() {
    let gateway = Gateway::basic().await;
    let seen = sdk::run("anthropic_chat", &gateway.envoy, DEMO).await;
    let text = json!(Answers::default().text.concat());
    for (member, expected) in [
        ("plain", text.clone()),
        ("usage", json!([11, 5])),
        ("streamed", text),
        ("streamed_usage", json!([11, 5])),
        ("counted", json!(11)),
    ] {
        assert_eq!(seen[member], expected, "{member}");
    }
    let asked = gateway.provider.requests();
    for request in asked {
        assert_eq!(request.header("anthropic-version").len(), 1, "{:?}", request.headers);
    }
    assert_eq!(gateway.client.get("/farebox/usage").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anthropic_sdk_gives_up_at_once_on_a_spent_budget() {
    for (window, limit) in [("lifetime", json!({"limit_requests": 0})), ("month", json!({"limit_usd": 0}))] {
        let mut budget = json!({"name": "trams", "window": window});
        budget.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
        let gateway = Gateway::new(config::with_budgets(json!([budget]))).await;
        let seen = sdk::run("anthropic_refused", &gateway.envoy, DEMO).await;
        let error = &seen["budget"];
        assert_eq!((&error["class"], &error["status"]), (&json!("RateLimitError"), &json!(429)), "{seen}");
        assert_eq!(error["type"], "rate_limit_error");
        assert!(error["message"].as_str().unwrap().contains("trams") && at_once(error), "{error}");
        assert!(error["request_id"].is_string(), "{error}");
        assert_eq!(seen["model"]["class"], "NotFoundError");
        let client = Client::new(&gateway.envoy, DEMO);
        assert_eq!(client.chat("fast").await.header("x-should-retry"), Some("false"), "{window}");
        assert_eq!(gateway.envoy.records(3).await.len(), 3, "one attempt each");
        assert_eq!(gateway.provider.count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_give_up_at_once_on_whatever_waiting_does_not_help() {
    let budgets = json!([
        // The smallest request is larger than this, or says nothing of its session, or finds it spent.
        {"name": "trams", "per": "model", "window": "day", "limit_tokens": 1000,
            "overrides": {"tiny": {"limit_tokens": 3}}},
        {"name": "sessions", "per": ["model", "session"], "window": "day", "limit_requests": 1000,
            "overrides": {"spent/*": {"limit_requests": 0}}, "when_absent": "deny"},
    ]);
    let mut config = config::with_budgets(budgets);
    for alias in ["tiny", "spent"] {
        config["models"][alias] = json!([{"provider": "local"}]);
    }
    config["hold"] = json!({"output_tokens": 5});
    let gateway = Gateway::new(config).await;
    let (openai, anthropic) = tokio::join!(
        sdk::run("openai_final", &gateway.envoy, DEMO),
        sdk::run("anthropic_final", &gateway.envoy, DEMO)
    );
    for (attempt, class, status, reason) in [
        ("size", "RateLimitError", 429, "budget_size"),
        ("spent", "RateLimitError", 429, "budget_size"),
        ("unnamed", "BadRequestError", 400, "unnamed_subject"),
        ("admin", "PermissionDeniedError", 403, "admin_only"),
        ("query", "BadRequestError", 400, "invalid_query"),
    ] {
        for seen in [&openai[attempt], &anthropic[attempt]] {
            assert_eq!(
                (&seen["class"], &seen["status"]),
                (&json!(class), &json!(status)),
                "{attempt}: {seen}"
            );
            assert_eq!(seen["denied"], reason, "{attempt}: {seen}");
            assert!(at_once(seen), "{attempt}: {seen}");
        }
    }
    assert_eq!(gateway.envoy.records(10).await.len(), 10, "one attempt each");
    assert_eq!(gateway.provider.count(), 0);
}
