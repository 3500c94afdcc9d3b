//! Turns the shipped `envoy/envoy.yaml` into one a test can run: free ports, the provider simulator as
//! every cluster, the built filter with the test's own configuration, the access log in a file.
//!
//! Everything else stays as shipped, so that what passes here is the sample and not a copy of it.

use crate::workspace;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// The name of the listener's filter in the sample.
const FILTER: &str = "farebox";
/// The clusters of the sample that stand for providers.
const PROVIDER_CLUSTERS: [&str; 3] = ["local", "openai", "anthropic"];
pub(crate) const WASM_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const FILE_LOG: &str = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";

/// How a test's Envoy differs from the sample.
#[derive(Clone, Debug, Default)]
pub struct Variations {
    /// The plugin configuration, as text: it may be broken on purpose. `None` leaves the filter out.
    pub plugin: Option<String>,
    /// Leaves the option away without which the host blocks the body while headers are held.
    pub without_header_stop: bool,
    /// Takes the filter from a file that may change while Envoy runs.
    pub discovered: bool,
    /// Throws the access log away.
    pub without_access_log: bool,
    /// Names of environment variables the filter may read, besides those of the sample.
    pub environment: Vec<String>,
    /// More clusters than the sample has, and what serves there; may be no host.
    pub clusters: Vec<(String, Vec<SocketAddr>)>,
    /// Where the ledger of the fleet is: reached as it is, not by HTTP.
    pub ledger: Option<SocketAddr>,
    /// The clusters of the ledger as they are, in place of one for [`Variations::ledger`].
    pub ledger_clusters: Vec<Value>,
    /// Leaves out the filter behind the router, and what the router retries.
    pub without_attempts: bool,
    /// Leaves out the filter behind the router alone.
    pub without_attempt_filter: bool,
    /// Leaves out that the router picks the cluster anew for another attempt.
    pub without_refresh: bool,
    /// The Envoy that the sample is written for, as `farebox render envoy --envoy` calls it; `None`: the newest.
    pub version: Option<&'static str>,
    /// Puts in what the newest Envoy is told about attempts, for an older one.
    pub newest_attempts: bool,
    /// How large Envoy's heap may be.
    pub heap: Option<u64>,
    /// Filters in front of ours.
    pub filters_before: Vec<Value>,
    /// The socket of the listener; `None`: it is plain.
    pub transport_socket: Option<Value>,
}

