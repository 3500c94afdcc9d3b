//! Strict budgets and requests whose thinking has a budget of its own within the limit of their output.

use super::*;

impl Gateway {
    fn thinks(&self, limit: u64, thinking: u64) -> Result<Admission, Denial> {
        let thinking = json!({"type": "enabled", "budget_tokens": thinking});
        let body = json!({"model": "claude", "max_tokens": limit, "thinking": thinking, "messages": []});
        self.ask_at("/v1/messages", "a", &[], &body)
    }
}

fn with(left: u64) -> Gateway {
    Gateway::with(|json| {
        json["models"]["claude"] = json!([{"provider": "two", "model": "c-1"}]);
        json["budgets"] =
            json!([{"name": "tokens", "window": "day", "limit_output_tokens": left, "mode": "strict"}]);
    })
}

#[test]
fn a_limit_is_lowered_as_long_as_thinking_and_an_answer_fit_into_it() {
    assert_eq!(with(8_000).thinks(32_000, 16_000).unwrap().output_limit, Some(8_000));
    assert_eq!(with(1_040).thinks(32_000, 16_000).unwrap().output_limit, Some(1_040));
    assert_eq!(with(8_000).thinks(4_000, 2_000).unwrap().output_limit, None);
}

#[test]
fn what_leaves_too_little_for_thinking_is_refused_by_the_budget_and_not_by_the_provider() {
    assert_eq!(refused(with(1_039).thinks(32_000, 16_000)), ("tokens".into(), BudgetReason::Size));
    let gateway = with(8_000);
    let _first = gateway.thinks(7_000, 2_000).unwrap();
    assert_eq!(refused(gateway.thinks(32_000, 16_000)), ("tokens".into(), BudgetReason::Held));
    // With less thinking than the provider takes, or more than the limit, it is the caller's own affair.
    assert_eq!(gateway.thinks(32_000, 1_000).unwrap().output_limit, Some(1_000));
}
