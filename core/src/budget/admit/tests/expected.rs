//! How long answers are thought to be before there are any, and what becomes of requests whose guess is too large.

use super::*;

const SAMPLE: &str = include_str!("../../../../../envoy/farebox.json");

/// The sample of the README, with the models that agents ask for by themselves.
fn sample() -> Gateway {
    let mut json: Value = serde_json::from_str(SAMPLE).unwrap();
    json["providers"]["google"] = json!({"preset": "gemini", "credentials": [{"env": "GEMINI_API_KEY"}]});
    json["models"]["claude-*"] = json!([{"provider": "anthropic"}]);
    json["models"]["gpt-*"] = json!([{"provider": "openai"}]);
    json["models"]["gemini-*"] = json!([{"provider": "google"}]);
    let config = Config::parse(json.to_string().as_bytes(), |_| Some("key".into())).unwrap();
    Gateway { config, ..Gateway::new(json!([])) }
}

#[test]
fn the_samples_budgets_have_room_for_the_first_calls_of_every_agent() {
    let prompt = |bytes: usize| json!([{"role": "user", "content": "x".repeat(bytes)}]);
    let claude = |bytes| json!({"model": "claude-opus-4-1", "max_tokens": 128_000, "stream": true, "messages": prompt(bytes)});
    let gemini =
        |bytes: usize| json!({"contents": [{"role": "user", "parts": [{"text": "x".repeat(bytes)}]}]});
    let codex = json!({"model": "gpt-5", "stream": true, "input": prompt(38_000)});
    let opencode =
        |bytes| json!({"model": "gpt-4o", "max_tokens": 32_000, "stream": true, "messages": prompt(bytes)});
    let of_gemini = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
    // What each sends at one time, of one session: the prompt and a title, a router or a sub-agent.
    for (client, path, bodies) in [
        ("claude-cli", "/v1/messages", [claude(48_000), claude(2_000)]),
        ("codex_exec", "/v1/responses", [codex.clone(), codex]),
        ("GeminiCLI", of_gemini, [gemini(30_000), gemini(8_000)]),
        ("opencode", "/v1/chat/completions", [opencode(40_000), opencode(2_000)]),
    ] {
        let gateway = sample();
        for body in bodies {
            let admission = gateway.ask_at(path, "demo", &[("x-farebox-session", client)], &body);
            let usd = admission.unwrap_or_else(|denial| panic!("{client}: {denial:?}")).estimate.amounts.usd;
            assert!(
                usd > crate::base::money::PicoUsd::ZERO
                    && usd < crate::base::money::PicoUsd::parse("0.60").unwrap(),
                "{client} {usd:?}"
            );
        }
    }
}

#[test]
fn an_operator_says_what_to_expect_of_a_model_and_a_request_says_what_it_allows() {
    let gateway = Gateway::with(|json| {
        json["hold"] = json!({"output_tokens": 100, "output_tokens_by_model": {"ch*": 500, "cheap": 900}});
    });
    let expected = |body: Value| {
        let estimate = gateway.ask("a", &[], &body).unwrap().estimate;
        (estimate.amounts.output, estimate.covers)
    };
    assert_eq!(expected(json!({"model": "small", "max_tokens": 64_000})), (100, 100));
    assert_eq!(expected(json!({"model": "small"})), (100, 100));
    assert_eq!(expected(json!({"model": "small", "n": 3})), (300, 300));
    assert_eq!(expected(json!({"model": "cheap", "max_tokens": 64_000})), (900, 900));
    assert_eq!(expected(json!({"model": "cheap", "max_tokens": 700})), (700, 700));
}

