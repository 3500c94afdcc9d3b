//! What callers and their SDKs are told.

use serde_json::{Value, json};

use super::*;
use crate::base::headers::RequestHead;
use crate::base::window::Window;
use crate::config::testing::{self, NOW};
use crate::dialect::Dialect;

const CLIENTS: [Client; 4] = [Client::Sdk, Client::Wrapped, Client::Codex, Client::Other];

fn budget(window: Window) -> Denial {
    short_of(window, BudgetReason::Spent)
}

fn short_of(window: Window, reason: BudgetReason) -> Denial {
    let config = testing::config(|json| {
        json["budgets"] =
            json!([{"name": "team-a", "per": "team", "window": window.name(), "limit_requests": 1}]);
    });
    let account = config.keys["a"].accounts[0].clone().unwrap();
    Denial::budget(&config, account, reason, None, NOW)
}

fn reply(denial: &Denial, dialect: Dialect) -> Reply {
    denial.reply(dialect, Client::Sdk, "id-1", NOW)
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| &**value)
}

#[test]
fn sdks_wait_for_a_reset_within_a_minute_and_give_up_on_any_other() {
    for (window, retry_after, should_retry) in [
        (Window::Minute, Some("60"), None),
        (Window::Hour, None, Some("false")),
        (Window::Day, None, Some("false")),
        (Window::Lifetime, None, Some("false")),
    ] {
        let reply = reply(&budget(window), Dialect::OpenAi);
        assert_eq!(header(&reply, "retry-after"), retry_after, "{window:?}");
        assert_eq!(header(&reply, "x-should-retry"), should_retry, "{window:?}");
    }
}

#[test]
fn a_spent_budget_is_named_in_the_openai_dialect() {
    let reply = reply(&budget(Window::Day), Dialect::OpenAi);
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
    let reply = reply(&budget(Window::Lifetime), Dialect::Anthropic);
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
            json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": [
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "86400s"},
            ]}}),
        ),
        (Dialect::Bedrock, json!({"message": message})),
        (Dialect::Cohere, json!({"message": message})),
        (Dialect::Ollama, json!({"error": message})),
    ] {
        let reply = reply(&denial, dialect);
        assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap(), expected, "{dialect:?}");
    }
    let reply = reply(&denial, Dialect::Bedrock);
    assert_eq!(header(&reply, "x-amzn-errortype"), Some("ServiceQuotaExceededException"));
}

#[test]
fn what_the_caller_wrote_cannot_break_the_body() {
    let denial =
        Denial::Route(RouteError::Unknown { model: "a\"}\n\u{1}é".into(), allowed: vec!["b".into()] });
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let reply = denial.reply(dialect, Client::Other, "quote\"d", NOW);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let message = "There is no model 'a\"}\n\u{1}é'. This key may use: b.";
        assert_eq!(body["error"]["message"], message);
    }
}

#[test]
fn no_deterministic_refusal_is_retried_by_an_sdk() {
    for denial in [
        Denial::Identity(IdentityError::Missing),
        Denial::Body(LlmRequestError::Empty),
        Denial::UnknownEndpoint(crate::request::resource::UnknownPath::Unknown),
        Denial::Route(RouteError::NoModel),
        Denial::Route(RouteError::Unavailable { model: "m".into() }),
        Denial::TooLarge(1),
        Denial::TooSlow,
        Denial::Unpriced("m".into()),
    ] {
        let reply = reply(&denial, Dialect::OpenAi);
        assert_eq!(header(&reply, "x-should-retry"), Some("false"), "{denial:?}");
        assert!(Denial::REASONS.contains(&denial.reason()), "{denial:?}");
    }
}

#[test]
fn who_sends_two_credentials_is_told_in_which_headers() {
    let denial = Denial::Identity(IdentityError::Several("authorization", "x-api-key"));
    let reply = reply(&denial, Dialect::Anthropic);
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("in 'authorization' and 'x-api-key'"), "{}", reply.body);
}

