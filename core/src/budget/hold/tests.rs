//! What is held and given back, whatever the store does.

mod several;

use serde_json::json;

use super::*;
use crate::budget::ledger::{MemoryStore, Put, Version};
use crate::budget::subject::Subject;
use crate::config::testing::{self, NOW};
use crate::config::{Config, Key};

fn config() -> Config {
    testing::config(|json| {
        json["budgets"] = json!([
            {"name": "org", "window": "day", "limit_requests": 10},
            {"name": "team", "per": "team", "window": "day", "limit_requests": 10, "overrides": {"red": {"limit_requests": 1}}},
            {"name": "key", "per": "key", "window": "day", "limit_tokens": 1000},
        ]);
    })
}

fn accounts(config: &Config, key: &Key) -> Vec<Rc<Account>> {
    Subject::of(key).accounts(config, key).unwrap()
}

fn one_request() -> Wanted {
    let amounts = Amounts { input: 10, ..Amounts::REQUEST };
    Wanted::exactly(amounts)
}

fn held<S: Store>(ledger: &Ledger<'_, S>, accounts: &[Rc<Account>]) -> Vec<u64> {
    accounts.iter().map(|account| ledger.read(account, NOW).unwrap().held().requests).collect()
}

#[test]
fn every_budget_must_have_room_and_a_refusal_holds_nothing() {
    let config = config();
    let store = MemoryStore::default();
    let ledger = Ledger::new(&store, config.hold.epoch_ms);
    let red = accounts(&config, &config.keys["a"]);
    let blue = accounts(&config, &config.keys["b"]);
    let (hold, _) = admit(&ledger, &red, &one_request(), NOW).unwrap();
    let Err(Refusal::Short(account, _)) = admit(&ledger, &red, &one_request(), NOW) else {
        panic!("admitted")
    };
    assert_eq!((&*account.budget.name, &*account.subject), ("team", "red"));
    assert_eq!(held(&ledger, &red), [1, 1, 1]);
    assert!(admit(&ledger, &blue, &one_request(), NOW).is_ok());
    assert_eq!(held(&ledger, &red), [2, 1, 1], "the organisation's budget is shared");
    hold.settle(&ledger, Amounts::REQUEST, NOW).unwrap();
    assert_eq!(held(&ledger, &red), [1, 0, 0]);
}

#[test]
fn a_caller_without_budgets_is_admitted() {
    assert!(admit(&Ledger::new(&MemoryStore::default(), 1), &[], &one_request(), NOW).is_ok());
}

#[test]
fn a_charge_that_a_budget_cannot_take_is_kept_and_taken_later() {
    let config = config();
    let red = accounts(&config, &config.keys["a"]);
    let (good, broken) = (MemoryStore::default(), MemoryStore::default());
    let (hold, _) = admit(&Ledger::new(&good, 1), &red, &one_request(), NOW).unwrap();
    broken.put(&red[0].record, b"?", None).unwrap();
    let mut unsettled = hold.settle(&Ledger::new(&broken, 1), Amounts::REQUEST, NOW).unwrap_err();
    assert!(unsettled.retry(&Ledger::new(&good, 1), NOW));
    assert_eq!(Ledger::new(&good, 1).read(&red[0], NOW).unwrap().spent().requests, 1);
}

/// A store that fails from some call on.
struct Failing(MemoryStore, core::cell::Cell<u32>);

impl Failing {
    fn call(&self) -> Result<(), StoreError> {
        let left = self.1.get();
        self.1.set(left.saturating_sub(1));
        if left == 0 { Err(StoreError::Host(10)) } else { Ok(()) }
    }
}

impl Store for Failing {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.call().and_then(|()| self.0.get(key))
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        self.call().and_then(|()| self.0.put(key, value, version))
    }
}

#[test]
fn a_store_that_fails_in_the_middle_lets_nothing_through() {
    let config = config();
    let red = accounts(&config, &config.keys["a"]);
    for calls in 0..6 {
        let store = Failing(MemoryStore::default(), core::cell::Cell::new(calls));
        let refusal = admit(&Ledger::new(&store, 3_600_000), &red, &one_request(), NOW).unwrap_err();
        assert_eq!(refusal, Refusal::Store(StoreError::Host(10)), "{calls}");
    }
}
