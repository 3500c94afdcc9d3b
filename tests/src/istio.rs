//! What Istio sends to the Envoy of a gateway or a sidecar because of the manifests: connection manager, routes,
//! clusters and filters. `tests/mesh/recorded.rs` holds it against what an istiod has sent.
//!
//! Does not make what has nothing to do with Farebox: mutual TLS, traces.

mod base;

use crate::bootstrap::WASM_FILTER;
use crate::mesh::{self, Sent};
use crate::workspace;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ROUTER: &str = "envoy.filters.http.router";
const RBAC_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";

/// What Istio makes of `resources`.
///
/// # Panics
/// If the manifests are of another form than `farebox render istio` writes.
#[must_use]
pub fn sent(resources: &[Value]) -> Sent {
    let (host, prefix, route) = routes(resources);
    let mut sent = Sent {
        host,
        manager: base::manager(prefix, host_is_gateway(resources), &route),
        extensions: BTreeMap::new(),
        clusters: clusters(resources),
        overlay: overlay(resources),
    };
    for resource in resources {
        match resource["kind"].as_str() {
            Some("EnvoyFilter") => patch(&mut sent, resource),
            // Istio makes the second of the first, under another name.
            Some("WasmPlugin") => {
                plug_in(&mut sent, resource, "~istio-translated-wasmplugin", &resource["spec"])
            }
            Some("TrafficExtension") => plug_in(&mut sent, resource, "", &resource["spec"]["wasm"]),
            Some("Telemetry") => log(&mut sent, resource),
            Some("AuthorizationPolicy") if resource["spec"]["action"] == "DENY" => deny(&mut sent, resource),
            _ => {}
        }
    }
    sent
}

fn host_is_gateway(resources: &[Value]) -> bool {
    resources.iter().any(|resource| resource["kind"] == "Gateway")
}

/// The host that callers name, what statistics of the listener begin with, and the routes: of a gateway, one virtual host for its
/// listener's hostname; of a sidecar, one for the Service, and one for whatever else the application may call.
fn routes(resources: &[Value]) -> (String, &'static str, Value) {
    if host_is_gateway(resources) {
        let host = mesh::hostname(resources);
        let called = if host == "*" { "anything.example.com" } else { host };
        let virtual_host = json!({
            "name": format!("{host}:80"), "domains": [host], "routes": by_http_route(resources),
            "include_request_attempt_count": true,
        });
        let route = base::route_configuration("http.80", &[virtual_host]);
        return (called.to_owned(), "outbound_0.0.0.0_80;", route);
    }
    let mut routes = by_virtual_service(resources);
    if routes.is_empty() {
        routes.push(base::to_the_service());
    }
    let route = base::of_a_sidecar(&routes);
    ("farebox.default:8788".to_owned(), "outbound_0.0.0.0_8788;", route)
}

/// By the header that the filter sets.
fn by_http_route(resources: &[Value]) -> Vec<Value> {
    let mut routes = Vec::new();
    let all = resources.iter().filter(|resource| resource["kind"] == "HTTPRoute");
    for (number, rule) in all.flat_map(|route| route["spec"]["rules"].as_array().expect("rules")).enumerate()
    {
        let (header, backend) = (&rule["matches"][0]["headers"][0], &rule["backendRefs"][0]);
        assert_eq!(backend["kind"], "Hostname");
        let cluster = cluster_name(&backend["name"], &backend["port"]);
        let (host, removed) = mesh::rewritten(rule);
        let mut route = base::route(&header["value"], &cluster, &host, &removed);
        route["name"] = json!(format!("farebox.farebox.{number}"));
        route["route"]["cluster_not_found_response_code"] = json!("INTERNAL_SERVER_ERROR");
        routes.push(route);
    }
    routes
}

/// The same.
fn by_virtual_service(resources: &[Value]) -> Vec<Value> {
    let mut routes = Vec::new();
    let all = resources.iter().filter(|resource| resource["kind"] == "VirtualService");
    for rule in all.flat_map(|service| service["spec"]["http"].as_array().expect("rules")) {
        let header = &rule["match"][0]["headers"]["x-farebox-cluster"]["exact"];
        let to = &rule["route"][0]["destination"];
        let cluster = cluster_name(&to["host"], &to["port"]["number"]);
        let removed = &rule["headers"]["request"]["remove"];
        let mut route = base::route(header, &cluster, &rule["rewrite"]["authority"], removed);
        assert_eq!(rule["retries"]["attempts"], 0);
        route["route"]["retry_policy"].take();
        routes.push(route);
    }
    routes
}

