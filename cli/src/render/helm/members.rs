//! Decides which members of the plugin configuration a value of the chart may replace: those from which nothing follows
//! but the configuration's own text.
//!
//! From the others follow clusters, routes, timeouts, variables, numbers of pods. A value that changed them would leave
//! the rest as it was. Which is which is tested: without a free member the same is rendered.

use serde_json::{Map, Value};

/// What a value may replace.
pub(super) const FREE: [&str; 17] = [
    "keys",
    "models",
    "default_model",
    "default_models",
    "cors",
    "rules",
    "budgets",
    "prices",
    "unpriced",
    "on_disconnect",
    "hold",
    "denial",
    "endpoints",
    "headers",
    "query",
    "response_headers",
    "limits",
];
/// What has to be rendered.
pub(super) const FIXED: [&str; 8] =
    ["$schema", "version", "identity", "providers", "failover", "ledger", "requests", "headers_only"];

/// `text`, the schema of values, with the members of `config` as the configuration's own schema has them.
pub(super) fn schema(text: &str) -> String {
    let own: Value =
        serde_json::from_str(include_str!("../../../../envoy/farebox.schema.json")).unwrap_or_default();
    let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
    let member = |name: &str| own.pointer(&format!("/properties/{name}")).cloned();
    let free = FREE.iter().filter_map(|name| Some(((*name).to_owned(), member(name)?)));
    // Helm says of these no more than that they are not known. The templates say why.
    let fixed = FIXED.iter().map(|name| ((*name).to_owned(), Value::Object(Map::new())));
    if let Some(members) = schema.pointer_mut("/properties/config/properties") {
        *members = Value::Object(free.chain(fixed).collect());
    }
    if let (Some(schema), Some(definitions)) = (schema.as_object_mut(), own.get("$defs")) {
        schema.insert("$defs".to_owned(), definitions.clone());
    }
    serde_json::to_string_pretty(&schema).map(|text| format!("{text}\n")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_a_configuration_is_free_or_has_to_be_rendered() {
        let own: Value = serde_json::from_str(include_str!("../../../../envoy/farebox.schema.json")).unwrap();
        let mut known: Vec<&str> =
            own["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut listed = [&FREE[..], &FIXED[..]].concat();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(known, listed);
    }

    #[test]
    fn values_have_the_members_of_the_configuration_s_own_schema() {
        let text =
            schema(include_str!("chart/values.schema.json").replace("<<forms>>", "\"plain\"").as_str());
        let schema: Value = serde_json::from_str(&text).unwrap();
        let members = schema.pointer("/properties/config/properties").unwrap();
        assert_eq!(members["budgets"]["maxItems"], 16);
        assert!(schema["$defs"]["limits"].is_object());
    }
}
