//! What is known of a caller before it has said what it wants.

use super::*;

impl Gateway {
    fn used_up(&self, key: &str) -> Option<Denial> {
        used_up(&self.ledger(), &self.config, &self.config.keys[key], self.now)
    }
}

#[test]
fn who_was_refused_and_has_nothing_left_is_refused_whatever_comes_next() {
    let mut gateway = Gateway::new(json!([
        {"name": "key", "per": "key", "window": "minute", "limit_requests": 1},
        {"name": "team", "per": "team", "window": "day", "limit_requests": 1},
    ]));
    let first = gateway.chat(10).unwrap();
    gateway.settle(first, 10);
    assert_eq!(gateway.used_up("a"), None, "nobody has looked yet");
    assert_eq!(refused(gateway.chat(10)), ("team".into(), BudgetReason::Spent));
    let denial = gateway.used_up("a").unwrap();
    assert_eq!((denial.budget_name(), denial.reason()), (Some("team"), "budget"));
    assert_eq!(gateway.used_up("b"), None, "another team has its own");
    gateway.ledger().tick(gateway.now).unwrap();
    assert_eq!(gateway.used_up("a"), None, "every tick somebody looks again");
    assert_eq!(refused(gateway.chat(10)).0, "team");
    gateway.now = gateway.now.plus(86_400_000);
    assert_eq!(gateway.used_up("a"), None);
    assert!(gateway.chat(10).is_ok());
}

#[test]
fn who_has_too_little_left_for_one_request_may_have_enough_for_another() {
    let gateway = Gateway::new(json!([{"name": "day", "window": "day", "limit_usd": "0.01"}]));
    let first = gateway.chat(900).unwrap();
    gateway.settle(first, 900);
    assert_eq!(refused(gateway.chat(200)), ("day".into(), BudgetReason::Spent));
    assert_eq!(gateway.used_up("a"), None);
    assert!(gateway.chat(100).is_ok());
}

#[test]
fn what_others_hold_may_be_given_back() {
    let gateway = Gateway::new(json!([{"name": "day", "window": "day", "limit_requests": 1}]));
    let first = gateway.chat(900).unwrap();
    assert_eq!(refused(gateway.chat(1)), ("day".into(), BudgetReason::Spent));
    assert_eq!(gateway.used_up("a"), None);
    first.hold.release(&gateway.ledger(), gateway.now);
    assert!(gateway.chat(1).is_ok());
}

#[test]
fn who_is_only_watched_or_has_another_model_to_go_to_is_not_refused_by_what_is_known() {
    let gateway = Gateway::new(json!([
        {"name": "watched", "window": "day", "limit_requests": 1, "at_limit": "shadow"},
        {"name": "model", "per": ["model"], "window": "day", "limit_requests": 1},
    ]));
    let first = gateway.chat(10).unwrap();
    gateway.settle(first, 10);
    assert_eq!(refused(gateway.chat(10)).0, "model");
    assert_eq!(gateway.used_up("a"), None);
    assert!(gateway.ask("a", &[], &json!({"model": "cheap", "max_tokens": 10})).is_ok());
}

#[test]
fn a_strict_budget_allows_what_is_left_now_and_not_what_was_left_when_others_still_held_room() {
    let gateway = Gateway::new(json!([
        {"name": "day", "window": "day", "limit_usd": "0.01", "mode": "strict"},
        {"name": "month", "window": "month", "limit_usd": "0.01", "mode": "strict"},
    ]));
    let others = Ledger::new(&gateway.store, gateway.config.hold.epoch_ms);
    let held =
        Amounts { usd: crate::base::money::PicoUsd(990 * 10_000_000), output: 990, requests: 1, input: 0 };
    let accounts: Vec<_> = gateway.config.keys["a"].accounts.iter().flatten().collect();
    for account in &accounts {
        assert!(matches!(
            others.hold(account, held, gateway.now),
            Ok(crate::budget::ledger::Room::Held { .. })
        ));
    }
    assert!(gateway.chat(2_000).is_err(), "others hold nearly all of it");
    for account in &accounts {
        let epoch = gateway.now.0 - gateway.now.0 % gateway.config.hold.epoch_ms;
        others.settle(account, held, epoch, Amounts::default(), gateway.now).unwrap();
    }
    assert_eq!(gateway.chat(2_000).unwrap().output_limit, Some(1_000));
}