fn cluster_name(host: &Value, port: &Value) -> String {
    format!("outbound|{port}||{}", host.as_str().expect("a host"))
}

/// The clusters of the ServiceEntries and of Services in the mesh, with the policies of their DestinationRules.
fn clusters(resources: &[Value]) -> BTreeMap<String, Value> {
    let mut clusters = BTreeMap::new();
    for rule in resources.iter().filter(|resource| resource["kind"] == "DestinationRule") {
        let host = &rule["spec"]["host"];
        let entry = resources
            .iter()
            .find(|entry| entry["spec"]["hosts"][0] == *host && entry["kind"] == "ServiceEntry");
        let port = match entry {
            Some(entry) => entry["spec"]["ports"][0]["number"].clone(),
            None => json!(8000),
        };
        let policy = &rule["spec"]["trafficPolicy"];
        assert_eq!(entry.is_some(), policy["tls"]["mode"] == "SIMPLE", "who is outside is spoken to in TLS");
        let (tcp, http) = (&policy["connectionPool"]["tcp"], &policy["connectionPool"]["http"]);
        let provider = rule["metadata"]["name"].as_str().and_then(|name| name.strip_prefix("farebox-"));
        let mut cluster = base::cluster(&cluster_name(host, &port));
        cluster["circuit_breakers"] = json!({"thresholds": [{
            "max_connections": tcp["maxConnections"],
            "max_pending_requests": http["http1MaxPendingRequests"],
            "max_requests": http["http2MaxRequests"],
            "max_retries": http["maxRetries"],
        }]});
        let outliers = &policy["outlierDetection"];
        let detection = &mut cluster["outlier_detection"];
        detection["consecutive_5xx"] = outliers["consecutive5xxErrors"].clone();
        detection["interval"] = outliers["interval"].clone();
        detection["base_ejection_time"] = outliers["baseEjectionTime"].clone();
        detection["max_ejection_percent"] = outliers["maxEjectionPercent"].clone();
        let options = &mut cluster["typed_extension_protocol_options"][base::PROTOCOL];
        options["common_http_protocol_options"]["idle_timeout"] = http["idleTimeout"].clone();
        clusters.insert(provider.expect("a name of ours").to_owned(), cluster);
    }
    clusters
}

/// The bootstrap that the agent has Envoy merge into its own.
fn overlay(resources: &[Value]) -> Option<Value> {
    let named = |name: &str| resources.iter().find(|resource| resource["metadata"]["name"] == name);
    let gateway = named("farebox-gateway")?["data"]["deployment"].as_str().expect("a text");
    assert!(gateway.contains("ISTIO_BOOTSTRAP_OVERRIDE, value: /etc/farebox/bootstrap.yaml"));
    let text = named("farebox-bootstrap")?["data"]["bootstrap.yaml"].as_str().expect("a text");
    mesh::documents(text).into_iter().next()
}

/// Applies the patches of an EnvoyFilter in the order in which Istio does: filters are put in before any is merged.
fn patch(sent: &mut Sent, resource: &Value) {
    let patches = resource["spec"]["configPatches"].as_array().expect("patches");
    let of = |wanted: &'static str, operation: &'static str| {
        patches
            .iter()
            .filter(move |patch| patch["applyTo"] == wanted && patch["patch"]["operation"] == operation)
            .map(|patch| &patch["patch"]["value"])
    };
    let mut applied = 0;
    for value in of("EXTENSION_CONFIG", "ADD") {
        let name = value["name"].as_str().expect("a name");
        sent.extensions.insert(name.to_owned(), value["typed_config"].clone());
        applied += 1;
    }
    for value in of("NETWORK_FILTER", "MERGE") {
        mesh::merge(&mut sent.manager, &value["typed_config"]);
        applied += 1;
    }
    let filters = sent.manager["http_filters"].as_array_mut().expect("filters");
    for value in of("HTTP_FILTER", "INSERT_BEFORE") {
        filters.insert(filters.len() - 1, value.clone());
        applied += 1;
    }
    for value in of("HTTP_FILTER", "MERGE") {
        let router = filters.iter_mut().find(|filter| filter["name"] == ROUTER).expect("a router");
        mesh::merge(&mut router["typed_config"], &value["typed_config"]);
        applied += 1;
    }
    for value in of("HTTP_ROUTE", "INSERT_FIRST") {
        let routes = &mut sent.manager["route_config"]["virtual_hosts"][0]["routes"];
        routes.as_array_mut().expect("routes").insert(0, value.clone());
        applied += 1;
    }
    for value in of("CLUSTER", "ADD") {
        sent.clusters.insert(value["name"].as_str().expect("a name").to_owned(), value.clone());
        applied += 1;
    }
    assert_eq!(applied, patches.len(), "every patch is applied");
}

