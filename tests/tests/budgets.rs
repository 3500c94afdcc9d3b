//! Budgets: they hold under concurrency, everything held is given back, and a refusal says what it must.

use farebox_tests::answers::Answers;
use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, DEMO, OTHER, nothing};
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::script::Gate;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Sends `count` requests at once and keeps the provider from answering until all the others have been
/// refused, so that nothing settles before everything has been decided. Returns the statuses.
async fn storm(gateway: &Gateway, budget: &str, count: usize, admitted: usize, body: &Value) -> Vec<u16> {
    let gate = Gate::closed();
    let (held_back, answers) = (gate.clone(), Answers { completion: 100, ..Answers::default() });
    gateway.provider.answer(move |request| answers.reply(request).after(&held_back));
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let (client, body) = (gateway.client.clone(), body.clone());
        requests.spawn(async move { client.post("/v1/chat/completions", &body).await.status });
    }
    let mut statuses = Vec::new();
    while statuses.len() < count - admitted {
        statuses.push(requests.join_next().await.unwrap().unwrap());
    }
    assert!(statuses.iter().all(|status| *status == 429), "refused: {statuses:?}");
    gateway.provider.requested(admitted).await;
    assert_eq!(gateway.client.usage(budget).await["held"]["requests"], admitted);

    gate.open();
    while let Some(status) = requests.join_next().await {
        statuses.push(status.unwrap());
    }
    gateway.envoy.records(count).await;
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_at_once_get_exactly_the_hundred_that_the_budget_has() {
    let budgets = json!([{"name": "runs", "per": "team", "window": "lifetime", "limit_requests": 100}]);
    let gateway = Gateway::run(Setup::new(&config::with_budgets(budgets)).workers(2)).await;

    let statuses = storm(&gateway, "runs", 1000, 100, &chat_body("fast")).await;

    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 100);
    assert_eq!(gateway.provider.count(), 100);
    let usage = gateway.client.usage("runs").await;
    assert_eq!(usage["held"], nothing());
    assert_eq!((&usage["spent"]["requests"], &usage["left"]["requests"]), (&json!(100), &json!(0)));
    let shares = gateway.envoy.stats("listener.*worker_.*downstream_cx_total").await;
    let both = shares.iter().filter(|(name, count)| name.contains(".worker_") && **count > 0).count();
    assert_eq!(both, 2, "both workers took part: {shares:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dollar_budget_admits_as_many_at_once_as_their_holds_allow() {
    // Only output costs: a request holds 100 × $10 a million, $0.001, and its answer costs just that.
    let mut config =
        config::with_budgets(json!([{"name": "money", "window": "lifetime", "limit_usd": "0.02"}]));
    config["prices"] = json!({"local/*": {"input": 0, "output": 10}});
    let gateway = Gateway::run(Setup::new(&config).workers(2)).await;
    let mut body = chat_body("fast");
    body["max_tokens"] = json!(100);

    let statuses = storm(&gateway, "money", 200, 20, &body).await;

    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 20);
    let usage = gateway.client.usage("money").await;
    assert_eq!((&usage["held"], &usage["spent"]["usd"]), (&nothing(), &json!("0.02")));
    assert_eq!(usage["left"]["usd"], "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_given_back_when_less_was_used() {
    // The hold of 1,000 output tokens fits once; the answer uses 5.
    let budgets = json!([{"name": "tokens", "window": "lifetime", "limit_tokens": 1500}]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    let mut body = chat_body("fast");
    body["max_completion_tokens"] = json!(1000);
    for count in 1..=10 {
        assert_eq!(gateway.client.post("/v1/chat/completions", &body).await.status, 200);
        gateway.envoy.records(count).await;
    }
    let usage = gateway.client.usage("tokens").await;
    assert_eq!((&usage["spent"]["tokens"], &usage["held"]), (&json!(160), &nothing()));

    body["n"] = json!(2);
    let answer = gateway.client.post("/v1/chat/completions", &body).await;
    assert_eq!((answer.status, answer.header("x-farebox-budget")), (429, Some("tokens")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_budget_and_says_when_to_come_back() {
    let budget = |name: &str, window: &str, team: &str| {
        json!({"name": name, "per": "team", "window": window, "limit_requests": 1000,
        "overrides": {team: {"limit_requests": 1}}})
    };
    let budgets = json!([budget("daily", "day", "search"), budget("forever", "lifetime", "ads")]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;

    // What is spent is spent for a time; what never fits is refused in another way.
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    assert_eq!(gateway.caller(OTHER).chat("fast").await.status, 200);
    gateway.envoy.records(2).await;
    let daily = gateway.client.chat("fast").await;
    assert_eq!(daily.status, 429);
    assert_eq!(daily.header("content-type"), Some("application/json"));
    assert_eq!(daily.header("x-farebox-budget"), Some("daily"));
    assert!(daily.header("x-farebox-denied").is_some());
    let wait: Option<u64> = daily.header("retry-after").map(|wait| wait.parse().unwrap());
    assert!(wait.is_none_or(|wait| wait <= 60), "only within a minute of midnight: {wait:?}");
    assert_eq!(daily.header("x-should-retry").is_some(), wait.is_none());
    assert!(daily.header("x-request-id").is_some());
    assert_eq!(daily.header("x-request-id"), daily.header("request-id"));
    let error = &daily.json()["error"];
    if wait.is_none() {
        assert_eq!(
            (&error["code"], &error["type"]),
            (&json!("insufficient_quota"), &json!("insufficient_quota"))
        );
    }
    assert!(error["message"].as_str().unwrap().contains("daily"), "{error}");
    assert!(error.get("param").is_some(), "{error}");

    let forever = gateway.caller(OTHER).chat("fast").await;
    assert_eq!((forever.status, forever.header("x-farebox-budget")), (429, Some("forever")));
    assert_eq!((forever.header("retry-after"), forever.header("x-should-retry")), (None, Some("false")));

    let anthropic = Client::anonymous(&gateway.envoy).with("x-api-key", DEMO);
    let anthropic = anthropic.post("/v1/messages", &chat_body("fast")).await;
    assert_eq!((anthropic.status, anthropic.header("x-farebox-budget")), (429, Some("daily")));
    let body = anthropic.json();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("rate_limit_error")));
    assert!(body["error"]["message"].as_str().unwrap().contains("daily"), "{body}");

    assert_eq!(gateway.provider.count(), 2);
    for (record, budget) in gateway.envoy.records(5).await[2..].iter().zip(["daily", "forever", "daily"]) {
        assert_eq!((&record["outcome"], &record["budget"]), (&json!("denied"), &json!(budget)), "{record}");
        assert_eq!(record["status"], 429);
        assert!(record["denied"].is_string(), "{record}");
    }
    for (caller, budget) in [(&gateway.client, "daily"), (&gateway.caller(OTHER), "forever")] {
        let usage = caller.usage(budget).await;
        assert_eq!(
            (&usage["spent"]["requests"], &usage["held"]),
            (&json!(1), &nothing()),
            "a refusal is free"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_spent_is_told_to_each_client_in_its_way() {
    let mut config = config::with_budgets(json!([{"name": "none", "window": "month", "limit_usd": 0}]));
    config.as_object_mut().unwrap().remove("denial");
    let gateway = Gateway::new(config).await;
    let (codex, sdk) = (("user-agent", "codex_exec/0.171.0"), ("x-stainless-lang", "python"));
    for ((name, value), status) in [(codex, 400), (sdk, 429), (("user-agent", "opencode/1.18.33"), 402)] {
        let answer = gateway.client.with(name, value).chat("fast").await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, None), "{value}");
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{value}");
    }
    let record = gateway.envoy.record(1).await;
    let figures = ["measure", "limit", "spent", "held"].map(|part| &record[format!("budget_{part}")]);
    assert_eq!(figures, ["usd", "0.00", "0.00", "0.00"].map(|part| json!(part)).each_ref(), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_may_answer_402_instead() {
    let mut config = config::with_budgets(json!([{"name": "none", "window": "month", "limit_usd": 0}]));
    config["denial"] = json!({"budget_status": 402});
    let gateway = Gateway::new(config).await;
    let answer = gateway.client.chat("fast").await;
    assert_eq!((answer.status, answer.header("x-farebox-budget")), (402, Some("none")));
    assert_eq!(answer.json()["error"]["code"], "insufficient_quota");
    let answer = gateway.client.post("/v1/messages", &chat_body("fast")).await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (402, &json!("billing_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn organisation_team_and_key_have_counters_of_their_own() {
    let mut config = config::with_budgets(json!([
        {"name": "org", "window": "lifetime", "limit_requests": 5},
        {"name": "team", "per": "team", "window": "lifetime", "limit_requests": 1,
            "overrides": {"search": {"limit_requests": 3}}},
        {"name": "key", "per": "key", "window": "lifetime", "limit_requests": 2},
    ]));
    let second = "fb_second_Kq8Wn5Rt2Yp7Lm4Jd1Hs6Gf3Zb0Xc9Va";
    config["keys"].as_array_mut().unwrap().push(config::key(second, "search"));
    let gateway = Gateway::new(config).await;

    let mut settled = 0;
    for (key, refused_by) in [
        (DEMO, None),
        (DEMO, None),
        (DEMO, Some("key")),
        (second, None),
        (second, Some("team")),
        (OTHER, None),
        (OTHER, Some("team")),
    ] {
        let answer = gateway.caller(key).chat("fast").await;
        assert_eq!(answer.header("x-farebox-budget"), refused_by, "{answer:?}");
        assert_eq!(answer.status, if refused_by.is_some() { 429 } else { 200 });
        settled += 1;
        gateway.envoy.records(settled).await;
    }
    for (key, budget, spent, left) in [
        (DEMO, "org", 4, 1),
        (DEMO, "team", 3, 0),
        (DEMO, "key", 2, 0),
        (second, "key", 1, 1),
        (OTHER, "team", 1, 0),
        (OTHER, "key", 1, 1),
    ] {
        let usage = gateway.caller(key).usage(budget).await;
        let (spent, left) = (json!(spent), json!(left));
        assert_eq!((&usage["spent"]["requests"], &usage["left"]["requests"]), (&spent, &left), "{usage}");
        assert_eq!(usage["held"], nothing(), "a later budget's refusal gives earlier holds back: {usage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_a_price_is_refused_unless_the_operator_allows_it() {
    for (unpriced, status) in [(None, 403), (Some("allow"), 200)] {
        let mut config = config::with_budgets(json!([{"name": "org", "window": "lifetime", "limit_usd": 1}]));
        config["prices"] = json!({});
        if let Some(unpriced) = unpriced {
            config["unpriced"] = json!(unpriced);
        }
        let gateway = Gateway::new(config).await;
        let answer = gateway.client.chat("fast").await;
        assert_eq!(answer.status, status, "{answer:?}");
        let record = gateway.envoy.record(1).await;
        if status == 403 {
            assert_eq!(answer.header("x-farebox-denied"), Some("unpriced_model"));
            assert_eq!((record["denied"].as_str(), gateway.provider.count()), (Some("unpriced_model"), 0));
        } else {
            assert_eq!(record["input_tokens"], 11);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_overlaps_far_from_a_limit_is_counted_whole_once_the_last_of_it_has_ended() {
    let budgets = json!([
        {"name": "runs", "per": "team", "window": "lifetime", "limit_requests": 1_000_000},
        {"name": "money", "window": "lifetime", "limit_usd": 1_000_000},
    ]);
    let gateway = Gateway::run(Setup::new(&config::with_budgets(budgets)).workers(2)).await;
    let mut requests = JoinSet::new();
    for _ in 0..16 {
        let client = gateway.client.clone();
        requests.spawn(async move {
            for _ in 0..40 {
                assert_eq!(client.chat("fast").await.status, 200);
            }
        });
    }
    while let Some(done) = requests.join_next().await {
        done.unwrap();
    }
    let records = gateway.envoy.records(640).await;
    let input: u64 = records.iter().filter_map(|record| record["input_tokens"].as_u64()).sum();
    assert!(input > 0);
    for budget in ["runs", "money"] {
        let usage = gateway.client.usage(budget).await;
        assert_eq!((&usage["spent"]["requests"], &usage["held"]), (&json!(640), &nothing()), "{budget}");
        assert_eq!(usage["spent"]["input_tokens"], input, "{budget}");
    }
    let metrics = gateway.envoy.metrics().await;
    assert_eq!(metrics.sum("farebox_requests_total", &[]), 640.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_stop_is_refused_by_its_headers_and_each_refusal_is_counted() {
    let gateway = Gateway::new(config::with_budgets(json!([
        {"name": "runs", "per": "team", "window": "lifetime", "limit_requests": 1},
    ])))
    .await;
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    for _ in 0..60 {
        let refused = gateway.client.chat("fast").await;
        assert_eq!(
            (refused.status, refused.header("x-farebox-budget"), refused.header("x-should-retry")),
            (429, Some("runs"), Some("false"))
        );
    }
    let records = gateway.envoy.records(61).await;
    let refused: Vec<_> = records.iter().filter(|record| record["denied"] == "budget").collect();
    assert_eq!(refused.len(), 60, "{records:?}");
    let unread = refused.iter().filter(|record| record["model"].is_null()).count();
    assert!(unread > 30, "{unread} of 60 were refused by their headers");
    let metrics = gateway.envoy.metrics().await;
    assert_eq!(metrics.sum("farebox_denied_total", &[("reason", "budget")]), 60.0);
    assert_eq!(gateway.provider.count(), 1);
}
