//! What requests may ask for, and what is left alone or refused unless the operator allows it.

use super::*;
use crate::request::route::RouteError;

#[test]
fn what_cannot_be_held_or_is_somebody_elses_is_refused_unless_the_operator_allows_it() {
    let asked = [
        (json!({"model": "small", "background": true}), LlmRequestError::Background),
        (json!({"model": "small", "models": ["other/dear"]}), LlmRequestError::OtherModels),
        (json!({"model": "small", "previous_response_id": "resp_1"}), LlmRequestError::StoredState),
    ];
    let allows = Gateway::with(|json| {
        json["requests"] = json!({"background": "allow", "other_models": "allow", "stored_state": "allow"});
    });
    let alone = Gateway::with(|json| json["keys"] = json!([json["keys"][0]]));
    for (body, error) in asked {
        let denied = Gateway::new(json!([])).ask_at("/v1/responses", "a", &[], &body);
        assert_eq!(denied.unwrap_err(), Denial::Body(error.clone()), "{body}");
        assert!(allows.ask_at("/v1/responses", "a", &[], &body).is_ok(), "{body}");
        // Where there is one team, what the account keeps is its own.
        let of_one_team = alone.ask_at("/v1/responses", "a", &[], &body);
        assert_eq!(of_one_team.is_ok(), error == LlmRequestError::StoredState, "{body}");
    }
}

#[test]
fn a_request_that_names_more_stored_items_than_any_conversation_has_is_refused() {
    let item = json!({"id": "msg_1"});
    let items = |count: usize| json!({"model": "small", "input": vec![item.clone(); count]});
    let refused = Denial::Body(LlmRequestError::StoredState);
    for count in [1, crate::request::signed_id::MAX_IDS + 1] {
        let denied = Gateway::new(json!([])).ask_at("/v1/responses", "a", &[], &items(count));
        assert_eq!(denied.unwrap_err(), refused, "{count}");
    }
}

#[test]
fn a_strict_budget_lets_no_member_pass_that_could_raise_what_it_holds() {
    let body = json!({"model": "small", "max_tokens": 5, "num_beams": 8});
    let budget = |mode| Gateway::new(json!([{"name": "day", "window": "day", "limit_usd": 1, "mode": mode}]));
    assert!(matches!(budget("strict").ask("a", &[], &body), Err(Denial::Body(LlmRequestError::MayRaise(_)))));
    assert!(budget("hold").ask("a", &[], &body).is_ok());
}

#[test]
fn a_strict_budget_wants_a_limit_spelled_as_everybody_reads_it() {
    let limits = [
        (json!({"generationConfig": {"maxOutputTokens": 5}}), true),
        (json!({"generation_config": {"max_output_tokens": 5}}), false),
        (json!({"generation_config": {"maxOutputTokens": 5}}), false),
        (json!({"generationConfig": {"max_output_tokens": 5}}), false),
    ];
    for (body, is_read) in limits {
        for mode in ["strict", "hold"] {
            let gateway = Gateway::with(|json| {
                json["providers"]["gem"] = json!({"preset": "gemini", "credentials": "envoy"});
                json["models"]["g"] = json!([{"provider": "gem", "model": "gemini-2.5-flash"}]);
                json["budgets"] = json!([{"name": "day", "window": "day", "limit_usd": 1, "mode": mode}]);
            });
            let asked = gateway.ask_at("/v1beta/models/g:generateContent", "a", &[], &body);
            assert_eq!(asked.is_ok(), is_read || mode == "hold", "{mode} {body}: {asked:?}");
        }
    }
}

#[test]
fn a_default_a_rule_and_a_cheaper_model_are_for_what_any_model_that_writes_can_serve() {
    let gateway = Gateway::with(|json| {
        json["default_model"] = json!("small");
        json["rules"] = json!([{"when": {"team": "red"}, "model": "big"}]);
        json["models"]["emb"] = json!([{"provider": "one", "model": "e-1"}]);
        json["budgets"] = json!([{"name": "low", "window": "day", "limit_requests": 1,
            "downgrade": {"model": "cheap", "from_percent": 1}}]);
    });
    let model = |path: &str, body: Value| {
        gateway.ask_at(path, "a", &[], &body).map(|admission| {
            let model = admission.target.model.clone();
            admission.hold.release(&gateway.ledger(), gateway.now);
            model
        })
    };
    assert_eq!(model("/v1/embeddings", json!({"model": "emb"})).as_deref(), Ok("e-1"));
    assert_eq!(model("/v1/chat/completions", json!({"model": "small"})).as_deref(), Ok("c-0"));
    for path in ["/v1/embeddings", "/v1/moderations", "/v1/images/generations", "/v1/audio/speech"] {
        assert_eq!(model(path, json!({"input": "x"})), Err(Denial::Route(RouteError::NoModel)), "{path}");
    }
}

