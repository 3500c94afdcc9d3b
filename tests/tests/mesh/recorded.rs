//! What the tests' own translation makes of manifests, beside what the real control planes have sent for the very same ones
//! (`make mesh RECORD=1`), field by field.

use farebox_tests::mesh::Sent;
use farebox_tests::recorded::{Recorded, differences};
use farebox_tests::{envoy_gateway, istio};
use serde_json::{Value, json};

/// Where the two may differ, and why.
const ISTIO: &[(&str, &str)] = &[
    ("*/connect_timeout", "a busy machine"),
    ("*/clusters/outbound*/@type", "it is known where it stands"),
    ("*/clusters/ledger/@type", "it is known where it stands"),
    ("*/all_addresses_in_single_endpoint", "what it is anyway"),
    ("*/clusters/outbound*/dns*", ENDPOINTS),
    ("*/clusters/outbound*/respect_dns_ttl", ENDPOINTS),
    ("*/clusters/outbound*/typed_dns_resolver_config/*", ENDPOINTS),
    ("*/clusters/outbound*/type", ENDPOINTS),
    ("*/clusters/outbound*/eds_cluster_config/*", ENDPOINTS),
    ("*/clusters/outbound*/load_assignment/*", ENDPOINTS),
    ("*/clusters/outbound*/transport_socket*", TLS),
    ("*/vm_config/code/*", "Istio's agent has fetched the module"),
    ("*/route/@type", "it is known where it stands"),
    ("*/manager/rds/*", "the routes stand in the manager"),
    ("*/manager/tracing/*", "nobody asks for traces"),
    ("*/decorator/operation", "a name for traces"),
    ("sidecar*/manager/stat_prefix", "there is no iptables in `make mesh`"),
    ("jwt/manager/http_filters*", "Istio checks tokens; tests say what it found"),
];
const ENVOY_GATEWAY: &[(&str, &str)] = &[
    ("*/connect_timeout", "a busy machine"),
    ("*/clusters/*/@type", "it is known where it stands"),
    ("*/all_addresses_in_single_endpoint", "what it is anyway"),
    ("*/clusters/httproute/farebox/farebox-all/*", "a host that nobody has"),
    ("*/clusters/httproute/*/cluster_type/*", ENDPOINTS),
    ("*/clusters/httproute/*/dns_lookup_family", ENDPOINTS),
    ("*/clusters/httproute/*/load_assignment/*", ENDPOINTS),
    ("*/clusters/httproute/*/transport_socket*", TLS),
    ("*/clusters/httproute/*/typed_extension_protocol_options/*", "HTTP/2 is agreed on with TLS"),
    ("*/route/@type", "it is known where it stands"),
    ("*/manager/rds/*", "the routes stand in the manager"),
    ("extension-policy/extensions*/vm_config/code/*", "Envoy Gateway has fetched the module"),
];
const ENDPOINTS: &str = "simulators on loopback";
const TLS: &str = "simulators without TLS";

fn ours(sent: Sent) -> Value {
    let mut manager = sent.manager;
    let route = manager["route_config"].take();
    let clusters: serde_json::Map<String, Value> = sent
        .clusters
        .into_values()
        .map(|cluster| (cluster["name"].as_str().unwrap().to_owned(), cluster))
        .collect();
    json!({"manager": manager, "route": route, "clusters": clusters, "extensions": sent.extensions})
}

/// What was sent, with filters that stand in the listener found by name, as they are here.
fn theirs(mut sent: Value) -> Value {
    let mut extensions = serde_json::from_value(sent["extensions"].take()).unwrap();
    envoy_gateway::take_inline(&mut sent["manager"], &mut extensions);
    sent["extensions"] = json!(extensions);
    sent
}

/// Whether `path` is one that a pattern is for: `*` stands for anything.
fn is_for(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => path == pattern,
        Some((before, after)) => path.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| is_for(after, &rest[at..]))
        }),
    }
}

#[test]
fn the_translation_differs_from_what_was_sent_only_where_it_says_so() {
    let mut wrong = Vec::new();
    for (host, folders, allowed) in [
        (
            "istio",
            &["gateway", "jwt", "ledger", "sidecar", "wasm-plugin", "traffic-extension", "sidecar-plugin"][..],
            ISTIO,
        ),
        ("envoy-gateway", &["patch-policy", "extension-policy", "ledger"][..], ENVOY_GATEWAY),
    ] {
        let mut used = vec![false; allowed.len()];
        for folder in folders {
            let recorded = Recorded::of(&format!("{host}/{folder}"));
            let sent = match host {
                "istio" => istio::sent(&recorded.manifests),
                _ => envoy_gateway::sent(&recorded.manifests),
            };
            for (path, ours, theirs) in differences(&ours(sent), &theirs(recorded.sent)) {
                let path = format!("{folder}{path}");
                match allowed.iter().position(|(pattern, _)| is_for(pattern, &path)) {
                    Some(at) => used[at] = true,
                    None => wrong.push(format!("{host}/{path}: {ours} and not {theirs}")),
                }
            }
        }
        let idle = allowed.iter().zip(used).filter(|(_, used)| !used);
        wrong.extend(idle.map(|((pattern, _), _)| format!("{host}: nothing differs at {pattern}")));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