#[test]
fn an_answer_that_nobody_sees_may_have_been_all_that_was_allowed_until_more_is_known() {
    let mut gateway =
        Gateway::new(json!([{"name": "day", "window": "day", "limit_usd": 1, "mode": "strict"}]));
    let unseen = |gateway: &Gateway, body: Value| {
        let admission = gateway.ask("a", &[], &body).unwrap();
        let Admission { estimate, unseen, hold, .. } = admission;
        hold.release(&gateway.ledger(), gateway.now);
        (estimate.amounts.output, unseen.amounts.output, unseen.amounts.usd.0 / 10_000_000)
    };
    assert_eq!(unseen(&gateway, json!({"model": "small", "max_tokens": 64_000})), (4_096, 64_000, 64_000));
    assert_eq!(unseen(&gateway, json!({"model": "small"})), (4_096, 16_384, 16_384));
    // A dollar pays for 100,000 of them, and what the provider is not allowed it does not make.
    assert_eq!(unseen(&gateway, json!({"model": "small", "max_tokens": 250_000})), (4_096, 100_000, 100_000));
    (0..16).for_each(|_| gateway.recent.note("red", "small", 100, 0));
    assert_eq!(unseen(&gateway, json!({"model": "small", "max_tokens": 64_000})), (404, 404, 404));
}

#[test]
fn a_guess_that_is_larger_than_a_budget_refuses_nobody_for_ever() {
    let mut gateway = Gateway::new(json!([
        {"name": "usd", "window": "day", "limit_usd": "0.01"},
        {"name": "tokens", "window": "day", "limit_tokens": 1_500},
        {"name": "output", "window": "day", "limit_output_tokens": 1_200},
    ]));
    (0..16).for_each(|_| gateway.recent.note("red", "small", 900, 0));
    for body in [json!({"model": "small"}), json!({"model": "small", "max_tokens": 128_000})] {
        let admission = gateway.ask("a", &[], &body).unwrap();
        let usd = gateway.config.keys["a"].accounts[0].as_ref().unwrap();
        let usd = gateway.ledger().read(usd, gateway.now).unwrap().held().usd;
        assert_eq!(
            (usd.to_string().as_str(), gateway.output("output").0),
            ("0.01", 1_200),
            "what there can be"
        );
        assert_eq!(admission.estimate.covers, 1_000, "an answer that is longer holds more from there on");
        admission.hold.release(&gateway.ledger(), gateway.now);
    }
    assert_eq!(refused(gateway.chat(3_000)).1, BudgetReason::Size, "who says so is believed");
    let nothing = Gateway::new(json!([{"name": "none", "window": "day", "limit_usd": 0}]));
    assert_eq!(refused(nothing.ask("a", &[], &json!({"model": "small"}))).1, BudgetReason::Size);
    let long = json!({"model": "small", "prompt": "x".repeat(6_000)});
    assert_eq!(
        refused(gateway.ask("a", &[], &long)),
        ("tokens".into(), BudgetReason::Size),
        "its input alone is too much"
    );
}

#[test]
fn who_is_only_in_the_way_of_others_waits_and_who_finds_the_money_spent_does_not() {
    for mode in ["hold", "strict"] {
        let gateway = Gateway::new(json!([
            {"name": "day", "window": "day", "limit_usd": "0.01", "mode": mode},
            {"name": "week", "window": "week", "limit_usd": 1},
        ]));
        let running = gateway.chat(990).unwrap();
        let denial = gateway.chat(100).unwrap_err();
        let figures = denial.figures().unwrap();
        assert_eq!(refused(Err(denial)), ("day".into(), BudgetReason::Held), "{mode}");
        let wanted = if mode == "hold" { 100 } else { 16 };
        let of = |tokens: u64| tokens * 10_000_000;
        assert_eq!((figures.limit, figures.spent, figures.held), (of(1_000), 0, of(990)));
        assert_eq!(
            (figures.measure, figures.wanted),
            (Measure::Usd, of(wanted)),
            "what it cannot do without"
        );
        gateway.settle(running, 990);
        assert_eq!(refused(gateway.chat(100)), ("day".into(), BudgetReason::Spent), "{mode}");
    }
}

#[test]
fn a_request_that_runs_will_have_been_one_and_tokens_may_turn_out_fewer() {
    let gateway = Gateway::new(json!([
        {"name": "count", "window": "day", "limit_requests": 1},
        {"name": "tokens", "window": "day", "limit_output_tokens": 100},
    ]));
    let _running = gateway.chat(90).unwrap();
    assert_eq!(
        refused(gateway.chat(20)),
        ("count".into(), BudgetReason::Spent),
        "of both the one that lasts"
    );
}
