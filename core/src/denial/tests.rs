//! What callers and their SDKs are told.

use serde_json::{Value, json};

use super::*;
use crate::config::testing::{self, NOW};
use crate::window::Window;

fn budget(window: Window) -> Denial {
    lacking(window, Lack::Room)
}

fn lacking(window: Window, lack: Lack) -> Denial {
    let config = testing::config(|json| {
        json["budgets"] =
            json!([{"name": "team-a", "per": "team", "window": window.name(), "limit_requests": 1}]);
    });
    let account = config.keys["a"].accounts[0].clone().unwrap();
    Denial::budget(&config, account, lack, NOW)
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| &**value)
}

#[test]
fn sdks_wait_for_a_reset_within_a_minute_and_give_up_on_any_other() {
    for (window, retry_after, should_retry) in [
        (Window::Minute, Some("60"), None),
        (Window::Hour, Some("3600"), Some("false")),
        (Window::Day, Some("43200"), Some("false")),
        (Window::Lifetime, None, Some("false")),
    ] {
        let reply = budget(window).reply(Dialect::OpenAi, "id", NOW);
        assert_eq!(header(&reply, "retry-after"), retry_after, "{window:?}");
        assert_eq!(header(&reply, "x-should-retry"), should_retry, "{window:?}");
    }
}

#[test]
fn a_spent_budget_is_named_in_the_openai_dialect() {
    let reply = budget(Window::Day).reply(Dialect::OpenAi, "id-1", NOW);
    assert_eq!((reply.status, header(&reply, "x-farebox-budget")), (429, Some("team-a")));
    assert_eq!(header(&reply, "x-request-id"), Some("id-1"));
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        body,
        json!({"error": {
            "message": "Budget 'team-a' has no room for this request. It resets at 2026-11-22T00:00:00Z.",
            "type": "insufficient_quota", "param": null, "code": "insufficient_quota",
            "budget": {"name": "team-a", "resets_at": "2026-11-22T00:00:00Z"},
        }})
    );
}

#[test]
fn a_spent_budget_is_told_in_the_anthropic_dialect() {
    let reply = budget(Window::Lifetime).reply(Dialect::Anthropic, "id-1", NOW);
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    let message = "Budget 'team-a' has no room for this request. It does not reset.";
    let error = json!({"type": "rate_limit_error", "message": message});
    assert_eq!(body, json!({"type": "error", "error": error, "request_id": "id-1"}));
}

#[test]
fn every_other_dialect_has_its_own_form_of_error() {
    let denial = budget(Window::Lifetime);
    let message = "Budget 'team-a' has no room for this request. It does not reset.";
    for (dialect, expected) in [
        (
            Dialect::Gemini,
            json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED"}}),
        ),
        (Dialect::Bedrock, json!({"message": message})),
        (Dialect::Cohere, json!({"message": message})),
        (Dialect::Ollama, json!({"error": message})),
    ] {
        let reply = denial.reply(dialect, "id", NOW);
        assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap(), expected, "{dialect:?}");
    }
    let reply = denial.reply(Dialect::Bedrock, "id", NOW);
    assert_eq!(header(&reply, "x-amzn-errortype"), Some("ThrottlingException"));
}

#[test]
fn what_the_caller_wrote_cannot_break_the_body() {
    let denial =
        Denial::Route(RouteError::Unknown { model: "a\"}\n\u{1}é".into(), allowed: vec!["b".into()] });
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let reply = denial.reply(dialect, "quote\"d", NOW);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let message = "There is no model 'a\"}\n\u{1}é'. This key may use: b.";
        assert_eq!(body["error"]["message"], message);
    }
}

#[test]
fn no_deterministic_refusal_is_retried_by_an_sdk() {
    for denial in [
        Denial::Identity(IdentityError::Missing),
        Denial::Body(AskError::Empty),
        Denial::UnknownEndpoint(crate::place::Lost::Unknown),
        Denial::Route(RouteError::NoModel),
        Denial::Route(RouteError::Unavailable { model: "m".into() }),
        Denial::TooLarge(1),
        Denial::TooSlow,
        Denial::Unpriced("m".into()),
    ] {
        let reply = denial.reply(Dialect::OpenAi, "id", NOW);
        assert_eq!(header(&reply, "x-should-retry"), Some("false"), "{denial:?}");
        assert!(Denial::REASONS.contains(&denial.reason()), "{denial:?}");
    }
}

#[test]
fn who_sends_two_credentials_is_told_in_which_headers() {
    let denial = Denial::Identity(IdentityError::Several("authorization", "x-api-key"));
    let reply = denial.reply(Dialect::Anthropic, "id", NOW);
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("in 'authorization' and 'x-api-key'"), "{}", reply.body);
}
