//! Whose money it is: budgets by anything that a key is and a request says of itself.

use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, DEMO, OTHER};
use farebox_tests::gateway::Gateway;
use serde_json::{Value, json};

/// Two requests for each subject of `per`.
fn two_each(per: Value) -> Value {
    json!([{"name": "twice", "per": per, "window": "lifetime", "limit_requests": 2}])
}

/// Uses up what the caller has by asking `ask` twice; the third is refused.
async fn uses_up(gateway: &Gateway, count: &mut usize, client: &Client, budget: &str, body: &Value) {
    for status in [200, 200, 429] {
        let answer = client.post("/v1/chat/completions", body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 429 {
            assert_eq!(answer.header("x-farebox-budget"), Some(budget));
        }
        *count += 1;
        gateway.envoy.records(*count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_says_of_itself_has_a_counter_of_its_own_in_its_team() {
    let budget = |per: &str| json!({"name": per.replace(':', "-"), "per": per, "window": "lifetime", "limit_requests": 2});
    let budgets = ["session", "agent", "user", "workflow", "header:x-tenant"].map(budget);
    let gateway = Gateway::new(config::with_budgets(json!(budgets))).await;
    let (mut count, mut served, body) = (0, 0, chat_body("fast"));
    for (budget, header, name) in [
        ("session", "x-farebox-session", "one"),
        ("session", "x-claude-code-session-id", "uno"),
        ("agent", "x-farebox-agent", "one"),
        ("user", "x-farebox-user", "one"),
        ("workflow", "x-farebox-workflow", "one"),
        ("header-x-tenant", "x-tenant", "one"),
    ] {
        let one = gateway.client.with(header, name);
        uses_up(&gateway, &mut count, &one, budget, &body).await;
        // Another name, the same name in another team, and no name at all.
        let other_name = gateway.client.with(header, &format!("not-{name}"));
        uses_up(&gateway, &mut count, &other_name, budget, &body).await;
        uses_up(&gateway, &mut count, &gateway.caller(OTHER).with(header, name), budget, &body).await;
        for _ in 0..3 {
            count += 1;
            assert_eq!(
                gateway.client.chat("fast").await.status,
                200,
                "{budget}: who says nothing is skipped"
            );
        }
        served += 9;
        assert_eq!(gateway.provider.count(), served);
        let usage = one.usage(budget).await;
        assert_eq!((&usage["subject"], &usage["spent"]["requests"]), (&json!(name), &json!(2)), "{budget}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_user_of_a_body_counts_like_that_of_a_header() {
    let gateway = Gateway::new(config::with_budgets(two_each(json!("user")))).await;
    let mut body = chat_body("fast");
    body["safety_identifier"] = json!("ada");
    uses_up(&gateway, &mut 0, &gateway.client, "twice", &body).await;
    let same = gateway.client.with("x-farebox-user", "ada");
    assert_eq!(same.chat("fast").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_providers_and_labels_have_counters() {
    let second = "fb_second_Kq8Wn5Rt2Yp7Lm4Jd1Hs6Gf3Zb0Xc9Va";
    for (per, subject) in [
        (json!("model"), "fast"),
        (json!("provider"), "local"),
        (json!("label:stage"), "test"),
        (json!(["team", "model"]), "search/fast"),
        (json!(["label:stage", "session"]), "test/s"),
    ] {
        let mut config = config::with_budgets(two_each(per.clone()));
        config["keys"].as_array_mut().unwrap().push(config::key(second, "search"));
        config["keys"][0]["labels"] = json!({"stage": "test"});
        config["keys"][1]["labels"] = json!({"stage": "live"});
        config["models"]["elsewhere"] = json!([{"provider": "anthropic", "model": "claude"}]);
        config["providers"]["anthropic"] =
            json!({"dialect": ["openai", "anthropic"], "cluster": "anthropic"});
        let gateway = Gateway::new(config).await;
        let client = gateway.client.with("x-farebox-session", "s");
        uses_up(&gateway, &mut 0, &client, "twice", &chat_body("fast")).await;
        let usage = client.get("/farebox/usage?model=fast&provider=local").await.json();
        assert_eq!(usage["budgets"][0]["subject"], subject, "{usage}");
        // Whether the other model, the other team and the key without the label have room of their own.
        let model = client.chat("elsewhere").await.status;
        let team = gateway.caller(OTHER).with("x-farebox-session", "s").chat("fast").await.status;
        let key = gateway.caller(second).with("x-farebox-session", "s").chat("fast").await.status;
        let expected = match subject {
            "fast" => [200, 429, 429],
            "local" => [200, 429, 429],
            "search/fast" => [200, 200, 429],
            _ => [429, 200, 200],
        };
        assert_eq!([model, team, key], expected, "{per}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overrides_hold_for_a_name_or_a_pattern() {
    let budgets = json!([{
        "name": "twice", "per": ["team", "session"], "window": "lifetime", "limit_requests": 2,
        "overrides": {
            "search/nightly-*": {"limit_requests": 0},
            "search/nightly-important": {"limit_requests": 3},
            "ads/*": {"limit_requests": 1},
        },
    }]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    for (key, session, allowed) in [
        (DEMO, "daily", 2),
        (DEMO, "nightly-7", 0),
        (DEMO, "nightly-important", 3),
        (OTHER, "nightly-important", 1),
    ] {
        let client = gateway.caller(key).with("x-farebox-session", session);
        let mut passed = 0;
        while client.chat("fast").await.status == 200 {
            passed += 1;
        }
        assert_eq!(passed, allowed, "{session}");
        assert_eq!(client.usage("twice").await["limit"]["requests"], allowed, "{session}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_say_something_is_told_what() {
    for (per, header) in [("session", "x-farebox-session"), ("header:x-tenant", "x-tenant")] {
        let mut budgets = two_each(json!(per));
        budgets[0]["when_absent"] = json!("deny");
        let gateway = Gateway::new(config::with_budgets(budgets)).await;
        let answer = gateway.client.chat("fast").await;
        assert_eq!((answer.status, answer.header("x-farebox-denied")), (400, Some("unnamed_subject")));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        let error = &answer.json()["error"];
        assert!(error["message"].as_str().unwrap().contains(header), "{error}");
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("invalid_request_error"), &json!("unnamed_subject"))
        );
        let answer = gateway.client.post("/v1/messages", &chat_body("fast")).await;
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (400, &json!("invalid_request_error")));
        assert_eq!(gateway.provider.count(), 0);
        let record = gateway.envoy.record(2).await;
        assert_eq!((&record["outcome"], &record["denied"]), (&json!("denied"), &json!("unnamed_subject")));
        assert_eq!(gateway.client.with(header, "me").chat("fast").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_repeats_itself_is_stopped_while_others_of_its_session_pass() {
    let budgets = json!([{
        "name": "twice", "per": ["session", "request"], "window": "hour", "limit_requests": 2,
    }]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    let client = gateway.client.with("x-farebox-session", "agent-run").with("x-stainless-retry-count", "2");
    uses_up(&gateway, &mut 0, &client, "twice", &chat_body("fast")).await;

    let mut next = chat_body("fast");
    for step in 0..3 {
        next["messages"]
            .as_array_mut()
            .unwrap()
            .push(json!({"role": "user", "content": format!("step {step}")}));
        assert_eq!(client.post("/v1/chat/completions", &next).await.status, 200);
    }
    assert_eq!(client.chat("fast").await.status, 429);
    let elsewhere = gateway.client.with("x-farebox-session", "another");
    assert_eq!(elsewhere.chat("fast").await.status, 200, "another session may ask the same");
    let records = gateway.envoy.records(8).await;
    assert!(records[..7].iter().all(|record| record["retries"] == 2), "{records:?}");
    assert_eq!(records[7]["retries"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_looping_agent_is_stopped_at_what_its_session_may_cost() {
    let budgets = json!([
        {"name": "org", "window": "lifetime", "limit_usd": 100},
        {"name": "run", "per": "session", "window": "lifetime", "limit_usd": "0.001"},
    ]);
    let mut config = config::with_budgets(budgets);
    config["hold"] = json!({"output_tokens": 5}); // what the provider really answers
    let gateway = Gateway::new(config).await;
    let agent = gateway.client.with("x-farebox-session", "run-1").with("x-farebox-agent", "planner");
    let mut steps = 0;
    let refused = loop {
        let answer = agent.chat("fast").await;
        if answer.status != 200 {
            break answer;
        }
        steps += 1;
        gateway.envoy.records(steps).await;
    };
    assert_eq!((refused.status, refused.header("x-farebox-budget")), (429, Some("run")));
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    // $0.000061 each; the last ones do not find room for what they might cost.
    assert!((15..=16).contains(&steps), "{steps}");
    let usage = agent.usage("run").await;
    assert!(usage["spent"]["usd"].as_str().unwrap().parse::<f64>().unwrap() <= 0.001, "{usage}");
    assert_eq!(gateway.client.with("x-farebox-session", "run-2").chat("fast").await.status, 200);
}