/// What Istio makes of an AuthorizationPolicy that refuses whoever sends a header: a filter before all plugins.
fn deny(sent: &mut Sent, resource: &Value) {
    let when = &resource["spec"]["rules"][0]["when"][0];
    assert_eq!(when["values"], json!(["*"]));
    let key = when["key"].as_str().expect("a key");
    let header =
        key.strip_prefix("request.headers[").and_then(|rest| rest.strip_suffix(']')).expect("a header");
    let policy = format!(
        "ns[{}]-policy[{}]-rule[0]",
        resource["metadata"]["namespace"].as_str().expect("a namespace"),
        resource["metadata"]["name"].as_str().expect("a name"),
    );
    let any_of = json!({"or_ids": {"ids": [{"header": {"name": header, "present_match": true}}]}});
    let filter = json!({"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": RBAC_FILTER,
        "rules": {"action": "DENY", "policies": {policy: {
            "permissions": [{"and_rules": {"rules": [{"any": true}]}}],
            "principals": [{"and_ids": {"ids": [any_of]}}],
        }}},
        "shadow_rules_stat_prefix": "istio_dry_run_allow_",
    }});
    sent.manager["http_filters"].as_array_mut().expect("filters").insert(0, filter);
}

/// What Istio makes of a WasmPlugin, and of a TrafficExtension, which has the same members.
fn plug_in(sent: &mut Sent, resource: &Value, suffix: &str, wasm: &Value) {
    let (namespace, name) = (&resource["metadata"]["namespace"], &resource["metadata"]["name"]);
    let name = name.as_str().expect("a name");
    let name = format!("{}.{name}{suffix}", namespace.as_str().expect("a namespace"));
    let filter = format!("extensions.istio.io/trafficextension/{name}");
    let env = wasm["vmConfig"]["env"].as_array().expect("variables").iter();
    let keys: Vec<&Value> =
        env.inspect(|env| assert_eq!(env["valueFrom"], "HOST")).map(|env| &env["name"]).collect();
    sent.extensions.insert(
        filter.clone(),
        json!({
            "@type": WASM_FILTER,
            "config": {
                "name": name,
                "root_id": wasm["pluginName"],
                "failure_policy": wasm["failStrategy"],
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": wasm["pluginConfig"].to_string(),
                },
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"remote": {"http_uri": {"uri": wasm["url"]}}},
                    "environment_variables": {"host_env_keys": keys},
                },
            },
        }),
    );
    let discovery = json!({"name": filter, "config_discovery": {
        "config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
        "type_urls": [WASM_FILTER, RBAC_FILTER],
    }});
    let filters = sent.manager["http_filters"].as_array_mut().expect("filters");
    // Behind what refuses, in front of everything else that Istio has.
    let at = filters.iter().position(|filter| filter["name"] == "envoy.filters.http.grpc_stats");
    filters.insert(at.expect("it is there"), discovery);
}

/// The log that a Telemetry has written by a provider of the mesh's configuration.
fn log(sent: &mut Sent, resource: &Value) {
    let logging = &resource["spec"]["accessLogging"][0];
    let path = workspace::root().join("k8s/istio-access-log.yaml");
    let text = std::fs::read_to_string(path).expect("the provider's file");
    let provider = &mesh::documents(&text)[0]["extensionProviders"][0];
    assert_eq!(provider["name"], logging["providers"][0]["name"]);
    let file = &provider["envoyFileAccessLog"];
    let mut log = json!({"name": "envoy.access_loggers.file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": file["path"],
        "log_format": {"text_format_source": {"inline_string": file["logFormat"]["text"]}},
    }});
    if let Some(expression) = logging["filter"]["expression"].as_str() {
        log["filter"] = json!({"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": expression,
        }}});
    }
    sent.manager["access_log"] = json!([log]);
}
