//! What becomes of requests whose subject has no slot.

use serde_json::json;

use super::{Gateway, refused};
use crate::denial::BudgetReason;

#[test]
fn when_all_slots_are_taken_the_budget_answers_as_it_was_told() {
    for (when_full, admitted) in [("deny", false), ("allow", true), ("evict", true)] {
        let gateway = Gateway::new(json!([
            {"name": "run", "per": "session", "window": "day", "limit_requests": 1, "slots": 1024, "when_full": when_full},
        ]));
        let mut full = 0;
        for number in 0..20_000 {
            match gateway.session("a", &format!("session-{number}")) {
                Ok(admission) => {
                    full += u32::from(!admission.noticed.uncounted.is_empty());
                    gateway.settle(admission, 1);
                }
                denial => {
                    assert_eq!(refused(denial), ("run".into(), BudgetReason::Slots));
                    full += 1;
                }
            }
        }
        let last = gateway.session("a", "session-of-its-own");
        assert_eq!(last.is_ok() || full == 0, admitted || full == 0, "{when_full}");
        match when_full {
            "evict" => assert_eq!(full, 0),
            _ => assert!(full > 5_000, "{when_full}: {full}"),
        }
    }
}

#[test]
fn a_team_that_makes_up_sessions_takes_no_other_teams_slots() {
    let gateway = Gateway::new(json!([
        {"name": "run", "per": "session", "window": "day", "limit_requests": 1, "slots": 1024},
    ]));
    let mut full = 0;
    for number in 0..20_000 {
        match gateway.session("b", &format!("s-{number}")) {
            Ok(admission) => gateway.settle(admission, 1),
            Err(_) => full += 1,
        }
    }
    assert!(full > 5_000, "{full}");
    for number in 0..500 {
        assert!(gateway.session("a", &format!("s-{number}")).is_ok(), "{number}");
    }
}
