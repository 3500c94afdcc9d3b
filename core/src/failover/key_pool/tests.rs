//! Which keys are used, and how long they are not.

use proptest::prelude::*;
use serde_json::json;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base::hash::EMPTY;
use crate::budget::ledger::{MemoryStore, Version};
use crate::config::Config;
use crate::config::testing::{self, NOW};
use crate::request::identity::digest;

/// The provider `pool` with keys of these weights.
fn config(weights: &[u64]) -> Config {
    let sha256: String = digest(b"fb_k_x").iter().map(|byte| format!("{byte:02x}")).collect();
    let keys: Vec<_> = weights
        .iter()
        .enumerate()
        .map(|(at, weight)| json!({"env": format!("K{at}"), "weight": weight}))
        .collect();
    let json = json!({
        "version": "v1",
        "keys": [{"id": "k", "sha256": sha256, "team": "t"}],
        "providers": {"pool": {"dialect": "openai", "credentials": keys}},
        "models": {"m": [{"provider": "pool"}]},
        "unpriced": "allow",
    });
    Config::parse(json.to_string().as_bytes(), |name| Some(format!("secret-of-{name}")))
        .unwrap_or_else(|errors| panic!("{errors}"))
}

const PLACE: (&str, &str) = ("m", "chat_completions");

fn draws(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|number| fnv1a(EMPTY, &number.to_le_bytes()))
}

/// How often each of two keys is chosen.
fn chosen<S: Store>(key_pool: &KeyPool<'_, S>, provider: &Provider, now: Millis) -> [usize; 2] {
    let mut chosen = [0; 2];
    draws(1_000)
        .filter_map(|draw| key_pool.choose(provider, PLACE, 0, draw, now))
        .for_each(|key| chosen[key] += 1);
    chosen
}

#[test]
fn keys_are_chosen_by_their_weight() {
    let config = config(&[3, 1]);
    let store = MemoryStore::default();
    let [three, one] = chosen(&KeyPool::new(&store), &config.providers["pool"], NOW);
    assert_eq!(three + one, 1_000);
    assert!((700..800).contains(&three), "{three} and {one}");
}

#[test]
fn a_key_that_cools_down_is_not_chosen_until_its_time_is_over() {
    let config = config(&[3, 1]);
    let store = MemoryStore::default();
    let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
    key_pool.pause(pool, Cooldown::Key(0), NOW.plus(7_000), NOW).unwrap();
    assert_eq!(chosen(&key_pool, pool, NOW), [0, 1_000]);
    assert_eq!(chosen(&key_pool, pool, NOW.plus(6_999)), [0, 1_000]);
    assert!(chosen(&key_pool, pool, NOW.plus(7_000))[0] > 0);
    key_pool.pause(pool, Cooldown::Key(1), NOW.plus(1), NOW).unwrap();
    assert_eq!(key_pool.choose(pool, PLACE, 0, 0, NOW), None);
}

#[test]
fn a_key_that_cools_down_for_one_model_is_there_for_the_others() {
    let config = config(&[1]);
    let store = MemoryStore::default();
    let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
    key_pool.pause(pool, Cooldown::KeyFor(0, "m"), NOW.plus(7_000), NOW).unwrap();
    let choose = |model| key_pool.choose(pool, (model, "chat_completions"), 0, 0, NOW);
    assert_eq!((choose("m"), choose("n"), choose("")), (None, Some(0), Some(0)));
}

#[test]
fn a_model_cools_down_on_its_endpoint_for_all_keys_and_without_any() {
    let config = testing::config(|_| {});
    let store = MemoryStore::default();
    let (key_pool, one) = (KeyPool::new(&store), &config.providers["one"]);
    key_pool.pause(one, Cooldown::Model("m", "embeddings"), NOW.plus(7_000), NOW).unwrap();
    let choose = |model, endpoint| key_pool.choose(one, (model, endpoint), 0, 0, NOW);
    assert_eq!(choose("m", "embeddings"), None);
    assert_eq!((choose("m", "chat_completions"), choose("n", "embeddings")), (Some(0), Some(0)));
}

#[test]
fn where_all_keys_cool_down_the_one_that_is_back_first_is_found() {
    let config = config(&[1, 1, 1]);
    let store = MemoryStore::default();
    let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
    key_pool.pause(pool, Cooldown::Key(0), NOW.plus(300_000), NOW).unwrap();
    key_pool.pause(pool, Cooldown::KeyFor(1, "m"), NOW.plus(5_000), NOW).unwrap();
    key_pool.pause(pool, Cooldown::Key(2), NOW.plus(6_000), NOW).unwrap();
    assert_eq!(key_pool.choose(pool, PLACE, 0, 0, NOW), None);
    assert_eq!(key_pool.first_out_of_cooldown(pool, "m"), 1);
}

#[test]
fn keys_that_were_tried_are_not_chosen() {
    let config = config(&[1, 1]);
    let store = MemoryStore::default();
    let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
    for draw in draws(50) {
        assert_eq!(key_pool.choose(pool, PLACE, 0b01, draw, NOW), Some(1));
    }
    assert_eq!(key_pool.choose(pool, PLACE, 0b11, 0, NOW), None);
}

