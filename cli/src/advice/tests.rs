use serde_json::json;

use super::*;

const SECRET: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is said of a small good configuration after `change`, as `path: message`.
fn advice(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let key = |id: &str, team: &str, digit: &str| json!({"id": id, "sha256": SECRET.replacen('0', digit, 1), "team": team});
    let mut document = json!({
        "version": "v1",
        "keys": [key("a", "red", "1"), key("b", "blue", "2")],
        "providers": {"local": {"dialect": "openai"}, "openai": {"preset": "openai"}},
        "models": {
            "small": [{"provider": "local", "model": "s"}],
            "fast": [{"provider": "openai", "model": "gpt-4o-mini"}, {"provider": "local", "model": "s"}],
            "gpt-*": [{"provider": "openai"}],
        },
        "prices": {"local/*": {"input": 1, "output": 1}},
    });
    change(&mut document);
    let json = document.to_string();
    let config = Config::parse(json.as_bytes(), |_| None).unwrap_or_else(|errors| panic!("{errors}"));
    of(&config, &json, Millis::parse("2026-11-21").unwrap()).iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_said_of_what_is_as_it_was_meant() {
    let said = advice(|json| {
        json["keys"][0]["models"] = json!(["small", "gpt-*", "gpt-4o", "openai/*", "f*", "local/x", "*"]);
        json["keys"][0]["expires"] = json!("2026-11-22");
        json["keys"][0]["labels"] = json!({"tier": "gold"});
        json["default_model"] = json!("small");
        json["prices"]["*/s"] = json!({"input": 1, "output": 1});
        json["prices"]["open*"] = json!({"input": 1, "output": 1});
        json["prices"]["OpenAI/x"] = json!({"input": 1, "output": 1});
        json["budgets"] = json!([
            {"name": "org", "window": "day", "limit_usd": 1},
            {"name": "tier", "per": "label:tier", "window": "day", "overrides": {"gold": {"limit_usd": 1}}},
            {"name": "key", "per": "key", "window": "day", "limit_usd": 1, "overrides": {"a": {"limit_usd": 2}}},
            {"name": "run", "per": "session", "window": "day", "overrides": {"x": {"limit_usd": 1}}},
        ]);
    });
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(advice(|json| json["keys"] = json!([])), Vec::<String>::new());
}

#[test]
fn a_target_without_a_price_is_told_because_it_is_skipped() {
    let said = advice(|json| json["models"]["fast"][1]["model"] = json!("other"));
    assert_eq!(said, Vec::<String>::new(), "local/* has a price");
    let without = |json: &mut Value| json["prices"] = json!({});
    let local = "there is no price for \"local/s\", and \"unpriced\" is \"deny\"";
    assert_eq!(
        advice(without),
        [
            format!("models.fast[1]: {local}: it is skipped"),
            format!("models.small[0]: {local}: every request for this model is refused"),
        ]
    );
    let allowed = advice(|json| {
        json["prices"] = json!({});
        json["unpriced"] = json!("allow");
    });
    assert_eq!(allowed, Vec::<String>::new());
}

#[test]
fn places_that_the_configuration_itself_names_need_a_price_too() {
    let said = advice(|json| {
        json["prices"] = json!({});
        json["models"] = json!({});
        json["default_model"] = json!("local/x");
        json["rules"] = json!([{"when": {"agent": "ci"}, "model": "local/y"}]);
        json["budgets"] =
            json!([{"name": "org", "window": "day", "limit_usd": 1, "downgrade": {"model": "local/z"}}]);
    });
    let places: Vec<&str> = said.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["default_model", "rules[0].model", "budgets[0].downgrade.model"]);
}

#[test]
fn a_price_for_no_provider_is_told() {
    let said = advice(|json| {
        for name in ["locale/*", "open/gpt-4o", "x*"] {
            json["prices"][name] = json!({"input": 1, "output": 1});
        }
    });
    assert_eq!(
        said,
        [
            "prices[\"locale/*\"]: is for no provider of this configuration",
            "prices[\"open/gpt-4o\"]: is for no provider of this configuration",
            "prices[\"x*\"]: is for no provider of this configuration",
        ]
    );
}

