//! Where attempts go, one after the other, whatever goes wrong.

use proptest::prelude::*;
use serde_json::json;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::budget::ledger::MemoryStore;
use crate::config::testing::NOW;
use crate::failover::key_pool::Cooldown;
use crate::request::identity::digest;

/// The providers `a`, `b` and `c` (no keys), `pool` (three keys) and `hosts` (three hosts), all of OpenAI's dialect.
fn config(attempts: u32) -> Config {
    let sha256: String = digest(b"fb_k_x").iter().map(|byte| format!("{byte:02x}")).collect();
    let json = json!({
        "version": "v1",
        "keys": [{"id": "k", "sha256": sha256, "team": "t"}],
        "providers": {
            "a": {"dialect": "openai"}, "b": {"dialect": "openai"}, "c": {"dialect": "openai"},
            "pool": {"dialect": "openai", "credentials": [{"env": "K0"}, {"env": "K1"}, {"env": "K2"}]},
            "hosts": {"dialect": "openai", "endpoints": ["http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3"]},
        },
        "models": {"m": [{"provider": "a"}]},
        "failover": {"attempts": attempts},
        "unpriced": "allow",
    });
    Config::parse(json.to_string().as_bytes(), |name| Some(format!("secret-of-{name}")))
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// Targets by their providers; those behind a `+` are for long prompts.
fn plan_of(config: &Config, targets: &[&str], draw: u64) -> FailoverPlan {
    let destination = |name: &&str| Destination {
        provider: std::rc::Rc::clone(&config.providers[name.trim_start_matches('+')]),
        model: format!("m-{name}"),
    };
    let (long, targets): (Vec<&str>, Vec<&str>) = targets.iter().partition(|name| name.starts_with('+'));
    let targets: Vec<Destination> = targets.iter().map(destination).collect();
    let plan = Plan {
        label: "m".into(),
        model: "m".into(),
        targets: targets.clone(),
        long: long.iter().map(destination).collect(),
    };
    FailoverPlan::new(config, &plan, &targets[0], "/v1/chat/completions?x=1", (0, draw))
}

/// The providers that are asked one after the other while every attempt goes wrong like this.
fn visited(config: &Config, failover_plan: &FailoverPlan, failures: &[Failure]) -> Vec<String> {
    let store = MemoryStore::default();
    let key_pool = KeyPool::new(&store);
    let mut attempt = Attempt::first(0);
    let name = |attempt: Attempt| failover_plan.targets[attempt.target].provider.clone();
    let mut visited = vec![name(attempt)];
    for failure in failures {
        let Some(next) = failover_plan.next(config, &key_pool, CHAT, attempt, *failure, NOW) else { break };
        attempt = next;
        visited.push(name(attempt));
    }
    visited
}

const DOWN: Failure = Failure::Status;
const CHAT: &str = "chat_completions";
const PLACE: (&str, &str) = ("m-pool", CHAT);

#[test]
fn targets_are_tried_in_their_order_and_each_once() {
    let config = config(5);
    let failover_plan = plan_of(&config, &["a", "b", "c"], 0);
    for failure in [
        Failure::NoAnswer,
        DOWN,
        Failure::StreamError,
        Failure::EmptyStream,
        Failure::Key,
        Failure::RateLimited(None),
    ] {
        assert_eq!(visited(&config, &failover_plan, &[failure; 5]), ["a", "b", "c"], "{failure:?}");
    }
}

#[test]
fn no_request_is_sent_more_often_than_the_configuration_says() {
    let config = config(2);
    let failover_plan = plan_of(&config, &["a", "b", "c"], 0);
    assert_eq!(failover_plan.attempts, 2);
    assert_eq!(visited(&config, &failover_plan, &[DOWN; 5]), ["a", "b"]);
}

#[test]
fn attempts_are_no_more_than_there_are_targets_and_keys() {
    for (targets, attempts) in [
        (vec!["a"], 1),
        (vec!["a", "+b"], 2),
        (vec!["pool"], 3),
        (vec!["pool", "a"], 4),
        (vec!["pool", "a", "b", "c"], 5),
        (vec!["hosts"], 3),
        (vec!["hosts", "+a"], 4),
    ] {
        assert_eq!(plan_of(&config(5), &targets, 0).attempts, attempts, "{targets:?}");
    }
}

#[test]
fn what_one_host_fails_at_another_one_of_its_provider_does_and_the_last_attempt_is_for_the_next_target() {
    let at_hosts = [
        Failure::NoAnswer,
        DOWN,
        Failure::AnswerError,
        Failure::StreamError,
        Failure::EmptyStream,
        Failure::Model,
        Failure::RateLimited(None),
    ];
    for (attempts, expected) in [
        (5, vec!["hosts", "hosts", "hosts", "a", "b"]),
        (3, vec!["hosts", "hosts", "a"]),
        (2, vec!["hosts", "a"]),
    ] {
        let config = config(attempts);
        let failover_plan = plan_of(&config, &["hosts", "a", "b"], 0);
        for failure in at_hosts {
            assert_eq!(visited(&config, &failover_plan, &[failure; 5]), expected, "{failure:?}");
        }
    }
    let config = config(5);
    let alone = plan_of(&config, &["hosts", "+a"], 0);
    assert_eq!(visited(&config, &alone, &[DOWN; 5]), ["hosts", "hosts", "hosts"]);
    assert_eq!(visited(&config, &alone, &[DOWN, Failure::ContextLength]), ["hosts", "hosts", "a"]);
    for failure in [Failure::Key, Failure::Access(403), Failure::Account, Failure::ContextLength] {
        assert_eq!(
            visited(&config, &alone, &[failure]).len(),
            1 + usize::from(failure == Failure::ContextLength)
        );
    }
}

#[test]
fn a_target_for_long_prompts_is_tried_after_one_that_was_too_long_and_after_nothing_else() {
    let config = config(5);
    let failover_plan = plan_of(&config, &["a", "+b", "c", "+pool"], 0);
    let too_long = Failure::ContextLength;
    assert_eq!(visited(&config, &failover_plan, &[DOWN; 5]), ["a", "c"]);
    assert_eq!(visited(&config, &failover_plan, &[too_long; 5]), ["a", "b", "pool"]);
    assert_eq!(visited(&config, &failover_plan, &[DOWN, too_long, DOWN]), ["a", "c", "b", "pool"]);
}

#[test]
fn after_a_key_that_is_refused_another_one_of_its_provider_is_tried_and_then_the_next_target() {
    let config = config(5);
    let failover_plan = plan_of(&config, &["pool", "a"], 7);
    let store = MemoryStore::default();
    let key_pool = KeyPool::new(&store);
    let pool = &config.providers["pool"];
    let mut attempt = Attempt::first(key_pool.choose(pool, PLACE, 0, 7, NOW).unwrap());
    let mut keys = vec![attempt.key];
    for failure in [Failure::Key, Failure::RateLimited(Some(500))] {
        key_pool.pause(pool, Cooldown::Key(attempt.key), NOW.plus(1_000), NOW).unwrap();
        attempt = failover_plan.next(&config, &key_pool, CHAT, attempt, failure, NOW).unwrap();
        assert_eq!(attempt.target, 0);
        keys.push(attempt.key);
    }
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2]);
    key_pool.pause(pool, Cooldown::Key(attempt.key), NOW.plus(1_000), NOW).unwrap();
    let next = failover_plan.next(&config, &key_pool, CHAT, attempt, Failure::Account, NOW).unwrap();
    assert_eq!(next, Attempt { target: 1, number: 3, ..Attempt::first(0) });
}

