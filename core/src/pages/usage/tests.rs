//! What keys and administrators see of budgets.

use serde_json::{Value, json};

use super::*;
use crate::base::money::PicoUsd;
use crate::budget::hold::{Wanted, admit};
use crate::budget::ledger::MemoryStore;
use crate::config::testing::{self, NOW};

fn config() -> Config {
    testing::config(|json| {
        json["keys"][3]["admin"] = json!(true);
        json["budgets"] = json!([
            {"name": "team", "per": "team", "window": "day", "limit_usd": 1, "limit_tokens": 100, "limit_concurrent": 3},
            {"name": "run", "per": ["key", "session"], "window": "lifetime", "limit_requests": 5},
        ]);
    })
}

fn ask(config: &Config, store: &MemoryStore, key: &str, target: &str) -> Result<Value, Denial> {
    let head = RequestHead::from([(":path", target), ("x-farebox-session", "attribution-in-a-header")]);
    let ledger = Ledger::new(store, config.hold.epoch_ms);
    let page = usage(&ledger, config, &config.keys[key], &head, NOW)?;
    Ok(serde_json::from_str(&page).unwrap())
}

fn spend(config: &Config, store: &MemoryStore, key: &str, session: &str) {
    let ledger = Ledger::new(store, config.hold.epoch_ms);
    let head = RequestHead::from([("x-farebox-session", session)]);
    let attribution = Attribution::read(&head);
    let key = &config.keys[key];
    let accounts =
        Subject { attribution: Some(&attribution), ..Subject::of(key) }.accounts(config, key).unwrap();
    let amounts = |output| Amounts { usd: PicoUsd(output * 1_000_000_000), input: 2, output, requests: 1 };
    let wanted = |output| Wanted::exactly(amounts(output));
    let (hold, _) = admit(&ledger, &accounts, &wanted(10), NOW).unwrap();
    hold.settle(&ledger, amounts(7), NOW).unwrap();
    admit(&ledger, &accounts, &wanted(20), NOW).unwrap();
}

#[test]
fn a_key_sees_what_is_spent_held_and_left() {
    let (config, store) = (config(), MemoryStore::default());
    spend(&config, &store, "a", "s 1");
    assert_eq!(
        ask(&config, &store, "a", "/farebox/usage?session=s%201").unwrap(),
        json!({"key": "a", "team": "red", "unnamed": [], "budgets": [{
            "name": "team", "per": "team", "subject": "red", "window": "day",
            "spent": {"usd": "0.007", "tokens": 9, "input_tokens": 2, "output_tokens": 7, "requests": 1},
            "held": {"usd": "0.02", "tokens": 22, "input_tokens": 2, "output_tokens": 20, "requests": 1},
            "limit": {"usd": "1.00", "tokens": 100, "input_tokens": null, "output_tokens": null, "requests": null, "concurrent": 3},
            "left": {"usd": "0.973", "tokens": 69, "input_tokens": null, "output_tokens": null, "requests": null, "concurrent": 2},
            "resets_at": "2026-11-22T00:00:00Z",
        }, {
            "name": "run", "per": "key+session", "subject": "a/s 1", "window": "lifetime",
            "spent": {"usd": "0.007", "tokens": 9, "input_tokens": 2, "output_tokens": 7, "requests": 1},
            "held": {"usd": "0.02", "tokens": 22, "input_tokens": 2, "output_tokens": 20, "requests": 1},
            "limit": {"usd": null, "tokens": null, "input_tokens": null, "output_tokens": null, "requests": 5, "concurrent": null},
            "left": {"usd": null, "tokens": null, "input_tokens": null, "output_tokens": null, "requests": 3, "concurrent": null},
            "resets_at": null,
        }]})
    );
}

#[test]
fn what_requests_say_of_themselves_may_be_said_in_headers_here_too() {
    let (config, store) = (config(), MemoryStore::default());
    let page = ask(&config, &store, "a", "/farebox/usage").unwrap();
    assert_eq!(page["budgets"][1]["subject"], "a/attribution-in-a-header");
    let page = ask(&config, &store, "a", "/farebox/usage?session=").unwrap();
    assert_eq!(page["unnamed"], json!([{"name": "run", "per": "key+session", "needs": "session"}]));
}

#[test]
fn only_an_admin_key_sees_others() {
    let (config, store) = (config(), MemoryStore::default());
    spend(&config, &store, "a", "s-1");
    for query in ["team=blue", "key=b", "key=nobody", "team=blue&key=b"] {
        let asked = ask(&config, &store, "a", &format!("/farebox/usage?{query}"));
        assert_eq!(asked.unwrap_err(), Denial::AdminOnly, "{query}");
    }
    assert!(ask(&config, &store, "a", "/farebox/usage?team=red&key=a").is_ok());
    let page = ask(&config, &store, "b", "/farebox/usage?key=a&session=s-1").unwrap();
    assert_eq!((&page["key"], &page["team"]), (&json!("a"), &json!("red")));
    assert_eq!(page["budgets"][1]["spent"]["requests"], 1);
    let page = ask(&config, &store, "b", "/farebox/usage?team=red").unwrap();
    assert_eq!((&page["key"], &page["budgets"][0]["subject"]), (&json!(null), &json!("red")));
    assert_eq!(page["unnamed"][0]["needs"], "key");
}

#[test]
fn who_asks_for_nobody_is_told_who_is_near() {
    let (config, store) = (config(), MemoryStore::default());
    for (query, message) in [
        ("team=bleu", "There is no team 'bleu' (did you mean \"blue\"?)."),
        ("team=finance", "There is no team 'finance'."),
        ("team=finance&key=a", "There is no team 'finance'."),
        ("key=of", "There is no key 'of' here (did you mean \"off\"?)."),
        ("key=a&team=blue", "There is no key 'a' in team 'blue'."),
    ] {
        let denial = ask(&config, &store, "b", &format!("/farebox/usage?{query}")).unwrap_err();
        let status = denial.status(crate::dialect::Dialect::OpenAi, crate::denial::Client::Other, NOW);
        assert_eq!((status, denial.reason()), (404, "unknown_subject"), "{query}");
        assert_eq!(denial.message(), message);
    }
}

#[test]
fn an_admin_key_is_told_which_teams_there_are() {
    let (config, store) = (config(), MemoryStore::default());
    assert_eq!(ask(&config, &store, "b", "/farebox/usage").unwrap()["teams"], json!(["blue", "red"]));
    for (key, query) in [("a", ""), ("b", "?team=red"), ("b", "?key=a")] {
        let page = ask(&config, &store, key, &format!("/farebox/usage{query}")).unwrap();
        assert!(page.get("teams").is_none(), "{key}{query}: {page}");
    }
}

#[test]
fn a_parameter_that_is_not_known_is_named_with_those_that_are() {
    let (config, store) = (config(), MemoryStore::default());
    let Err(Denial::Query(message)) = ask(&config, &store, "a", "/farebox/usage?sesion=1") else {
        panic!("answered")
    };
    assert!(message.contains("session"), "{message}");
}