/// The sample as it is shipped.
///
/// # Panics
/// If `envoy/envoy.yaml` is missing or is not YAML.
#[must_use]
pub fn sample() -> Value {
    let path = workspace::root().join("envoy/envoy.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).expect("envoy.yaml is YAML")
}

/// What a plugin configuration becomes for an Envoy of this version.
///
/// # Panics
/// If the `farebox` command refuses it.
#[must_use]
pub fn written(plugin: &Path, version: &str) -> String {
    let mut command = std::process::Command::new(workspace::command());
    command.args(["render", "envoy", "--envoy", version]).arg(plugin);
    let written = command.output().expect("the command can be run");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    String::from_utf8(written.stdout).expect("YAML is text")
}

fn sample_for(version: Option<&str>) -> Value {
    let Some(version) = version else { return sample() };
    let text = written(&workspace::root().join("envoy/farebox.json"), version);
    serde_saphyr::from_str(&text).expect("what is written is YAML")
}

/// The sample's Wasm filter: the `typed_config` that holds the plugin.
///
/// # Panics
/// If the sample has none.
#[must_use]
pub fn filter_of(bootstrap: &Value) -> &Value {
    filter_of_listener(&bootstrap["static_resources"]["listeners"][0])
}

pub(crate) fn filter_of_listener(listener: &Value) -> &Value {
    let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
    let filters = manager["http_filters"].as_array().expect("the listener has filters");
    let filter = filters.iter().find(|filter| filter["name"] == FILTER).expect("a filter is named farebox");
    &filter["typed_config"]
}

/// The bootstrap for a test, which keeps its files in `folder`; with [`Variations::discovered`] also
/// the content of [`filter_file`].
///
/// # Panics
/// If the sample is not of the form that the README describes.
#[must_use]
pub fn render(variations: &Variations, provider: SocketAddr, folder: &Path) -> (Value, Option<Value>) {
    let mut bootstrap = sample_for(variations.version);
    if variations.newest_attempts {
        take_attempts(&mut bootstrap, &sample());
    }
    bootstrap["admin"]["address"] = address("127.0.0.1:0".parse().expect("an address"));
    bootstrap["stats_flush_interval"] = json!("0.1s");
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().expect("the sample has clusters")
    {
        if PROVIDER_CLUSTERS.iter().any(|name| cluster["name"] == *name) {
            point_at(cluster, provider);
        }
    }
    add_clusters(&mut bootstrap, &variations.clusters);
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().expect("there are clusters");
    clusters.extend(variations.ledger.map(ledger_cluster));
    clusters.extend(variations.ledger_clusters.iter().cloned());
    if let Some(heap) = variations.heap {
        let monitor = &mut bootstrap["overload_manager"]["resource_monitors"][0]["typed_config"];
        monitor["max_heap_size_bytes"] = json!(heap);
    }
    listener_mut(&mut bootstrap)["address"] = address("127.0.0.1:0".parse().expect("an address"));
    if let Some(socket) = &variations.transport_socket {
        listener_mut(&mut bootstrap)["filter_chains"][0]["transport_socket"] = socket.clone();
    }
    let manager = connection_manager_mut(&mut bootstrap);
    let log = if variations.without_access_log { "/dev/null".into() } else { folder.join("access.log") };
    log_to(manager, &log);
    let filters = manager["http_filters"].as_array_mut().expect("the listener has filters");
    filters.splice(0..0, variations.filters_before.iter().cloned());
    let at = filters.iter().position(|filter| filter["name"] == FILTER).expect("a filter is named farebox");
    let router = filters.last_mut().expect("the listener has filters");
    match &variations.plugin {
        Some(plugin) if !variations.without_attempts && !variations.without_attempt_filter => {
            // What is written for an older Envoy has none.
            if let Some(attempts) = router["typed_config"].get_mut("upstream_http_filters") {
                adapt_filter(&mut attempts[0]["typed_config"], variations, plugin);
            }
        }
        _ => leave_attempts_out(router),
    }
    let Some(plugin) = &variations.plugin else {
        filters.remove(at);
        manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"] = json!({"cluster": "local"});
        return (bootstrap, None);
    };
    if variations.without_attempts {
        let route = &mut manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"];
        route.as_object_mut().expect("a route is an object").remove("retry_policy");
    }
    if variations.without_refresh {
        let route = &mut manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"];
        let policy = route["retry_policy"].as_object_mut().expect("the sample has a retry policy");
        policy.remove("refresh_cluster_on_retry").expect("the sample sets the option");
    }
    let filters = manager["http_filters"].as_array_mut().expect("the listener has filters");
    let filter = &mut filters[at]["typed_config"];
    adapt_filter(filter, variations, plugin);
    if !variations.discovered {
        return (bootstrap, None);
    }
    let discovered = discovery(filter.clone());
    filters[at] = json!({"name": FILTER, "config_discovery": {
        "config_source": {"path_config_source": {"path": filter_file(folder)}},
        "type_urls": [WASM_FILTER],
    }});
    (bootstrap, Some(discovered))
}

/// What is sent to it is written to a connection of its own as it is.
fn ledger_cluster(ledger: SocketAddr) -> Value {
    json!({
        "name": "ledger",
        "type": "STATIC",
        "connect_timeout": "1s",
        "upstream_config": {
            "name": "envoy.filters.connection_pools.http.tcp",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.tcp.v3.TcpConnectionPoolProto",
            },
        },
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "common_http_protocol_options": {"max_requests_per_connection": 1},
            "explicit_http_config": {"http_protocol_options": {}},
        }},
        "load_assignment": {
            "cluster_name": "ledger",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(ledger)}}]}],
        },
    })
}

/// Where the filter is taken from with [`Variations::discovered`].
#[must_use]
pub fn filter_file(folder: &Path) -> std::path::PathBuf {
    folder.join("filter.json")
}

/// The content of [`filter_file`] once it carries another plugin configuration.
#[must_use]
pub fn discovered_with(discovered: &Value, plugin: &str) -> Value {
    let mut filter = discovered["resources"][0]["typed_config"].clone();
    filter["config"]["configuration"]["value"] = json!(plugin);
    discovery(filter)
}

fn discovery(filter: Value) -> Value {
    json!({"resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": FILTER,
        "typed_config": filter,
    }]})
}

fn adapt_filter(filter: &mut Value, variations: &Variations, plugin: &str) {
    let config = filter["config"].as_object_mut().expect("the filter has a plugin");
    config["configuration"]["value"] = json!(plugin);
    if variations.without_header_stop {
        config.remove("allow_on_headers_stop_iteration").expect("the sample sets the option");
    }
    let vm = &mut config["vm_config"];
    vm["code"] = json!({"local": {"filename": workspace::wasm()}});
    if !variations.environment.is_empty() {
        let names = &mut vm["environment_variables"]["host_env_keys"];
        let mut all = names.as_array().cloned().unwrap_or_default();
        all.extend(variations.environment.iter().map(|name| json!(name)));
        *names = Value::Array(all);
    }
}

