//! A real llama.cpp that is asked for several answers, several prompts, by limits of its own, and left in the middle: what is
//! charged is what it generated, whatever it reports.

use farebox_tests::client::Client;
use farebox_tests::config::{self, DEMO};
use farebox_tests::envoy::{Envoy, Setup};
use farebox_tests::model::SmallModel;
use serde_json::{Value, json};

/// The model, and a gateway that knows what serves it: $1 in, $2 out a million, a strict budget for whoever
/// names a session.
async fn gateway() -> (SmallModel, Envoy) {
    let model = SmallModel::start().await;
    let plugin = config::with(json!({
        "providers": {"local": {"preset": "llamacpp", "cluster": "local"}},
        "models": {"small": [{"provider": "local", "model": "smollm2-135m-instruct"}]},
        "prices": {"local/*": {"input": 1, "cache_read": 1, "output": 2}},
        "budgets": [{"name": "run", "per": "session", "window": "month", "limit_usd": "0.0004", "mode": "strict"}],
        "rules": [],
    }));
    let envoy = Setup::new(&plugin).start_before(model.address()).await;
    (model, envoy)
}

/// A body that generates as many tokens as it is allowed, always the same ones.
fn body(more: Value) -> Value {
    let mut body = json!({"model": "small", "temperature": 0, "ignore_eos": true});
    let members = body.as_object_mut().expect("an object");
    members.extend(more.as_object().cloned().unwrap_or_default());
    body
}

fn messages() -> Value {
    json!([{"role": "user", "content": "Count to ten."}])
}

/// Input and output tokens that were charged.
fn counts(record: &Value) -> (u64, u64) {
    let count = |name: &str| record[name].as_u64().unwrap_or_default();
    (count("input_tokens"), count("output_tokens"))
}

#[tokio::test]
async fn several_answers_of_a_real_llama_are_charged_each_plain_and_streamed() {
    let (_model, envoy) = gateway().await;
    let client = Client::new(&envoy, DEMO);
    let one =
        client.post("/v1/chat/completions", &body(json!({"messages": messages(), "max_tokens": 6}))).await;
    assert_eq!(one.status, 200, "{one:?}");
    assert_eq!(counts(&envoy.record(1).await).1, 6);
    let (mut seen, input) = (1, counts(&envoy.record(1).await).0);
    for more in [
        json!({}),
        json!({"stream": true}),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    ] {
        let mut asked = body(json!({"messages": messages(), "max_tokens": 6, "n": 2}));
        asked.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let answer = client.post("/v1/chat/completions", &asked).await;
        seen += 1;
        if answer.status == 400 {
            continue; // refused: nothing was generated
        }
        let record = envoy.record(seen).await;
        assert_eq!(counts(&record).1, 12, "{more}: {record}");
        assert!(counts(&record).0 >= input, "{more}: {record}");
    }
}

#[tokio::test]
async fn a_list_of_prompts_for_a_real_llama_is_charged_whole() {
    let (_model, envoy) = gateway().await;
    let client = Client::new(&envoy, DEMO);
    let mut seen = 0;
    for more in [json!({}), json!({"stream": true}), json!({"n": 2})] {
        let mut asked = body(json!({"prompt": ["One two", "Three four five", "Six"], "max_tokens": 5}));
        asked.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let answer = client.post("/v1/completions", &asked).await;
        seen += 1;
        if answer.status == 400 {
            continue;
        }
        let record = envoy.record(seen).await;
        let times = if more["n"] == 2 { 2 } else { 1 };
        assert!(counts(&record).1 >= 15 * times, "{more}: {record}");
        assert!(counts(&record).1 <= 30 * times, "{more}: {record}");
    }
}

#[tokio::test]
async fn no_limit_of_its_own_makes_a_real_llama_overspend_a_strict_budget() {
    let (_model, envoy) = gateway().await;
    let client = Client::new(&envoy, DEMO);
    let chat = "/v1/chat/completions";
    let long = [
        (chat, body(json!({"messages": messages(), "max_tokens": 4, "n_predict": 900}))),
        (chat, body(json!({"messages": messages(), "max_completion_tokens": 900, "max_tokens": 4}))),
        (chat, body(json!({"messages": messages(), "n_predict": -1}))),
        (chat, body(json!({"messages": messages(), "max_tokens": 900}))),
        (chat, body(json!({"messages": messages(), "max_tokens": 0, "n_cmpl": 2}))),
        ("/v1/completions", body(json!({"prompt": ["One", "Two", "Three"], "max_tokens": 500}))),
        ("/v1/completions", body(json!({"prompt": "One", "max_tokens": 4, "n_predict": 900}))),
        ("/v1/responses", body(json!({"input": messages(), "max_output_tokens": 4, "n_predict": 900}))),
        (
            "/v1/responses",
            body(json!({"input": messages(), "max_output_tokens": 4, "max_completion_tokens": 900})),
        ),
    ];
    for (at, (path, asked)) in long.iter().enumerate() {
        let own = client.with("x-farebox-session", &format!("s-{at}"));
        let answer = own.post(path, asked).await;
        let record = envoy.record(at + 1).await;
        if answer.status != 200 {
            assert!([400, 429].contains(&answer.status), "{asked}: {answer:?}");
            continue;
        }
        let answers = answer.json();
        let reported =
            answers["timings"]["predicted_n"].as_u64().or(answers["usage"]["output_tokens"].as_u64());
        let generated =
            reported.unwrap_or_default() * answers["choices"].as_array().map_or(1, |all| all.len() as u64);
        let (input, output) = counts(&record);
        assert!(output >= generated, "{asked}: {generated} of {record}");
        // In millionths: $0.0004 for a session.
        assert!(input + 2 * output <= 400, "{asked}: {record}");
    }
}

#[tokio::test]
async fn a_stream_of_a_real_llama_that_is_left_costs_what_came_at_least() {
    let (_model, envoy) = gateway().await;
    let client = Client::new(&envoy, DEMO);
    let mut stream =
        client.stream_chat("small", json!({"max_tokens": 400, "temperature": 0, "ignore_eos": true})).await;
    let mut received = 0;
    while received < 12 {
        let event = stream.next().await.expect("it has not ended");
        received += u64::from(event.contains("\"content\":\""));
    }
    drop(stream);
    let record = envoy.record(1).await;
    let (input, output) = counts(&record);
    assert!(input > 0 && output >= received, "{received} came: {record}");
    assert!(output <= 400, "{record}");
}
