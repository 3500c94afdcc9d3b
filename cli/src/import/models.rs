//! Decides which models there are and where each is served: LiteLLM's deployments of one name, with its fallbacks
//! after them.
//!
//! Deployments of one name share its requests there, so here they have weights; a fallback has none, and is tried after
//! them.

use std::collections::BTreeMap;

use farebox_core::config::Pattern;
use serde_json::{Map, Value, json};

use super::{Draft, providers, text};

/// Members of `litellm_params` that say something here.
const READ: [&str; 12] = [
    "model",
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "custom_llm_provider",
    "weight",
    "aws_region_name",
    "vertex_project",
    "vertex_location",
    "input_cost_per_token",
    "output_cost_per_token",
];

type Groups = BTreeMap<String, Vec<Map<String, Value>>>;

/// Reads the models, and with them the providers and their prices.
pub(super) fn read(draft: &mut Draft, config: &Value) {
    let mut groups = Groups::new();
    for (index, entry) in config.get("model_list").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        deployment(draft, &mut groups, entry, &format!("model_list[{index}]"));
    }
    for targets in groups.values_mut().filter(|targets| targets.len() == 1) {
        targets.iter_mut().for_each(|target| drop(target.remove("weight")));
    }
    let alone = groups.clone();
    for section in ["router_settings", "litellm_settings"] {
        let setting = |name: &str| {
            config.get(section).and_then(|section| section.get(name)).cloned().unwrap_or_default()
        };
        for (name, after) in [("fallbacks", false), ("context_window_fallbacks", true)] {
            for (model, others) in
                setting(name).as_array().into_iter().flatten().filter_map(Value::as_object).flatten()
            {
                append(draft, &mut groups, &alone, model, others, after, &format!("{section}.{name}"));
            }
        }
        let others = setting("default_fallbacks");
        for model in alone.keys().filter(|_| others.is_array()) {
            append(
                draft,
                &mut groups,
                &alone,
                model,
                &others,
                false,
                &format!("{section}.default_fallbacks"),
            );
        }
        for (alias, model) in setting("model_group_alias").as_object().into_iter().flatten() {
            let model = text(model, "model").or_else(|| model.as_str()).unwrap_or_default();
            match groups.get(&named(model)).cloned() {
                Some(targets) => drop(groups.insert(named(alias), targets)),
                None => draft.note(
                    &format!("{section}.model_group_alias"),
                    format_args!("{model} is not brought over"),
                ),
            }
        }
    }
    draft.models = groups.into_iter().map(|(name, targets)| (name, json!(targets))).collect();
}

fn deployment(draft: &mut Draft, groups: &mut Groups, entry: &Value, at: &str) {
    let path = format!("{at}.litellm_params");
    let (Some(name), Some(params)) = (text(entry, "model_name"), entry.get("litellm_params")) else {
        draft.note(at, "has no model_name or no litellm_params");
        return;
    };
    for member in params.as_object().into_iter().flatten().map(|(member, _)| member) {
        if !READ.contains(&member.as_str()) {
            draft.note(&format!("{path}.{member}"), "has no counterpart here");
        }
    }
    let Some((provider, model)) = providers::of(draft, params, &path) else { return };
    price(draft, entry, params, &format!("{provider}/{model}"));
    if Pattern::is_pattern(name) && name.contains('/') {
        let what = format!("{provider}/MODEL works without being listed; {name} is left out");
        draft.note(&format!("{at}.model_name"), what);
        return;
    }
    if named(name) != name {
        let what = format!("{name} is called {} here: \"/\" stands between provider and model", named(name));
        draft.note(&format!("{at}.model_name"), what);
    }
    let mut target = Map::from_iter([("provider".to_owned(), json!(provider))]);
    if !Pattern::is_pattern(&model) {
        target.insert("model".to_owned(), json!(model));
    }
    let weight = params.get("weight").and_then(Value::as_u64).unwrap_or(1);
    target.insert("weight".to_owned(), json!(weight.clamp(1, 100)));
    let targets = groups.entry(named(name)).or_default();
    let is_same = |other: &Map<String, Value>| place(other) == place(&target);
    if targets.iter().any(is_same) {
        draft.note(at, "is the same place as another deployment of the model: one of them is enough");
    } else {
        targets.push(target);
    }
}

/// The name of a model here.
pub(super) fn named(name: &str) -> String {
    if Pattern::is_pattern(name) { name.to_owned() } else { name.replace('/', "-") }
}

fn place(target: &Map<String, Value>) -> (Option<&Value>, Option<&Value>) {
    (target.get("provider"), target.get("model"))
}

/// Puts the targets of `others` behind those of `model`.
fn append(
    draft: &mut Draft,
    groups: &mut Groups,
    alone: &Groups,
    model: &str,
    others: &Value,
    after: bool,
    path: &str,
) {
    let Some(targets) = groups.get_mut(&named(model)) else {
        draft.note(path, format_args!("{model} is not brought over"));
        return;
    };
    for other in others.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let Some(more) = alone.get(&named(other)) else {
            draft.note(path, format_args!("{other} is not brought over, and cannot stand in for {model}"));
            continue;
        };
        for target in more {
            let mut target = target.clone();
            target.remove("weight");
            if after {
                target.insert("after".to_owned(), json!("context_length"));
            }
            if !targets.iter().any(|known| place(known) == place(&target)) {
                targets.push(target);
            }
        }
    }
}

/// Notes a price that is written for the deployment.
fn price(draft: &mut Draft, entry: &Value, params: &Value, name: &str) {
    let cost = |member: &str| {
        let written = params.get(member).or_else(|| entry.get("model_info")?.get(member))?;
        per_million(written)
    };
    if let (Some(input), Some(output)) = (cost("input_cost_per_token"), cost("output_cost_per_token")) {
        draft.prices.insert(name.to_owned(), json!({"input": input, "output": output}));
    }
}

/// A price of a token as that of a million.
fn per_million(cost: &Value) -> Option<Value> {
    let million = cost.as_f64().filter(|cost| (0.0..1.0).contains(cost))? * 1e6;
    let text = format!("{million:.6}");
    serde_json::from_str(text.trim_end_matches('0').trim_end_matches('.')).ok()
}
