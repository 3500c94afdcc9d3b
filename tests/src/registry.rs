//! Writes into the registry of a Valkey, as the command line does.

use crate::config::sha256;
use crate::resp::Resp;
use crate::valkey::Valkey;
use farebox_core::registry::Keys;
use farebox_core::registry::script::WRITE;
use serde_json::{Value, json};

/// The registry in a Valkey.
#[derive(Clone, Copy)]
pub struct Registry<'v>(pub &'v Valkey);

impl Registry<'_> {
    /// Makes the entry `name` what `entry` says.
    ///
    /// # Panics
    /// If it cannot be written.
    pub async fn set(&self, name: &str, entry: Value) {
        self.write(name, &entry.to_string()).await;
    }

    /// Removes the entry `name`.
    ///
    /// # Panics
    /// If it cannot be removed.
    pub async fn remove(&self, name: &str) {
        self.write(name, "").await;
    }

    /// Makes each of these entries what it says.
    ///
    /// # Panics
    /// If they cannot be written.
    pub async fn set_all(&self, names: &[String], entries: &[String]) {
        let triples = names.iter().zip(entries).flat_map(|(name, entry)| [name, "-", entry]);
        self.run(triples.collect()).await;
    }

    async fn write(&self, name: &str, json: &str) {
        self.run(vec![name, "-", json]).await;
    }

    async fn run(&self, triples: Vec<&str>) {
        let keys = Keys::of("farebox");
        let words = [
            "EVAL",
            WRITE.text,
            "4",
            &keys.entries,
            &keys.changes,
            &keys.meta,
            &keys.audit,
            "test",
            "a test",
        ];
        let answer = self.0.command(&[&words[..], &triples].concat()).await;
        let Resp::Array(words) = &answer else { panic!("{answer:?}") };
        assert_eq!(words[0], Resp::text("done"), "{answer:?}");
    }
}

/// An entry of a key of `team` with these texts.
#[must_use]
pub fn key(texts: &[&str], team: &str) -> Value {
    let hashes: Vec<Value> = texts.iter().map(|text| json!({"sha256": sha256(text)})).collect();
    json!({"sha256": hashes, "team": team})
}
