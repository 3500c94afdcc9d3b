//! A request that is let through and answered, from its headers to its record.

use proxy_wasm::types::Action;
use serde_json::json;

use super::*;
use crate::fake_host::{advance, counter, histogram, metric_names};

#[test]
fn a_request_goes_on_as_it_is_but_for_what_a_provider_must_not_see() {
    let vm = start();
    let mut stream = vm.stream();
    let mut request = chat();
    request.extend(pairs(&[
        ("x-farebox-agent", "planner"),
        ("x-farebox-cluster", "evil"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-max-retries", "9"),
        ("accept-encoding", "gzip"),
        ("user-agent", "test"),
    ]));
    assert_eq!(stream.request(request, false), Action::Pause);
    assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Continue);
    let sent = stream.sent().unwrap();
    assert_eq!((sent.cluster.as_deref(), sent.ended), (Some("local-cluster"), true));
    assert_eq!(sent.picked_by, b"gateway.example", "the filter leaves it alone");
    assert_eq!(String::from_utf8_lossy(&sent.body), PLAIN);
    assert_eq!(
        sent.headers,
        pairs(&[
            (":method", "POST"),
            (":path", "/v1/chat/completions"),
            (":authority", "local-cluster"),
            ("x-request-id", "r-1"),
            ("content-type", "application/json"),
            ("accept-encoding", "identity"),
            ("user-agent", "test"),
            ("x-farebox-cluster", "local-cluster"),
        ])
    );
    assert_eq!(stream.replies(), 0);
}

#[test]
fn of_two_credentials_our_key_counts_and_neither_goes_on() {
    let vm = start();
    let mut stream = vm.stream();
    let mut request = chat();
    request.extend(pairs(&[("x-api-key", "sk-ant-of-somebody")]));
    assert_eq!(stream.request(request, false), Action::Pause);
    assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Continue);
    let sent = stream.sent().unwrap();
    assert_eq!((sent.header("authorization"), sent.header("x-api-key")), (vec![], vec![]));
}

#[test]
fn a_provider_gets_its_own_name_path_credential_model_and_length() {
    let vm = start();
    let mut stream = vm.stream();
    let mut request = head("POST", "/v1/chat/completions?trace=1&api-version=2", "demo");
    request.extend(pairs(&[("content-length", &RENAMED.len().to_string())]));
    assert_eq!(stream.request(request, false), Action::Pause);
    assert_eq!(stream.body(RENAMED.as_bytes(), true), Action::Continue);
    let sent = stream.sent().unwrap();
    let body = RENAMED.replace("\"fast\"", "\"p-1\"");
    assert_eq!(String::from_utf8_lossy(&sent.body), body);
    for (name, value) in [
        (":authority", "api.paid.example"),
        (":path", "/compat/v1/chat/completions"),
        ("authorization", "Bearer sk-the-provider-secret"),
        ("content-length", &body.len().to_string()),
        ("x-farebox-cluster", "paid-cluster"),
    ] {
        assert_eq!(sent.header(name), [value], "{name}");
    }
}

#[test]
fn what_no_table_lists_and_what_has_the_callers_key_in_it_stays_here() {
    let vm = FakeVm::start(&config(|json| {
        json["headers"] = json!({"pass": ["x-tenant", "x-own-*"]});
        json["query"] = json!({"pass": ["trace"]});
    }));
    let mut stream = vm.stream();
    let mut request = head("POST", "/v1/chat/completions?trace=1&user=2", "demo");
    let key = key_text("demo");
    request.extend(pairs(&[
        ("openai-organization", "org-theirs"),
        ("x-forwarded-client-cert", "By=spiffe://a"),
        ("cookie", "a=b"),
        ("x-tenant", "t-1"),
        ("x-own-flag", "1"),
        ("x-own-key", &format!("k={key}")),
        ("user-agent", &key),
        ("x-litellm-api-key", &key),
        ("x-stainless-retry-count", "1"),
    ]));
    stream.request(request, false);
    assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Continue);
    let sent = stream.sent().unwrap();
    let names: Vec<&str> = sent.headers.iter().map(|(name, _)| core::str::from_utf8(name).unwrap()).collect();
    for gone in [
        "openai-organization",
        "x-forwarded-client-cert",
        "cookie",
        "x-own-key",
        "user-agent",
        "x-litellm-api-key",
    ] {
        assert!(!names.contains(&gone), "{gone}");
    }
    for kept in ["x-tenant", "x-own-flag", "x-stainless-retry-count"] {
        assert!(names.contains(&kept), "{kept}");
    }
    assert_eq!(sent.header(":path"), ["/v1/chat/completions?trace=1"]);
}

