//! What budgets do besides refusing for good: they let one wait, send to a cheaper model, only watch, warn, or
//! make a request ask for less.

use farebox_tests::answers::Answers;
use farebox_tests::client::{Answer, Client, chat_body};
use farebox_tests::config::{self, DEMO};
use farebox_tests::gateway::Gateway;
use farebox_tests::patience::until;
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::{Value, json};

/// A budget for the team with more members.
fn budget(name: &str, more: Value) -> Value {
    let mut budget = json!({"name": name, "per": "team", "window": "lifetime"});
    budget.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    budget
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time_is_one_at_a_time_however_the_one_ends() {
    let budgets = json!([budget("turns", json!({"limit_concurrent": 1}))]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    let events = Answers::default().chat_events(true);
    let begun = || events[..3].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
    let mut count = 0;
    for ending in ["whole", "client leaves", "client leaves before the head", "provider resets", "error"] {
        let gate = Gate::closed();
        let reply = match ending {
            "client leaves before the head" => Reply::default().then(Step::Await(gate.clone())),
            "whole" => {
                let reply = begun().then(Step::Await(gate.clone()));
                events[3..].iter().fold(reply, |reply, event| reply.chunk(event)).end()
            }
            "error" => Reply::json(500, &json!({})).after(&gate),
            _ => begun().then(Step::Await(gate.clone())).then(Step::Reset),
        };
        gateway.provider.reply(reply);
        let client = gateway.client.clone();
        let running = tokio::spawn(async move {
            let mut stream = client.stream_chat("fast", json!({})).await;
            stream.all().await;
        });
        count += 1;
        let seen = until("the request at the provider", async || {
            let held = gateway.client.usage("turns").await["held"]["requests"].as_u64();
            (held == Some(1)).then_some(())
        });
        seen.await;
        let refused = gateway.client.chat("fast").await;
        count += 1;
        assert_eq!((refused.status, refused.header("x-farebox-denied")), (429, Some("budget_concurrency")));
        assert_eq!((refused.header("retry-after"), refused.header("x-should-retry")), (Some("1"), None));
        assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
        if ending.starts_with("client") {
            running.abort();
        } else {
            gate.open();
            running.await.unwrap();
        }
        gateway.envoy.records(count).await;
        gateway.answers(Answers::default());
        assert_eq!(gateway.client.chat("fast").await.status, 200, "after: {ending}");
        count += 1;
        gateway.envoy.records(count).await;
    }
    let usage = gateway.client.usage("turns").await;
    assert_eq!((&usage["left"]["concurrent"], &usage["held"]), (&json!(1), &config::nothing()), "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_tokens_a_minute_let_clients_wait_for_the_next() {
    for limit in [json!({"limit_requests": 2}), json!({"limit_tokens": 60})] {
        let mut config = config::with_budgets(json!([budget("pace", limit)]));
        config["budgets"][0]["window"] = json!("minute");
        config["hold"] = json!({"output_tokens": 5});
        let gateway = Gateway::new(config).await;
        // The minute may turn between two requests, but not between each two of them.
        let refused: Answer = until("a refusal", async || {
            let answer = gateway.client.chat("fast").await;
            (answer.status == 429).then_some(answer)
        })
        .await;
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(
            (refused.header("x-should-retry"), refused.header("x-farebox-denied")),
            (None, Some("budget"))
        );
        let error = &refused.json()["error"];
        assert_eq!((&error["code"], &error["type"]), (&json!("rate_limit_exceeded"), &json!("requests")));
        let usage = gateway.client.usage("pace").await;
        assert!(usage["resets_at"].as_str().unwrap().ends_with(":00Z"), "{usage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_with_little_left_sends_requests_to_a_cheaper_model() {
    let downgrade = json!({"model": "cheap", "from_percent": 50});
    let budgets = json!([budget("money", json!({"limit_requests": 4, "downgrade": downgrade}))]);
    let mut config = config::with_budgets(budgets);
    config["models"]["cheap"] = json!([{"provider": "local", "model": "tiny"}]);
    let gateway = Gateway::new(config).await;
    for (count, (model, by)) in (1..).zip([(config::UPSTREAM_MODEL, None), ("tiny", Some("money"))]) {
        let answer = gateway.client.chat("fast").await;
        assert_eq!((answer.status, answer.header("x-farebox-downgraded-by")), (200, by));
        let asked = gateway.provider.last();
        assert_eq!(asked.json()["model"], model);
        assert_eq!(asked.header("content-length"), [asked.body.len().to_string()]);
        let record = gateway.envoy.record(count).await;
        assert_eq!(
            (&record["model_requested"], &record["model_sent"], &record["downgraded_by"]),
            (&json!("fast"), &json!(model), &json!(by)),
            "{record}"
        );
    }
    // Who asks for the cheap one is not sent anywhere else.
    let answer = gateway.client.chat("cheap").await;
    assert_eq!((answer.status, answer.header("x-farebox-downgraded-by")), (200, None));
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    assert_eq!(gateway.client.chat("fast").await.status, 429, "a cheaper model does not make a request none");
    gateway.envoy.records(5).await;
    let metrics = gateway.envoy.metrics().await;
    let labels = [("budget", "money"), ("event", "downgraded")];
    assert_eq!(metrics.sum("farebox_budget_events_total", &labels), 2.0);
    assert_eq!(metrics.sum("farebox_requests_total", &[("model", "cheap")]), 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_only_watches_rehearses_its_downgrade() {
    let downgrade = json!({"model": {"fa*": "cheap"}, "from_percent": 50});
    let trial = json!({"limit_requests": 4, "at_limit": "shadow", "downgrade": downgrade});
    let mut config = config::with_budgets(json!([budget("trial", trial)]));
    config["models"]["cheap"] = json!([{"provider": "local", "model": "tiny"}]);
    let gateway = Gateway::new(config).await;
    for (count, (by, to)) in (1..).zip([(None, None), (Some("trial"), Some("cheap"))]) {
        let answer = gateway.client.chat("fast").await;
        assert_eq!((answer.status, answer.header("x-farebox-downgraded-by")), (200, None));
        assert_eq!(gateway.provider.last().json()["model"], config::UPSTREAM_MODEL);
        let record = gateway.envoy.record(count).await;
        let told = ["would_downgrade_by", "would_downgrade_to", "downgraded_by"].map(|name| &record[name]);
        assert_eq!(told, [&json!(by), &json!(to), &json!(null)], "{record}");
    }
    let metrics = gateway.envoy.metrics().await;
    let labels = [("budget", "trial"), ("event", "would_downgrade")];
    assert_eq!(metrics.sum("farebox_budget_events_total", &labels), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_only_watches_says_what_it_would_have_refused() {
    let budgets = json!([
        budget("trial", json!({"limit_requests": 1, "at_limit": "shadow"})),
        budget("real", json!({"limit_requests": 3})),
    ]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    let statuses = [200, 200, 200, 429];
    for (count, status) in (1..).zip(statuses) {
        let answer = gateway.client.chat("fast").await;
        assert_eq!(answer.status, status);
        let record = gateway.envoy.record(count).await;
        let shadowed = if matches!(count, 2 | 3) { json!("trial") } else { Value::Null };
        assert_eq!(record["shadowed"], shadowed, "{count}: {record}");
    }
    let events = async |budget, event| {
        let metrics = gateway.envoy.metrics().await;
        metrics.sum("farebox_budget_events_total", &[("budget", budget), ("event", event)])
    };
    assert_eq!((events("trial", "shadowed").await, events("trial", "denied").await), (2.0, 0.0));
    assert_eq!((events("real", "denied").await, events("real", "shadowed").await), (1.0, 0.0));
    assert_eq!(gateway.client.usage("trial").await["spent"]["requests"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_a_warning_before_the_limit_is_reached() {
    let budgets = json!([
        budget("near", json!({"limit_requests": 5, "warn_percent": [50, 80]})),
        budget("far", json!({"limit_requests": 1000, "warn_percent": 50})),
    ]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    let warnings = [None, None, Some("near;percent=50"), Some("near;percent=80"), Some("near;percent=80")];
    for (count, warning) in (1..).zip(warnings) {
        let answer = gateway.client.chat("fast").await;
        assert_eq!((answer.status, answer.header("x-farebox-budget-warning")), (200, warning), "{count}");
        gateway.envoy.records(count).await;
    }
    let metrics = gateway.envoy.metrics().await;
    for (event, count) in [("warned_50", 1.0), ("warned_80", 2.0)] {
        let labels = [("budget", "near"), ("event", event)];
        assert_eq!(metrics.sum("farebox_budget_events_total", &labels), count, "{event}");
    }
    assert_eq!(metrics.sum("farebox_budget_events_total", &[("budget", "far")]), 0.0);
}

/// A request with the member that limits its output set to `limit`, if there is one.
fn limited(member: &str, limit: Option<u64>) -> Value {
    let mut body = match member {
        "max_output_tokens" => json!({"model": "fast", "input": "Grüße, 東京 \\u00e9", "x": 1.50}),
        _ => json!({"model": "fast", "messages": [{"role": "user", "content": "Grüße, 東京"}], "x": 1.50}),
    };
    if let Some(limit) = limit {
        body[member] = json!(limit);
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_budget_makes_a_request_ask_for_what_is_left() {
    let budgets = json!([{
        "name": "money", "per": "session", "window": "lifetime", "limit_usd": "0.002", "mode": "strict",
    }]);
    let mut config = config::with_budgets(budgets);
    // What is sent is what the caller wrote, apart from what is told here.
    config["models"] = json!({"fast": [{"provider": "local"}]});
    config["prices"] = json!({"local/*": {"input": 0, "output": 10}});
    let gateway = Gateway::new(config).await;
    let mut count = 0;
    for (path, member, asked) in [
        ("/v1/chat/completions", "max_tokens", None),
        ("/v1/chat/completions", "max_tokens", Some(5_000)),
        ("/v1/chat/completions", "max_completion_tokens", Some(5_000)),
        ("/v1/chat/completions", "max_tokens", Some(150)),
        ("/v1/messages", "max_tokens", Some(5_000)),
        ("/v1/messages", "max_tokens", Some(200)),
        ("/v1/responses", "max_output_tokens", None),
        ("/v1/responses", "max_output_tokens", Some(201)),
    ] {
        count += 1;
        let client = gateway.client.with("x-farebox-session", &format!("session-{count}"));
        let body = limited(member, asked);
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 200, "{path} {asked:?}: {answer:?}");
        let clamped = asked.is_none_or(|asked| asked > 200);
        let told = clamped.then_some("200");
        assert_eq!(answer.header("x-farebox-output-limit"), told, "{path} {asked:?}");
        let record = gateway.envoy.record(count).await;
        assert_eq!(record["output_limit"], clamped.then_some(200).map_or(Value::Null, |limit| json!(limit)));

        let sent = gateway.provider.last();
        assert_eq!(sent.header("content-length"), [sent.body.len().to_string()]);
        let (sent, wrote) = (String::from_utf8(sent.body).unwrap(), body.to_string());
        let expected = match asked {
            Some(asked) if clamped => wrote.replace(&format!(":{asked}"), ":200"),
            Some(_) => wrote,
            None => wrote.replacen('{', &format!("{{\"{member}\":200,"), 1),
        };
        assert_eq!(sent, expected, "the rest is the same to the byte");
    }
    // $0.00005 are spent; a second request may use the rest.
    let client = gateway.client.with("x-farebox-session", "session-1");
    let answer = client.post("/v1/chat/completions", &limited("max_tokens", None)).await;
    assert_eq!(answer.header("x-farebox-output-limit"), Some("195"));
    gateway.envoy.records(count + 1).await;
    let usage = client.usage("money").await;
    assert_eq!(usage["spent"]["usd"], "0.0001", "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_budget_never_admits_more_than_it_has() {
    let budgets = json!([budget("money", json!({"limit_output_tokens": 100, "mode": "strict"}))]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    let gate = Gate::closed();
    let held_back = gate.clone();
    gateway.provider.answer(move |request| {
        let allowed = request.json()["max_tokens"].as_u64().unwrap();
        let answers = Answers { completion: allowed, ..Answers::default() };
        answers.reply(request).after(&held_back)
    });
    // Both together may use what there is, the third nothing.
    let mut first = chat_body("fast");
    first["max_tokens"] = json!(70);
    let mut waiting = tokio::task::JoinSet::new();
    for body in [first, chat_body("fast")] {
        let before = gateway.provider.count();
        let client = gateway.client.clone();
        waiting.spawn(async move { client.post("/v1/chat/completions", &body).await });
        gateway.provider.requested(before + 1).await;
    }
    assert_eq!(gateway.provider.last().json()["max_tokens"], 30);
    let refused = Client::new(&gateway.envoy, DEMO).chat("fast").await;
    assert_eq!((refused.status, refused.header("x-farebox-denied")), (429, Some("budget_held")));
    gate.open();
    assert!(waiting.join_all().await.iter().all(|answer| answer.status == 200));
    gateway.envoy.records(3).await;
    let usage = gateway.client.usage("money").await;
    assert_eq!((&usage["spent"]["output_tokens"], &usage["held"]), (&json!(100), &config::nothing()));
}
