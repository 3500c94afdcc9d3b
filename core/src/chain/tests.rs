//! Where attempts go, one after the other, whatever goes wrong.

use proptest::prelude::*;
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::config::testing::NOW;
use crate::identity::digest;
use crate::ledger::MemoryStore;

/// The providers `a`, `b` and `c` (no keys) and `pool` (three keys), all of OpenAI's dialect.
fn config(attempts: u32) -> Config {
    let sha256: String = digest(b"fb_k_x").iter().map(|byte| format!("{byte:02x}")).collect();
    let json = json!({
        "version": "v1",
        "keys": [{"id": "k", "sha256": sha256, "team": "t"}],
        "providers": {
            "a": {"dialect": "openai"}, "b": {"dialect": "openai"}, "c": {"dialect": "openai"},
            "pool": {"dialect": "openai", "credentials": [{"env": "K0"}, {"env": "K1"}, {"env": "K2"}]},
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
    let mut leg = Leg { stop: 0, key: 0, number: 0 };
    let name = |leg: Leg| chain.stops[leg.stop].provider.clone();
    let mut visited = vec![name(leg)];
    for failure in failures {
        let Some(next) = chain.next(config, &keyring, leg, *failure, NOW) else { break };
        leg = next;
        visited.push(name(leg));
    }
    visited
}

const DOWN: Failure = Failure::Status(529);

#[test]
fn targets_are_tried_in_their_order_and_each_once() {
    let config = config(5);
    let chain = chain(&config, &["a", "b", "c"], 0);
    for failure in [
        Failure::NoAnswer,
        DOWN,
        Failure::StreamError,
        Failure::EmptyStream,
        Failure::Unauthorized(401),
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
    ] {
        assert_eq!(chain(&config(5), &stops, 0).attempts, attempts, "{stops:?}");
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
    let mut leg = Leg { stop: 0, key: keyring.choose(pool, 7, NOW).unwrap(), number: 0 };
    let mut keys = vec![leg.key];
    for failure in [Failure::Unauthorized(401), Failure::RateLimited(Some(500))] {
        keyring.pause(pool, leg.key, NOW.plus(1_000), NOW).unwrap();
        leg = chain.next(&config, &keyring, leg, failure, NOW).unwrap();
        assert_eq!(leg.stop, 0);
        keys.push(leg.key);
    }
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2]);
    keyring.pause(pool, leg.key, NOW.plus(1_000), NOW).unwrap();
    let next = chain.next(&config, &keyring, leg, Failure::Unauthorized(403), NOW).unwrap();
    assert_eq!(next, Leg { stop: 1, key: 0, number: 3 });
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
        keyring.pause(&config.providers["pool"], key, NOW.plus(60_000), NOW).unwrap();
    }
    let first = Leg { stop: 0, key: 0, number: 0 };
    assert_eq!(chain.next(&config, &keyring, first, DOWN, NOW).unwrap().stop, 2);
    assert_eq!(chain.next(&config, &keyring, first, DOWN, NOW.plus(60_000)).unwrap().stop, 1);
}

#[test]
fn a_provider_that_is_configured_no_longer_is_passed_over() {
    let config = config(5);
    let mut chain = chain(&config, &["a", "b", "c"], 0);
    chain.stops[1].provider = "gone".into();
    assert_eq!(visited(&config, &chain, &[DOWN; 5]), ["a", "c"]);
    assert!(Leg { stop: 1, key: 0, number: 1 }.destination(&chain, &config).is_none());
}

#[test]
fn statuses_mean_what_the_table_says() {
    for (status, reason) in [
        (401, Some("unauthorized")),
        (403, Some("unauthorized")),
        (408, Some("status")),
        (429, Some("rate_limited")),
        (500, Some("status")),
        (503, Some("status")),
        (529, Some("status")),
        (200, None),
        (302, None),
        (400, None),
        (404, None),
        (413, None),
        (422, None),
        (600, None),
    ] {
        assert_eq!(Failure::of_status(status, None).map(Failure::reason), reason, "{status}");
    }
}

#[test]
fn every_provider_s_words_for_a_prompt_that_is_too_long_are_known() {
    for body in [
        r#"{"error":{"message":"…","code":"context_length_exceeded"}}"#,
        r#"{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
        r#"{"message":"Input is too long for requested model."}"#,
        r#"{"error":{"message":"The input token count (1048577) exceeds the maximum number of tokens allowed"}}"#,
        r#"{"message":"This model's maximum context length is 8192 tokens."}"#,
    ] {
        assert!(says_too_long(body.as_bytes()), "{body}");
    }
    assert!(!says_too_long(br#"{"error":{"message":"max_tokens is too large"}}"#));
}

#[test]
fn a_wait_is_read_from_headers_and_from_the_body_of_google() {
    let wait = |milliseconds: Option<&'static str>, retry_after: &'static str, date: Option<&'static str>| {
        let bytes = |text: Option<&'static str>| text.map(str::as_bytes);
        let (milliseconds, date) = (bytes(milliseconds), bytes(date));
        RetryAfter { milliseconds, retry_after: Some(retry_after.as_bytes()), date }.wait_ms(NOW)
    };
    assert_eq!(wait(None, "7", None), Some(7_000));
    assert_eq!(wait(None, " 0.5 ", None), Some(500));
    assert_eq!(wait(Some("120"), "7", None), Some(120));
    assert_eq!(wait(Some("soon"), "7", None), Some(7_000));
    assert_eq!(wait(None, "99999999", None), Some(LONGEST_WAIT_MS));
    // A date is counted from the clock of who wrote it.
    assert_eq!(wait(None, "Sat, 21 Nov 2026 12:00:30 GMT", None), Some(30_000));
    let theirs = Some("Sat, 21 Nov 2026 11:59:00 GMT");
    assert_eq!(wait(None, "Saturday, 21-Nov-26 12:00:00 GMT", theirs), Some(60_000));
    assert_eq!(wait(None, "Sat Nov 21 11:59:30 2026", theirs), Some(30_000));
    assert_eq!(wait(None, "Fri, 20 Nov 2026 12:00:00 GMT", None), Some(0));
    assert_eq!(wait(None, "Sat, 21 Nov 2099 12:00:00 GMT", None), Some(LONGEST_WAIT_MS));
    assert_eq!(wait(None, "tomorrow", theirs), None);
    assert_eq!(wait_in_body(br#"{"error":{"details":[{"retryDelay": "7s"}]}}"#), Some(7_000));
    assert_eq!(wait_in_body(br#"{"retryDelay":"1.5s"}"#), Some(1_500));
    for body in ["", r#""retryDelay""#, r#""retryDelay":7"#, r#""retryDelay":"7"#, r#""retryDelay":"xs""#] {
        assert_eq!(wait_in_body(body.as_bytes()), None, "{body}");
    }
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::NoAnswer),
        (500u64..600).prop_map(Failure::Status),
        Just(Failure::Unauthorized(401)),
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
        let chain = Chain { authority, target, draw, attempts, stops: stops.into_iter().map(stop).collect() };
        prop_assert_eq!(Chain::read(chain.to_text().as_bytes()), Some(chain));
    }

    #[test]
    fn a_leg_is_read_as_it_was_written(stop: usize, key: usize, number: u32) {
        let leg = Leg { stop, key, number };
        prop_assert_eq!(Leg::read(leg.to_text().as_bytes()), Some(leg));
    }

    #[test]
    fn any_bytes_are_a_chain_a_leg_and_a_wait_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = (Chain::read(&bytes), Leg::read(&bytes), wait_in_body(&bytes), says_too_long(&bytes));
        let bytes = Some(bytes.as_slice());
        let _ = RetryAfter { milliseconds: bytes, retry_after: bytes, date: bytes }.wait_ms(NOW);
    }

    #[test]
    fn no_leg_leads_out_of_its_chain_whatever_leg_and_failure_it_follows(
        stop in prop_oneof![0usize..6, any::<usize>()], key: usize, number in prop_oneof![0u32..4, any::<u32>()],
        draw: u64, failure in failure(),
    ) {
        let config = config(5);
        let chain = chain(&config, &["a", "pool", "b", "+c"], draw);
        let store = MemoryStore::default();
        let leg = Leg { stop, key, number };
        if let Some(next) = chain.next(&config, &Keyring::new(&store), leg, failure, NOW) {
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
        let mut leg = Leg { stop: 0, key: 0, number: 0 };
        let mut seen = vec![(leg.stop, leg.key)];
        for failure in failures {
            if matches!(failure, Failure::Unauthorized(_) | Failure::RateLimited(_)) {
                let provider = leg.destination(&chain, &config).unwrap().provider;
                keyring.pause(&provider, leg.key, NOW.plus(1), NOW).unwrap();
            }
            let Some(next) = chain.next(&config, &keyring, leg, failure, NOW) else { break };
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
