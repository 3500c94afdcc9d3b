//! What Envoy Gateway sends to its Envoys because of the manifests. `tests/mesh/recorded.rs` holds it against what one has sent.
//!
//! Does not make what has nothing to do with Farebox.

use crate::bootstrap::WASM_FILTER;
use crate::mesh::{self, Sent, of_kind};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ROUTER: &str = "envoy.filters.http.router";

/// What Envoy Gateway makes of `resources`.
///
/// # Panics
/// If the manifests are of another form than `farebox render envoy-gateway` writes.
#[must_use]
pub fn sent(resources: &[Value]) -> Sent {
    let host = mesh::hostname(resources);
    let suffix = if host == "*" { host.to_owned() } else { host.replace('.', "_") };
    let mut clusters = BTreeMap::new();
    let mut routes = Vec::new();
    let rules = of_kind(resources, "HTTPRoute")["spec"]["rules"].as_array().expect("rules");
    for (number, rule) in rules.iter().enumerate() {
        let name = format!("httproute/farebox/farebox/rule/{number}");
        let provider = rule["backendRefs"][0]["name"].as_str().and_then(|name| name.strip_prefix("farebox-"));
        let header = &rule["matches"][0]["headers"][0];
        let (rewritten, removed) = mesh::rewritten(rule);
        let mut route = json!({
            "name": format!("{name}/match/0/{suffix}"),
            "match": {"prefix": "/", "headers": [{"name": header["name"], "string_match": {"exact": header["value"]}}]},
            "request_headers_to_remove": removed,
            "route": {
                "cluster": name,
                "timeout": "0s",
                "idle_timeout": "0s",
                "host_rewrite_literal": rewritten,
                "upgrade_configs": [{"upgrade_type": "websocket"}],
            },
        });
        // Whoever rewrites a host there tells the one behind which one was named.
        if !route["route"]["host_rewrite_literal"].is_null() {
            route["route"]["append_x_forwarded_host"] = json!(true);
        }
        routes.push(route);
        let breakers = &of_kind(resources, "BackendTrafficPolicy")["spec"]["circuitBreaker"];
        clusters.insert(provider.expect("a name of ours").to_owned(), cluster(&name, breakers));
    }
    routes.push(whatever_else(resources, &suffix));
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http-80",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        "use_remote_address": true,
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "server_header_transformation": "PASS_THROUGH",
        "access_log": access_log(resources),
        "http_filters": [{"name": ROUTER, "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        }}],
    });
    let removed =
        &of_kind(resources, "ClientTrafficPolicy")["spec"]["headers"]["earlyRequestHeaders"]["remove"];
    let removals = removed.as_array().expect("headers").iter().map(|header| json!({"remove": header}));
    manager["early_header_mutation_extensions"] = json!([{
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": removals.collect::<Vec<_>>(),
        },
    }]);
    let filter = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    let mut listener = json!({"default_filter_chain": {"filters": [filter]}});
    let mut route = json!({
        "name": "http-80",
        "ignore_port_in_host_matching": true,
        "virtual_hosts": [{"name": suffix, "domains": [host], "routes": routes}],
    });
    let mut extensions = BTreeMap::new();
    for resource in resources {
        match resource["kind"].as_str() {
            Some("EnvoyPatchPolicy") => patch(&mut listener, &mut route, &mut clusters, resource),
            Some("EnvoyExtensionPolicy") => {
                extend(&mut listener, &mut route, &mut extensions, &resource["spec"]["wasm"][0]);
            }
            _ => {}
        }
    }
    let mut manager = listener["default_filter_chain"]["filters"][0]["typed_config"].take();
    manager["route_config"] = route;
    take_inline(&mut manager, &mut extensions);
    let bootstrap = &of_kind(resources, "EnvoyProxy")["spec"]["bootstrap"]["value"];
    let overlay = mesh::documents(bootstrap.as_str().expect("a text")).into_iter().next();
    let host = if host == "*" { "anything.example.com" } else { host }.to_owned();
    Sent { manager, extensions, clusters, overlay, host }
}