#[test]
fn a_model_of_a_key_that_nothing_serves_is_told() {
    let said = advice(|json| json["keys"][1]["models"] = json!(["small", "smal", "claude-*", "azure/gpt"]));
    assert_eq!(
        said,
        [
            "keys[1].models[1]: nothing serves \"smal\"",
            "keys[1].models[2]: nothing serves \"claude-*\"",
            "keys[1].models[3]: nothing serves \"azure/gpt\"",
        ]
    );
}

#[test]
fn keys_that_have_expired_or_are_switched_off_are_told() {
    let said = advice(|json| {
        json["keys"][0]["enabled"] = json!(false);
        json["keys"][1]["expires"] = json!("2026-11-21");
    });
    assert_eq!(
        said,
        [
            "keys[0].enabled: the key is switched off: whoever uses it is refused",
            "keys[1].expires: the key has expired: whoever uses it is refused",
            "keys: every key has expired or is switched off: nobody can call",
        ]
    );
}

#[test]
fn a_target_that_is_there_twice_is_told() {
    let said = advice(|json| {
        json["models"]["fast"][1] =
            json!({"provider": "openai", "model": "gpt-4o-mini", "after": "context_length"});
        json["models"]["gpt-*"] = json!([{"provider": "openai"}, {"provider": "openai"}]);
        json["models"]["gpt-4o"] = json!([{"provider": "openai"}, {"provider": "openai", "model": "gpt-4o"}]);
    });
    let twice = |first: &str| format!("is the same as {first}, which was tried before it");
    assert_eq!(
        said,
        [
            format!("models.fast[1]: {}", twice("models.fast[0]")),
            format!("models[\"gpt-*\"][1]: {}", twice("models[\"gpt-*\"][0]")),
            format!("models.gpt-4o[1]: {}", twice("models.gpt-4o[0]")),
        ]
    );
}

#[test]
fn a_budget_that_nothing_can_use_is_told() {
    let said = advice(|json| {
        json["keys"][0]["labels"] = json!({"tier": "gold"});
        json["keys"][0]["enabled"] = json!(false);
        json["budgets"] = json!([
            {"name": "tier", "per": ["label:tier", "model"], "window": "day", "limit_usd": 1},
            {"name": "key", "per": "key", "window": "day", "overrides": {"a": {"limit_usd": 1}}},
            {"name": "team", "per": "team", "window": "day", "limit_usd": 1, "overrides": {"red": {"limit_usd": 2}, "b*": {"limit_usd": 3}}},
        ]);
    });
    assert_eq!(
        said,
        [
            "keys[0].enabled: the key is switched off: whoever uses it is refused",
            "budgets[0]: nothing can use it: no key that works has the label \"tier\"",
            "budgets[1]: nothing can use it: it limits no key that works",
            "budgets[2].overrides.red: is for nobody: no key that works is such a team",
        ]
    );
}

#[test]
fn a_default_that_a_key_may_not_use_is_told_with_the_key() {
    let said = advice(|json| {
        json["default_model"] = json!("small");
        json["default_models"] = json!({"embeddings": "fast"});
        json["keys"][1]["models"] = json!(["fast"]);
    });
    let then = "what they ask for without a model is refused";
    assert_eq!(said, [format!("default_model: is none of the models of key b: {then}")]);
}

