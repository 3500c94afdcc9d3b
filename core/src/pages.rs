//! Decides what the gateway answers itself: the models a key may use, and what its budgets stand at.
//!
//! `/v1/models` is read by the OpenAI and the Anthropic SDK alike, so its entries carry the members of
//! both. Amounts of money are decimal strings: a float would round them.

use crate::config::{Config, Key};
use crate::ledger::{Amounts, Ledger, Limits, Store, StoreError, left};
use crate::route::usable_models;
use crate::text::push_json_string;
use crate::window::Millis;

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
        let mut quoted = String::new();
        push_json_string(&mut quoted, name);
        body.push_str(&format!(
            "{{\"id\":{quoted},\"object\":\"model\",\"type\":\"model\",\"display_name\":{quoted},\
             \"created\":0,\"created_at\":\"1970-01-01T00:00:00Z\",\"owned_by\":\"farebox\"}}"
        ));
    }
    body.push_str("],\"has_more\":false,\"first_id\":");
    push_optional(&mut body, names.first().map(String::as_str));
    body.push_str(",\"last_id\":");
    push_optional(&mut body, names.last().map(String::as_str));
    body.push('}');
    body
}

/// The body of `/farebox/usage` for `key`: every budget that holds for it.
///
/// # Errors
/// [`StoreError`] if a counter cannot be read.
pub fn usage<S: Store>(ledger: &Ledger<'_, S>, key: &Key, now: Millis) -> Result<String, StoreError> {
    let mut body = String::from("{\"key\":");
    push_json_string(&mut body, &key.id);
    body.push_str(",\"team\":");
    push_json_string(&mut body, &key.team);
    body.push_str(",\"budgets\":[");
    for (index, account) in key.accounts.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        let counter = ledger.read(account, now)?;
        let (spent, held) = (counter.spent(), counter.held());
        body.push_str("{\"name\":");
        push_json_string(&mut body, &account.budget.name);
        let per = account.budget.per.name();
        body.push_str(&format!(",\"per\":\"{per}\",\"subject\":"));
        push_json_string(&mut body, &account.subject);
        body.push_str(&format!(",\"window\":\"{}\",\"spent\":", account.budget.window.name()));
        body.push_str(&measures(everything(spent)));
        body.push_str(&format!(",\"held\":{}", measures(everything(held))));
        body.push_str(&format!(",\"limit\":{}", measures(account.limits)));
        body.push_str(&format!(",\"left\":{}", measures(left(&account.limits, spent.plus(held)))));
        body.push_str(",\"resets_at\":");
        push_optional(&mut body, account.budget.window.resets_at(now).map(Millis::to_rfc3339).as_deref());
        body.push('}');
    }
    body.push_str("]}");
    Ok(body)
}

fn everything(amounts: Amounts) -> Limits {
    Limits { usd: Some(amounts.usd), tokens: Some(amounts.tokens), requests: Some(amounts.requests) }
}

fn measures(limits: Limits) -> String {
    let number = |count: Option<u64>| count.map_or_else(|| "null".to_owned(), |count| count.to_string());
    let usd = limits.usd.map_or_else(|| "null".to_owned(), |usd| format!("\"{usd}\""));
    format!("{{\"usd\":{usd},\"tokens\":{},\"requests\":{}}}", number(limits.tokens), number(limits.requests))
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
    use crate::admission::admit;
    use crate::config::testing::{self, NOW};
    use crate::ledger::MemoryStore;
    use crate::money::PicoUsd;
    use serde_json::{Value, json};

    #[test]
    fn the_models_page_lists_what_this_key_may_use() {
        let config = testing::config(|json| json["keys"][0]["models"] = json!(["s*", "gone"]));
        let page: Value = serde_json::from_str(&models(&config, &config.keys["a"])).unwrap();
        assert_eq!(page["data"].as_array().unwrap().len(), 1);
        assert_eq!((&page["data"][0]["id"], &page["first_id"]), (&json!("small"), &json!("small")));
    }

    #[test]
    fn the_usage_page_shows_what_is_spent_held_and_left() {
        let config = testing::config(|json| {
            json["budgets"] = json!([{"name": "team", "per": "team", "window": "day", "limit_usd": 1, "limit_tokens": 100}]);
        });
        let store = MemoryStore::default();
        let ledger = Ledger::new(&store, config.hold.epoch_ms);
        let key = &config.keys["a"];
        let amounts = |tokens| Amounts { usd: PicoUsd(tokens * 1_000_000_000), tokens, requests: 1 };
        admit(&ledger, key, amounts(10), NOW).unwrap().settle(&ledger, amounts(7), NOW).unwrap();
        admit(&ledger, key, amounts(20), NOW).unwrap();
        let page: Value = serde_json::from_str(&usage(&ledger, key, NOW).unwrap()).unwrap();
        assert_eq!(
            page,
            json!({"key": "a", "team": "red", "budgets": [{
                "name": "team", "per": "team", "subject": "red", "window": "day",
                "spent": {"usd": "0.007", "tokens": 7, "requests": 1},
                "held": {"usd": "0.02", "tokens": 20, "requests": 1},
                "limit": {"usd": "1.00", "tokens": 100, "requests": null},
                "left": {"usd": "0.973", "tokens": 73, "requests": null},
                "resets_at": "2026-11-22T00:00:00Z",
            }]})
        );
    }
}
