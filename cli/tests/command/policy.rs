//! What `farebox render` keeps shut: who may call a gateway's pods, where its admin page is, which image runs.

use crate::shell::{Outcome, farebox};
use serde_json::{Value, json};

const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";
const GATEWAYS: [&str; 3] = ["istio", "envoy-gateway", "plain"];

fn run(arguments: &[&str], providers: &str) -> Outcome {
    let (host, options) = arguments.split_first().unwrap();
    let plugin = format!(
        r#"{{"version": "v1", "keys": [], "models": {{}}, "providers": {{{providers}}}, "headers_only": {{}}}}"#
    );
    farebox([&["render", host, "-"], options].concat()).stdin(&plugin).run()
}

fn resources(arguments: &[&str], providers: &str) -> Vec<Value> {
    let outcome = run(arguments, providers);
    assert!(outcome.success && !outcome.stdout.contains("{{"), "{outcome:?}");
    outcome.stdout.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// What the NetworkPolicy says.
fn policy(arguments: &[&str], providers: &str) -> Value {
    let resources = resources(arguments, providers);
    let policies: Vec<&Value> = resources.iter().filter(|one| one["kind"] == "NetworkPolicy").collect();
    assert_eq!(policies.len(), 1, "{arguments:?}");
    policies[0]["spec"].clone()
}

fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

fn tcp(port: u16) -> Value {
    json!([{"port": port, "protocol": "TCP"}])
}

/// The rules behind those that every gateway of this form has.
fn targets(arguments: &[&str], providers: &str) -> Vec<Value> {
    let fixed = if arguments[0] == "plain" { 1 } else { 2 };
    policy(arguments, providers)["egress"].as_array().unwrap()[fixed..].to_vec()
}

#[test]
fn callers_reach_one_port_and_the_monitoring_another_and_nobody_else_any() {
    for (host, port, metrics) in
        [("istio", 80, 15_020), ("envoy-gateway", 10_080, 19_001), ("plain", 10_000, 9_902)]
    {
        let spec = policy(&[host], r#""openai": {"preset": "openai"}"#);
        assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
        let callers = json!({"namespaceSelector": {"matchLabels": {"farebox": "client"}}});
        let expected = json!([
            {"from": [callers], "ports": tcp(port)},
            {"from": [namespace("monitoring")], "ports": tcp(metrics)},
        ]);
        assert_eq!(spec["ingress"], expected, "{host}");
    }
}

#[test]
fn the_operator_says_who_calls_and_who_reads_the_metrics() {
    let arguments =
        ["plain", "--monitoring", "observability", "--callers", "agents", "--callers", "tier=gold"];
    let spec = policy(&[&arguments[..], &["--callers", "10.0.0.0/8", "--callers", "fd00::/8"]].concat(), "");
    let expected = json!([
        namespace("agents"),
        {"namespaceSelector": {"matchLabels": {"tier": "gold"}}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
        {"ipBlock": {"cidr": "fd00::/8"}},
    ]);
    assert_eq!(spec["ingress"][0]["from"], expected);
    assert_eq!(spec["ingress"][1]["from"], json!([namespace("observability")]));
    for wrong in ["10.0.0.0/33", "10.0.0.1", "a b", "=", "a=", "a/b", "x}: {"] {
        let outcome = run(&["plain", "--callers", wrong], "");
        assert!(
            !outcome.success && outcome.stderr.contains("must be the name of a namespace"),
            "{wrong}: {outcome:?}"
        );
    }
}

#[test]
fn a_gateway_calls_its_providers_and_who_answers_names_and_controls_it() {
    for (host, control) in
        [("istio", Some("istio-system")), ("envoy-gateway", Some("envoy-gateway-system")), ("plain", None)]
    {
        let spec = policy(&[host], r#""openai": {"preset": "openai"}"#);
        let rules = spec["egress"].as_array().unwrap();
        assert_eq!(rules[0]["to"], json!([namespace("kube-system")]));
        assert_eq!(
            rules[0]["ports"],
            json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}])
        );
        let rest = match control {
            Some(control) => {
                assert_eq!(rules[1]["to"], json!([namespace(control)]));
                &rules[2..]
            }
            None => &rules[1..],
        };
        assert_eq!(rest.len(), 1, "{host}");
        assert_eq!(
            (&rest[0]["ports"], &rest[0]["to"][0]["ipBlock"]["except"]),
            (&tcp(443), &json!(["169.254.0.0/16"]))
        );
    }
}

#[test]
fn a_provider_is_an_address_a_namespace_or_a_port() {
    let providers = r#""a": {"preset": "vllm", "endpoints": ["http://vllm.models.svc.cluster.local:8000"]},
        "b": {"preset": "vllm", "endpoints": ["http://vllm.gpu.svc"]},
        "c": {"preset": "vllm", "endpoints": ["http://vllm:8000"]},
        "d": {"preset": "vllm", "endpoints": ["http://10.0.0.5:8000", "http://[fd00::1]:8001"]},
        "e": {"preset": "vllm", "endpoints": ["http://127.0.0.1:8000"]},
        "f": {"preset": "vllm", "host": "x.example.com", "endpoints": ["https://x.example.com:8443"]}"#;
    let found = targets(&["plain", "--namespace", "llm"], providers);
    let to: Vec<&Value> = found.iter().skip(1).map(|rule| &rule["to"][0]).collect();
    assert_eq!(found[0]["ports"], tcp(8_443));
    let block = |cidr: &str| json!({"ipBlock": {"cidr": cidr}});
    let expected =
        [namespace("gpu"), namespace("llm"), namespace("models"), block("10.0.0.5/32"), block("fd00::1/128")];
    assert_eq!(to, expected.iter().collect::<Vec<_>>());
    assert_eq!((&found[4]["ports"], &found[5]["ports"]), (&tcp(8_000), &tcp(8_001)));
    let own = targets(&["plain"], r#""a": {"preset": "vllm", "endpoints": ["http://vllm.models.svc:80"]}"#);
    assert_eq!(own, [json!({"to": [namespace("models")]})], "who calls nobody outside cannot");
}

#[test]
fn what_a_pod_fetches_for_itself_may_be_fetched() {
    let own = r#""a": {"preset": "vllm", "endpoints": ["http://vllm.models.svc:80"]}"#;
    let image = |registry: &str| format!("{registry}/farebox@{DIGEST}");
    let ports = |arguments: &[&str]| targets(arguments, own)[0].get("ports").cloned();
    assert_eq!(ports(&["istio", "--image", &image("r.example.com")]), Some(tcp(443)));
    assert_eq!(ports(&["istio", "--image", &image("r.example.com:5000")]), Some(tcp(5_000)));
    assert_eq!(ports(&["istio", "--module", "mount"]), None, "the kubelet fetches it");
    let aws = r#""b": {"preset": "bedrock", "host": "b.example.com", "credentials": {"envoy": "aws", "region": "eu-west-1"}}"#;
    let found = targets(&["plain"], aws);
    assert_eq!(found[1], json!({"to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}], "ports": tcp(80)}));
}

#[test]
fn pods_of_applications_get_no_policy() {
    let written = resources(&["istio", "--at", "sidecar"], r#""openai": {"preset": "openai"}"#);
    assert!(written.iter().all(|resource| resource["kind"] != "NetworkPolicy"));
}

#[test]
fn an_image_is_named_by_its_digest_or_refused() {
    for host in GATEWAYS {
        for wrong in [
            "r.example.com/f",
            "r.example.com/f:0.1.0",
            "r.example.com/f@sha256:00",
            "oci://r.example.com/f@",
            "@",
        ] {
            let outcome = run(&[host, "--image", wrong], "");
            assert!(!outcome.success && outcome.stderr.contains("must be NAME@sha256:DIGEST"), "{outcome:?}");
        }
        let image = format!("r.example.com/f:0.1.0@{DIGEST}");
        assert!(run(&[host, "--image", &image], "").stdout.contains(&image), "{host}");
        let nobodys = format!("registry.example.com/farebox@sha256:{}", "0".repeat(64));
        assert!(run(&[host], "").stdout.contains(&nobodys), "{host}");
    }
}

#[test]
fn a_tag_of_envoy_is_pointed_out() {
    for host in ["plain", "envoy-gateway"] {
        assert!(run(&[host], "").stdout.contains("# A tag can be moved"), "{host}");
        let envoy = format!("docker.io/envoyproxy/envoy@{DIGEST}");
        let pinned = run(&[host, "--envoy", &envoy], "").stdout;
        assert!(pinned.contains(&envoy) && !pinned.contains("# A tag can be moved"), "{host}");
    }
}

#[test]
fn the_admin_page_is_on_loopback_and_others_get_the_metrics_of_it() {
    let render = |arguments: &[&str]| run(&[&["envoy"], arguments].concat(), "");
    for wrong in ["0.0.0.0:9901", "[::]:9901", "10.0.0.1:9901"] {
        let outcome = render(&["--admin", wrong]);
        assert!(!outcome.success && outcome.stderr.contains("must be on loopback"), "{outcome:?}");
    }
    let listeners = |arguments: &[&str]| {
        let bootstrap: Value = serde_saphyr::from_str(&render(arguments).stdout).unwrap();
        (
            bootstrap["static_resources"]["listeners"].clone(),
            bootstrap["static_resources"]["clusters"].clone(),
        )
    };
    assert_eq!(listeners(&[]).0.as_array().unwrap().len(), 1);
    let (listeners, clusters) = listeners(&["--metrics", "0.0.0.0:9902", "--admin", "[::1]:1"]);
    assert_eq!(
        listeners[1]["address"],
        json!({"socket_address": {"address": "0.0.0.0", "port_value": 9902}})
    );
    let hosts =
        &listeners[1]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"];
    let routes = hosts[0]["routes"].as_array().unwrap();
    assert_eq!((routes.len(), &routes[0]["match"]["path"]), (1, &json!("/stats/prometheus")));
    let admin = &clusters[0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"];
    assert_eq!(*admin, json!({"socket_address": {"address": "::1", "port_value": 1}}));
}
