//! Where attempts go, one after the other, whatever goes wrong.

use proptest::prelude::*;
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::config::testing::NOW;
use crate::identity::digest;
use crate::keyring::Rest;
use crate::ledger::MemoryStore;

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

/// Stops by their providers; those behind a `+` are for long prompts.
fn chain(config: &Config, stops: &[&str], draw: u64) -> Chain {
    let destination = |name: &&str| Destination {
        provider: std::rc::Rc::clone(&config.providers[name.trim_start_matches('+')]),
        model: format!("m-{name}"),
    };
    let (long, targets): (Vec<&str>, Vec<&str>) = stops.iter().partition(|name| name.starts_with('+'));
    let targets: Vec<Destination> = targets.iter().map(destination).collect();
    let plan = Plan {
        label: "m".into(),
        model: "m".into(),
        targets: targets.clone(),
        long: long.iter().map(destination).collect(),
    };
    Chain::new(config, &plan, &targets[0], ("gateway.example", "/v1/chat/completions?x=1"), draw)
}

/// The providers that are asked one after the other while every attempt goes wrong like this.
fn visited(config: &Config, chain: &Chain, failures: &[Failure]) -> Vec<String> {
    let store = MemoryStore::default();
    let keyring = Keyring::new(&store);
    let mut leg = Leg::first(0);
    let name = |leg: Leg| chain.stops[leg.stop].provider.clone();
    let mut visited = vec![name(leg)];
    for failure in failures {
        let Some(next) = chain.next(config, &keyring, CHAT, leg, *failure, NOW) else { break };
        leg = next;
        visited.push(name(leg));
    }
    visited
}

const DOWN: Failure = Failure::Status;
const CHAT: &str = "chat_completions";
const PLACE: (&str, &str) = ("m-pool", CHAT);

#[test]
fn targets_are_tried_in_their_order_and_each_once() {
    let config = config(5);
    let chain = chain(&config, &["a", "b", "c"], 0);
    for failure in [
        Failure::NoAnswer,
        DOWN,
        Failure::StreamError,
        Failure::EmptyStream,
        Failure::Key,
        Failure::RateLimited(None),
    ] {
        assert_eq!(visited(&config, &chain, &[failure; 5]), ["a", "b", "c"], "{failure:?}");
    }
}

#[test]
fn no_request_is_sent_more_often_than_the_configuration_says() {
    let config = config(2);
    let chain = chain(&config, &["a", "b", "c"], 0);
    assert_eq!(chain.attempts, 2);
    assert_eq!(visited(&config, &chain, &[DOWN; 5]), ["a", "b"]);
}

#[test]
fn attempts_are_no_more_than_there_are_targets_and_keys() {
    for (stops, attempts) in [
        (vec!["a"], 1),
        (vec!["a", "+b"], 2),
        (vec!["pool"], 3),
        (vec!["pool", "a"], 4),
        (vec!["pool", "a", "b", "c"], 5),
        (vec!["hosts"], 3),
        (vec!["hosts", "+a"], 4),
    ] {
        assert_eq!(chain(&config(5), &stops, 0).attempts, attempts, "{stops:?}");
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
        let chain = chain(&config, &["hosts", "a", "b"], 0);
        for failure in at_hosts {
            assert_eq!(visited(&config, &chain, &[failure; 5]), expected, "{failure:?}");
        }
    }
    let config = config(5);
    let alone = chain(&config, &["hosts", "+a"], 0);
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
    let chain = chain(&config, &["a", "+b", "c", "+pool"], 0);
    let too_long = Failure::ContextLength;
    assert_eq!(visited(&config, &chain, &[DOWN; 5]), ["a", "c"]);
    assert_eq!(visited(&config, &chain, &[too_long; 5]), ["a", "b", "pool"]);
    assert_eq!(visited(&config, &chain, &[DOWN, too_long, DOWN]), ["a", "c", "b", "pool"]);
}

