//! Decides which parts of an Envoy configuration are configurations of Farebox.
//!
//! A Wasm filter is recognised by its `vm_config`, wherever it stands: in a listener, in an ECDS file, in
//! a composite filter. If some of the Wasm filters carry the name `farebox`, only these count.
//!
//! From where one is reached is what the listener around it says, as far as there is one: a filter that Envoy finds by its name
//! stands in a file of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{kubernetes, sample};

/// The configuration of one Wasm filter.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Where it stands, as in `static_resources.listeners[0]`.
    pub(crate) path: String,
    /// The text Envoy hands to the filter, or why it would hand none that can be read.
    pub(crate) configuration: Result<String, &'static str>,
    /// Where others than this machine reach it, if that is known.
    pub(crate) open: Option<String>,
    /// Whether it stands behind the router, where it gets the configuration a second time.
    pub(crate) is_attempt: bool,
    pub(crate) variables: Variables,
    pub(crate) is_named_farebox: bool,
}

/// The environment variables that Envoy hands to a filter.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// With the values that are written down.
    pub(crate) values: BTreeMap<String, String>,
    /// Out of Envoy's own environment.
    pub(crate) from_host: BTreeSet<String>,
}

impl Filter {
    /// The value of a variable as the filter sees it. `host` reads Envoy's own environment.
    pub(crate) fn variable(&self, name: &str, host: impl Fn(&str) -> Option<String>) -> Option<String> {
        let own = self.variables.values.get(name).cloned();
        own.or_else(|| self.variables.from_host.contains(name).then(|| host(name))?)
    }
}

/// Every Farebox filter in an Envoy configuration or a resource of Kubernetes. `None`: this is neither.
pub(crate) fn filters(document: &Value) -> Option<Vec<Filter>> {
    let mut found = Vec::new();
    let is_kubernetes = kubernetes::is_resource(document);
    let open = is_kubernetes.then_some(sample::KUBERNETES);
    collect(document, "", open, &mut found);
    if is_kubernetes {
        found.extend(kubernetes::filters(document));
    }
    if found.iter().any(|filter| filter.is_named_farebox) {
        found.retain(|filter| filter.is_named_farebox);
    }
    let is_envoys = |key| document.get(key).is_some();
    let envoys = ["static_resources", "dynamic_resources", "resources", "admin", "@type"];
    (!found.is_empty() || is_kubernetes || envoys.into_iter().any(is_envoys)).then_some(found)
}

fn collect(value: &Value, path: &str, open: Option<&str>, found: &mut Vec<Filter>) {
    match value {
        Value::Object(members) => {
            if let Some(vm) = members.get("vm_config").filter(|vm| vm.is_object()) {
                found.push(read(value, vm, path, open));
                return;
            }
            let is_listener =
                ["filter_chains", "default_filter_chain"].iter().any(|key| members.contains_key(*key));
            let own = if is_listener { open_address(value) } else { None };
            let open = if is_listener { own.as_deref() } else { open };
            for (key, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                collect(member, &format!("{path}{dot}{key}"), open, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{index}]"), open, found);
            }
        }
        _ => {}
    }
}

/// The first address of a listener that others than this machine reach.
fn open_address(listener: &Value) -> Option<String> {
    let more = listener.get("additional_addresses").and_then(Value::as_array).into_iter().flatten();
    let addresses = [listener].into_iter().chain(more).filter_map(|holder| holder.get("address"));
    addresses.filter(|address| address.get("pipe").is_none()).find_map(|address| {
        let text = address.pointer("/socket_address/address").and_then(Value::as_str);
        let Some(text) = text else { return Some("what the listener says".to_owned()) };
        text.parse().map_or_else(|_| Some(text.to_owned()), sample::open)
    })
}

/// Reads a `PluginConfig` with its `vm_config`.
fn read(plugin: &Value, vm: &Value, path: &str, open: Option<&str>) -> Filter {
    let names = [plugin.get("name"), plugin.get("root_id"), vm.get("vm_id"), vm.get("code")];
    let is_named_farebox = names.into_iter().flatten().any(|name| name.to_string().contains("farebox"));
    let role = vm.get("configuration").and_then(|any| any.get("value")).and_then(Value::as_str);
    Filter {
        path: format!("{path}.configuration"),
        configuration: configuration(plugin),
        open: open.map(str::to_owned),
        is_attempt: role.is_some_and(|role| role.trim() == "attempt"),
        variables: variables(vm),
        is_named_farebox,
    }
}

fn configuration(plugin: &Value) -> Result<String, &'static str> {
    let any = plugin.get("configuration").ok_or("the Wasm filter has no configuration")?;
    let kind = any.get("@type").and_then(Value::as_str).unwrap_or_default();
    if !kind.ends_with("/google.protobuf.StringValue") {
        return Err("must have the @type type.googleapis.com/google.protobuf.StringValue: \
                    what has another one does not reach the filter as text");
    }
    let value = any.get("value").and_then(Value::as_str);
    value.map(str::to_owned).ok_or("must have a \"value\" that is a string")
}

fn variables(vm: &Value) -> Variables {
    let Some(listed) = vm.get("environment_variables") else { return Variables::default() };
    let names = listed.get("host_env_keys").and_then(Value::as_array).into_iter().flatten();
    let values = listed.get("key_values").and_then(Value::as_object).into_iter().flatten();
    Variables {
        from_host: names.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        values: values.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
    }
}