#[test]
fn a_provider_that_is_down_is_not_asked_again_with_another_key() {
    let config = config(5);
    assert_eq!(visited(&config, &plan_of(&config, &["pool", "a"], 3), &[DOWN; 5]), ["pool", "a"]);
}

#[test]
fn a_target_of_which_all_keys_cool_down_is_passed_over() {
    let config = config(5);
    let failover_plan = plan_of(&config, &["a", "pool", "b"], 0);
    let store = MemoryStore::default();
    let key_pool = KeyPool::new(&store);
    for key in 0..3 {
        key_pool.pause(&config.providers["pool"], Cooldown::Key(key), NOW.plus(60_000), NOW).unwrap();
    }
    let first = Attempt::first(0);
    assert_eq!(failover_plan.next(&config, &key_pool, CHAT, first, DOWN, NOW).unwrap().target, 2);
    assert_eq!(
        failover_plan.next(&config, &key_pool, CHAT, first, DOWN, NOW.plus(60_000)).unwrap().target,
        1
    );
}

#[test]
fn a_provider_that_is_configured_no_longer_is_passed_over() {
    let config = config(5);
    let mut failover_plan = plan_of(&config, &["a", "b", "c"], 0);
    failover_plan.targets[1].provider = "gone".into();
    assert_eq!(visited(&config, &failover_plan, &[DOWN; 5]), ["a", "c"]);
    assert!(
        Attempt { target: 1, number: 1, ..Attempt::first(0) }.destination(&failover_plan, &config).is_none()
    );
}

#[test]
fn every_key_is_tried_once_though_none_cools_down_and_the_one_that_answers_tells_on_the_others() {
    let config = config(5);
    let failover_plan = plan_of(&config, &["pool", "a"], 7);
    let store = MemoryStore::default();
    let key_pool = KeyPool::new(&store);
    for failure in [Failure::Access(403), Failure::Allowance, Failure::Size] {
        let mut attempt = Attempt::first(1);
        let mut keys = vec![attempt.key];
        for _ in 0..2 {
            attempt = failover_plan.next(&config, &key_pool, CHAT, attempt, failure, NOW).unwrap();
            keys.push(attempt.key);
        }
        let suspects: Vec<usize> = attempt.found_out().collect();
        let others: Vec<usize> = (0..3).filter(|key| *key != attempt.key).collect();
        assert_eq!(suspects, if failure == Failure::Access(403) { others } else { vec![] }, "{failure:?}");
        keys.sort_unstable();
        assert_eq!(keys, [0, 1, 2], "{failure:?}");
        let next = failover_plan.next(&config, &key_pool, CHAT, attempt, failure, NOW).unwrap();
        assert_eq!(next, Attempt { target: 1, number: 3, ..Attempt::first(0) }, "{failure:?}");
    }
}

