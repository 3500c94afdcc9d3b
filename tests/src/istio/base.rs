//! What Istio sends whatever the manifests say: the defaults of its connection managers, routes and clusters, as they were recorded
//! from an istiod (`tests/recorded`).

use serde_json::{Value, json};

/// That of the Service, of which nobody knows more.
const ADDRESS: &str = "192.0.2.1";

/// The key of a cluster's options for HTTP.
pub(super) const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// The connection manager before anything is patched.
pub(super) fn manager(stat_prefix: &str, gateway: bool, virtual_hosts: &Value) -> Value {
    let typed = |kind: &str| json!({"@type": format!("type.googleapis.com/envoy.extensions.{kind}")});
    let filter = |name: &str, kind: &str| {
        let config = typed(&format!("filters.http.{kind}"));
        json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config})
    };
    let mut stats = filter("grpc_stats", "grpc_stats.v3.FilterConfig");
    stats["typed_config"]["emit_filter_state"] = json!(true);
    stats["typed_config"]["stats_for_all_methods"] = json!(false);
    let mut request_id = typed("request_id.uuid.v3.UuidRequestIdConfig");
    request_id["use_request_id_for_trace_sampling"] = json!(true);
    let mut manager = typed("filters.network.http_connection_manager.v3.HttpConnectionManager");
    manager["stat_prefix"] = json!(stat_prefix);
    manager["normalize_path"] = json!(true);
    manager["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
    manager["request_id_extension"] = json!({"typed_config": request_id});
    manager["stream_idle_timeout"] = json!("0s");
    manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
    manager["http_filters"] = json!([
        stats,
        filter("fault", "fault.v3.HTTPFault"),
        filter("cors", "cors.v3.Cors"),
        filter("router", "router.v3.Router"),
    ]);
    manager["access_log"] = json!([]);
    manager["proxy_100_continue"] = json!(true);
    manager["use_remote_address"] = json!(gateway);
    if gateway {
        manager["server_name"] = json!("istio-envoy");
        manager["http_protocol_options"] = json!({});
        manager["forward_client_cert_details"] = json!("SANITIZE_SET");
        manager["set_current_client_cert_details"] =
            json!({"subject": true, "cert": true, "dns": true, "uri": true});
    }
    manager["route_config"] = virtual_hosts.clone();
    manager
}

/// A route to a cluster, of those that send `x-farebox-cluster` with this value.
pub(super) fn route(header: &Value, cluster: &str, host: &Value, removed: &Value) -> Value {
    json!({
        "request_headers_to_remove": removed,
        "match": {
            "prefix": "/",
            "case_sensitive": true,
            "headers": [{"name": "x-farebox-cluster", "string_match": {"exact": header}}],
        },
        "route": {
            "cluster": cluster,
            "timeout": "0s",
            "max_grpc_timeout": "0s",
            "host_rewrite_literal": host,
            "retry_policy": retries(),
        },
    })
}

/// Where nobody says something of retries.
fn retries() -> Value {
    json!({
        "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        "num_retries": 2,
        "host_selection_retry_max_attempts": 5,
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }],
    })
}

/// The route to the Service itself, which has no pods.
pub(super) fn to_the_service() -> Value {
    json!({
        "name": "default",
        "match": {"prefix": "/"},
        "route": {
            "cluster": "outbound|8788||farebox.default.svc.cluster.local",
            "timeout": "0s",
            "max_grpc_timeout": "0s",
            "retry_policy": retries(),
        },
    })
}

/// The routes of a sidecar's listener: to the Service, and to whatever else the application may call.
pub(super) fn of_a_sidecar(routes: &[Value]) -> Value {
    let name = "farebox.default.svc.cluster.local";
    let domains = [
        name,
        "farebox.default.svc.cluster.local.",
        "farebox",
        "farebox.default.svc",
        "farebox.default",
        ADDRESS,
    ];
    let anywhere = json!({
        "name": "allow_any",
        "match": {"prefix": "/"},
        "route": {"cluster": "PassthroughCluster", "timeout": "0s", "max_grpc_timeout": "0s"},
    });
    let virtual_host = |name: &str, domains: &[&str], routes: &[Value]| json!({"name": name, "domains": domains, "routes": routes, "include_request_attempt_count": true});
    route_configuration(
        "8788",
        &[
            virtual_host(&format!("{name}:8788"), &domains, routes),
            virtual_host("allow_any", &["*"], &[anywhere]),
        ],
    )
}

/// Routes of a listener.
pub(super) fn route_configuration(name: &str, virtual_hosts: &[Value]) -> Value {
    json!({
        "name": name,
        "virtual_hosts": virtual_hosts,
        "ignore_port_in_host_matching": true,
        "validate_clusters": false,
        "max_direct_response_body_size_bytes": 1_048_576,
    })
}

/// A cluster before its policies, without endpoints and TLS.
pub(super) fn cluster(name: &str) -> Value {
    json!({
        "name": name,
        "alt_stat_name": format!("{name};"),
        "connect_timeout": "10s", // a busy machine, in the place of the manifest's
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {}},
        "outlier_detection": {"enforcing_consecutive_5xx": 100, "enforcing_success_rate": 0},
        "typed_extension_protocol_options": {PROTOCOL: {
            "@type": format!("type.googleapis.com/{PROTOCOL}"),
            "explicit_http_config": {"http_protocol_options": {}},
        }},
    })
}
