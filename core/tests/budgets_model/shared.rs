//! Decides what the store of a case does: exactly what Proxy-Wasm's shared data does.

use std::collections::HashMap;

use farebox_core::budget::ledger::{Put, Store, StoreError, Version};

/// One map for all workers of a process. Versions come from one counter for all keys.
#[derive(Default)]
pub(crate) struct Shared {
    values: HashMap<String, (Vec<u8>, u32)>,
    last: u32,
}

/// What the filter passes to write only what is absent.
const ABSENT: u32 = u32::MAX;

impl Shared {
    pub(crate) fn of(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.values.get(key).cloned()
    }

    /// Sets a value; says whether it did.
    pub(crate) fn set(&mut self, key: &str, value: Vec<u8>, version: Option<u32>) -> bool {
        let cas = version.unwrap_or(ABSENT);
        if self.values.get(key).is_some_and(|(_, at)| cas != 0 && cas != *at) {
            return false;
        }
        self.last = self.last.wrapping_add(1).max(1);
        self.values.insert(key.to_owned(), (value, self.last));
        true
    }
}

/// To be read by the test itself.
impl Store for Shared {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        Ok(self.of(key).map(|(value, cas)| (value, Version(cas))))
    }

    fn put(&self, _: &str, _: &[u8], _: Option<Version>) -> Result<Put, StoreError> {
        Err(StoreError::Host(1))
    }
}