#[test]
fn what_few_models_can_do_has_defaults_of_its_own() {
    let gateway = Gateway::with(|json| {
        json["default_model"] = json!("small");
        json["models"]["emb"] = json!([{"provider": "one", "model": "e-1"}]);
        json["default_models"] = json!({"embeddings": "emb", "transcriptions": "big"});
        json["keys"][0]["models"] = json!(["small", "emb"]);
    });
    let model = |path: &str, key: &str| {
        gateway.ask_at(path, key, &[], &json!({"input": "x"})).map(|admission| admission.plan.model)
    };
    assert_eq!(model("/v1/embeddings", "a").as_deref(), Ok("emb"));
    assert_eq!(model("/v1/audio/transcriptions", "b").as_deref(), Ok("big"));
    let not_allowed = model("/v1/audio/transcriptions", "a");
    assert!(matches!(not_allowed, Err(Denial::Route(RouteError::NotAllowed { .. }))), "{not_allowed:?}");
    assert_eq!(model("/v1/images/edits", "b"), Err(Denial::Route(RouteError::NoModel)));
}

#[test]
fn what_moderates_has_a_model_of_its_own_and_keeps_its_body() {
    let gateway = Gateway::with(|json| {
        json["default_model"] = json!("small");
        json["providers"]["oa"] = json!({"preset": "openai", "credentials": "envoy"});
    });
    let admission = gateway.ask_at("/v1/moderations", "a", &[], &json!({"input": "x"})).unwrap();
    assert_eq!(
        (&*admission.target.provider.name, &*admission.target.model),
        ("oa", "omni-moderation-latest")
    );
    let served = Served::at("/v1/moderations").unwrap();
    let request = LlmRequest::read(&served, b"", b"", br#"{"input":"x"}"#).unwrap();
    assert_eq!(request.name_model("omni-moderation-latest"), vec![]);
}

#[test]
fn what_moderates_is_held_for_by_its_price_and_refused_without_one() {
    let gateway = Gateway::with(|json| {
        json["providers"]["oa"] = json!({"preset": "openai", "credentials": "envoy"});
        json["prices"]["one/sold"] = json!({"input": 1, "output": 0});
        json["unpriced"] = json!("deny");
        json["budgets"] = json!([{"name": "day", "window": "day", "limit_usd": 1}]);
    });
    let held = |model: &str| {
        let admission =
            gateway.ask_at("/v1/moderations", "a", &[], &json!({"model": model, "input": "x"}))?;
        let amounts = admission.estimate.amounts;
        Ok((amounts.usd.0 > 0, amounts.input > 0, amounts.requests))
    };
    assert_eq!(held("oa/omni-moderation-latest"), Ok((false, false, 1)));
    assert_eq!(held("one/sold"), Ok((true, true, 1)));
    assert_eq!(held("oa/guard"), Err(Denial::Unpriced("oa/guard".into())));
}

#[test]
fn a_stored_prompt_is_left_its_model_and_refused_to_keys_with_a_list() {
    let gateway = Gateway::with(|json| {
        json["default_model"] = json!("small");
        json["keys"][0]["models"] = json!(["small"]);
    });
    let body = json!({"prompt": {"id": "pmpt_1"}});
    let denied = gateway.ask_at("/v1/responses", "a", &[], &body).unwrap_err();
    assert_eq!(denied, Denial::Body(LlmRequestError::StoredPrompt));
    assert!(gateway.ask_at("/v1/responses", "b", &[], &body).is_ok());
    let served = Served::at("/v1/responses").unwrap();
    let request = LlmRequest::read(&served, b"", b"", body.to_string().as_bytes()).unwrap();
    assert_eq!(request.name_model("s-1"), vec![], "nothing is put over the prompt's own");
}

#[test]
fn a_cheaper_model_whose_own_budget_is_full_is_no_way_out_either() {
    let gateway = Gateway::new(json!([
        {"name": "day", "window": "day", "limit_requests": 2, "downgrade": {"model": "cheap", "from_percent": 50}},
        {"name": "models", "per": "model", "window": "day", "overrides": {"cheap": {"limit_requests": 0}}},
    ]));
    let admission = gateway.chat(10).unwrap();
    assert_eq!((&*admission.plan.model, gateway.output("day").0), ("small", 10));
}

#[test]
fn a_server_that_reports_one_answer_is_asked_for_one() {
    let gateway = Gateway::with(|json| {
        json["providers"]["own"] = json!({"preset": "llamacpp", "cluster": "own"});
        json["models"]["tiny"] = json!([{"provider": "own", "model": "t"}]);
        json["models"]["both"] =
            json!([{"provider": "own", "model": "t"}, {"provider": "one", "model": "s-1"}]);
        json["prices"]["own/*"] = json!({"input": 1, "output": 1});
    });
    let asked = |path: &str, body: Value| {
        gateway.ask_at(path, "a", &[], &body).map(|admission| admission.target.model)
    };
    let (chat, completions) = ("/v1/chat/completions", "/v1/completions");
    assert_eq!(asked(chat, json!({"model": "tiny"})).as_deref(), Ok("t"));
    let several = Err(Denial::Body(LlmRequestError::SeveralAnswers));
    assert_eq!(asked(chat, json!({"model": "tiny", "n": 2})), several);
    assert_eq!(asked(completions, json!({"model": "tiny", "prompt": ["a", "b"]})), several);
    assert_eq!(asked(chat, json!({"model": "both", "n": 2})).as_deref(), Ok("s-1"));
}
