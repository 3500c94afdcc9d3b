//! Decides how counters live in Envoy: as Proxy-Wasm shared data, one process-wide map for all workers.

use farebox_core::budget::ledger::{Put, Store, StoreError, Version};

use crate::HostError;

/// A version that no value has: the host then writes only if the key is absent. (Zero would write whatever
/// is there, and two workers that both found nothing would lose one update.)
const ABSENT: u32 = u32::MAX;

/// Shared data under this plugin's `vm_id`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SharedStore;

impl Store for SharedStore {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        match crate::shared_data(key) {
            Ok((value, cas)) => Ok(Some((value, Version(cas)))),
            Err(HostError::NOT_FOUND) => Ok(None),
            Err(HostError(status)) => Err(StoreError::Host(status)),
        }
    }

    fn put(&self, key: &str, value: &[u8], version: Option<Version>) -> Result<Put, StoreError> {
        match crate::set_shared_data(key, value, version.map_or(ABSENT, |version| version.0)) {
            Ok(()) => Ok(Put::Stored),
            Err(HostError::CAS_MISMATCH) => Ok(Put::Conflict),
            Err(HostError(status)) => Err(StoreError::Host(status)),
        }
    }
}
