//! Decides the plugin configurations that are measured: none to six budgets that never refuse, counted by everything
//! from nobody to the single request.
//!
//! Does not decide what Envoy's own configuration is: `farebox render envoy` writes that from these.

use std::net::SocketAddr;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::upstream::FAILING;

/// The key that every load shows.
pub(crate) const KEY: &str = "fb_bench_7gUq2mVx9pZt4KdWc1RyLs5Hn8Fb3Ea6";
/// The key of a team whose budget is spent.
pub(crate) const SPENT: &str = "fb_spent_2Jw8nBx5qZt4KdVm1RyLs7Hg6Fc9Ta3";
/// The key of agents, whose sessions may make so many requests: see [`AGENT_CALLS`].
pub(crate) const AGENT: &str = "fb_agent_5Kd1nVx8pWt4JdZm3RyQs6Hb7Gc2Ua9";
/// Calls that a session of an agent may make in a day.
pub(crate) const AGENT_CALLS: u64 = 9;
/// The model that the provider knows by the same name, so that a body goes on as it is.
pub(crate) const MODEL: &str = "bench";
/// The model that the provider knows by another name, so that each body is changed.
pub(crate) const RENAMED: &str = "renamed";
/// The model whose first target always fails.
pub(crate) const FAILOVER: &str = "failover";
/// The budget for which every request asks where the ledger lends nothing of it beforehand. Its limit is as far as others.
pub(crate) const NEAR: &str = "near";
/// Dollars, or thousands of requests, or millions of tokens, that no benchmark uses up.
const ENDLESS: u64 = 1_000_000;

/// What a plugin configuration is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// How many of the budgets.
    pub(crate) budgets: usize,
    /// Whether a model has a second target.
    pub(crate) failover: bool,
    /// Places for sessions.
    pub(crate) slots: u64,
    /// Whether every request writes its budgets, far from their limits too: what limits how many run is not leased.
    pub(crate) each_writes: bool,
    /// Whether there is a budget of requests more: see [`NEAR`].
    pub(crate) near_limit: bool,
    /// Whether sessions have few requests: what refuses the last calls of an agent.
    pub(crate) short_sessions: bool,
}

/// The plugin configuration for a provider at `upstream`.
pub(crate) fn plugin(wanted: Wanted, upstream: SocketAddr) -> Value {
    let at = format!("http://{upstream}");
    let mut plugin = json!({
        "version": "v1",
        "keys": [key(KEY, "search"), key(SPENT, "spent"), key(AGENT, "agents")],
        "providers": {"local": {"dialect": "openai", "endpoints": [at]}},
        "models": {
            MODEL: [{"provider": "local"}],
            RENAMED: [{"provider": "local", "model": "bench-2026-01-01"}],
        },
        "budgets": budgets(wanted),
        "prices": {"local/*": {"input": 1, "output": 10}},
        // What a plain client is told by default is 402, and peers are measured with 429.
        "denial": {"budget_status": 429},
    });
    let second = json!({
        "providers": {"failing": {"dialect": "openai", "base_path": format!("{FAILING}/v1"), "endpoints": [at]}},
        "models": {FAILOVER: [{"provider": "failing"}, {"provider": "local"}]},
        "prices": {"failing/*": {"input": 1, "output": 10}},
    });
    for (member, more) in second.as_object().into_iter().flatten().filter(|_| wanted.failover) {
        let present = plugin.get_mut(member).and_then(Value::as_object_mut);
        if let (Some(present), Some(more)) = (present, more.as_object()) {
            present.extend(more.clone());
        }
    }
    plugin
}

fn budgets(wanted: Wanted) -> Value {
    let slots = wanted.slots;
    // Forgets who was idle for the longest if there are more sessions than places: no load may be refused.
    let all = [
        json!({"name": "org", "window": "month", "limit_usd": ENDLESS}),
        json!({"name": "team", "per": "team", "window": "day", "limit_usd": ENDLESS,
            "overrides": {"spent": {"limit_requests": 1}}}),
        json!({"name": "key", "per": "key", "window": "minute", "limit_requests": ENDLESS * 1000}),
        json!({"name": "model", "per": ["team", "model"], "window": "day", "limit_tokens": ENDLESS * 1_000_000}),
        json!({"name": "run", "per": "session", "window": "day", "limit_usd": ENDLESS, "slots": slots,
            "when_full": "evict"}),
        json!({"name": "loop", "per": ["session", "request"], "window": "hour", "limit_requests": ENDLESS * 1000,
            "slots": slots, "when_full": "evict"}),
    ];
    let mut budgets: Vec<Value> = all.into_iter().take(wanted.budgets).collect();
    for budget in budgets.iter_mut().filter_map(Value::as_object_mut).filter(|_| wanted.each_writes) {
        budget.insert("limit_concurrent".into(), ENDLESS.into());
    }
    if wanted.near_limit {
        budgets.push(json!({"name": NEAR, "window": "day", "limit_requests": ENDLESS * 1000}));
    }
    if wanted.short_sessions {
        let calls = AGENT_CALLS;
        budgets.push(json!({"name": "short", "per": "session", "window": "day", "limit_requests": calls,
            "when_full": "evict"}));
    }
    budgets.into()
}

fn key(key: &str, team: &str) -> Value {
    let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"id": key.split('_').nth(1), "sha256": hash, "team": team})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failover_adds_a_target_that_fails_and_changes_nothing_else() {
        let wanted = Wanted { budgets: 3, failover: true, slots: 1024, ..Wanted::default() };
        let upstream = "127.0.0.1:1".parse().unwrap();
        let mut with = plugin(wanted, upstream);
        assert_eq!(with["models"][FAILOVER][0]["provider"], "failing");
        assert_eq!(with["providers"]["failing"]["base_path"], "/failing/v1");
        for member in ["providers", "models", "prices"] {
            let members = with[member].as_object_mut().unwrap();
            members.retain(|name, _| name != "failing" && name != FAILOVER && name != "failing/*");
        }
        assert_eq!(with, plugin(Wanted { failover: false, ..wanted }, upstream));
    }

    #[test]
    fn a_configuration_has_as_many_budgets_as_wanted() {
        for budgets in [0, 1, 3, 6] {
            let wanted = Wanted { budgets, slots: 1024, ..Wanted::default() };
            let plugin = plugin(wanted, "127.0.0.1:1".parse().unwrap());
            assert_eq!(plugin["budgets"].as_array().unwrap().len(), budgets);
            assert!(plugin["models"].get(FAILOVER).is_none());
            assert_eq!(plugin["keys"][0]["id"], "bench");
        }
    }
}