/// What the EnvoyProxy has written for each request.
fn access_log(resources: &[Value]) -> Value {
    let telemetry = &of_kind(resources, "EnvoyProxy")["spec"]["telemetry"]["accessLog"];
    let log = |setting: &Value| {
        json!({"name": "envoy.access_loggers.file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": setting["sinks"][0]["file"]["path"],
            "log_format": {"text_format_source": {"inline_string": setting["format"]["text"]}},
        }})
    };
    telemetry["settings"].as_array().into_iter().flatten().map(log).collect()
}

/// A cluster without endpoints and TLS.
fn cluster(name: &str, breakers: &Value) -> Value {
    let balancing = "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest";
    json!({
        "name": name,
        "connect_timeout": "10s", // a busy machine, in the place of the policy's
        "per_connection_buffer_limit_bytes": 32_768,
        "ignore_health_on_host_removal": true,
        "common_lb_config": {},
        "load_balancing_policy": {"policies": [{"typed_extension_config": {
            "name": "envoy.load_balancing_policies.least_request",
            "typed_config": {
                "@type": format!("type.googleapis.com/{balancing}"),
                "locality_lb_config": {"locality_weighted_lb_config": {}},
            },
        }}]},
        "circuit_breakers": {"thresholds": [{
            "max_connections": breakers["maxConnections"],
            "max_pending_requests": breakers["maxPendingRequests"],
            "max_requests": breakers["maxParallelRequests"],
            "max_retries": breakers["maxParallelRetries"],
        }]},
    })
}

/// The route of the HTTPRoute without conditions: to a host that is not there, or an answer.
fn whatever_else(resources: &[Value], suffix: &str) -> Value {
    let is_it = |resource: &&Value| {
        resource["kind"] == "HTTPRoute" && resource["spec"]["rules"][0].get("matches").is_none()
    };
    let route = resources.iter().find(is_it).expect("a route for whatever else comes");
    let name = format!("httproute/farebox/{}/rule/0", route["metadata"]["name"].as_str().expect("a name"));
    let mut made = json!({"name": format!("{name}/match/0/{suffix}"), "match": {"prefix": "/"}});
    match route["spec"]["rules"][0]["backendRefs"].as_array() {
        Some(_) => made["route"] = json!({"cluster": name}),
        None => {
            let answer = &of_kind(resources, "HTTPRouteFilter")["spec"]["directResponse"];
            made["direct_response"] = json!({"status": answer["statusCode"]});
        }
    }
    made
}

fn patch(listener: &mut Value, route: &mut Value, clusters: &mut BTreeMap<String, Value>, resource: &Value) {
    for patch in resource["spec"]["jsonPatches"].as_array().expect("patches") {
        if patch["type"] == "type.googleapis.com/envoy.config.cluster.v3.Cluster" {
            assert_eq!((&patch["operation"]["op"], &patch["operation"]["path"]), (&json!("add"), &json!("")));
            let name = patch["name"].as_str().expect("a name");
            clusters.insert(name.to_owned(), patch["operation"]["value"].clone());
            continue;
        }
        let target = match patch["name"].as_str() {
            Some("tcp-80") => &mut *listener,
            Some("http-80") => &mut *route,
            other => panic!("nothing is called {other:?}"),
        };
        let operation = &patch["operation"];
        let path = operation["path"].as_str().unwrap_or_default();
        let whole = match operation["jsonPath"].as_str() {
            Some(from) if path.is_empty() => pointer(target, from),
            Some(from) => format!("{}/{path}", pointer(target, from)),
            None => path.to_owned(),
        };
        match operation["op"].as_str() {
            Some("add") => add(target, &whole, operation["value"].clone()),
            Some("replace") => *target.pointer_mut(&whole).expect("it is there") = operation["value"].clone(),
            other => panic!("{other:?} is not known here"),
        }
    }
}