#[test]
fn a_redirect_and_names_of_the_operators_account_do_not_reach_a_client() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    let own = [
        ("content-type", "application/json"),
        ("set-cookie", "a=b"),
        ("openai-organization", "org"),
        ("x-request-id", "p-1"),
    ];
    stream.answer(200, &own, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    let response = stream.response().unwrap();
    assert_eq!((response.header("set-cookie"), response.header("openai-organization")), (vec![], vec![]));
    assert_eq!(response.header("x-request-id"), ["p-1"]);
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(307, &[("location", "https://elsewhere.example/")], true);
    let response = stream.response().unwrap();
    assert_eq!((response.status, response.header("location")), (502, vec![]));
    assert_eq!(response.header("x-farebox-denied"), ["provider_redirected"]);
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["provider_status"]), (&json!("upstream_error"), &json!(307)));
    assert_eq!(record["cost_usd"], "0.00");
}

#[test]
fn the_name_that_an_authentication_filter_gave_a_caller_stays_here() {
    let vm = FakeVm::start(&config(|json| json["identity"] = json!({"header": "x-auth-client"})));
    let mut stream = vm.stream();
    let mut request =
        pairs(&[(":method", "POST"), (":path", "/v1/chat/completions"), ("x-auth-client", "ads")]);
    request.extend(pairs(&[("authorization", "Bearer eyJ.of.the.client")]));
    assert_eq!(stream.request(request, false), Action::Pause);
    assert_eq!(stream.body(PLAIN.as_bytes(), true), Action::Continue);
    let sent = stream.sent().unwrap();
    assert_eq!((sent.header("x-auth-client"), sent.header("authorization")), (vec![], vec![]));
    assert_eq!(stream.log()["team"], "ads");
}

#[test]
fn a_messages_request_shows_the_credential_as_anthropic_wants_it() {
    let vm = start();
    let mut stream = vm.stream();
    stream.request(head("POST", "/v1/messages", "demo"), false);
    assert_eq!(stream.body(RENAMED.as_bytes(), true), Action::Continue);
    let sent = stream.sent().unwrap();
    assert_eq!(sent.header("x-api-key"), [PROVIDER_SECRET]);
    assert_eq!(sent.header("authorization"), [""; 0]);
}

#[test]
fn the_answer_reaches_the_client_untouched_and_is_written_down() {
    let vm = start();
    let mut stream = vm.stream();
    let mut request = chat();
    request.extend(pairs(&[("x-farebox-agent", "planner"), ("x-stainless-retry-count", "1")]));
    stream.request(request, false);
    stream.body(PLAIN.as_bytes(), true);
    advance(20);
    stream.answer(200, JSON, false);
    stream.answer_body(&ANSWER.as_bytes()[..30], false);
    advance(10);
    stream.answer_body(&ANSWER.as_bytes()[30..], false);
    stream.answer_body(b"", true);
    let response = stream.response().unwrap().clone();
    assert_eq!((response.status, response.ended, response.local), (200, true, false));
    assert_eq!(String::from_utf8_lossy(&response.body), ANSWER);
    let mut record = stream.log();
    for hash in ["config", "prices"] {
        let hash = record.as_object_mut().unwrap().remove(hash).unwrap();
        assert_eq!(hash.as_str().unwrap().len(), 16);
    }
    assert_eq!(record.as_object_mut().unwrap().remove("details"), Some(Value::Null));
    let priced =
        ["charged_tier", "cost_source"].map(|name| record.as_object_mut().unwrap().remove(name).unwrap());
    assert_eq!(priced, ["standard", "price"]);
    let others = ["measure", "limit", "spent", "held", "estimate"].map(|figure| format!("budget_{figure}"));
    let others = others.iter().map(String::as_str);
    for name in others.chain(["would_downgrade_by", "would_downgrade_to", "unpriced_targets"]) {
        assert_eq!(record.as_object_mut().unwrap().remove(name), Some(Value::Null), "{name}");
    }
    assert_eq!(
        record,
        json!({
            "request_id": "r-1", "method": "POST", "path": "/v1/chat/completions",
            "key": "demo", "team": "search", "agent": "planner", "session": null, "workflow": null,
            "user": null, "client": null, "labels": {"env": "ci"}, "endpoint": "chat_completions",
            "model_requested": "plain", "model": "plain", "model_sent": "plain",
            "model_served": "plain-2026", "provider": "local", "service_tier": null, "stream": false, "input_tokens": 10,
            "cache_read_tokens": 0, "cache_write_tokens": 0, "output_tokens": 5, "reasoning_tokens": 0,
            "cost_usd": "0.00002", "stated_cost_usd": null, "usage_source": "provider", "usage_basis": null, "ttft_ms": 20, "duration_ms": 30,
            "status": 200, "outcome": "ok", "denied": null, "shadowed": null, "downgraded_by": null, "output_limit": null, "attempts": [], "provider_status": null, "budget": null, "retries": 1, "unreadable": 0,
        })
    );
}

#[test]
fn room_is_held_while_a_request_runs_and_the_real_cost_charged_when_it_ends() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    let input = PLAIN.len().div_ceil(4) as u64;
    assert_eq!(input, 20);
    assert_eq!(team(&vm), (nothing(), amounts("0.00022", 120, 1)));
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    stream.log();
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()));
    let others = usage(&vm, "ads");
    assert_eq!(others["budgets"][0]["spent"]["requests"], 1, "the organisation's budget is shared");
    assert_eq!(others["budgets"][1]["spent"]["requests"], 0);
}

