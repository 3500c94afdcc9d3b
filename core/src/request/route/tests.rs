//! Which names lead where.

mod weights;

use serde_json::json;

use super::*;
use crate::config::testing;
use crate::dialect::Served;

struct Request<'a> {
    key: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: String,
}

fn ask_for(model: &str) -> Request<'_> {
    let body = if model.is_empty() { json!({}) } else { json!({"model": model}) };
    Request { key: "a", path: "/v1/chat/completions", headers: vec![], body: body.to_string() }
}

fn go(config: &Config, request: &Request<'_>) -> Result<String, RouteError> {
    let headers = request.headers.iter().copied().chain([(":path", request.path)]);
    let head = RequestHead::new(headers.map(|(name, value)| (name.into(), value.into())).collect());
    let served = Served::at(request.path).unwrap();
    let llm_request = LlmRequest::read(&served, head.path(), b"", request.body.as_bytes()).unwrap();
    let key = &config.keys[request.key];
    let plan = route(config, key, &Attribution::read(&head), &head, served.api, &llm_request, 0)?;
    let targets: Vec<String> =
        plan.targets.iter().map(|target| format!("{}/{}", target.provider.name, target.model)).collect();
    Ok(format!("{} ▸ {}", plan.label, targets.join(" ")))
}

#[test]
fn aliases_patterns_and_providers_are_found_in_this_order() {
    let config = testing::config(|_| {});
    for (model, expected) in [
        ("small", "small ▸ one/s-1"),
        ("big", "big ▸ one/b-1"),
        ("gpt-5", "gpt-* ▸ one/gpt-5"),
        ("one/any/thing", "other ▸ one/any/thing"),
    ] {
        assert_eq!(go(&config, &ask_for(model)).as_deref(), Ok(expected));
    }
}

#[test]
fn an_unknown_model_is_answered_with_the_names_that_are_allowed() {
    let config = testing::config(|json| json["keys"][0]["models"] = json!(["small", "gpt-*"]));
    let allowed = vec!["small".to_owned(), "gpt-*".to_owned()];
    let unknown = RouteError::Unknown { model: "tiny".into(), allowed: allowed.clone() };
    assert_eq!(go(&config, &ask_for("tiny")), Err(unknown));
    let refused = RouteError::NotAllowed { model: "big".into(), allowed };
    assert_eq!(go(&config, &ask_for("big")), Err(refused));
}

#[test]
fn a_provider_in_the_name_does_not_get_around_the_allow_list() {
    let config = testing::config(|json| json["keys"][0]["models"] = json!(["small"]));
    assert!(matches!(go(&config, &ask_for("one/s-1")), Err(RouteError::NotAllowed { .. })));
}

#[test]
fn a_name_that_would_leave_its_place_in_a_path_is_no_model() {
    let config = testing::config(|json| json["models"]["b*"] = json!([{"provider": "one"}]));
    for model in ["one/..", "one/.", "one/", "b/../../admin", "b%2F%2e%2e/admin"] {
        assert!(matches!(go(&config, &ask_for(model)), Err(RouteError::Unknown { .. })), "{model}");
    }
}

#[test]
fn a_request_without_a_model_gets_the_default_if_there_is_one() {
    assert_eq!(go(&testing::config(|_| {}), &ask_for("")), Err(RouteError::NoModel));
    let config = testing::config(|json| json["default_model"] = json!("small"));
    assert_eq!(go(&config, &ask_for("")).as_deref(), Ok("small ▸ one/s-1"));
}

#[test]
fn an_endpoint_goes_only_to_providers_that_speak_it() {
    let config = testing::config(|_| {});
    assert_eq!(go(&config, &ask_for("claude")), Err(RouteError::NotServed { model: "claude".into() }));
    let messages = Request { path: "/v1/messages", ..ask_for("claude") };
    assert_eq!(go(&config, &messages).as_deref(), Ok("claude ▸ two/c-1"));
}

#[test]
fn a_model_without_any_credential_is_unavailable_and_not_listed() {
    let config = testing::config(|_| {});
    assert_eq!(go(&config, &ask_for("gone")), Err(RouteError::Unavailable { model: "gone".into() }));
    assert_eq!(usable_models(&config, &config.keys["a"]), ["big", "claude", "small"]);
}

#[test]
fn a_rule_by_a_claim_leads_only_to_models_that_the_key_may_use() {
    let config = testing::config(|json| {
        json["keys"][0]["models"] = json!(["small"]);
        json["rules"] = json!([
            {"when": {"agent": "vip-*"}, "model": "big"},
            {"when": {"headers": {"x-tier": "gold"}, "team": "red"}, "model": "big"},
            {"when": {"agent": "vip-2"}, "model": "small"},
            {"when": {"team": "red", "path": "/v1/embeddings"}, "model": "big"},
        ]);
    });
    for headers in
        [vec![("x-farebox-agent", "vip-1")], vec![("x-tier", "gold")], vec![("x-farebox-agent", "vip-2")]]
    {
        let claiming = |key, model| Request { key, headers: headers.clone(), ..ask_for(model) };
        assert_eq!(go(&config, &claiming("a", "small")).as_deref(), Ok("small ▸ one/s-1"), "{headers:?}");
    }
    // A key that may use every model is led there, and so is any by what the operator decides.
    let free = Request { key: "b", headers: vec![("x-farebox-agent", "vip-1")], ..ask_for("small") };
    assert_eq!(go(&config, &free).as_deref(), Ok("big ▸ one/b-1"));
    assert_eq!(
        go(&config, &Request { path: "/v1/embeddings", ..ask_for("small") }).as_deref(),
        Ok("big ▸ one/b-1")
    );
}

#[test]
fn the_first_rule_whose_conditions_all_hold_decides() {
    let config = testing::config(|json| {
        json["rules"] = json!([
            {"when": {"agent": "finance-*", "team": "red"}, "model": "big"},
            {"when": {"headers": {"x-tier": "gold*"}}, "model": "one/gold"},
            {"when": {"prompt_tokens_over": 100, "path": "/v1/chat/*", "model": "small", "key": "a"}, "model": "gpt-long"},
        ]);
    });
    let with = |headers: Vec<(&'static str, &'static str)>| Request { headers, ..ask_for("small") };
    assert_eq!(go(&config, &with(vec![])).as_deref(), Ok("small ▸ one/s-1"));
    assert_eq!(go(&config, &with(vec![("x-farebox-agent", "finance-7")])).as_deref(), Ok("big ▸ one/b-1"));
    assert_eq!(
        go(&config, &with(vec![("x-tier", "none"), ("x-tier", "golden")])).as_deref(),
        Ok("other ▸ one/gold")
    );
    let blue = Request { key: "b", ..with(vec![("x-farebox-agent", "finance-7")]) };
    assert_eq!(go(&config, &blue).as_deref(), Ok("small ▸ one/s-1"));
    let long = json!({"model": "small", "messages": "x".repeat(1_000)}).to_string();
    assert_eq!(go(&config, &Request { body: long, ..with(vec![]) }).as_deref(), Ok("gpt-* ▸ one/gpt-long"));
}
