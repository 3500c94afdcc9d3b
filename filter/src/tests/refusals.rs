//! Requests that are refused: one reply, nothing for a provider, nothing charged, and a record of it.

use proxy_wasm::types::Action;

use super::*;
use crate::fake_host::counter;

struct Refused {
    name: &'static str,
    head: Pairs,
    body: Option<String>,
    status: u32,
    reason: &'static str,
}

/// Refused with its headers.
fn at_once(name: &'static str, head: Pairs, status: u32, reason: &'static str) -> Refused {
    Refused { name, head, body: None, status, reason }
}

/// Refused when its body is there.
fn by_body(name: &'static str, body: &str, status: u32, reason: &'static str) -> Refused {
    Refused { name, head: chat(), body: Some(body.into()), status, reason }
}

fn without(mut head: Pairs, name: &str) -> Pairs {
    head.retain(|(candidate, _)| candidate != name.as_bytes());
    head
}

fn with(mut head: Pairs, headers: &[(&str, &str)]) -> Pairs {
    head.extend(pairs(headers));
    head
}

fn refused() -> Vec<Refused> {
    let key = key_text("off");
    vec![
        at_once("no key", without(chat(), "authorization"), 401, "missing_key"),
        at_once("two keys", with(chat(), &[("x-api-key", &key)]), 400, "duplicate_credentials"),
        at_once("unknown key", head("POST", "/v1/chat/completions", "nobody"), 401, "invalid_key"),
        at_once("key switched off", head("POST", "/v1/chat/completions", "off"), 401, "key_disabled"),
        at_once("unknown path", head("POST", "/v1/files", "demo"), 404, "unknown_endpoint"),
        at_once("no path at all", without(chat(), ":path"), 404, "unknown_endpoint"),
        at_once("wrong method", head("GET", "/v1/embeddings", "demo"), 405, "method_not_allowed"),
        at_once("long by its length", with(chat(), &[("content-length", "4097")]), 413, "body_too_large"),
        by_body("empty", "", 400, "invalid_body"),
        by_body("no JSON", "{\"model\":", 400, "invalid_body"),
        by_body("a list", "[]", 400, "invalid_body"),
        by_body("two models", r#"{"model":"plain","model":"fast"}"#, 400, "invalid_body"),
        by_body("no model", "{}", 400, "missing_model"),
        by_body("unknown model", r#"{"model":"x"}"#, 404, "model_not_found"),
        by_body("provider without credential", r#"{"model":"gone"}"#, 503, "provider_unavailable"),
        by_body("no price", r#"{"model":"local/x"}"#, 403, "unpriced_model"),
        by_body("too dear", r#"{"model":"plain","max_tokens":4000,"n":300}"#, 402, "budget_size"),
        by_body("long without a length", &"x".repeat(4097), 413, "body_too_large"),
    ]
}

#[test]
fn a_refused_request_is_answered_once_and_never_goes_on() {
    for Refused { name, head, body, status, reason } in refused() {
        let vm = start();
        let mut stream = vm.stream();
        assert_eq!(stream.request(head.clone(), false), Action::Pause, "{name}");
        if let Some(body) = &body {
            assert_eq!(stream.replies(), 0, "{name}");
            assert_eq!(stream.body(body.as_bytes(), true), Action::Pause, "{name}");
        }
        assert!(stream.sent().is_none() && stream.property("wasm.farebox.cluster").is_none(), "{name}");
        assert_eq!(stream.request_headers(), head, "{name}");
        let response = stream.response().unwrap().clone();
        assert_eq!((response.status, response.local, response.ended), (status, true, true), "{name}");
        assert_eq!(response.header("x-farebox-denied"), [reason], "{name}");
        assert_eq!(response.header("x-request-id"), ["r-1"], "{name}");
        assert!(response.json()["error"]["message"].is_string(), "{name}");
        assert_eq!(stream.body_anyway(PLAIN.as_bytes(), true), Action::Pause, "{name}");
        assert_eq!(stream.trailers(), Action::Pause, "{name}");
        assert!(stream.sent().is_none(), "{name}");
        let record = stream.log();
        assert_eq!((&record["outcome"], &record["denied"]), (&json!("denied"), &json!(reason)), "{name}");
        assert_eq!((&record["status"], stream.replies()), (&json!(status), 1), "{name}");
        let of_team = record["team"].as_str().map(|team| format!("{{team:{team}}}")).unwrap_or_default();
        let counted = counter(&format!("farebox_denied_total{of_team}{{reason:{reason}}}"));
        assert_eq!(counted, Some(1), "{name}");
        vm.tick();
        assert_eq!(team(&vm), (nothing(), nothing()), "{name}");
    }
}

#[test]
fn a_request_without_a_body_is_refused_with_its_headers() {
    let vm = start();
    let mut stream = vm.stream();
    assert_eq!(stream.request(chat(), true), Action::Pause);
    assert_eq!(stream.response().unwrap().header("x-farebox-denied"), ["invalid_body"]);
    assert_eq!(stream.replies(), 1);
}

#[test]
fn a_refusal_speaks_the_callers_dialect_in_every_phase() {
    let vm = start();
    let bodies =
        [(None, head("POST", "/v1/messages", "nobody")), (Some("{}"), head("POST", "/v1/messages", "demo"))];
    for (body, head) in bodies {
        let mut stream = vm.stream();
        stream.request(head, false);
        if let Some(body) = body {
            stream.body(body.as_bytes(), true);
        }
        let json = stream.response().unwrap().json();
        assert_eq!((&json["type"], &json["request_id"]), (&json!("error"), &json!("r-1")));
    }
}

#[test]
fn a_refusal_by_one_budget_gives_back_what_the_others_held() {
    let vm = start();
    let mut stream = held(&vm);
    stream.body(br#"{"model":"plain","max_tokens":4000,"n":300}"#, true);
    let response = stream.response().unwrap();
    assert_eq!(response.header("x-farebox-budget"), ["team"]);
    assert_eq!(response.json()["error"]["code"], "insufficient_quota");
    assert_eq!(usage(&vm, "demo")["budgets"][0]["held"], nothing());
    let record = stream.log();
    assert_eq!((&record["budget"], &record["model_requested"]), (&json!("team"), &json!("plain")));
    let figures =
        ["measure", "limit", "spent", "held", "estimate"].map(|part| &record[format!("budget_{part}")]);
    let expected = ["usd", "1.00", "0.00", "0.00", "2.400011"].map(|part| json!(part));
    assert_eq!(figures, expected.each_ref());
    let denied = counter("farebox_budget_events_total{team:search}{budget:team}{event:denied}");
    assert_eq!((&record["status"], denied), (&json!(402), Some(1)));
}

#[test]
fn a_refusal_stops_each_client_in_the_way_that_it_understands() {
    let own = |header: &'static str, value: &'static str| with(chat(), &[(header, value)]);
    for (head, status) in [
        (chat(), 402),
        (own("user-agent", "opencode/1.18.33 ai-sdk/provider-utils/4.0"), 402),
        (own("user-agent", "codex_exec/0.171.0 (Debian 12.0.0; x86_64)"), 400),
        (own("x-stainless-lang", "python"), 429),
    ] {
        let vm = start();
        let mut stream = vm.stream();
        stream.request(head, false);
        stream.body(br#"{"model":"plain","max_tokens":4000,"n":300}"#, true);
        let response = stream.response().unwrap().clone();
        assert_eq!((response.status, response.header("retry-after").len()), (status, 0));
        assert_eq!(stream.log()["status"], status);
    }
}

#[test]
fn a_full_budget_refuses_until_its_window_ends() {
    let vm = FakeVm::start(&config(|json| {
        json["budgets"] = json!([{"name": "team", "per": "team", "window": "minute", "limit_requests": 1}]);
    }));
    answered(&vm);
    let mut second = held(&vm);
    assert_eq!(second.body(PLAIN.as_bytes(), true), Action::Pause);
    let response = second.response().unwrap();
    assert_eq!((response.status, response.header("retry-after")), (429, vec!["60".to_owned()]));
    crate::fake_host::advance(60_000);
    assert_eq!(answered(&vm)["outcome"], "ok");
}
