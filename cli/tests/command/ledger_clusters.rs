//! How `farebox render` has Envoy reach the ledger of a fleet.

use crate::shell::{Outcome, farebox};
use serde_json::{Value, json};

const STANDALONE: &str = r#"{"endpoints": ["redis://valkey.farebox.svc.cluster.local"]}"#;
const SHARDED: &str = r#"{"cluster": "counts", "mode": "cluster", "networks": ["10.0.0.0/8"],
    "endpoints": ["rediss://10.0.0.1:6380", "rediss://10.0.0.2:6380"],
    "password": {"env": "LEDGER_PASSWORD"}, "tls": {"host": "valkey.example", "ca_file": "/etc/farebox/ca.pem"}}"#;

fn run(arguments: &[&str], ledger: &str) -> Outcome {
    let (host, options) = arguments.split_first().unwrap();
    let headers_only = if options.contains(&"wasm-plugin") { r#", "headers_only": {}"# } else { "" };
    let plugin = format!(
        r#"{{"version": "v1", "keys": [], "models": {{}}, "ledger": {ledger}{headers_only},
            "providers": {{"vllm": {{"preset": "vllm", "endpoints": ["http://10.1.0.5:8000"]}}}}}}"#
    );
    farebox([&["render", host, "-"], options].concat()).stdin(&plugin).run()
}

fn documents(arguments: &[&str], ledger: &str) -> Vec<Value> {
    let outcome = run(arguments, ledger);
    assert!(outcome.success && !outcome.stdout.contains("{{"), "{outcome:?}");
    outcome.stdout.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// Clusters that are written for the ledger, however they are handed to Envoy.
fn clusters(arguments: &[&str], ledger: &str) -> Vec<Value> {
    let documents = documents(arguments, ledger);
    let own = |document: &&Value| document["metadata"]["name"] == "farebox-ledger";
    let Some(patches) = documents.iter().find(own) else {
        let clusters = documents[0]["static_resources"]["clusters"].as_array().unwrap();
        return clusters.iter().filter(|cluster| cluster.get("upstream_config").is_some()).cloned().collect();
    };
    match patches["kind"].as_str().unwrap() {
        "EnvoyFilter" => {
            let patches = patches["spec"]["configPatches"].as_array().unwrap();
            assert!(
                patches
                    .iter()
                    .all(|patch| patch["applyTo"] == "CLUSTER" && patch["patch"]["operation"] == "ADD")
            );
            patches.iter().map(|patch| patch["patch"]["value"].clone()).collect()
        }
        kind => {
            assert_eq!(kind, "EnvoyPatchPolicy");
            let patches = patches["spec"]["jsonPatches"].as_array().unwrap();
            let value = |patch: &Value| {
                assert_eq!(
                    (&patch["operation"]["op"], &patch["operation"]["path"]),
                    (&json!("add"), &json!(""))
                );
                assert_eq!(patch["name"], patch["operation"]["value"]["name"]);
                patch["operation"]["value"].clone()
            };
            patches.iter().map(value).collect()
        }
    }
}

const FORMS: [&[&str]; 8] = [
    &["envoy"],
    &["envoy", "--envoy", "1.36"],
    &["istio"],
    &["istio", "--at", "sidecar"],
    &["istio", "--form", "wasm-plugin"],
    &["envoy-gateway"],
    &["istio", "--envoy", "1.38"],
    &["envoy-gateway", "--no-failover"],
];

#[test]
fn a_ledger_is_a_cluster_that_takes_bare_bytes_in_every_form() {
    for form in FORMS {
        let clusters = clusters(form, STANDALONE);
        let [cluster] = &*clusters else { panic!("{form:?}: {clusters:?}") };
        assert_eq!(cluster["name"], "ledger", "{form:?}");
        let pool = &cluster["upstream_config"]["typed_config"]["@type"];
        assert_eq!(pool, "type.googleapis.com/envoy.extensions.upstreams.http.tcp.v3.TcpConnectionPoolProto");
        let options = &cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
        assert_eq!(options["common_http_protocol_options"]["max_requests_per_connection"], 1);
        assert!(options.get("http_filters").is_none(), "a filter would be called from itself: {form:?}");
        assert_eq!(cluster["circuit_breakers"]["thresholds"][0]["max_connections"], 100_000);
        let address = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"];
        let expected = json!({"address": "valkey.farebox.svc.cluster.local", "port_value": 6379});
        assert_eq!(address["socket_address"], expected);
        assert_eq!(cluster["cluster_type"]["name"], "envoy.cluster.dns");
        assert!(cluster.get("transport_socket").is_none());
    }
}

#[test]
fn a_ledger_in_cluster_mode_has_a_second_cluster_for_the_node_that_the_filter_names() {
    for form in FORMS {
        let clusters = clusters(form, SHARDED);
        let [first, nodes] = &*clusters else { panic!("{form:?}: {clusters:?}") };
        assert_eq!((&first["name"], &first["type"]), (&json!("counts"), &json!("STATIC")), "{form:?}");
        assert_eq!((&nodes["name"], &nodes["type"]), (&json!("counts-shard"), &json!("ORIGINAL_DST")));
        assert_eq!(nodes["lb_policy"], "CLUSTER_PROVIDED");
        let header = json!({"use_http_header": true, "http_header_name": "x-farebox-shard"});
        assert_eq!(nodes["original_dst_lb_config"], header);
        assert!(nodes.get("load_assignment").is_none());
        for cluster in [first, nodes] {
            let tls = &cluster["transport_socket"]["typed_config"];
            assert_eq!(tls["sni"], "valkey.example");
            let ca = &tls["common_tls_context"]["validation_context"]["trusted_ca"]["filename"];
            assert_eq!(ca, "/etc/farebox/ca.pem");
            assert!(cluster.get("upstream_config").is_some());
        }
    }
}

#[test]
fn a_policy_lets_a_gateway_reach_its_ledger_and_the_nodes_of_it() {
    for form in [&["plain"][..], &["istio"], &["envoy-gateway"]] {
        let egress = |ledger| {
            let documents = documents(form, ledger);
            let policy = documents.iter().find(|document| document["kind"] == "NetworkPolicy").unwrap();
            policy["spec"]["egress"].as_array().unwrap().clone()
        };
        let own = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "farebox"}}});
        assert!(egress(STANDALONE).contains(&json!({"to": [own]})), "{form:?}");
        let sharded = egress(SHARDED);
        let port = json!([{"port": 6380, "protocol": "TCP"}]);
        for rule in [
            json!({"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": port}),
            json!({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}),
        ] {
            assert!(sharded.contains(&rule), "{form:?}: {sharded:?}");
        }
    }
}