#[test]
fn a_request_is_counted_under_the_names_of_the_configuration() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    advance(20);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), false);
    advance(5);
    stream.answer_body(b"", true);
    stream.log();
    let labels = "{team:search}{model:plain}{provider:local}";
    let count = |name: &str| counter(name).unwrap_or_else(|| panic!("no {name} in {:?}", metric_names()));
    assert_eq!(count(&format!("farebox_requests_total{labels}{{outcome:ok}}")), 1);
    assert_eq!(count(&format!("farebox_tokens_total{labels}{{type:input}}")), 10);
    assert_eq!(count(&format!("farebox_tokens_total{labels}{{type:output}}")), 5);
    assert_eq!(count(&format!("farebox_tokens_total{labels}{{type:cache_read}}")), 0);
    assert_eq!(count(&format!("farebox_cost_nano_usd_total{labels}")), 20_000);
    assert_eq!(count("farebox_usage_source_total{source:provider}"), 1);
    let labels = "{model:plain}{provider:local}";
    assert_eq!(histogram(&format!("farebox_request_duration_ms{labels}")).unwrap(), [25]);
    assert_eq!(histogram(&format!("farebox_time_to_first_token_ms{labels}")).unwrap(), [20]);
    let before = metric_names();
    answered(&vm);
    assert_eq!(metric_names(), before, "the same request again makes no new names");
}

#[test]
fn a_model_that_a_client_names_freely_makes_no_metric_of_its_own() {
    let vm = FakeVm::start(&config(|json| json["unpriced"] = "allow".into()));
    for model in ["local/a", "local/b{x}"] {
        let mut stream = admitted(&vm, &json!({"model": model}).to_string());
        stream.answer(200, JSON, true);
        assert_eq!(stream.log()["model_requested"], model);
    }
    let name = "farebox_requests_total{team:search}{model:other}{provider:local}{outcome:ok}";
    assert_eq!(counter(name), Some(2), "{:?}", metric_names());
    assert!(metric_names().iter().all(|name| !name.contains("local/")));
    assert_eq!(counter("farebox_unpriced_total"), Some(2));
}

#[test]
fn own_pages_are_answered_without_a_provider_and_cost_nothing() {
    let vm = start();
    let mut health = vm.stream();
    assert_eq!(
        health.request(pairs(&[(":method", "GET"), (":path", "/farebox/health")]), true),
        Action::Pause
    );
    let response = health.response().unwrap().clone();
    assert_eq!((response.status, response.local, response.json()), (200, true, json!({"status": "ok"})));
    assert_eq!((health.replies(), health.sent().is_none()), (1, true));
    assert_eq!(health.log()["outcome"], "local");
    let mut models = vm.stream();
    models.request(head("GET", "/v1/models", "demo"), true);
    let page = models.response().unwrap().json();
    let names: Vec<_> = page["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(names, ["fast", "plain"]);
    assert_eq!(models.log()["key"], "demo");
    assert_eq!(team(&vm), (nothing(), nothing()));
}

#[test]
fn a_stated_cost_that_is_another_and_what_could_not_be_read_are_counted() {
    let vm = start();
    let counted = || ["farebox_stated_cost_mismatch_total", "farebox_unreadable_total"].map(counter);
    for (answer, expected) in [
        (r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":0.00002}}"#, [None, None]),
        (r#"{"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":0.5}}"#, [Some(1), None]),
        (r#"{"usage":{"prompt_tokens":10,"completion_tokens":5}"#, [Some(1), Some(1)]),
    ] {
        let mut stream = admitted(&vm, PLAIN);
        stream.answer(200, JSON, false);
        stream.answer_body(answer.as_bytes(), true);
        stream.log();
        assert_eq!(counted(), expected, "{answer}");
    }
}

#[test]
fn every_token_of_an_answer_is_in_one_metric() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    let answer = r#"{"usage":{"prompt_tokens":1000,"completion_tokens":500,
        "prompt_tokens_details":{"cached_tokens":100,"cache_write_tokens":50,"audio_tokens":20,"image_tokens":300},
        "completion_tokens_details":{"reasoning_tokens":40,"audio_tokens":7,"image_tokens":90}}}"#;
    stream.answer_body(answer.as_bytes(), true);
    let record = stream.log();
    assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(1_000), &json!(500)));
    let of = |kind: &str| {
        metric_names()
            .iter()
            .filter(|name| {
                name.starts_with("farebox_tokens_total") && name.ends_with(&format!("{{type:{kind}}}"))
            })
            .filter_map(|name| counter(name))
            .sum::<u64>()
    };
    let counted = ["input", "cache_read", "cache_write", "output", "reasoning"].map(of);
    assert_eq!(counted, [850, 100, 50, 460, 40]);
}