#[test]
fn after_a_key_that_is_refused_another_one_of_its_provider_is_tried_and_then_the_next_target() {
    let config = config(5);
    let chain = chain(&config, &["pool", "a"], 7);
    let store = MemoryStore::default();
    let keyring = Keyring::new(&store);
    let pool = &config.providers["pool"];
    let mut leg = Leg::first(keyring.choose(pool, PLACE, 0, 7, NOW).unwrap());
    let mut keys = vec![leg.key];
    for failure in [Failure::Key, Failure::RateLimited(Some(500))] {
        keyring.pause(pool, Rest::Key(leg.key), NOW.plus(1_000), NOW).unwrap();
        leg = chain.next(&config, &keyring, CHAT, leg, failure, NOW).unwrap();
        assert_eq!(leg.stop, 0);
        keys.push(leg.key);
    }
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2]);
    keyring.pause(pool, Rest::Key(leg.key), NOW.plus(1_000), NOW).unwrap();
    let next = chain.next(&config, &keyring, CHAT, leg, Failure::Account, NOW).unwrap();
    assert_eq!(next, Leg { stop: 1, number: 3, ..Leg::first(0) });
}

#[test]
fn a_provider_that_is_down_is_not_asked_again_with_another_key() {
    let config = config(5);
    assert_eq!(visited(&config, &chain(&config, &["pool", "a"], 3), &[DOWN; 5]), ["pool", "a"]);
}

#[test]
fn a_target_of_which_all_keys_rest_is_passed_over() {
    let config = config(5);
    let chain = chain(&config, &["a", "pool", "b"], 0);
    let store = MemoryStore::default();
    let keyring = Keyring::new(&store);
    for key in 0..3 {
        keyring.pause(&config.providers["pool"], Rest::Key(key), NOW.plus(60_000), NOW).unwrap();
    }
    let first = Leg::first(0);
    assert_eq!(chain.next(&config, &keyring, CHAT, first, DOWN, NOW).unwrap().stop, 2);
    assert_eq!(chain.next(&config, &keyring, CHAT, first, DOWN, NOW.plus(60_000)).unwrap().stop, 1);
}

#[test]
fn a_provider_that_is_configured_no_longer_is_passed_over() {
    let config = config(5);
    let mut chain = chain(&config, &["a", "b", "c"], 0);
    chain.stops[1].provider = "gone".into();
    assert_eq!(visited(&config, &chain, &[DOWN; 5]), ["a", "c"]);
    assert!(Leg { stop: 1, number: 1, ..Leg::first(0) }.destination(&chain, &config).is_none());
}

#[test]
fn every_key_is_tried_once_though_none_rests_and_the_one_that_answers_tells_on_the_others() {
    let config = config(5);
    let chain = chain(&config, &["pool", "a"], 7);
    let store = MemoryStore::default();
    let keyring = Keyring::new(&store);
    for failure in [Failure::Access(403), Failure::Allowance, Failure::Size] {
        let mut leg = Leg::first(1);
        let mut keys = vec![leg.key];
        for _ in 0..2 {
            leg = chain.next(&config, &keyring, CHAT, leg, failure, NOW).unwrap();
            keys.push(leg.key);
        }
        let suspects: Vec<usize> = leg.found_out().collect();
        let others: Vec<usize> = (0..3).filter(|key| *key != leg.key).collect();
        assert_eq!(suspects, if failure == Failure::Access(403) { others } else { vec![] }, "{failure:?}");
        keys.sort_unstable();
        assert_eq!(keys, [0, 1, 2], "{failure:?}");
        let next = chain.next(&config, &keyring, CHAT, leg, failure, NOW).unwrap();
        assert_eq!(next, Leg { stop: 1, number: 3, ..Leg::first(0) }, "{failure:?}");
    }
}

#[test]
fn a_model_that_rests_is_passed_over_on_its_endpoint_whatever_the_key() {
    let config = config(5);
    let chain = chain(&config, &["a", "b", "c"], 0);
    let store = MemoryStore::default();
    let keyring = Keyring::new(&store);
    let rest = Rest::Model("m-b", CHAT);
    keyring.pause(&config.providers["b"], rest, NOW.plus(60_000), NOW).unwrap();
    let next =
        |endpoint, now| chain.next(&config, &keyring, endpoint, Leg::first(0), Failure::Model, now).unwrap();
    assert_eq!(next(CHAT, NOW).stop, 2);
    assert_eq!(next("embeddings", NOW).stop, 1);
    assert_eq!(next(CHAT, NOW.plus(60_000)).stop, 1);
}

#[test]
fn a_request_that_is_too_large_for_a_limit_may_go_to_a_target_for_long_prompts() {
    let config = config(5);
    let chain = chain(&config, &["a", "b", "+c"], 0);
    assert_eq!(visited(&config, &chain, &[Failure::Size; 5]), ["a", "b", "c"]);
}

