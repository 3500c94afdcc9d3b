//! Decides what the registry says of a key: which secrets are good and until when, who pays, what it may ask for, and
//! whether it still may.
//!
//! For an id that the configuration has, an entry only takes away: see `caller.rs`.

use serde_json::{Map, Value};

use crate::base::window::Millis;

/// What the registry says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The SHA-256 of each key text that is good.
    pub hashes: Vec<KeyHash>,
    /// Who pays; `None` where the configuration says it.
    pub team: Option<Box<str>>,
    /// Free labels for the record.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Models the key may ask for, as patterns; empty means every one.
    pub models: Vec<Box<str>>,
    /// First moment at which the key no longer works.
    pub expires: Option<Millis>,
    /// It can be switched off without being removed.
    pub enabled: bool,
    /// Since when it is revoked, which is for good.
    pub revoked_at: Option<Millis>,
}

/// One secret of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash {
    /// The SHA-256 of the whole key text.
    pub sha256: [u8; 32],
    /// First moment at which it is good no longer: another one has taken its place.
    pub until: Option<Millis>,
}

impl Default for KeyEntry {
    fn default() -> Self {
        Self {
            hashes: Vec::new(),
            team: None,
            labels: Vec::new(),
            models: Vec::new(),
            expires: None,
            enabled: true,
            revoked_at: None,
        }
    }
}

impl KeyEntry {
    /// As it is stored: compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = Map::new();
        let mut add = |name: &str, value: Value| drop(json.insert(name.to_owned(), value));
        if !self.hashes.is_empty() {
            add("sha256", self.hashes.iter().map(KeyHash::json).collect());
        }
        if let Some(team) = &self.team {
            add("team", Value::from(&**team));
        }
        if !self.labels.is_empty() {
            let labels = self.labels.iter().map(|(name, value)| (name.to_string(), Value::from(&**value)));
            add("labels", Value::Object(labels.collect()));
        }
        if !self.models.is_empty() {
            add("models", self.models.iter().map(|model| Value::from(&**model)).collect());
        }
        if let Some(expires) = self.expires {
            add("expires", expires.to_rfc3339().into());
        }
        if !self.enabled {
            add("enabled", false.into());
        }
        if let Some(revoked_at) = self.revoked_at {
            add("revoked_at", revoked_at.to_rfc3339().into());
        }
        Value::Object(json).to_string()
    }
}

impl KeyHash {
    /// The hash in hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        let digit = |value: u8| char::from_digit(u32::from(value), 16);
        self.sha256.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(digit).collect()
    }

    fn json(&self) -> Value {
        let mut json = Map::new();
        json.insert("sha256".to_owned(), self.hex().into());
        if let Some(until) = self.until {
            json.insert("until".to_owned(), until.to_rfc3339().into());
        }
        Value::Object(json)
    }
}