/// What is said of a downgrade to `model` in a budget of the team red, of which key `a` is.
fn of_downgrade(model: &Value, change: impl FnOnce(&mut Value)) -> Vec<String> {
    advice(|json| {
        json["providers"]["claude"] = json!({"dialect": "anthropic"});
        json["models"]["big"] = json!([{"provider": "local", "model": "b"}]);
        json["models"]["claude"] = json!([{"provider": "claude", "model": "c"}]);
        json["prices"]["local/b"] = json!({"input": 2, "output": 1});
        json["prices"]["claude/*"] = json!({"input": 1, "output": 1});
        json["budgets"] = json!([{"name": "team", "per": "team", "window": "day",
            "overrides": {"red": {"limit_usd": 1}}, "downgrade": {"model": model}}]);
        change(json);
    })
}

#[test]
fn a_downgrade_that_saves_money_is_not_spoken_of() {
    let steps =
        json!({"b*": "small", "small": "small", "gpt-*": "small", "local/x": "small", "*": "gpt-4o-mini"});
    for model in [json!("small"), json!("local/s"), json!({"big": "small"}), json!({"*": "claude"}), steps] {
        assert_eq!(of_downgrade(&model, |_| ()), Vec::<String>::new(), "{model}");
    }
}

#[test]
fn a_downgrade_that_leads_nobody_anywhere_or_to_a_dearer_model_is_told() {
    let at = "budgets[0].downgrade.model";
    assert_eq!(
        of_downgrade(&json!({"small": "big", "big": "claude", "opus-*": "small"}), |_| ()),
        [
            format!("{at}.small: is dearer than \"small\": nothing is sent there"),
            format!("{at}.big: is served in none of the APIs of \"big\": nothing is sent there"),
            format!("{at}[\"opus-*\"]: nothing serves \"opus-*\""),
        ]
    );
    let dearest = of_downgrade(&json!("big"), |json| {
        json["models"] = json!({"small": [{"provider": "local", "model": "s"}], "big": json["models"]["big"]})
    });
    assert_eq!(dearest, [format!("{at}: is dearer than \"small\": nothing is sent there")]);
}

#[test]
fn a_downgrade_to_what_its_callers_may_not_ask_for_is_told() {
    let only = |models: Value| move |json: &mut Value| json["keys"][0]["models"] = models;
    let told = "is none of the models of key a: what they ask for is sent there all the same";
    let one = of_downgrade(&json!("small"), only(json!(["big"])));
    assert_eq!(one, [format!("budgets[0].downgrade.model: {told}")]);
    let step = json!({"big": "small"});
    let named = of_downgrade(&step, only(json!(["big"])));
    assert_eq!(named, [format!("budgets[0].downgrade.model.big: {told}")]);
    assert_eq!(
        of_downgrade(&step, only(json!(["gpt-*"]))),
        Vec::<String>::new(),
        "none of theirs leads there"
    );
    let other = of_downgrade(&step, |json| json["keys"][1]["models"] = json!(["big"]));
    assert_eq!(other, Vec::<String>::new(), "the budget does not limit the team blue");
}

#[test]
fn of_a_registry_that_anybody_can_write_to_is_told_and_who_calls_by_it_is_not_known() {
    let said = |endpoint: &str, password: Value| {
        advice(|json| {
            json["keys"][0]["expires"] = json!("2026-11-20");
            json["keys"][1]["enabled"] = json!(false);
            json["ledger"] = json!({"endpoints": [endpoint], "password": password, "registry": {}});
            json["budgets"] =
                json!([{"name": "key", "per": "key", "window": "day", "overrides": {"a": {"limit_usd": 2}}}]);
            if json["ledger"]["password"].is_null() {
                json["ledger"].as_object_mut().unwrap().remove("password");
            }
        })
    };
    let keys = [
        "keys[0].expires: the key has expired: whoever uses it is refused",
        "keys[1].enabled: the key is switched off: whoever uses it is refused",
    ];
    let open = "ledger.registry: the ledger wants no password: whoever reaches it can make keys that are let in, and \
                raise limits";
    assert_eq!(said("redis://valkey:6379", Value::Null), [keys[0], keys[1], open]);
    assert_eq!(said("redis://127.0.0.1:6379", Value::Null), keys);
}