/// Has `bootstrap` do about attempts what `other` does.
fn take_attempts(bootstrap: &mut Value, other: &Value) {
    for path in [
        "/http_filters/1/typed_config/upstream_http_filters",
        "/route_config/virtual_hosts/0/routes/0/route/retry_policy",
    ] {
        let (holder, name) = path.rsplit_once('/').expect("a path");
        let value = connection_manager(other).pointer(path).expect("the sample has it").clone();
        connection_manager_mut(bootstrap).pointer_mut(holder).expect("the sample has it")[name] = value;
    }
}

fn leave_attempts_out(router: &mut Value) {
    let router = router["typed_config"].as_object_mut().expect("the router is configured");
    router.remove("upstream_http_filters").expect("the sample has filters behind its router");
}

/// Clusters like `local`, which requests may be sent to.
fn add_clusters(bootstrap: &mut Value, clusters: &[(String, Vec<SocketAddr>)]) {
    for (name, hosts) in clusters {
        let all = bootstrap["static_resources"]["clusters"].as_array_mut().expect("the sample has clusters");
        let mut cluster = all.iter().find(|cluster| cluster["name"] == "local").expect("it has one").clone();
        cluster["name"] = json!(name);
        match &**hosts {
            [] => cluster["load_assignment"] = json!({"cluster_name": name, "endpoints": []}),
            [provider] => point_at(&mut cluster, *provider),
            [first, others @ ..] => {
                point_at(&mut cluster, *first);
                let endpoints = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"].as_array_mut();
                let others = others.iter().map(|other| json!({"endpoint": {"address": address(*other)}}));
                endpoints.expect("there is one").extend(others);
                // As `farebox render` has it for pools.
                cluster["lb_policy"] = json!("LEAST_REQUEST");
                cluster["least_request_lb_config"] =
                    json!({"slow_start_config": {"slow_start_window": "30s"}});
                cluster["common_lb_config"] = json!({"healthy_panic_threshold": {"value": 1}});
            }
        }
        all.push(cluster);
        let route =
            &mut connection_manager_mut(bootstrap)["route_config"]["virtual_hosts"][0]["routes"][0]["route"];
        let matcher = &mut route["inline_cluster_specifier_plugin"]["extension"]["typed_config"];
        let map = &mut matcher["cluster_matcher"]["matcher_tree"]["exact_match_map"]["map"];
        let mut action = map["local"].clone();
        action["action"]["name"] = json!(name);
        action["action"]["typed_config"]["cluster"] = json!(name);
        map[name] = action;
    }
}

/// Plain text instead of TLS, the simulator instead of a name to be resolved.
fn point_at(cluster: &mut Value, provider: SocketAddr) {
    let name = cluster["name"].clone();
    let cluster = cluster.as_object_mut().expect("a cluster is an object");
    cluster.retain(|key, _| !key.starts_with("dns_") && key != "cluster_type");
    if cluster.remove("transport_socket").is_some() {
        cluster.remove("typed_extension_protocol_options"); // ALPN and SNI, which need TLS
    }
    cluster.insert("type".into(), json!("STATIC"));
    cluster.insert("connect_timeout".into(), json!("10s")); // a thousand connections at once on two cores
    let endpoint = json!({"endpoint": {"address": address(provider)}});
    cluster.insert(
        "load_assignment".into(),
        json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}),
    );
}

/// The access log of a connection manager, whatever it writes, into a file.
pub(crate) fn log_to(manager: &mut Value, path: &Path) {
    for log in manager["access_log"].as_array_mut().expect("the sample has an access log") {
        log["name"] = json!("envoy.access_loggers.file");
        log["typed_config"]["@type"] = json!(FILE_LOG);
        log["typed_config"]["path"] = json!(path);
    }
}

pub(crate) fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn listener_mut(bootstrap: &mut Value) -> &mut Value {
    &mut bootstrap["static_resources"]["listeners"][0]
}

fn connection_manager(bootstrap: &Value) -> &Value {
    &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
}

fn connection_manager_mut(bootstrap: &mut Value) -> &mut Value {
    manager_of(listener_mut(bootstrap))
}

pub(crate) fn manager_of(listener: &mut Value) -> &mut Value {
    &mut listener["filter_chains"][0]["filters"][0]["typed_config"]
}
