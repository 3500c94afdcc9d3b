//! Which model and provider a request goes to, and what is changed in its body for that.

use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, DEMO, OTHER, UPSTREAM_MODEL};
use farebox_tests::gateway::Gateway;
use farebox_tests::patience;
use serde_json::{Value, json};

async fn model_asked(gateway: &Gateway, client: &Client, body: &Value) -> Value {
    let answer = client.post("/v1/chat/completions", body).await;
    assert_eq!(answer.status, 200, "{body}: {answer:?}");
    gateway.provider.last().json()["model"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unneeded_change_leaves_the_body_alone_and_a_needed_one_changes_only_the_name() {
    let gateway = Gateway::basic().await;
    let bodies = [
        r#"{"model":"NAME","messages":[{"role":"user","content":"hi"}]}"#,
        "{ \"messages\" : [ ] ,\r\n\t\"model\" : \"NAME\" , \"temperature\" : 1.0e-0 }\n",
        r#"{"tools":[{"function":{"model":"fast"}}],"messages":[{"content":"\"model\": \"fast\" é \u00e9 🚋"}],"model":"NAME"}"#,
        r#"{"a":{"model":"fast"},"model":"NAME","a":1,"a":2,"big":123456789012345678901234567890}"#,
        r#"{"stream":false,"model":"NAME","stream_options":null}"#,
    ];
    for body in bodies {
        for (name, upstream) in [(UPSTREAM_MODEL, UPSTREAM_MODEL), ("fast", UPSTREAM_MODEL)] {
            let sent = body.replace("NAME", name);
            let answer = gateway.client.send("POST", "/v1/chat/completions", sent.clone()).await;
            assert_eq!(answer.status, 200, "{sent}: {answer:?}");
            let asked = gateway.provider.last();
            assert_eq!(String::from_utf8_lossy(&asked.body), body.replace("NAME", upstream));
            let lengths = asked.header("content-length");
            assert!(lengths.is_empty() || lengths == [asked.body.len().to_string()], "{lengths:?}");
        }
    }
    let escaped = r#"{"\u006dodel":"f\u0061st","messages":[]}"#;
    assert_eq!(gateway.client.send("POST", "/v1/chat/completions", escaped).await.status, 200);
    assert_eq!(gateway.provider.last().json()["model"], UPSTREAM_MODEL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_found_by_alias_pattern_provider_or_default() {
    let gateway = Gateway::new(config::with(json!({
        "models": {
            "fast": [{"provider": "local", "model": UPSTREAM_MODEL}],
            "gpt-*": [{"provider": "local"}],
            "gpt-4*": [{"provider": "local", "model": "four"}],
        },
        "default_model": "fast",
    })))
    .await;
    for (name, upstream) in [
        ("fast", UPSTREAM_MODEL),
        ("gpt-5-mini", "gpt-5-mini"),
        ("gpt-4o", "four"),
        ("local/anything", "anything"),
        ("local/org/name", "org/name"),
    ] {
        assert_eq!(model_asked(&gateway, &gateway.client, &chat_body(name)).await, upstream, "{name}");
    }
    let nameless = json!({"messages": []});
    assert_eq!(model_asked(&gateway, &gateway.client, &nameless).await, UPSTREAM_MODEL);
    let record = gateway.envoy.record(6).await;
    assert_eq!((&record["model"], &record["model_requested"]), (&json!("fast"), &Value::Null), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_model_is_answered_with_the_names_that_are_allowed() {
    let mut config = config::basic();
    config["keys"][1]["models"] = json!(["fast"]);
    let gateway = Gateway::new(config).await;
    let answer = gateway.client.chat("fats").await;
    assert_eq!((answer.status, answer.header("x-farebox-denied")), (404, Some("model_not_found")));
    let error = &answer.json()["error"];
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("fast") && message.contains(UPSTREAM_MODEL), "{message}");
    assert_eq!(error["code"], "model_not_found");

    let message = gateway.caller(OTHER).chat("fats").await.json()["error"]["message"].to_string();
    assert!(
        message.contains("fast") && !message.contains(UPSTREAM_MODEL),
        "only what this key may use: {message}"
    );

    let missing = gateway.client.post("/v1/chat/completions", &json!({"messages": []})).await;
    assert!(missing.status == 400 || missing.status == 404, "{missing:?}");
    let unknown = gateway.client.post("/v1/messages", &chat_body("fats")).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["type"]), (404, &json!("not_found_error")));
    assert_eq!(gateway.provider.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_use_only_the_models_on_its_list() {
    let mut config = config::basic();
    config["keys"][0]["models"] = json!(["fa*", "local/sm*"]);
    let gateway = Gateway::new(config).await;
    for (name, allowed) in
        [("fast", true), ("local/smollm2", true), (UPSTREAM_MODEL, false), ("local/other", false)]
    {
        let answer = gateway.client.chat(name).await;
        assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{name}");
        if !allowed {
            assert_eq!(answer.header("x-farebox-denied"), Some("model_not_allowed"));
            assert_eq!(answer.json()["error"]["code"], "model_not_allowed");
        }
        assert_eq!(gateway.caller(OTHER).chat(name).await.status, 200, "{name}");
    }
    let models = async |client: &Client| -> Vec<String> {
        let list = client.get("/v1/models").await;
        assert_eq!((list.status, &list.json()["object"]), (200, &json!("list")));
        let models = list.json()["data"].as_array().unwrap().clone();
        assert!(models.iter().all(|model| model["object"] == "model"), "{models:?}");
        models.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(models(&gateway.client).await, ["fast"]);
    let mut all = models(&gateway.caller(OTHER)).await;
    all.sort();
    assert_eq!(all, ["fast", UPSTREAM_MODEL]);
    let refused = gateway.client.post("/v1/messages", &chat_body("local/other")).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (403, &json!("permission_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rule_that_fits_chooses_the_model() {
    let target = |name: &str| json!([{"provider": "local", "model": name}]);
    let rule = |when: Value, model: &str| json!({"when": when, "model": model});
    let gateway = Gateway::new(config::with(json!({
        "models": {"fast": target("fast-1"), "smart": target("smart-1"), "long": target("long-1")},
        "rules": [
            rule(json!({"prompt_tokens_over": 2000}), "long"),
            rule(json!({"agent": "finance-*"}), "smart"),
            rule(json!({"team": "ads", "headers": {"x-tier": "gold*"}}), "smart"),
            rule(json!({"key": "other", "model": "cheap-*"}), "fast"),
            rule(json!({"path": "/v1/messages"}), "smart"),
        ],
    })))
    .await;
    let (demo, other) = (gateway.client.clone(), gateway.caller(OTHER));
    let mut long = chat_body("fast");
    long["messages"][0]["content"] = json!("a long prompt of many words ".repeat(1000));
    for (client, body, upstream) in [
        (&demo, &chat_body("fast"), "fast-1"),
        (&demo, &long, "long-1"),
        (&demo.with("x-farebox-agent", "finance-report"), &chat_body("fast"), "smart-1"),
        (&demo.with("x-farebox-agent", "refinance-report"), &chat_body("fast"), "fast-1"),
        (&demo.with("x-tier", "gold-plus"), &chat_body("fast"), "fast-1"),
        (&other.with("x-tier", "gold-plus"), &chat_body("fast"), "smart-1"),
        (&other.with("x-tier", "silver"), &chat_body("fast"), "fast-1"),
        (&other, &chat_body("cheap-one"), "fast-1"),
    ] {
        assert_eq!(model_asked(&gateway, client, body).await, upstream);
    }
    assert_eq!(demo.post("/v1/messages", &chat_body("fast")).await.status, 200);
    assert_eq!(gateway.provider.last().json()["model"], "smart-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_choose_the_cluster() {
    let gateway = Gateway::basic().await;
    let spoof = gateway.client.with("x-farebox-cluster", "anthropic");
    assert_eq!(spoof.chat("fast").await.status, 200);
    assert_eq!(spoof.with("x-farebox-cluster", "openai").chat("fast").await.status, 200);
    let nobody = Client::anonymous(&gateway.envoy).with("x-farebox-cluster", "local");
    assert_eq!(nobody.chat("fast").await.status, 401);
    assert_eq!(nobody.get("/v1/something").await.status, 401, "paths are not told to strangers");

    let reached = gateway.envoy.stats("^cluster.(local|openai|anthropic).upstream_rq_total$").await;
    assert_eq!(reached["cluster.local.upstream_rq_total"], 2);
    assert_eq!(reached.get("cluster.openai.upstream_rq_total").unwrap_or(&0), &0);
    assert_eq!(reached.get("cluster.anthropic.upstream_rq_total").unwrap_or(&0), &0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialect_that_no_provider_of_the_model_speaks_is_refused() {
    let mut config = config::basic();
    config["providers"]["local"]["dialect"] = json!("openai");
    let gateway = Gateway::new(config).await;
    let answer = gateway.client.post("/v1/messages", &chat_body("fast")).await;
    assert_eq!((answer.status, answer.header("x-farebox-denied")), (400, Some("endpoint_not_served")));
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    assert_eq!(gateway.provider.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_endpoints_answer_without_a_provider() {
    let budgets = json!([
        {"name": "team", "per": "team", "window": "day", "limit_usd": "2.50"},
        {"name": "ever", "window": "lifetime", "limit_tokens": 500, "limit_requests": 7},
    ]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    let nobody = Client::anonymous(&gateway.envoy);
    assert_eq!(nobody.get("/farebox/health").await.status, 200);
    assert_eq!(nobody.send("HEAD", "/farebox/health", "").await.status, 200);
    assert_eq!(nobody.get("/farebox/usage").await.status, 401);
    assert_eq!(nobody.get("/v1/models").await.status, 401);

    let answer = gateway.client.get("/farebox/usage").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let usage = answer.json();
    assert_eq!((&usage["key"], &usage["team"]), (&json!("demo"), &json!("search")));
    let measures = |usd: Value, tokens: Value, requests: Value| {
        json!({"usd": usd, "tokens": tokens, "input_tokens": null, "output_tokens": null, "requests": requests,
            "concurrent": null})
    };
    let money = measures(json!("2.50"), Value::Null, Value::Null);
    let nothing = config::nothing();
    let [team, ever] = usage["budgets"].as_array().unwrap().as_slice() else { panic!("{usage}") };
    for (member, expected) in [
        ("name", json!("team")),
        ("per", json!("team")),
        ("subject", json!("search")),
        ("window", json!("day")),
        ("spent", nothing.clone()),
        ("held", nothing),
        ("limit", money.clone()),
        ("left", money),
    ] {
        assert_eq!(team[member], expected, "{member}");
    }
    let resets_at = team["resets_at"].as_str().unwrap();
    assert!(resets_at.ends_with("T00:00:00Z"), "{resets_at}");
    assert_eq!(
        (&ever["per"], &ever["subject"], &ever["resets_at"]),
        (&json!("org"), &json!("*"), &Value::Null)
    );
    assert_eq!(ever["limit"], measures(Value::Null, json!(500), json!(7)));

    assert_eq!(
        Client::anonymous(&gateway.envoy).with("x-api-key", DEMO).get("/farebox/usage").await.json(),
        usage
    );
    assert_eq!(gateway.client.send("HEAD", "/farebox/usage", "").await.status, 200);
    assert_eq!(gateway.provider.count(), 0);
    let local = patience::until("local records", async || {
        let lines = gateway.envoy.log_lines();
        let local = lines.iter().filter(|line| line["farebox"]["outcome"] == "local").count();
        (local >= 5).then_some(local)
    });
    assert_eq!(local.await, 5, "two for health, three for usage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_envoy_refuses_before_the_filter_is_logged_with_envoys_details() {
    let gateway = Gateway::basic().await;
    assert_eq!(gateway.client.get("/v1/%00/models").await.status, 400);
    assert_eq!(gateway.client.get("/v1/models").await.status, 200);
    let lines = patience::until("both lines", async || {
        let lines = gateway.envoy.log_lines();
        (lines.len() == 2).then_some(lines)
    });
    let [unseen, seen] = &lines.await[..] else { panic!("two lines") };
    let expected = (&json!("path_normalization_failed"), &json!({"outcome": "not_seen"}));
    assert_eq!((&unseen["details"], &unseen["farebox"]), expected);
    assert_eq!((&seen["details"], &seen["farebox"]["outcome"]), (&json!(" "), &json!("local")));
}