#[test]
fn the_password_of_a_ledger_is_a_variable_that_envoy_hands_on() {
    let bootstrap = run(&["envoy"], SHARDED).stdout;
    assert!(bootstrap.contains("host_env_keys: [LEDGER_PASSWORD]"), "{bootstrap}");
    let plain = run(&["plain"], SHARDED).stdout;
    assert!(
        plain.contains("name: LEDGER_PASSWORD, valueFrom: {secretKeyRef: {name: farebox-providers"),
        "{plain}"
    );
}

#[test]
fn what_a_ledger_has_to_say_to_be_reached_is_told() {
    let mistakes = |ledger: &str| {
        let outcome = run(&["envoy"], ledger);
        assert!(!outcome.success && outcome.stdout.is_empty(), "{outcome:?}");
        outcome.stderr.lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
    };
    let nowhere =
        r#"ledger.endpoints: is missing: nobody said where it listens, like ["redis://valkey:6379"]"#;
    assert_eq!(mistakes("{}"), nowhere);
    let name =
        "ledger.tls.host: is missing: it is the name that the certificates of all its endpoints are for";
    assert_eq!(mistakes(r#"{"endpoints": ["rediss://10.0.0.1"]}"#), name);
    assert_eq!(mistakes(r#"{"endpoints": ["rediss://a", "rediss://b"]}"#), name);
    assert_eq!(
        mistakes(r#"{"cluster": "vllm", "endpoints": ["redis://a"]}"#),
        r#"ledger.cluster: is in the way of the cluster of the provider "vllm""#
    );
}
