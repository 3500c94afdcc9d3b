//! Decides which parts of a resource of Kubernetes are configurations of Farebox.
//!
//! An EnvoyFilter or an EnvoyPatchPolicy has filters as Envoy does, and `envoy` finds them. The other forms say the
//! same in words of their own: Istio's `pluginConfig`, Envoy Gateway's `config` of a `wasm`, or a whole envoy.yaml as
//! the text of a ConfigMap.

use serde_json::Value;

use crate::envoy::{self, Filter, Variables};
use crate::{sample, source};

/// Whether `document` is a resource of Kubernetes.
pub(crate) fn is_resource(document: &Value) -> bool {
    document.get("apiVersion").is_some() && document.get("kind").is_some()
}

/// What a resource is called: `WasmPlugin farebox`.
pub(crate) fn title(document: &Value) -> Option<String> {
    let kind = document.get("kind").and_then(Value::as_str).filter(|_| is_resource(document))?;
    let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    Some(format!("{kind} {name}").trim_end().to_owned())
}

/// Every filter of a resource that is not written as Envoy would write it.
pub(crate) fn filters(document: &Value) -> Vec<Filter> {
    let spec = |pointer: &str| document.pointer(&format!("/spec{pointer}")).cloned().unwrap_or_default();
    match document.get("kind").and_then(Value::as_str) {
        Some("WasmPlugin") => istio("spec", &spec("")).into_iter().collect(),
        Some("TrafficExtension") => istio("spec.wasm", &spec("/wasm")).into_iter().collect(),
        Some("EnvoyExtensionPolicy") => {
            let plugins = spec("/wasm");
            let plugins = plugins.as_array().into_iter().flatten().enumerate();
            plugins
                .filter_map(|(index, plugin)| envoy_gateway(&format!("spec.wasm[{index}]"), plugin))
                .collect()
        }
        Some("ConfigMap") => config_map(document),
        _ => Vec::new(),
    }
}

/// A plugin as Istio has it, at `path`.
fn istio(path: &str, plugin: &Value) -> Option<Filter> {
    let configuration = plugin.get("pluginConfig")?.to_string();
    let mut variables = Variables::default();
    for variable in plugin.pointer("/vmConfig/env").and_then(Value::as_array).into_iter().flatten() {
        let text = |key| variable.get(key).and_then(Value::as_str);
        match (text("name"), text("value"), text("valueFrom")) {
            (Some(name), _, Some("HOST")) => drop(variables.from_host.insert(name.to_owned())),
            (Some(name), Some(value), _) => drop(variables.values.insert(name.to_owned(), value.to_owned())),
            _ => {}
        }
    }
    let names = ["pluginName", "url"];
    Some(filter(format!("{path}.pluginConfig"), configuration, variables, plugin, &names))
}

/// A plugin as Envoy Gateway has it, at `path`.
fn envoy_gateway(path: &str, plugin: &Value) -> Option<Filter> {
    let configuration = plugin.get("config")?.to_string();
    let names = plugin.pointer("/env/hostKeys").and_then(Value::as_array).into_iter().flatten();
    let from_host = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let variables = Variables { from_host, ..Variables::default() };
    Some(filter(format!("{path}.config"), configuration, variables, plugin, &["name", "rootID", "code"]))
}

fn filter(path: String, json: String, variables: Variables, plugin: &Value, names: &[&str]) -> Filter {
    let named = names.iter().filter_map(|name| plugin.get(name));
    Filter {
        path,
        configuration: Ok(json),
        open: Some(sample::KUBERNETES.to_owned()),
        is_attempt: false,
        variables,
        is_named_farebox: named.into_iter().any(|name| name.to_string().contains("farebox")),
    }
}

/// The filters of every configuration of Envoy among the texts of a ConfigMap.
fn config_map(document: &Value) -> Vec<Filter> {
    let texts = document.get("data").and_then(Value::as_object).into_iter().flatten();
    let documents = texts.filter_map(|(name, text)| {
        let json = source::to_json(text.as_str()?).ok()?;
        Some((name, serde_json::from_str::<Value>(&json).ok().filter(|value| !is_resource(value))?))
    });
    let filters = documents.flat_map(|(name, value)| {
        let path = farebox_core::config::path::member("data", name);
        let found = envoy::filters(&value).unwrap_or_default();
        found.into_iter().map(move |filter| Filter { path: format!("{path}.{}", filter.path), ..filter })
    });
    filters.collect()
}
