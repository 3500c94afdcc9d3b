//! The main path: a chat goes to its provider and comes back, its usage is read, priced, counted and recorded.

use farebox_tests::answers::Answers;
use farebox_tests::client::chat_body;
use farebox_tests::config::{self, DEMO, UPSTREAM_MODEL};
use farebox_tests::gateway::Gateway;
use farebox_tests::patience::until;
use farebox_tests::raw::Raw;
use farebox_tests::script::Reply;
use farebox_tests::workspace;
use serde_json::{Value, json};

/// 11 input tokens at $1 and 5 output tokens at $10 a million.
const COST: &str = "0.000061";
const COST_NANO: f64 = 61_000.0;

fn one_of_everything() -> Value {
    config::with_budgets(json!([
        {"name": "org", "window": "lifetime", "limit_usd": 5},
        {"name": "team", "per": "team", "window": "day", "limit_tokens": 1000000},
        {"name": "key", "per": "key", "window": "month", "limit_requests": 100},
    ]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_chat_is_answered_metered_and_recorded() {
    let gateway = Gateway::new(one_of_everything()).await;
    let client = gateway
        .client
        .with("x-farebox-agent", "planner")
        .with("x-farebox-session", "session-0001")
        .with("x-farebox-workflow", "/report/outline")
        .with("x-farebox-user", "u-17")
        .with("x-stainless-retry-count", "1");

    let answer = client.chat("fast").await;

    assert_eq!((answer.status, answer.json()), (200, Answers::default().chat()));
    let asked = gateway.provider.last();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(asked.json()["model"], UPSTREAM_MODEL);
    assert_eq!(asked.json()["messages"], chat_body("fast")["messages"]);

    let record = gateway.envoy.record(1).await;
    for (member, expected) in [
        ("key", json!("demo")),
        ("team", json!("search")),
        ("agent", json!("planner")),
        ("session", json!("session-0001")),
        ("workflow", json!("/report/outline")),
        ("user", json!("u-17")),
        ("endpoint", json!("chat_completions")),
        ("model_requested", json!("fast")),
        ("model", json!("fast")),
        ("model_sent", json!(UPSTREAM_MODEL)),
        ("model_served", json!("served-model")),
        ("provider", json!("local")),
        ("stream", json!(false)),
        ("input_tokens", json!(11)),
        ("cache_read_tokens", json!(0)),
        ("cache_write_tokens", json!(0)),
        ("output_tokens", json!(5)),
        ("cost_usd", json!(COST)),
        ("usage_source", json!("provider")),
        ("status", json!(200)),
        ("outcome", json!("ok")),
        ("denied", Value::Null),
        ("budget", Value::Null),
        ("unreadable", json!(0)),
        ("retries", json!(1)),
    ] {
        assert_eq!(record[member], expected, "{member} of {record}");
    }
    assert!(record["duration_ms"].is_number() && record["ttft_ms"].is_number(), "{record}");

    for (budget, subject) in [("org", "*"), ("team", "search"), ("key", "demo")] {
        let usage = client.usage(budget).await;
        assert_eq!(usage["subject"], subject);
        assert_eq!(
            usage["spent"],
            json!({
                "usd": COST, "tokens": 16, "input_tokens": 11, "output_tokens": 5, "requests": 1,
            })
        );
        assert_eq!(usage["held"], config::nothing());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_carry_team_model_and_provider_as_labels() {
    let gateway = Gateway::new(one_of_everything()).await;
    for _ in 0..3 {
        assert_eq!(gateway.client.chat("fast").await.status, 200);
    }
    assert_eq!(gateway.client.chat("nonsense").await.status, 404);
    assert_eq!(gateway.client.chat("local/not-configured").await.status, 200);
    gateway.envoy.records(5).await;

    let metrics = gateway.envoy.metrics().await;
    let labels = [("team", "search"), ("model", "fast"), ("provider", "local")];
    let ok = [("team", "search"), ("model", "fast"), ("provider", "local"), ("outcome", "ok")];
    assert_eq!(metrics.sum("farebox_requests_total", &ok), 3.0);
    assert_eq!(metrics.sum("farebox_cost_nano_usd_total", &labels), 3.0 * COST_NANO);
    for (kind, tokens) in [("input", 33.0), ("output", 15.0)] {
        let labels = [("team", "search"), ("model", "fast"), ("provider", "local"), ("type", kind)];
        assert_eq!(metrics.sum("farebox_tokens_total", &labels), tokens, "{kind}");
    }
    assert_eq!(metrics.sum("farebox_requests_total", &[("model", "other"), ("outcome", "ok")]), 1.0);
    assert_eq!(metrics.sum("farebox_denied_total", &[("reason", "model_not_found")]), 1.0);
    assert_eq!(metrics.sum("farebox_usage_source_total", &[("source", "provider")]), 4.0);
    assert_eq!(metrics.sum("farebox_host_unsupported_total", &[]), 0.0);
    for sample in &metrics.0 {
        assert!(!sample.name.contains(':'), "a label stayed in the name of {sample:?}");
        let model = sample.labels.get("model").map_or("", String::as_str);
        assert!(["", "fast", "other"].contains(&model), "not configured: {sample:?}");
    }

    let labels = [("model", "fast"), ("provider", "local")];
    let metrics = until("the histograms to be merged", async || {
        let metrics = gateway.envoy.metrics().await;
        let timed = metrics.sum("farebox_request_duration_ms_count", &labels);
        (timed >= 3.0).then_some(metrics)
    });
    let timed = metrics.await.sum("farebox_time_to_first_token_ms_count", &labels);
    assert_eq!(timed, 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_metered_by_a_usage_chunk_that_its_client_does_not_see() {
    let gateway = Gateway::new(one_of_everything()).await;
    let mut expected = Answers::default().chat_events(true);
    expected.remove(expected.len() - 2);
    let bodies = [
        json!({}),
        json!({"stream_options": null}),
        json!({"stream_options": {}}),
        json!({"stream_options": {"include_usage": false}}),
        json!({"stream_options": {"include_obfuscation": false}}),
    ];
    for (count, body) in (1..).zip(bodies) {
        let mut events = gateway.client.stream_chat("fast", body.clone()).await;
        events.all().await;

        assert_eq!(events.status, 200);
        assert_eq!(
            String::from_utf8_lossy(&events.body),
            String::from_utf8_lossy(&expected.concat()),
            "{body}"
        );
        assert_eq!(events.headers["content-type"], "text/event-stream");
        let asked = gateway.provider.last().json();
        assert_eq!(asked["stream_options"]["include_usage"], true, "{body}");
        assert_eq!(
            asked["stream_options"]["include_obfuscation"],
            body["stream_options"]["include_obfuscation"]
        );
        let record = gateway.envoy.record(count).await;
        assert_eq!(record["stream"], true);
        assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(11), &json!(5)));
        assert_eq!((&record["cost_usd"], &record["usage_source"]), (&json!(COST), &json!("provider")));
        assert_eq!(record["model_served"], "served-model");
    }
    assert_eq!(gateway.client.usage("team").await["spent"]["tokens"], 5 * 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_for_usage_sees_all_that_the_provider_sent() {
    let gateway = Gateway::basic().await;
    let mut events =
        gateway.client.stream_chat(UPSTREAM_MODEL, json!({"stream_options": {"include_usage": true}})).await;
    events.all().await;

    assert_eq!(events.body, Answers::default().chat_events(true).concat());
    assert_eq!(gateway.envoy.record(1).await["cost_usd"], COST);
    let mut asked = chat_body(UPSTREAM_MODEL);
    asked["stream"] = json!(true);
    asked["stream_options"] = json!({"include_usage": true});
    assert_eq!(gateway.provider.last().body, asked.to_string().as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_not_asked_for_where_the_provider_does_not_know_how() {
    let mut config = config::basic();
    config["providers"]["local"]["include_usage"] = json!(false);
    let gateway = Gateway::new(config).await;
    let mut events = gateway.client.stream_chat("fast", json!({})).await;
    events.all().await;

    assert_eq!(gateway.provider.last().json().get("stream_options"), None);
    assert_eq!(events.body, Answers::default().chat_events(false).concat());
    let record = gateway.envoy.record(1).await;
    assert_eq!((&record["usage_source"], &record["outcome"]), (&json!("estimated"), &json!("ok")));
    assert!(record["output_tokens"].as_u64() > Some(0) && record["cost_usd"] != "0.00", "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_input_costs_less_and_reasoning_costs_as_output() {
    let gateway = Gateway::new(one_of_everything()).await;
    let answers = Answers { prompt: 1000, cached: 400, completion: 50, reasoning: 20, ..Answers::default() };
    gateway.answers(answers);
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    let mut events = gateway.client.stream_chat("fast", json!({})).await;
    events.all().await;

    for record in gateway.envoy.records(2).await {
        // 600 × $1 + 400 × $0.50 + 50 × $10, a million
        assert_eq!(record["cost_usd"], "0.0013", "{record}");
        assert_eq!(record["cache_read_tokens"], 400);
        assert_eq!(record["reasoning_tokens"], 20);
    }
    assert_eq!(gateway.client.usage("team").await["spent"]["tokens"], 2 * 1050);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_provider_passes_untouched_and_costs_nothing() {
    let gateway = Gateway::new(one_of_everything()).await;
    let body = json!({"error": {"message": "slow down", "type": "rate_limit_exceeded", "code": "theirs"}});
    let text = body.to_string();
    let length = text.len().to_string();
    let headers =
        [("content-type", "application/json"), ("content-length", length.as_str()), ("retry-after", "7")];
    gateway.provider.reply(Reply::head(429, &headers).write(text.as_bytes()));

    let answer = gateway.client.chat("fast").await;

    assert_eq!((answer.status, answer.json(), answer.header("retry-after")), (429, body, Some("7")));
    assert_eq!((answer.header("x-farebox-denied"), answer.header("x-should-retry")), (None, None));
    let record = gateway.envoy.record(1).await;
    assert_eq!((&record["outcome"], &record["status"]), (&json!("upstream_error"), &json!(429)));
    assert_eq!(record["cost_usd"], "0.00");
    let usage = gateway.client.usage("org").await;
    assert_eq!(usage["held"], config::nothing());
    assert_eq!(usage["spent"]["usd"], "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_reaches_the_provider_and_others_only_by_configuration() {
    let gateway = Gateway::new(config::with(json!({"endpoints": ["/v1/rerank"]}))).await;
    let answers = Answers::default();
    gateway.provider.answer(move |request| match request.path.as_str() {
        "/v1/rerank" => Reply::json(200, &json!({"results": []})),
        _ => answers.reply(request),
    });
    for path in [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/rerank",
    ] {
        let answer = gateway.client.post(path, &chat_body("fast")).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(gateway.provider.last().path, path);
        assert_eq!(gateway.provider.last().json()["model"], UPSTREAM_MODEL, "{path}");
    }
    for path in ["/v1/responses", "/v1/messages"] {
        let mut body = chat_body("fast");
        body["stream"] = json!(true);
        let mut events = gateway.client.stream(path, &body).await;
        assert!(!events.all().await.is_empty() && !events.broken, "{path}");
        assert_eq!(gateway.provider.last().json().get("stream_options"), None, "{path}");
    }
    let reached = gateway.provider.count();

    for path in ["/v1/files", "/v1/rerank/more", "/v2/classify", "/", "/farebox"] {
        let answer = gateway.client.post(path, &chat_body("fast")).await;
        assert_eq!(
            (answer.status, answer.header("x-farebox-denied")),
            (404, Some("unknown_endpoint")),
            "{path}"
        );
        // In the form of the API whose paths begin so.
        let told = answer.json();
        let code = if path.starts_with("/v2/") { told.get("error") } else { told["error"].get("code") };
        assert_eq!(code, (!path.starts_with("/v2/")).then_some(&json!("unknown_endpoint")), "{path}: {told}");
    }
    for (method, path) in
        [("GET", "/v1/chat/completions"), ("DELETE", "/v1/models"), ("POST", "/farebox/usage")]
    {
        let answer = gateway.client.send(method, path, "").await;
        let denied = answer.header("x-farebox-denied");
        assert_eq!((answer.status, denied), (405, Some("method_not_allowed")), "{method} {path}");
    }
    assert_eq!(gateway.provider.count(), reached);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_usage_costs_the_same_in_every_dialect() {
    let gateway = Gateway::new(one_of_everything()).await;
    let answers = Answers { prompt: 1000, cached: 400, completion: 50, ..Answers::default() };
    gateway.answers(answers);
    let mut count = 0;
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages"] {
        for stream in [false, true] {
            let mut body = chat_body("fast");
            body["stream"] = json!(stream);
            let mut events = gateway.client.stream(path, &body).await;
            events.all().await;
            assert_eq!((events.status, events.broken), (200, false), "{path}");
            count += 1;
            let record = gateway.envoy.record(count).await;
            let tokens = [&record["input_tokens"], &record["cache_read_tokens"], &record["output_tokens"]];
            assert_eq!(tokens, [&json!(1000), &json!(400), &json!(50)], "{path}: {record}");
            assert_eq!(
                (&record["cost_usd"], &record["usage_source"]),
                (&json!("0.0013"), &json!("provider"))
            );
            assert_eq!(
                (&record["stream"], &record["model_served"]),
                (&json!(stream), &json!("served-model"))
            );
        }
    }
    let answer = gateway.client.post("/v1/embeddings", &chat_body("fast")).await;
    assert_eq!(answer.status, 200);
    let record = gateway.envoy.record(count + 1).await;
    assert_eq!((&record["input_tokens"], &record["cost_usd"]), (&json!(1000), &json!("0.001")), "{record}");
    let answer = gateway.client.post("/v1/messages/count_tokens", &chat_body("fast")).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"input_tokens": 1000})));
    let record = gateway.envoy.record(count + 2).await;
    assert_eq!((&record["cost_usd"], &record["usage_source"]), (&json!("0.00"), &json!("none")), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_refused_at_once_with_a_record_and_reaches_no_provider() {
    let gateway = Gateway::basic().await;
    for (count, method, path) in [(1, "GET", "/v1/responses"), (2, "POST", "/v1/chat/completions")] {
        let mut raw = Raw::connect(&gateway.envoy).await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {DEMO}\r\n\
             connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        raw.send(head.as_bytes()).await;
        assert_eq!(raw.status().await, 426, "{method}");
        raw.sees(b"\"code\":\"upgrade_refused\"").await;
        let record = gateway.envoy.record(count).await;
        assert_eq!(
            (&record["denied"], &record["status"]),
            (&json!("upgrade_refused"), &json!(426)),
            "{record}"
        );
        assert_eq!(record["path"], path);
    }
    assert_eq!(gateway.provider.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_that_make_run_names_are_ours_alone() {
    let script = std::fs::read_to_string(workspace::root().join("envoy/run.py")).unwrap();
    let (_, query) = script.split_once("/stats/prometheus?").expect("it names them");
    let query = query.split(['\'', '"']).next().unwrap();
    let gateway = Gateway::basic().await;
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    let text = until("metrics", async || {
        let text = gateway.envoy.admin(&format!("/stats/prometheus?{query}")).await;
        text.contains("farebox_requests_total{").then_some(text)
    })
    .await;
    let mut samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert!(samples.all(|line| line.starts_with("farebox_")), "{text}");
}
