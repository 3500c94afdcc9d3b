//! What a worker makes of shared data that it cannot read.

use core::cell::Cell;

use super::head::Head;
use super::merge::merge;
use super::page::Changed;
use super::store_names::StoreNames;
use super::view::View;
use super::{Refused, sync};
use crate::base::window::Millis;
use crate::budget::ledger::{MemoryStore, Put, Store, StoreError, Version};
use crate::config::testing;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const NOW: Millis = Millis(1_795_262_400_000);

/// A store that does not answer while it is `away`.
#[derive(Default)]
struct Away {
    store: MemoryStore,
    away: Cell<bool>,
}

impl Store for Away {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        if self.away.get() && !key.ends_with("head") { Err(StoreError::Host(1)) } else { self.store.get(key) }
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        self.store.put(key, value, version)
    }
}

fn changed(name: &str, version: u64, json: &str) -> Changed {
    Changed { name: name.into(), version, json: json.into() }
}

fn written(store: &Away, names: &StoreNames, entries: &[Changed]) {
    let (mut head, version) = sync::read_head(store, names).unwrap();
    let merged = merge(store, names, &head, entries).unwrap();
    head.take_in(&merged);
    store.put(&names.head(), &head.write(), version).unwrap();
}

fn view() -> (Away, StoreNames, View) {
    let (store, names, mut view) = (Away::default(), StoreNames::of("farebox"), View::default());
    view.switch_to(&names);
    (store, names, view)
}

#[test]
fn a_key_of_the_configuration_is_not_let_in_where_it_cannot_be_read_whether_it_is_revoked() {
    let (store, names, mut view) = view();
    let config = testing::config(|_| {});
    assert!(view.key("a", &store, &config).is_none(), "the registry says nothing of it");
    written(&store, &names, &[changed("key/a", 1, r#"{"enabled":false}"#)]);
    store.away.set(true);
    let refused = |key: Option<std::rc::Rc<super::RegisteredKey>>| key.unwrap().check(NOW).unwrap_err();
    assert_eq!(refused(view.key("a", &store, &config)), Refused::Disabled);
    store.away.set(false);
    assert_eq!(refused(view.key("a", &store, &config)), Refused::Disabled);
    store.put(&names.key("b"), b"of another version", None).unwrap();
    assert_eq!(refused(view.key("b", &store, &config)), Refused::Disabled, "nor where it is not understood");
}

#[test]
fn a_team_that_is_off_stays_off_where_it_cannot_be_read_and_what_was_missed_is_read_again() {
    let (store, names, mut view) = view();
    let config = testing::config(|_| {});
    let key = std::rc::Rc::clone(&config.keys["a"]);
    let entry = format!("team/{}", key.team);
    written(&store, &names, &[changed(&entry, 1, r#"{"enabled":false}"#)]);
    store.away.set(true);
    view.refresh(&store, NOW);
    assert!(view.head().is_none(), "who has read nothing lets nobody in");
    store.away.set(false);
    view.refresh(&store, NOW);
    assert_eq!(view.caller(&key, &config, NOW).unwrap_err(), Refused::Team);
    written(&store, &names, &[changed(&entry, 2, r#"{"enabled":true}"#)]);
    store.away.set(true);
    view.refresh(&store, NOW);
    assert_eq!(view.caller(&key, &config, NOW).unwrap_err(), Refused::Team, "as it was last read");
    store.away.set(false);
    view.refresh(&store, NOW);
    assert!(view.caller(&key, &config, NOW).is_ok());
    assert_ne!(view.head(), Some(&Head::default()));
}
