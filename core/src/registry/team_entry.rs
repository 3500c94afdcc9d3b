//! Decides what the registry says of a team: which groups of the identity provider it is, and what its callers may do.

use serde_json::{Map, Value};

/// What the registry says of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamEntry {
    /// Groups of the identity provider whose members are of this team.
    pub groups: Vec<Box<str>>,
    /// The callers of a team that is off are refused.
    pub enabled: bool,
    /// Models its callers may ask for, as patterns; empty means every one.
    pub models: Vec<Box<str>>,
}

impl Default for TeamEntry {
    fn default() -> Self {
        Self { groups: Vec::new(), enabled: true, models: Vec::new() }
    }
}

impl TeamEntry {
    /// As it is stored: compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = Map::new();
        let list = |texts: &[Box<str>]| texts.iter().map(|text| Value::from(&**text)).collect::<Value>();
        if !self.groups.is_empty() {
            json.insert("groups".to_owned(), list(&self.groups));
        }
        if !self.enabled {
            json.insert("enabled".to_owned(), false.into());
        }
        if !self.models.is_empty() {
            json.insert("models".to_owned(), list(&self.models));
        }
        Value::Object(json).to_string()
    }
}
