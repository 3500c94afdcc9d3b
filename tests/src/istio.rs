//! What Istio sends to the Envoy of a gateway or a sidecar because of the manifests: connection manager, routes,
//! clusters and filters, as its sources make them (`pilot/pkg/networking/core`).
//!
//! Does not make what has nothing to do with Farebox: other filters of Istio's, mutual TLS, telemetry.

use crate::bootstrap::WASM_FILTER;
use crate::mesh::{self, Sent};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ROUTER: &str = "envoy.filters.http.router";

/// What Istio makes of `resources`.
///
/// # Panics
/// If the manifests are of another form than `farebox render istio` writes.
#[must_use]
pub fn sent(resources: &[Value]) -> Sent {
    let (host, virtual_hosts) = virtual_hosts(resources);
    let mut sent = Sent {
        host,
        manager: manager(virtual_hosts),
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
            Some("AuthorizationPolicy") if resource["spec"]["action"] == "DENY" => deny(&mut sent, resource),
            _ => {}
        }
    }
    sent
}

/// The host that callers name, and what there is for it: of a gateway, one virtual host for its listener's hostname; of a sidecar,
/// one for the Service, and one for whatever else the application may call.
fn virtual_hosts(resources: &[Value]) -> (String, Value) {
    let routes = routes(resources);
    if resources.iter().any(|resource| resource["kind"] == "Gateway") {
        let host = mesh::hostname(resources);
        let called = if host == "*" { "anything.example.com" } else { host };
        let all = json!([{
            "name": format!("{host}:80"), "domains": [host], "routes": routes, "include_request_attempt_count": true,
        }]);
        return (called.to_owned(), all);
    }
    let name = "farebox.default.svc.cluster.local";
    let domains = [name, "farebox.default", "farebox"].map(|name| [name.to_owned(), format!("{name}:8788")]);
    let anywhere =
        json!({"match": {"prefix": "/"}, "route": {"cluster": "PassthroughCluster", "timeout": "0s"}});
    let all = json!([
        {"name": format!("{name}:8788"), "domains": domains.concat(), "routes": routes, "include_request_attempt_count": true},
        {"name": "allow_any", "domains": ["*"], "routes": [anywhere]},
    ]);
    ("farebox.default:8788".to_owned(), all)
}

fn manager(virtual_hosts: Value) -> Value {
    let filter = |name: &str, kind: &str| {
        let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}");
        json!({"name": name, "typed_config": {"@type": kind}})
    };
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "outbound_0.0.0.0_80",
        "use_remote_address": true,
        "server_name": "istio-envoy",
        "normalize_path": true,
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "access_log": [],
        "http_filters": [
            filter("envoy.filters.http.fault", "fault.v3.HTTPFault"),
            filter("envoy.filters.http.cors", "cors.v3.Cors"),
            filter(ROUTER, "router.v3.Router"),
        ],
        "route_config": {
            "name": "http.80",
            "virtual_hosts": virtual_hosts,
            "validate_clusters": false,
        },
    })
}

/// The routes of the HTTPRoute or the VirtualService: by the header that the filter sets.
fn routes(resources: &[Value]) -> Vec<Value> {
    let mut routes = Vec::new();
    for resource in resources {
        match resource["kind"].as_str() {
            Some("HTTPRoute") => {
                for rule in resource["spec"]["rules"].as_array().expect("rules") {
                    let (header, backend) = (&rule["matches"][0]["headers"][0], &rule["backendRefs"][0]);
                    assert_eq!(backend["kind"], "Hostname");
                    let cluster = cluster_name(&backend["name"], &backend["port"]);
                    let (host, removed) = mesh::rewritten(rule);
                    routes.push(route(&header["value"], &cluster, &host, &removed));
                }
            }
            Some("VirtualService") => {
                for rule in resource["spec"]["http"].as_array().expect("rules") {
                    let header = &rule["match"][0]["headers"]["x-farebox-cluster"]["exact"];
                    let to = &rule["route"][0]["destination"];
                    let cluster = cluster_name(&to["host"], &to["port"]["number"]);
                    let removed = &rule["headers"]["request"]["remove"];
                    routes.push(route(header, &cluster, &rule["rewrite"]["authority"], removed));
                }
            }
            _ => {}
        }
    }
    routes
}

fn route(header: &Value, cluster: &str, host: &Value, removed: &Value) -> Value {
    json!({
        "request_headers_to_remove": removed,
        "match": {"prefix": "/", "headers": [{"name": "x-farebox-cluster", "string_match": {"exact": header}}]},
        "route": {
            "cluster": cluster, "timeout": "0s", "host_rewrite_literal": host,
            // Istio's own, of every route that says nothing of retries.
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
                "num_retries": 2,
            },
        },
    })
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
        let outliers = &policy["outlierDetection"];
        let provider = rule["metadata"]["name"].as_str().and_then(|name| name.strip_prefix("farebox-"));
        let cluster = json!({
            "name": cluster_name(host, &port),
            "alt_stat_name": format!("{};", cluster_name(host, &port)),
            "connect_timeout": "10s", // a busy machine, in the place of the manifest's
            "circuit_breakers": {"thresholds": [{
                "max_connections": tcp["maxConnections"],
                "max_pending_requests": http["http1MaxPendingRequests"],
                "max_requests": http["http2MaxRequests"],
                "max_retries": http["maxRetries"],
            }]},
            "outlier_detection": {
                "consecutive_5xx": outliers["consecutive5xxErrors"],
                "interval": outliers["interval"],
                "base_ejection_time": outliers["baseEjectionTime"],
                "max_ejection_percent": outliers["maxEjectionPercent"],
            },
        });
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
    assert_eq!(applied, patches.len(), "every patch is applied");
}

/// What Istio makes of an AuthorizationPolicy that refuses whoever sends a header: a filter before all plugins.
fn deny(sent: &mut Sent, resource: &Value) {
    let when = &resource["spec"]["rules"][0]["when"][0];
    assert_eq!(when["values"], json!(["*"]));
    let key = when["key"].as_str().expect("a key");
    let header =
        key.strip_prefix("request.headers[").and_then(|rest| rest.strip_suffix(']')).expect("a header");
    let filter = json!({"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "DENY", "policies": {"header": {
            "permissions": [{"any": true}],
            "principals": [{"header": {"name": header, "present_match": true}}],
        }}},
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
        "type_urls": [WASM_FILTER, "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"],
    }});
    let filters = sent.manager["http_filters"].as_array_mut().expect("filters");
    filters.insert(filters.len() - 1, discovery);
    let log = json!({"name": "envoy.access_loggers.stdout", "typed_config": {"log_format": {"text_format_source": {
        "inline_string": "{\"farebox\":%CEL('wasm.farebox.record' in filter_state ? filter_state['wasm.farebox.record'] : 'null')%}\n",
    }}}});
    sent.manager["access_log"] = json!([log]);
}
