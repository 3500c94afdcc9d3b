//! Other dialects than OpenAI's, through Envoy: paths that name the model, frames that are not SSE, and a
//! real model that is asked in three of them.

use farebox_core::dialect::framing::event_stream;
use farebox_tests::client::Client;
use farebox_tests::config::{self, DEMO};
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::model::SmallModel;
use farebox_tests::script::Reply;
use serde_json::{Value, json};

/// Every model under one alias at a provider that serves every API.
fn every_api() -> Value {
    config::with(json!({
        "providers": {"local": {
            "dialect": ["openai", "azure", "anthropic", "gemini", "vertex", "bedrock", "cohere", "ollama"],
            "cluster": "local",
        }},
        "models": {"any": [{"provider": "local", "model": "vendor/model:1"}]},
        "prices": {"local/*": {"input": 1, "output": 2}},
        "rules": [],
        "default_model": "any",
    }))
}

/// What a caller asks, what the provider is asked, and what it answers with which tokens.
struct Case<'a> {
    path: &'a str,
    sent: &'a str,
    content_type: &'a str,
    body: &'a [u8],
    expected: (u64, u64, u64),
}

/// Input tokens, those of them from a cache, and output tokens.
fn counts(record: &Value) -> (u64, u64, u64) {
    let count = |name: &str| record[name].as_u64().unwrap();
    (count("input_tokens"), count("cache_read_tokens"), count("output_tokens"))
}

#[tokio::test]
async fn a_model_in_the_path_is_routed_and_renamed_there_and_its_stream_is_metered() {
    let gateway = Gateway::new(every_api()).await;
    let frame = |kind: &str, payload: Value| {
        event_stream::message(
            &[(":event-type", kind), (":message-type", "event")],
            payload.to_string().as_bytes(),
        )
    };
    let usage =
        json!({"inputTokens": 3, "outputTokens": 288, "totalTokens": 2365, "cacheReadInputTokens": 2074});
    let bedrock = [
        frame("messageStart", json!({"role": "assistant"})),
        frame("contentBlockDelta", json!({"delta": {"text": "Hi"}, "p": "abc"})),
        frame("metadata", json!({"usage": usage, "metrics": {"latencyMs": 9}})),
    ]
    .concat();
    let gemini = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}],\"usageMetadata\":\
                  {\"promptTokenCount\":10,\"cachedContentTokenCount\":4,\"candidatesTokenCount\":2,\
                  \"thoughtsTokenCount\":30,\"totalTokenCount\":42}}\r\n\r\n";
    let ollama = "{\"model\":\"m\",\"message\":{\"content\":\"Hi\"},\"done\":false}\n\
                  {\"model\":\"m\",\"done\":true,\"prompt_eval_count\":26,\"eval_count\":7}\n";
    let cases = [
        Case {
            path: "/model/any/converse-stream",
            sent: "/model/vendor%2Fmodel%3A1/converse-stream",
            content_type: "application/vnd.amazon.eventstream",
            body: &bedrock,
            expected: (2_077, 2_074, 288),
        },
        Case {
            path: "/v1beta/models/any:streamGenerateContent?alt=sse",
            sent: "/v1beta/models/vendor%2Fmodel%3A1:streamGenerateContent?alt=sse",
            content_type: "text/event-stream",
            body: gemini.as_bytes(),
            expected: (10, 4, 32),
        },
        Case {
            path: "/api/chat",
            sent: "/api/chat",
            content_type: "application/x-ndjson",
            body: ollama.as_bytes(),
            expected: (26, 0, 7),
        },
    ];
    for (seen, Case { path, sent, content_type, body, expected }) in cases.into_iter().enumerate() {
        gateway.provider.reply(Reply::whole(200, content_type, body));
        let answer =
            gateway.client.post(path, &json!({"model": "any", "messages": [], "contents": []})).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(gateway.provider.last().path, sent);
        let record = gateway.envoy.record(seen + 1).await;
        assert_eq!(counts(&record), expected, "{path}: {record}");
        assert_eq!(
            (&record["stream"], &record["usage_source"]),
            (&json!(true), &json!("provider")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_api_takes_the_key_where_its_sdk_puts_it_and_refuses_in_its_own_form() {
    let gateway = Gateway::new(every_api()).await;
    for header in ["x-api-key", "api-key", "x-goog-api-key"] {
        let client = Client::anonymous(&gateway.envoy).with(header, DEMO);
        let answer = client.post("/v1beta/models/none:generateContent", &json!({"contents": []})).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["status"]),
            (404, &json!("NOT_FOUND")),
            "{header}"
        );
    }
    let answer = gateway.client.post("/model/none/converse", &json!({"messages": []})).await;
    assert_eq!(answer.header("x-amzn-errortype"), Some("ResourceNotFoundException"));
    assert_eq!(gateway.provider.count(), 0);
}

#[tokio::test]
async fn a_real_model_asked_in_three_dialects_is_charged_the_same() {
    let model = SmallModel::start().await;
    let plugin = config::with(json!({
        "providers": {"local": {"dialect": ["openai", "anthropic"], "cluster": "local"}},
        "models": {"small": [{"provider": "local", "model": "smollm2-135m-instruct"}]},
        "prices": {"local/*": {"input": 1, "cache_read": 1, "output": 2}},
        "rules": [],
        "default_model": "small",
    }));
    let envoy = Setup::new(&plugin).start_before(model.address()).await;
    let client = Client::new(&envoy, DEMO);
    let messages = json!([{"role": "user", "content": "What is a turnstile?"}]);
    let asked = [
        ("/v1/chat/completions", json!({"messages": messages, "max_tokens": 8, "temperature": 0})),
        ("/v1/messages", json!({"messages": messages, "max_tokens": 8, "temperature": 0})),
        ("/v1/responses", json!({"input": messages, "max_output_tokens": 8, "temperature": 0})),
    ];
    let mut seen = 0;
    let mut charged = Vec::new();
    for stream in [false, true] {
        for (path, body) in &asked {
            let mut body = body.clone();
            body["model"] = json!("small");
            body["stream"] = json!(stream);
            let answer = client.post(path, &body).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            seen += 1;
            let record = envoy.record(seen).await;
            assert_eq!(record["usage_source"], "provider", "{path}: {record}");
            let (input, _, output) = counts(&record);
            charged.push((input, output, record["cost_usd"].as_str().unwrap().to_owned()));
        }
    }
    assert!(charged.iter().all(|charge| *charge == charged[0]), "{charged:?}");
    assert!(charged[0].0 > 20 && charged[0].1 == 8, "{charged:?}");
}