#[test]
fn models_of_any_number_take_no_more_room_than_there_is() {
    let config = config(&[1]);
    let store = MemoryStore::default();
    let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
    key_pool.pause(pool, Cooldown::Key(0), NOW.plus(300_000), NOW).unwrap();
    for number in 0..1_000 {
        key_pool
            .pause(pool, Cooldown::KeyFor(0, &number.to_string()), NOW.plus(1_000 + number), NOW)
            .unwrap();
    }
    assert_eq!(store.get(&record(pool)).unwrap().unwrap().0.len(), ENTRIES * ENTRY);
    assert_eq!(key_pool.choose(pool, PLACE, 0, 0, NOW), None, "what is in cooldown for the longest is kept");
}

#[test]
fn a_shorter_pause_does_not_end_a_longer_one() {
    let config = config(&[1, 1]);
    let store = MemoryStore::default();
    let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
    key_pool.pause(pool, Cooldown::Key(0), NOW.plus(300_000), NOW).unwrap();
    key_pool.pause(pool, Cooldown::Key(0), NOW.plus(10_000), NOW).unwrap();
    assert_eq!(chosen(&key_pool, pool, NOW.plus(20_000)), [0, 1_000]);
}

#[test]
fn a_provider_without_keys_always_has_one_to_use_and_nothing_to_cool_down() {
    let config = testing::config(|_| {});
    let store = MemoryStore::default();
    let (key_pool, one) = (KeyPool::new(&store), &config.providers["one"]);
    assert_eq!(key_pool.pause(one, Cooldown::Key(0), NOW.plus(1_000), NOW), Ok(()));
    assert_eq!(key_pool.choose(one, PLACE, 0, 5, NOW), Some(0));
}

#[test]
fn pauses_that_are_over_take_no_room() {
    let config = config(&[1, 1]);
    let store = MemoryStore::default();
    let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
    key_pool.pause(pool, Cooldown::Key(0), NOW.plus(10), NOW).unwrap();
    key_pool.pause(pool, Cooldown::Key(1), NOW.plus(2_000), NOW.plus(1_000)).unwrap();
    assert_eq!(store.get(&record(pool)).unwrap().unwrap().0.len(), ENTRY);
}

/// A store that others write first, so many times, or that always fails.
struct Contested(MemoryStore, core::cell::Cell<usize>);

impl Store for Contested {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.0.get(key)
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        match self.1.get().checked_sub(1) {
            None => self.0.put(key, value, version),
            Some(left) => {
                self.1.set(left);
                Ok(Put::Conflict)
            }
        }
    }
}

#[test]
fn a_pause_is_written_though_others_write_at_the_same_time_and_given_up_when_they_never_stop() {
    let config = config(&[1, 1]);
    let pool = &config.providers["pool"];
    let store = Contested(MemoryStore::default(), core::cell::Cell::new(TRIES - 1));
    let key_pool = KeyPool::new(&store);
    assert_eq!(key_pool.pause(pool, Cooldown::Key(0), NOW.plus(1_000), NOW), Ok(()));
    assert_eq!(chosen(&key_pool, pool, NOW), [0, 1_000]);
    store.1.set(usize::MAX);
    assert_eq!(key_pool.pause(pool, Cooldown::Key(1), NOW.plus(1_000), NOW), Err(StoreError::Contended));
    assert_eq!(chosen(&key_pool, pool, NOW), [0, 1_000]);
}

proptest! {
    #[test]
    fn whatever_cools_down_the_key_that_is_chosen_does_not_and_one_is_found_if_there_is_one(
        weights in prop::collection::vec(1u64..=100, 1..=16),
        pauses in prop::collection::vec((0usize..16, 0u64..2_000), 0..24), draw: u64, later in 0u64..2_000,
    ) {
        let config = config(&weights);
        let store = MemoryStore::default();
        let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
        let mut until = vec![0; weights.len()];
        for (key, ms) in pauses {
            key_pool.pause(pool, Cooldown::Key(key), NOW.plus(ms), NOW).unwrap();
            if let Some(until) = until.get_mut(key) {
                *until = ms.max(*until);
            }
        }
        let usable = |key: usize| until[key] <= later;
        let chosen = key_pool.choose(pool, PLACE, 0, draw, NOW.plus(later));
        prop_assert_eq!(chosen.is_some(), (0..weights.len()).any(usable));
        prop_assert!(chosen.is_none_or(usable));
    }

    #[test]
    fn a_stored_value_of_any_bytes_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..80), draw: u64) {
        let config = config(&[1, 2, 3]);
        let store = MemoryStore::default();
        let (key_pool, pool) = (KeyPool::new(&store), &config.providers["pool"]);
        store.put(&record(pool), &bytes, None).unwrap();
        let _ = key_pool.choose(pool, PLACE, 0, draw, NOW);
        prop_assert_eq!(key_pool.pause(pool, Cooldown::Key(0), NOW.plus(1), NOW), Ok(()));
        prop_assert!(key_pool.choose(pool, PLACE, 0, draw, NOW).is_none_or(|key| (1..3).contains(&key)));
    }
}
