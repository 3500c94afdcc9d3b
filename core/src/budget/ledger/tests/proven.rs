//! Accounts of callers whom nobody listed.

use std::collections::BTreeSet;

use super::*;
use crate::budget::subject::Subject;
use crate::config::{Key, testing};
use crate::request::attribution::Attribution;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn config(per: &serde_json::Value) -> crate::config::Config {
    testing::config(|json| {
        json["keys"][0]["labels"] = serde_json::json!({"department": "R&D"});
        json["identity"] = serde_json::json!({"from": "jwt", "issuers": ["https://a"], "team": "groups",
            "user": "email", "labels": {"department": "department"}});
        json["budgets"] = serde_json::json!([{"name": "b", "per": per, "window": "day", "limit_usd": 20,
            "overrides": {"*alice": {"limit_usd": 50}}}]);
    })
}

fn of(config: &crate::config::Config, key: &Key, claimed: Option<&str>) -> Account {
    let attribution = Attribution {
        user: claimed.and_then(|user| crate::base::text::Label::from_bytes(user.as_bytes())),
        ..Attribution::default()
    };
    let subject = Subject { attribution: Some(&attribution), ..Subject::of(key) };
    subject.account(&config.budgets[0]).unwrap()
}

fn proven(team: &str, user: &str) -> Key {
    let mut key = Key::proven(&format!("jwt:{user}"), team, Some(user));
    key.labels = vec![("department".into(), "Sales".into())];
    key
}

#[test]
fn a_user_who_is_proven_has_an_account_that_nobody_else_comes_by() {
    let config = config(&serde_json::json!("user"));
    let alice = of(&config, &proven("red", "alice"), None);
    assert_eq!((&*alice.subject, alice.limits.usd), ("alice", PicoUsd::parse("50").ok()));
    assert_eq!(of(&config, &proven("red", "alice"), Some("bob")), alice, "what it says is not who it is");
    let by_key = of(&config, &config.keys["a"], Some("alice"));
    let of_other_team = of(&config, &proven("blue", "alice"), None);
    let ids = [&alice, &by_key, &of_other_team].map(|account| (account.record.clone(), account.tag));
    assert_eq!(BTreeSet::from(ids).len(), 3, "a key's caller, and the same name of another team");
    for claimed in ["\u{1}proven/red/alice", "red/alice", "*", "@*"] {
        let other = of(&config, &config.keys["a"], Some(claimed));
        assert_ne!((&other.record, other.tag), (&alice.record, alice.tag), "{claimed}");
        assert!(other.record.contains("@red#"), "a claim stays with the team that pays");
    }
}

#[test]
fn what_is_listed_has_a_record_and_all_others_share_slots() {
    for (per, listed, other) in [
        (serde_json::json!("team"), "fb/2/b/team/red", "fb/2/b/team@*#"),
        (serde_json::json!("label:department"), "fb/2/b/label:department/R&D", "fb/2/b/label:department@*#"),
        (serde_json::json!("key"), "fb/2/b/key/a", "fb/2/b/key@*#"),
        (serde_json::json!(["team", "key"]), "fb/2/b/team+key/red\u{1f}a", "fb/2/b/team+key@*#"),
    ] {
        let config = config(&per);
        let account = of(&config, &config.keys["a"], None);
        assert_eq!((&*account.record, account.is_in_slot()), (listed, false));
        assert!(!account.budget.is_slots(&account.record));
        let account = of(&config, &proven("sales", "bob"), None);
        assert!(account.record.starts_with(other) && account.is_in_slot(), "{}", account.record);
        assert!(account.budget.is_slots(&account.record));
    }
    let config = config(&serde_json::json!("team"));
    let red = of(&config, &proven("red", "bob"), None);
    assert_eq!(
        red,
        of(&config, &config.keys["a"], None),
        "a listed team has one account, whoever calls for it"
    );
    assert_eq!((config.metric_team("red"), config.metric_team("sales")), ("red", "other"));
}

#[test]
fn ten_thousand_users_of_one_group_each_have_the_default_of_the_budget() {
    let config = config(&serde_json::json!("user"));
    let (store, mut records) = (MemoryStore::default(), BTreeSet::new());
    let ledger = Ledger::new(&store, EPOCH_MS);
    let usd = |text: &str| Amounts { usd: PicoUsd::parse(text).unwrap(), ..Amounts::default() };
    let now = Millis(1_000);
    let accounts: Vec<Account> =
        (0..10_000).map(|number| of(&config, &proven("red", &format!("u{number}")), None)).collect();
    for account in &accounts {
        assert!(
            matches!(ledger.hold(account, usd("15"), now).unwrap(), Room::Held { .. }),
            "{}",
            account.subject
        );
        records.insert(account.record.clone());
    }
    for account in &accounts {
        assert!(matches!(ledger.hold(account, usd("6"), now).unwrap(), Room::Short(_)));
    }
    assert!(records.len() <= 1_024, "{} records", records.len());
}
