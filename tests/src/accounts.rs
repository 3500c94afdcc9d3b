//! What a ledger has of an account, read from the server itself.

use crate::resp::Resp;
use crate::valkey::Valkey;
use farebox_core::budget::fleet::stored::{HEADER, StoredAccount};

/// Dollars, as the ledger counts them.
pub const NANO: u64 = 1_000_000_000;

impl Valkey {
    /// The account under `key`, if there is one.
    ///
    /// # Panics
    /// If it is something else.
    pub async fn account(&self, key: &str) -> Option<StoredAccount> {
        match self.command(&["HGET", key, HEADER]).await {
            Resp::Bulk(text) => Some(StoredAccount::parse(&text?).expect("an account")),
            other => panic!("no account: {other:?}"),
        }
    }

    /// The keys that match.
    ///
    /// # Panics
    /// If the server does not say.
    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        let Resp::Array(keys) = self.command(&["KEYS", pattern]).await else { panic!("no list of keys") };
        let text = |key| if let Resp::Bulk(Some(key)) = key { key } else { panic!("no key: {key:?}") };
        keys.into_iter().map(text).collect()
    }
}