#[test]
fn an_option_that_is_refused_is_left_out_at_the_same_target_once() {
    let config = config(5);
    let chain = chain(&config, &["pool", "b"], 0);
    let store = MemoryStore::default();
    let keyring = Keyring::new(&store);
    let next = |leg| chain.next(&config, &keyring, CHAT, leg, Failure::Option, NOW);
    let bare = next(Leg::first(1)).unwrap();
    assert_eq!(bare, Leg { number: 1, bare: true, ..Leg::first(1) });
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
    fn a_chain_of_any_names_is_read_as_it_was_written(
        authority in any::<String>(), target in any::<String>(), draw: u64, attempts: u32,
        stops in prop::collection::vec((any::<String>(), "(?s).{0,12}", any::<bool>()), 0..6),
        odd in prop::sample::select(vec!["\"", "\n", "\\", "\u{0}", "東京 🚋", "a\"],[\"b"]),
    ) {
        let stop = |(provider, model, long)| Stop { provider, model: format!("{model}{odd}"), long };
        let chain = Chain { authority, target, draw, attempts, asks_for_usage: draw % 2 == 1, stops: stops.into_iter().map(stop).collect(), confined: false };
        prop_assert_eq!(Chain::read(chain.to_text().as_bytes()), Some(chain));
    }

    #[test]
    fn a_leg_is_read_as_it_was_written(stop: usize, key: usize, number: u32, draw: u64) {
        let leg = Leg { stop, key, number, tried: draw, suspects: !draw, bare: draw % 2 == 1, failed_hosts: key };
        prop_assert_eq!(Leg::read(leg.to_text().as_bytes()), Some(leg));
        let began = Millis(draw);
        prop_assert_eq!(Leg::read_begun(leg.begun_text(began).as_bytes()), Some((leg, began)));
    }

    #[test]
    fn any_bytes_are_a_chain_and_a_leg_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = (Chain::read(&bytes), Leg::read(&bytes));
    }

    #[test]
    fn no_leg_leads_out_of_its_chain_whatever_leg_and_failure_it_follows(
        stop in prop_oneof![0usize..6, any::<usize>()], key: usize, number in prop_oneof![0u32..4, any::<u32>()],
        draw: u64, failure in failure(),
    ) {
        let config = config(5);
        let chain = chain(&config, &["a", "pool", "hosts", "b", "+c"], draw);
        let store = MemoryStore::default();
        let leg = Leg { stop, number, failed_hosts: key, ..Leg::first(key) };
        if let Some(next) = chain.next(&config, &Keyring::new(&store), CHAT, leg, failure, NOW) {
            prop_assert!(next.stop < chain.stops.len());
            let keys = config.providers[chain.stops[next.stop].provider.as_str()].keys().len();
            prop_assert!(next.key < keys.max(1));
            prop_assert_eq!(next.number, number + 1);
            prop_assert!(next.number < chain.attempts);
        }
    }

    #[test]
    fn whatever_goes_wrong_no_target_without_a_pool_is_visited_twice_and_it_comes_to_an_end(
        failures in prop::collection::vec(failure(), 0..12), draw: u64,
        stops in Just(vec!["a", "b", "c", "pool", "+a", "+b"]).prop_shuffle(), count in 1usize..7,
    ) {
        let config = config(5);
        let mut stops = stops;
        stops.truncate(count);
        // There is always one for prompts of every length.
        stops.insert(0, "c");
        let chain = chain(&config, &stops, draw);
        let store = MemoryStore::default();
        let keyring = Keyring::new(&store);
        let mut leg = Leg::first(0);
        let mut seen = vec![(leg.stop, leg.key)];
        for failure in failures {
            if matches!(failure, Failure::Key | Failure::RateLimited(_)) {
                let provider = leg.destination(&chain, &config).unwrap().provider;
                keyring.pause(&provider, Rest::Key(leg.key), NOW.plus(1), NOW).unwrap();
            }
            let Some(next) = chain.next(&config, &keyring, CHAT, leg, failure, NOW) else { break };
            prop_assert!(!seen.contains(&(next.stop, next.key)), "{:?} {:?}", seen, next);
            let same = chain.stops[next.stop].provider == "pool" && next.stop == leg.stop;
            prop_assert!(same || seen.iter().all(|(stop, _)| *stop != next.stop));
            prop_assert!(failure == Failure::ContextLength || chain.stops[next.stop].long == chain.stops[leg.stop].long);
            seen.push((next.stop, next.key));
            leg = next;
        }
        prop_assert!(seen.len() <= 5);
    }
}
