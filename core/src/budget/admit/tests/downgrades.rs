//! Which requests go to another model when a budget has little left, and which stay.

use super::*;

#[test]
fn with_little_left_requests_go_to_the_model_that_the_budget_names() {
    let gateway = Gateway::new(json!([
        {"name": "day", "window": "day", "limit_usd": "0.01", "downgrade": {"model": "cheap", "from_percent": 50}},
    ]));
    let first = gateway.chat(400).unwrap();
    assert_eq!((&*first.plan.model, first.downgraded_by.is_none()), ("small", true));
    let second = gateway.chat(200).unwrap();
    assert_eq!((&*second.plan.model, &*second.target.model), ("cheap", "c-0"));
    assert_eq!(&*second.downgraded_by.unwrap().budget.name, "day");
    assert_eq!(gateway.output("day").0, 600, "the first attempt's hold was given back");
    assert_eq!(
        refused(gateway.chat(500)),
        ("day".into(), BudgetReason::Held),
        "at the limit there is no cheaper way"
    );
}

#[test]
fn a_cheaper_model_that_speaks_another_dialect_is_no_way_out() {
    let gateway = Gateway::new(json!([
        {"name": "day", "window": "day", "limit_requests": 2, "downgrade": {"model": "claude", "from_percent": 50}},
    ]));
    let admission = gateway.chat(10).unwrap();
    assert_eq!((&*admission.plan.model, admission.downgraded_by.is_none()), ("small", true));
}

/// A gateway whose only budget has little left from the first request on.
fn low(downgrade: &Value, change: impl FnOnce(&mut Value)) -> Gateway {
    Gateway::with(|json| {
        json["budgets"] = json!([{"name": "day", "window": "day", "limit_requests": 100,
            "downgrade": {"model": downgrade, "from_percent": 1}}]);
        change(json);
    })
}

/// The model that a request for `model` goes to.
fn sent(gateway: &Gateway, path: &str, model: &str) -> String {
    let body = json!({"model": model, "input": "x", "prompt": "x"});
    gateway.ask_at(path, "a", &[], &body).unwrap().plan.model
}

#[test]
fn each_model_goes_to_the_one_that_is_named_for_it() {
    let steps =
        json!({"gpt-4*": "gpt-mini", "gpt-*": "cheap", "big": "small", "cheap": "cheap", "*": "gpt-mini"});
    let gateway = low(&steps, |_| ());
    let asked = ["gpt-4o", "gpt-5", "big", "small", "cheap", "gpt-mini", "one/x"];
    let expected = ["gpt-mini", "cheap", "small", "gpt-mini", "cheap", "cheap", "gpt-mini"];
    assert_eq!(asked.map(|model| sent(&gateway, "/v1/chat/completions", model)), expected);
}

#[test]
fn what_does_not_write_text_stays_unless_its_model_is_named() {
    let (chat, embeddings, images) = ("/v1/chat/completions", "/v1/embeddings", "/v1/images/generations");
    for steps in [json!("cheap"), json!({"*": "cheap"}), json!({"sm*": "cheap"})] {
        let gateway = low(&steps, |_| ());
        let models = [chat, "/v1/completions", "/v1/responses", embeddings, images];
        let models = models.map(|path| sent(&gateway, path, "small"));
        assert_eq!(models, ["cheap", "cheap", "cheap", "small", "small"], "{steps}");
    }
    let gateway = low(&json!({"embed": "embed-small", "*": "cheap"}), |json| {
        json["models"]["embed"] = json!([{"provider": "one", "model": "e-1"}]);
        json["models"]["embed-small"] = json!([{"provider": "one", "model": "e-0"}]);
    });
    assert_eq!(sent(&gateway, embeddings, "embed"), "embed-small");
    assert_eq!(sent(&gateway, embeddings, "embed-small"), "embed-small");
}

#[test]
fn no_request_goes_to_a_dearer_model() {
    let price = |input: u64, output: u64| json!({"input": input, "output": output});
    let gateway = low(&json!("cheap"), |json| {
        json["prices"] = json!({
            "one/c-0": price(2, 8), "one/s-1": price(1, 8), "one/b-1": price(1, 9), "one/gpt-same": price(2, 8),
        });
        json["unpriced"] = json!("allow");
    });
    let asked = ["small", "big", "gpt-same", "gpt-without-a-price"];
    let expected = ["small", "cheap", "cheap", "cheap"];
    assert_eq!(asked.map(|model| sent(&gateway, "/v1/chat/completions", model)), expected);
}

#[test]
fn where_one_budget_cannot_lead_the_next_one_does() {
    let step = |to: &str| json!({"model": {"small": to}, "from_percent": 1});
    let gateway = Gateway::new(json!([
        {"name": "a", "window": "day", "limit_requests": 9, "downgrade": step("claude")},
        {"name": "b", "window": "day", "limit_requests": 9, "downgrade": step("cheap")},
    ]));
    let admission = gateway.chat(10).unwrap();
    assert_eq!((&*admission.plan.model, &*admission.downgraded_by.unwrap().budget.name), ("cheap", "b"));
}

#[test]
fn a_budget_that_only_watches_says_where_it_would_have_sent_a_request_and_holds_what_is_sent() {
    let trial = json!({"name": "trial", "window": "day", "limit_output_tokens": 1_000, "at_limit": "shadow",
        "downgrade": {"model": "cheap", "from_percent": 50}});
    let rehearsed = |admission: &Admission| {
        admission.rehearsal.as_ref().map(|to| (to.by.budget.name.to_string(), to.model.clone()))
    };
    let gateway = Gateway::new(json!([trial]));
    let first = gateway.chat(400).unwrap();
    assert_eq!((&*first.plan.model, rehearsed(&first)), ("small", None));
    for shadowed in [0, 1] {
        let next = gateway.chat(400).unwrap();
        assert_eq!(rehearsed(&next), Some(("trial".to_owned(), "cheap".to_owned())));
        assert_eq!((&*next.plan.model, next.downgraded_by.is_none()), ("small", true));
        assert_eq!(next.noticed.shadowed.len(), shadowed);
    }
    assert_eq!(gateway.output("trial").0, 1_200);
    // What is really sent elsewhere is not rehearsed.
    let real = json!({"name": "real", "window": "day", "limit_requests": 9, "downgrade": {"model": "cheap", "from_percent": 1}});
    let gateway = Gateway::new(json!([trial, real]));
    let admission = gateway.chat(600).unwrap();
    assert_eq!((&*admission.plan.model, rehearsed(&admission)), ("cheap", None));
}

#[test]
fn places_without_a_price_are_told() {
    let gateway = Gateway::with(|json| {
        json["prices"] = json!({"one/s-1": {"input": 1, "output": 1}});
        json["models"]["small"] = json!([
            {"provider": "one", "model": "x"}, {"provider": "one", "model": "s-1"},
            {"provider": "one", "model": "y", "after": "context_length"},
        ]);
    });
    let admission = gateway.chat(10).unwrap();
    let told: Vec<String> = admission.unpriced.iter().map(ToString::to_string).collect();
    assert_eq!((&*admission.target.model, told), ("s-1", vec!["one/x".to_owned(), "one/y".to_owned()]));
}
