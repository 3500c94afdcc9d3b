//! What is written down is read as it was, and nothing else is.

use super::*;
use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn plan() -> impl Strategy<Value = FailoverPlan> {
    let target = (any::<String>(), "(?s).{0,12}", any::<bool>())
        .prop_map(|(provider, model, long)| PlannedTarget { provider, model, long });
    let targets = prop::collection::vec(target, 0..6);
    (any::<(String, u64, u32, u32, bool)>(), targets).prop_map(|(parts, targets)| {
        let (path, draw, key, attempts, asks_for_usage) = parts;
        let key = key as usize;
        FailoverPlan { path, draw, key, attempts, asks_for_usage, targets, confined: false }
    })
}

fn attempt() -> impl Strategy<Value = Attempt> {
    any::<(u32, u32, u32, u64, u64, bool, u32)>().prop_map(|parts| {
        let (target, key, number, tried, suspects, bare, failed_hosts) = parts;
        let (target, key, failed_hosts) = (target as usize, key as usize, failed_hosts as usize);
        Attempt { target, key, number, tried, suspects, bare, failed_hosts }
    })
}

fn state() -> impl Strategy<Value = AttemptState> {
    let logged = any::<(String, String, Option<String>, String, Option<(u64, u64)>)>().prop_map(
        |(provider, model, credential, reason, answer)| {
            let reason = reason.into();
            LoggedAttempt { provider, model, credential, reason, answer }
        },
    );
    let log = prop::collection::vec(logged, 0..4);
    let usage = any::<(u64, u64, u64, u64)>();
    (attempt(), any::<u64>(), attempt(), any::<String>(), usage, log).prop_map(
        |(attempt, began, next, cluster, (usd, input, output, given_up), log)| {
            let (began, attempt_log) = (Millis(began), AttemptLog(log));
            let failed_usage = FailedUsage { usd: PicoUsd(usd), input, output, given_up };
            AttemptState { attempt, began, next, cluster, failed_usage, attempt_log }
        },
    )
}

proptest! {
    #[test]
    fn a_failover_plan_of_any_names_is_read_as_it_was_written(plan in plan()) {
        prop_assert_eq!(FailoverPlan::read(&plan.to_bytes()), Some(plan));
    }

    #[test]
    fn an_attempt_state_is_read_as_it_was_written(state in state()) {
        prop_assert_eq!(AttemptState::read(&state.to_bytes()), Some(state));
    }

    #[test]
    fn a_part_of_a_failover_plan_or_an_attempt_state_is_none(plan in plan(), state in state(), at: prop::sample::Index) {
        let (plan, state) = (plan.to_bytes(), state.to_bytes());
        prop_assert_eq!(FailoverPlan::read(&plan[..at.index(plan.len())]), None);
        prop_assert_eq!(AttemptState::read(&state[..at.index(state.len())]), None);
        prop_assert_eq!(AttemptState::read(&[&state[..], &[0]].concat()), None, "nor is more than one");
        prop_assert_eq!((FailoverPlan::read(&state), AttemptState::read(&plan)), (None, None));
    }

    #[test]
    fn any_bytes_are_a_failover_plan_and_an_attempt_state_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = (FailoverPlan::read(&bytes), AttemptState::read(&bytes));
        let _ = FailoverPlan::read(&[&[PLAN], &bytes[..]].concat());
        let _ = AttemptState::read(&[&[ATTEMPT], &bytes[..]].concat());
    }
}