#[test]
fn a_model_that_cools_down_is_passed_over_on_its_endpoint_whatever_the_key() {
    let config = config(5);
    let failover_plan = plan_of(&config, &["a", "b", "c"], 0);
    let store = MemoryStore::default();
    let key_pool = KeyPool::new(&store);
    let cooldown = Cooldown::Model("m-b", CHAT);
    key_pool.pause(&config.providers["b"], cooldown, NOW.plus(60_000), NOW).unwrap();
    let next = |endpoint, now| {
        failover_plan.next(&config, &key_pool, endpoint, Attempt::first(0), Failure::Model, now).unwrap()
    };
    assert_eq!(next(CHAT, NOW).target, 2);
    assert_eq!(next("embeddings", NOW).target, 1);
    assert_eq!(next(CHAT, NOW.plus(60_000)).target, 1);
}

#[test]
fn a_request_that_is_too_large_for_a_limit_may_go_to_a_target_for_long_prompts() {
    let config = config(5);
    let failover_plan = plan_of(&config, &["a", "b", "+c"], 0);
    assert_eq!(visited(&config, &failover_plan, &[Failure::Size; 5]), ["a", "b", "c"]);
}

#[test]
fn an_option_that_is_refused_is_left_out_at_the_same_target_once() {
    let config = config(5);
    let failover_plan = plan_of(&config, &["pool", "b"], 0);
    let store = MemoryStore::default();
    let key_pool = KeyPool::new(&store);
    let next = |attempt| failover_plan.next(&config, &key_pool, CHAT, attempt, Failure::Option, NOW);
    let bare = next(Attempt::first(1)).unwrap();
    assert_eq!(bare, Attempt { number: 1, bare: true, ..Attempt::first(1) });
    assert_eq!(next(bare), None);
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::NoAnswer),
        Just(Failure::Status),
        Just(Failure::Access(401)),
        Just(Failure::Model),
        Just(Failure::AnswerError),
        Just(Failure::Key),
        prop::option::of(any::<u64>()).prop_map(Failure::RateLimited),
        Just(Failure::ContextLength),
        Just(Failure::StreamError),
        Just(Failure::EmptyStream),
    ]
}

proptest! {
    #[test]
    fn no_attempt_leads_out_of_its_plan_whatever_attempt_and_failure_it_follows(
        target in prop_oneof![0usize..6, any::<usize>()], key: usize, number in prop_oneof![0u32..4, any::<u32>()],
        draw: u64, failure in failure(),
    ) {
        let config = config(5);
        let failover_plan = plan_of(&config, &["a", "pool", "hosts", "b", "+c"], draw);
        let store = MemoryStore::default();
        let attempt = Attempt { target, number, failed_hosts: key, ..Attempt::first(key) };
        if let Some(next) = failover_plan.next(&config, &KeyPool::new(&store), CHAT, attempt, failure, NOW) {
            prop_assert!(next.target < failover_plan.targets.len());
            let keys = config.providers[failover_plan.targets[next.target].provider.as_str()].keys().len();
            prop_assert!(next.key < keys.max(1));
            prop_assert_eq!(next.number, number + 1);
            prop_assert!(next.number < failover_plan.attempts);
        }
    }

    #[test]
    fn whatever_goes_wrong_no_target_without_a_pool_is_visited_twice_and_it_comes_to_an_end(
        failures in prop::collection::vec(failure(), 0..12), draw: u64,
        targets in Just(vec!["a", "b", "c", "pool", "+a", "+b"]).prop_shuffle(), count in 1usize..7,
    ) {
        let config = config(5);
        let mut targets = targets;
        targets.truncate(count);
        // There is always one for prompts of every length.
        targets.insert(0, "c");
        let failover_plan = plan_of(&config, &targets, draw);
        let store = MemoryStore::default();
        let key_pool = KeyPool::new(&store);
        let mut attempt = Attempt::first(0);
        let mut seen = vec![(attempt.target, attempt.key)];
        for failure in failures {
            if matches!(failure, Failure::Key | Failure::RateLimited(_)) {
                let provider = attempt.destination(&failover_plan, &config).unwrap().provider;
                key_pool.pause(&provider, Cooldown::Key(attempt.key), NOW.plus(1), NOW).unwrap();
            }
            let Some(next) = failover_plan.next(&config, &key_pool, CHAT, attempt, failure, NOW) else { break };
            prop_assert!(!seen.contains(&(next.target, next.key)), "{:?} {:?}", seen, next);
            let same = failover_plan.targets[next.target].provider == "pool" && next.target == attempt.target;
            prop_assert!(same || seen.iter().all(|(target, _)| *target != next.target));
            prop_assert!(failure == Failure::ContextLength || failover_plan.targets[next.target].long == failover_plan.targets[attempt.target].long);
            seen.push((next.target, next.key));
            attempt = next;
        }
        prop_assert!(seen.len() <= 5);
    }
}