#[test]
fn what_others_hold_is_waited_for_like_a_turn_and_said_in_other_words() {
    let denial = short_of(Window::Day, BudgetReason::Held);
    for client in CLIENTS {
        let reply = denial.reply(Dialect::OpenAi, client, "id", NOW);
        assert_eq!((reply.status, header(&reply, "retry-after")), (429, Some("1")), "{client:?}");
        assert_eq!(header(&reply, "x-should-retry"), None, "{client:?}");
        assert!(reply.body.contains("rate_limit_exceeded"), "{reply:?}");
    }
    let message = "Budget 'team-a' has room for this request, but others that are running hold it. Try again when one has ended.";
    assert_eq!((denial.message().as_str(), denial.reason()), (message, "budget_held"));
    let body: Value = serde_json::from_str(&reply(&denial, Dialect::Gemini).body).unwrap();
    assert_eq!(body["error"]["details"][0]["retryDelay"], "1s");
    assert_eq!(header(&reply(&denial, Dialect::Bedrock), "x-amzn-errortype"), Some("ThrottlingException"));
}

#[test]
fn an_operator_chooses_one_status_for_spent_budgets_and_none_for_what_passes() {
    let config = testing::config(|json| {
        json["denial"] = json!({"budget_status": 402});
        json["budgets"] = json!([{"name": "team-a", "per": "team", "window": "day", "limit_requests": 1}]);
    });
    let status = |reason, client| {
        let account = config.keys["a"].accounts[0].clone().unwrap();
        Denial::budget(&config, account, reason, None, NOW).status(Dialect::Gemini, client, NOW)
    };
    for client in CLIENTS {
        let statuses = [
            BudgetReason::Spent,
            BudgetReason::Size,
            BudgetReason::Slots,
            BudgetReason::Concurrency,
            BudgetReason::Held,
        ]
        .map(|reason| status(reason, client));
        assert_eq!(statuses, [402, 402, 402, 429, 429], "{client:?}");
    }
}

#[test]
fn no_reply_says_to_come_again_in_more_than_a_minute() {
    for window in [Window::Minute, Window::Hour, Window::Day, Window::Month, Window::Lifetime] {
        for reason in [
            BudgetReason::Spent,
            BudgetReason::Size,
            BudgetReason::Slots,
            BudgetReason::Concurrency,
            BudgetReason::Held,
        ] {
            for client in CLIENTS {
                let reply = short_of(window, reason).reply(Dialect::OpenAi, client, "id", NOW);
                let wait = header(&reply, "retry-after").map(|wait| wait.parse::<u64>().unwrap());
                assert!(wait.is_none_or(|wait| wait <= 60), "{window:?} {reason:?}: {wait:?}");
                assert_eq!(wait.is_none(), header(&reply, "x-should-retry") == Some("false"));
            }
        }
    }
}

#[test]
fn who_tries_all_but_400_again_is_told_400_of_whatever_is_final() {
    let unpriced = Denial::Unpriced("gpt".into());
    let missing = Denial::Identity(IdentityError::Missing);
    let lost = Denial::UnknownSubject("team".into());
    for (denial, plain, wrapped, codex) in [
        (&unpriced, 403, 400, 400),
        (&Denial::TooLarge(1), 413, 400, 400),
        // Programs tell these from others, and litellm tries neither again.
        (&missing, 401, 401, 400),
        (&lost, 404, 404, 400),
        // Codex goes on without WebSockets.
        (&Denial::Upgrade, 426, 400, 426),
        // What may pass is no matter of who asks.
        (&Denial::HostUnsupported, 503, 503, 503),
        (&Denial::Crowded(Crowd::Key), 429, 429, 429),
        (&Denial::Unanswered(503), 503, 503, 503),
    ] {
        let status = |client| denial.status(Dialect::OpenAi, client, NOW);
        assert_eq!(CLIENTS.map(status), [plain, wrapped, codex, plain], "{denial:?}");
    }
}

#[test]
fn clients_are_known_in_whatever_order_their_headers_come() {
    let (lang, raw, codex) = (
        ("x-stainless-lang", "python"),
        ("x-stainless-raw-response", "true"),
        ("user-agent", "codex_exec/0.171.0"),
    );
    let of = |headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Client::of(&RequestHead::new(headers.collect()))
    };
    assert_eq!(of(&[lang]), Client::Sdk);
    assert_eq!((of(&[lang, raw]), of(&[raw, lang])), (Client::Wrapped, Client::Wrapped));
    assert_eq!(of(&[("user-agent", "litellm/1.110.2")]), Client::Wrapped);
    assert_eq!((of(&[lang, codex]), of(&[codex, raw])), (Client::Codex, Client::Codex));
    assert_eq!((of(&[]), of(&[("user-agent", "opencode/1.18.33")])), (Client::Other, Client::Other));
}
