//! Decides what the gateway answers itself: the models a key may use, and what its budgets stand at.
//!
//! `/v1/models` is read by the OpenAI and the Anthropic SDK alike, so its entries carry the members of
//! both. A model by its name may be one that a pattern or a provider leads to; a list has the aliases alone.

mod usage;

pub use usage::usage;

use crate::config::{Config, Key};
use crate::route::{RouteError, may_ask_for, usable_models};
use crate::text::push_json_string;

/// The body of `/farebox/health`.
pub const HEALTH: &str = "{\"status\":\"ok\"}";

/// The body of `/v1/models` for `key`.
#[must_use]
pub fn models(config: &Config, key: &Key) -> String {
    let names = usable_models(config, key);
    let mut body = String::from("{\"object\":\"list\",\"data\":[");
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        push_model(&mut body, name);
    }
    body.push_str("],\"has_more\":false,\"first_id\":");
    push_optional(&mut body, names.first().map(String::as_str));
    body.push_str(",\"last_id\":");
    push_optional(&mut body, names.last().map(String::as_str));
    body.push('}');
    body
}

/// The body of `/v1/models/{name}` for `key`.
///
/// # Errors
/// [`RouteError`], if there is no such model or the key may not use it.
pub fn model(config: &Config, key: &Key, name: &str) -> Result<String, RouteError> {
    may_ask_for(config, key, name)?;
    let mut body = String::new();
    push_model(&mut body, name);
    Ok(body)
}

fn push_model(body: &mut String, name: &str) {
    let mut quoted = String::new();
    push_json_string(&mut quoted, name);
    body.push_str(&format!(
        "{{\"id\":{quoted},\"object\":\"model\",\"type\":\"model\",\"display_name\":{quoted},\
         \"created\":0,\"created_at\":\"1970-01-01T00:00:00Z\",\"owned_by\":\"farebox\"}}"
    ));
}

fn push_optional(body: &mut String, text: Option<&str>) {
    match text {
        Some(text) => push_json_string(body, text),
        None => body.push_str("null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;
    use serde_json::{Value, json};

    #[test]
    fn the_models_page_lists_what_this_key_may_use() {
        let config = testing::config(|json| json["keys"][0]["models"] = json!(["s*", "gone"]));
        let page: Value = serde_json::from_str(&models(&config, &config.keys["a"])).unwrap();
        assert_eq!(page["data"].as_array().unwrap().len(), 1);
        assert_eq!((&page["data"][0]["id"], &page["first_id"]), (&json!("small"), &json!("small")));
    }

    #[test]
    fn a_model_has_a_page_for_those_who_may_use_it() {
        let config = testing::config(|json| json["keys"][0]["models"] = json!(["s*", "gpt-*"]));
        let page = |name: &str| {
            model(&config, &config.keys["a"], name)
                .map(|page| serde_json::from_str::<Value>(&page).unwrap()["id"].as_str().unwrap().to_owned())
        };
        assert_eq!((page("small").as_deref(), page("gpt-5").as_deref()), (Ok("small"), Ok("gpt-5")));
        assert!(matches!(page("big"), Err(RouteError::NotAllowed { .. })));
        assert!(matches!(page("../small"), Err(RouteError::Unknown { .. })));
    }
}