/// `op: add` of JSON Patch.
fn add(target: &mut Value, path: &str, value: Value) {
    let (parent, key) = path.rsplit_once('/').expect("a path");
    match target.pointer_mut(parent).unwrap_or_else(|| panic!("nothing is at {parent}")) {
        Value::Array(items) => items.insert(key.parse().expect("a number"), value),
        object => object[key] = value,
    }
}

/// The place that a JSONPath of names, numbers and conditions on `name` leads to.
fn pointer(target: &Value, path: &str) -> String {
    let mut pointer = String::new();
    // A name in a condition has dots too.
    for step in
        path.trim_start_matches("$.").replace("@.name==", "@").split_inclusive(']').flat_map(split_step)
    {
        let at = target.pointer(&pointer).expect("the path leads somewhere");
        let named = |is_it: &dyn Fn(&str) -> bool| {
            let mut items = at.as_array().expect("a list").iter();
            let found = items.position(|item| item["name"].as_str().is_some_and(is_it));
            found.expect("one has this name").to_string()
        };
        let equal = step.strip_prefix("?(@'").and_then(|rest| rest.strip_suffix("')"));
        let begins = step.strip_prefix("?(@.name =~ '^").and_then(|rest| rest.strip_suffix("')"));
        let next = match (equal, begins) {
            (Some(name), _) => named(&|found| found == name),
            (_, Some(start)) => named(&|found| found.starts_with(start)),
            // There is one of these.
            _ if step == "*" => "0".to_owned(),
            _ => step,
        };
        pointer = format!("{pointer}/{next}");
    }
    pointer
}

fn split_step(part: &str) -> Vec<String> {
    let (names, inside) = part.split_once('[').map_or((part, None), |(names, rest)| (names, Some(rest)));
    let names = names.split('.').filter(|name| !name.is_empty()).map(str::to_owned);
    names.chain(inside.map(|inside| inside.trim_end_matches(']').to_owned())).collect()
}

/// A filter that is switched off but for the routes that the policy is for: here, all that there are.
fn extend(listener: &mut Value, routes: &mut Value, extensions: &mut BTreeMap<String, Value>, wasm: &Value) {
    let vm = "envoyextensionpolicy/farebox/farebox/wasm/0";
    let name = &*format!("envoy.filters.http.wasm/{vm}");
    assert_eq!(wasm["failOpen"], false);
    extensions.insert(
        name.to_owned(),
        json!({
            "@type": WASM_FILTER,
            "config": {
                "name": wasm["name"],
                "root_id": wasm["rootID"],
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": wasm["config"].to_string(),
                },
                "vm_config": {
                    "vm_id": vm,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"remote": {}},
                    "environment_variables": {"host_env_keys": wasm["env"]["hostKeys"]},
                },
            },
        }),
    );
    let manager = &mut listener["default_filter_chain"]["filters"][0]["typed_config"];
    let filters = manager["http_filters"].as_array_mut().expect("filters");
    filters.insert(
        0,
        json!({
            "name": name, "disabled": true,
            "config_discovery": {"config_source": {"ads": {}}, "type_urls": [WASM_FILTER]},
        }),
    );
    for route in routes["virtual_hosts"][0]["routes"].as_array_mut().expect("routes") {
        let on = "type.googleapis.com/envoy.config.route.v3.FilterConfig";
        route["typed_per_filter_config"] = json!({name: {"@type": on, "config": {}}});
    }
}

/// Has filters that stand in the listener found by name, so that their modules can be there or not.
///
/// # Panics
/// If one of them has no name.
pub fn take_inline(value: &mut Value, extensions: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            if members.get("typed_config").is_some_and(|config| config["@type"] == WASM_FILTER) {
                let config = members.remove("typed_config").expect("it is there");
                let name = members["name"].as_str().expect("a name").to_owned();
                extensions.insert(name, config);
                let discovery = json!({"config_source": {"ads": {}}, "type_urls": [WASM_FILTER]});
                members.insert("config_discovery".to_owned(), discovery);
            }
            members.values_mut().for_each(|member| take_inline(member, extensions));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take_inline(item, extensions)),
        _ => {}
    }
}
