//! Whose fault an error was: what rests for it, where its request goes on, and what its caller reads.

use super::money::cost;
use farebox_tests::answers::Answers;
use farebox_tests::client::Client;
use farebox_tests::client::chat_body;
use farebox_tests::config::OTHER;
use farebox_tests::envoy::Setup;
use farebox_tests::fleet::{self, Fleet};
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::{Value, json};

/// Words of an operator's account, which no caller may read.
const SECRET_WORDS: [&str; 6] =
    ["credit balance", "billing details", "API key", "Insufficient", "org-x", "proj_x"];

fn openai(message: &str, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}})
}

fn anthropic(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

fn google(code: u16, status: &str, message: &str, reason: Option<&str>) -> Value {
    json!({"error": {"code": code, "status": status, "message": message, "details": [{"reason": reason}]}})
}

/// Two keys at `a`, both of which can be chosen; `alone` is at `a` only.
async fn start() -> Fleet {
    let mut plugin = fleet::plugin();
    plugin["providers"]["a"]["credentials"] =
        json!([{"env": "FIRST_KEY", "weight": 100}, {"env": "SECOND_KEY", "weight": 1}]);
    plugin["models"]["alone"] = json!([{"provider": "a", "model": "model-a"}]);
    plugin["models"]["single"] = json!([{"provider": "c", "model": "model-c"}]);
    let setup = Setup::new(&plugin);
    Fleet::run(setup.env("FIRST_KEY", "sk-first").env("SECOND_KEY", "sk-second")).await
}

/// Refuses the first key like this and accepts the second.
fn refuse_first(fleet: &Fleet, status: u16, body: &Value) {
    let (answers, refusal) = (Answers::default(), Reply::json(status, body));
    fleet.a().answer(move |request| {
        let first = request.header("authorization") == ["Bearer sk-first"];
        if first { refusal.clone() } else { answers.reply(request) }
    });
}

/// How often the first key was used.
fn first_used(fleet: &Fleet) -> usize {
    let requests = fleet.a().requests();
    requests.iter().filter(|request| request.header("authorization") == ["Bearer sk-first"]).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_key_cools_down_whatever_the_status_and_its_caller_sees_nothing_of_it() {
    for (status, body) in [
        (
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                Some("API_KEY_INVALID"),
            ),
        ),
        (401, openai("Incorrect API key provided: sk-x.", Some("invalid_api_key"))),
        (400, json!({"code": "invalid-argument", "error": "Incorrect API key provided: xa***12."})),
        (402, openai("Insufficient Balance", Some("invalid_request_error"))),
        (
            400,
            anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        ),
        (
            429,
            openai(
                "You exceeded your current quota, please check your plan and billing details.",
                Some("insufficient_quota"),
            ),
        ),
        // Nobody says why: the other key shows that it was not the request.
        (403, json!({"error": "no"})),
        (401, json!({})),
    ] {
        let fleet = start().await;
        refuse_first(&fleet, status, &body);
        for _ in 0..12 {
            assert_eq!(fleet.client.chat("alone").await.status, 200, "{body}");
        }
        assert_eq!(first_used(&fleet), 1, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_operators_is_not_for_callers() {
    for (status, body) in [
        (401, openai("Incorrect API key provided: sk-x. See API key", Some("invalid_api_key"))),
        (402, openai("Insufficient Balance", None)),
        (
            400,
            anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        ),
        (
            429,
            openai(
                "You exceeded your current quota, please check your plan and billing details.",
                Some("insufficient_quota"),
            ),
        ),
        (403, openai("Project `proj_x` does not have access to model `x`", Some("model_not_found"))),
        (400, google(400, "INVALID_ARGUMENT", "API key not valid.", Some("API_KEY_INVALID"))),
        (403, openai("org-x may not", None)),
    ] {
        let fleet = start().await;
        fleet.c().reply(Reply::json(status, &body));
        fleet.a().reply(Reply::json(status, &body));
        for (count, model) in (1..).zip(["single", "alone"]) {
            let answer = fleet.client.chat(model).await;
            assert_eq!(
                (answer.status, answer.header("x-farebox-denied")),
                (502, Some("provider_refused")),
                "{body}"
            );
            let text = answer.json().to_string();
            assert!(SECRET_WORDS.iter().all(|word| !text.contains(word)), "{text}");
            let record = fleet.envoy.record(count).await;
            assert_eq!(
                (&record["provider_status"], &record["cost_usd"]),
                (&json!(status), &json!("0.00")),
                "{record}"
            );
            assert_eq!(record["outcome"], "upstream_error", "{record}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_has_caused_goes_back_to_its_caller_and_nothing_cools_down_for_it() {
    for (status, body) in [
        (401, openai("No such organization: org-y.", Some("invalid_organization"))),
        (
            403,
            google(
                403,
                "PERMISSION_DENIED",
                "You do not have permission to access the File abc or it may not exist.",
                None,
            ),
        ),
        (
            403,
            json!({"error": {"message": "x requires moderation. Your input was flagged", "code": 403, "metadata": {"reasons": ["violence"], "flagged_input": "x"}}}),
        ),
        (400, openai("Invalid value: 'Incorrect API key provided'.", Some("invalid_value"))),
    ] {
        let fleet = start().await;
        let refusal = Reply::json(status, &body);
        fleet.a().reply(refusal.clone());
        fleet.c().reply(refusal);
        for (count, model) in (1..).zip(["single", "alone", "fast"]) {
            let answer = fleet.client.chat(model).await;
            assert_eq!((answer.status, answer.json()), (status, body.clone()));
            let record = fleet.envoy.record(count).await;
            assert_eq!(
                (&record["outcome"], &record["cost_usd"]),
                (&json!("upstream_error"), &json!("0.00")),
                "{record}"
            );
        }
        assert_eq!(fleet.counts(), [2, 0, 1], "it does not go on");
        // Others are served by the same provider, with either key.
        let answers = Answers::default();
        fleet.a().answer(move |request| answers.reply(request));
        let other = Client::new(&fleet.envoy, OTHER);
        assert_eq!(other.chat("fast").await.status, 200);
        assert_eq!(fleet.counts(), [3, 0, 1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_that_is_too_large_goes_on_and_cools_nothing_down() {
    let fleet = start().await;
    let body = openai(
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 50000.",
        Some("rate_limit_exceeded"),
    );
    fleet.a().reply(Reply::json(429, &body));
    assert_eq!(fleet.client.chat("fast").await.status, 200, "the next target takes it");
    assert_eq!(fleet.counts(), [2, 1, 0], "after both keys");
    fleet.failed_attempts("a", "request_too_large", 2).await;
    let answers = Answers::default();
    fleet.a().answer(move |request| answers.reply(request));
    assert_eq!(fleet.client.chat("fast").await.status, 200);
    assert_eq!(fleet.counts(), [3, 1, 0], "both keys are there for the others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_limit_for_one_model_is_used_up_serves_the_others() {
    let mut plugin = fleet::with_keys();
    plugin["models"]["other"] =
        json!([{"provider": "a", "model": "other-a"}, {"provider": "b", "model": "model-b"}]);
    let fleet = Fleet::run(fleet::set_keys(Setup::new(&plugin))).await;
    fleet.a().reply(fleet::error(429, &[("retry-after", "60")]));
    assert_eq!(fleet.client.chat("fast").await.status, 200);
    assert_eq!(fleet.counts(), [1, 1, 0]);
    let answers = Answers::default();
    fleet.a().answer(move |request| answers.reply(request));
    assert_eq!(fleet.client.chat("fast").await.status, 200);
    assert_eq!(fleet.counts(), [1, 2, 0], "it rests for this one");
    assert_eq!(fleet.client.chat("other").await.status, 200);
    assert_eq!(fleet.counts(), [2, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_a_provider_does_not_have_is_asked_of_the_next_and_cools_down() {
    for (status, body) in [
        (
            404,
            openai(
                "The model `model-a` does not exist or you do not have access to it.",
                Some("model_not_found"),
            ),
        ),
        (
            404,
            json!({"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}),
        ),
        (
            404,
            json!({"object": "error", "message": "The model `model-a` does not exist.", "type": "NotFoundError", "code": 404}),
        ),
        (
            400,
            json!({"object": "error", "message": "Invalid model: model-a", "type": "invalid_model", "code": "1500"}),
        ),
    ] {
        let fleet = Fleet::new(fleet::plugin()).await;
        fleet.a().reply(Reply::json(status, &body));
        for count in 1..=3 {
            assert_eq!(fleet.client.chat("fast").await.status, 200, "{body}");
            assert_eq!(fleet.counts(), [1, count, 0], "{body}");
        }
        fleet.failed_attempts("a", "model_not_found", 1).await;
        let metrics = fleet.envoy.metrics().await;
        assert_eq!(metrics.sum("farebox_resting_models_total", &[("provider", "a")]), 1.0);
        let record = fleet.envoy.record(1).await;
        assert_eq!(record["attempts"][0]["reason"], "model_not_found", "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_answer_that_is_nothing_but_an_error_goes_on_although_it_says_200() {
    for (body, reason) in [
        (json!({"error": {"code": 429, "message": "Provider returned error"}}), "answer_error"),
        (
            json!({"id": "x", "choices": null, "usage": {"total_tokens": 0}, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
            "account",
        ),
        (json!({"error": "busy"}), "answer_error"),
        (anthropic("overloaded_error", "Overloaded"), "answer_error"),
    ] {
        let fleet = Fleet::new(fleet::plugin()).await;
        fleet.a().reply(Reply::json(200, &body));
        fleet.c().reply(Reply::json(200, &body));
        assert_eq!(fleet.client.chat("fast").await.status, 200, "{body}");
        let record = fleet.envoy.record(1).await;
        assert_eq!((&record["provider"], &record["outcome"]), (&json!("b"), &json!("ok")), "{record}");
        assert_eq!(
            (&record["attempts"][0]["reason"], &record["cost_usd"]),
            (&json!(reason), &json!(super::COST_AT_B)),
            "{record}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_servers_for_a_prompt_that_is_too_long_lead_to_the_target_for_long_ones() {
    let mut plugin = fleet::plugin();
    plugin["models"]["fast"] = json!([{"provider": "a", "model": "model-a"}, {"provider": "b", "model": "model-b", "after": "context_length"}]);
    let fleet = Fleet::new(plugin).await;
    for (count, (status, body)) in (1..).zip([
        (400, json!({"error": {"code": 400, "message": "request (5000 tokens) exceeds the available context size", "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}})),
        (400, json!({"object": "error", "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).", "code": 400})),
        (422, json!({"error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000", "error_type": "validation"})),
        (400, json!({"id": "x", "message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"})),
    ]) {
        fleet.a().reply(Reply::json(status, &body));
        assert_eq!(fleet.client.chat("fast").await.status, 200, "{body}");
        assert_eq!(fleet.counts(), [count, count, 0], "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_waited_for_in_vain_is_charged_what_was_held_and_the_caller_is_told_in_its_dialect() {
    let mut plugin = fleet::plugin();
    plugin["failover"] = json!({"first_token_seconds": 7});
    let fleet = Fleet::new(plugin).await;
    let silent = Reply::default().then(Step::Await(Gate::closed()));
    fleet.a().reply(silent.clone());
    fleet.b().reply(silent);
    let mut body = chat_body("fast");
    body["max_tokens"] = json!(50);
    body["stream"] = json!(true);
    let answer = fleet.client.post(super::MESSAGES, &body).await;
    assert_eq!((answer.status, answer.header("x-farebox-denied")), (504, Some("no_answer")), "{answer:?}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
    assert_eq!(answer.json()["error"]["type"], "timeout_error");
    assert_eq!(fleet.counts(), [1, 1, 0]);
    let record = fleet.envoy.record(1).await;
    assert_eq!(
        (&record["outcome"], &record["usage_basis"]),
        (&json!("upstream_timeout"), &json!("hold")),
        "{record}"
    );
    // Each attempt held its input and 50 tokens of output, at the dearer price.
    assert_eq!(record["output_tokens"], 100, "{record}");
    let input = record["input_tokens"].as_u64().unwrap();
    assert_eq!(cost(&record["cost_usd"]), (2 * input + 20 * 100) * 1_000_000, "{record}");
    let usage = fleet.client.usage("org").await;
    assert_eq!(
        (&usage["spent"]["usd"], &usage["held"]),
        (&record["cost_usd"], &farebox_tests::config::nothing())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_could_be_asked_is_told_in_the_callers_dialect_and_costs_nothing() {
    let mut plugin = fleet::plugin();
    plugin["models"]["nowhere"] = json!([{"provider": "dead", "model": "m"}]);
    let fleet = Fleet::new(plugin).await;
    for (count, (model, path)) in
        (1..).zip([("nowhere", super::CHAT), ("lost", super::CHAT), ("nowhere", super::MESSAGES)])
    {
        let mut body = chat_body(model);
        body["max_tokens"] = json!(50);
        let answer = fleet.client.post(path, &body).await;
        assert_eq!(
            (answer.status, answer.header("x-farebox-denied")),
            (503, Some("no_answer")),
            "{answer:?}"
        );
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
        assert_eq!(answer.header("x-should-retry"), None, "it may be better in a moment");
        assert_eq!(answer.json()["type"] == "error", path == super::MESSAGES, "{answer:?}");
        let record = fleet.envoy.record(count).await;
        assert_eq!(
            (&record["outcome"], &record["cost_usd"], &record["status"]),
            (&json!("not_answered"), &json!("0.00"), &json!(503)),
            "{record}"
        );
    }
}
