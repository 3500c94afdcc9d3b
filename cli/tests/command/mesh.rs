//! `farebox render istio`, `envoy-gateway` and `plain`.

use crate::shell::{Outcome, farebox};
use serde_json::Value;

/// A plugin configuration with these providers and with `more` at its end.
fn plugin(providers: &str, more: &str) -> String {
    format!(r#"{{"version": "v1", "keys": [], "models": {{}}, "providers": {{{providers}}}{more}}}"#)
}

fn run(arguments: &[&str], plugin: &str) -> Outcome {
    let (host, options) = arguments.split_first().unwrap();
    farebox([&["render", host, "-"], options].concat()).stdin(plugin).run()
}

/// The resources that are written for these providers.
fn resources(arguments: &[&str], providers: &str) -> Vec<Value> {
    let outcome = run(arguments, &plugin(providers, ""));
    assert!(outcome.success && !outcome.stdout.contains("{{"), "{outcome:?}");
    outcome.stdout.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn of_kind<'a>(resources: &'a [Value], kind: &str) -> Vec<&'a Value> {
    resources.iter().filter(|resource| resource["kind"] == kind).collect()
}

fn mistakes(arguments: &[&str], plugin: &str) -> Vec<String> {
    let outcome = run(arguments, plugin);
    assert!(!outcome.success && outcome.stdout.is_empty(), "{outcome:?}");
    outcome.stderr.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// The names that the filter uses, and the clusters they stand for.
fn targets(resources: &[Value]) -> Vec<(String, String)> {
    let patches = of_kind(resources, "EnvoyFilter")[0]["spec"]["configPatches"].as_array().unwrap();
    let route =
        &patches.iter().find(|patch| patch["applyTo"] == "HTTP_ROUTE").unwrap()["patch"]["value"]["route"];
    let matcher = &route["inline_cluster_specifier_plugin"]["extension"]["typed_config"]["cluster_matcher"];
    let map = matcher["matcher_tree"]["exact_match_map"]["map"].as_object().unwrap().iter();
    let cluster = |action: &Value| action["action"]["typed_config"]["cluster"].as_str().unwrap().to_owned();
    map.map(|(name, action)| (name.clone(), cluster(action))).collect()
}

#[test]
fn a_public_name_is_an_entry_and_a_service_is_there_already() {
    let written = resources(
        &["istio"],
        r#""openai": {"preset": "openai"}, "vllm": {"preset": "vllm", "endpoints": ["http://vllm.models.svc.cluster.local:8000"]}"#,
    );
    let entries = of_kind(&written, "ServiceEntry");
    assert_eq!((entries.len(), &entries[0]["spec"]["hosts"][0]), (1, &Value::from("api.openai.com")));
    assert_eq!(entries[0]["spec"]["resolution"], "DNS_ROUND_ROBIN");
    let rules = of_kind(&written, "DestinationRule");
    assert_eq!(rules[0]["spec"]["trafficPolicy"]["tls"]["sni"], "api.openai.com");
    assert!(rules[1]["spec"]["trafficPolicy"].get("tls").is_none(), "the mesh decides how it is spoken to");
    let mut targets = targets(&written);
    targets.sort();
    let expected = [
        ("openai", "outbound|443||api.openai.com"),
        ("vllm", "outbound|8000||vllm.models.svc.cluster.local"),
    ];
    assert_eq!(targets, expected.map(|(name, cluster)| (name.to_owned(), cluster.to_owned())));
}

#[test]
fn addresses_and_pools_get_a_host_of_their_own() {
    let written = resources(
        &["istio"],
        r#""one": {"preset": "vllm", "cluster": "A_b", "endpoints": ["http://10.0.0.5:8000", "http://[::1]:8001"]},
           "two": {"preset": "llamacpp", "cluster": "a.b", "host": "llama.example.com", "endpoints": ["https://a.example.com", "https://b.example.com:8443"]}"#,
    );
    let entries = of_kind(&written, "ServiceEntry");
    let hosts: Vec<&Value> = entries.iter().map(|entry| &entry["spec"]["hosts"][0]).collect();
    assert_eq!(hosts, ["a-b.farebox.internal", "a-b-2.farebox.internal"]);
    let resolutions: Vec<&Value> = entries.iter().map(|entry| &entry["spec"]["resolution"]).collect();
    assert_eq!(resolutions, ["STATIC", "DNS"]);
    assert_eq!(
        entries[0]["spec"]["endpoints"][1],
        serde_json::json!({"address": "::1", "ports": {"http": 8001}})
    );
    assert_eq!(entries[1]["spec"]["endpoints"][1]["ports"]["https"], 8443);
    let tls = &of_kind(&written, "DestinationRule")[1]["spec"]["trafficPolicy"]["tls"];
    assert_eq!(tls["subjectAltNames"][0], "llama.example.com");
}

#[test]
fn more_providers_than_a_route_has_rules_get_more_routes() {
    let many: Vec<String> = (0..20)
        .map(|at| format!(r#""p{at}": {{"dialect": "openai", "host": "p{at}.example.com"}}"#))
        .collect();
    let written = resources(&["istio"], &many.join(","));
    let routes = of_kind(&written, "HTTPRoute");
    let sizes: Vec<usize> =
        routes.iter().map(|route| route["spec"]["rules"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [16, 4]);
    let told = mistakes(&["envoy-gateway"], &plugin(&many.join(","), ""));
    assert_eq!(told, ["providers: must be at most 16 clusters: as many rules has an HTTPRoute"]);
}

#[test]
fn forms_that_cannot_hold_headers_want_to_be_told_that_headers_are_enough() {
    let openai = r#""openai": {"preset": "openai"}"#;
    for arguments in [
        ["istio", "--form", "wasm-plugin"],
        ["istio", "--form", "traffic-extension"],
        ["envoy-gateway", "--form", "extension-policy"],
    ] {
        let told = mistakes(&arguments, &plugin(openai, ""));
        assert!(told[0].starts_with("headers_only: is missing: "), "{told:?}");
        assert!(run(&arguments, &plugin(openai, r#", "headers_only": {}"#)).success);
    }
}

#[test]
fn what_a_mesh_cannot_be_told_is_refused() {
    let signed = r#""bedrock": {"preset": "bedrock", "host": "b.example.com", "credentials": {"envoy": "aws", "region": "eu-west-1"}}"#;
    for host in ["istio", "envoy-gateway"] {
        assert!(
            mistakes(&[host], &plugin(signed, ""))[0]
                .starts_with("providers.bedrock.credentials: are made by")
        );
    }
    assert!(run(&["plain"], &plugin(signed, "")).success);
    let twice = r#""a": {"dialect": "openai", "host": "x.example.com"}, "b": {"dialect": "anthropic", "host": "x.example.com"}"#;
    let expected =
        r#"providers.b.cluster: must be the cluster of the provider "a", which is at the same host"#;
    assert_eq!(mistakes(&["istio"], &plugin(twice, "")), [expected]);
    let once = twice.replace(r#""host""#, r#""cluster": "x", "host""#);
    assert_eq!(targets(&resources(&["istio"], &once)).len(), 1);
    let tls = r#""a": {"dialect": "openai", "endpoints": ["https://a.models.svc.cluster.local"]}"#;
    assert!(mistakes(&["istio"], &plugin(tls, ""))[0].contains("must be http:// for a Service"));
    let mounted = mistakes(&["istio", "--at", "sidecar", "--module", "mount"], &plugin(twice, ""));
    assert!(!mounted.is_empty());
}

#[test]
fn failover_can_be_left_out() {
    let providers = r#""openai": {"preset": "openai"}"#;
    let text = |arguments: &[&str]| run(arguments, &plugin(providers, "")).stdout;
    for part in ["upstream_http_filters", "retry_policy", "farebox-attempt"] {
        assert!(text(&["istio"]).contains(part), "{part}");
        assert!(!text(&["istio", "--no-failover"]).contains(part), "{part}");
    }
}

#[test]
fn a_mounted_module_is_looked_for_where_it_is_mounted() {
    let image = format!("r.example.com/f@sha256:{}", "0".repeat(64));
    let written =
        resources(&["istio", "--module", "mount", "--image", &image], r#""openai": {"preset": "openai"}"#);
    let text = Value::from(written.clone()).to_string();
    assert!(text.contains(r#""local":{"filename":"/opt/farebox/plugin.wasm"}"#) && !text.contains("oci://"));
    let options = written.iter().find(|resource| resource["metadata"]["name"] == "farebox-gateway").unwrap();
    let pod = options["data"]["deployment"].as_str().unwrap();
    assert!(pod.contains("mountPath: /opt/farebox") && pod.contains(&format!("reference: \"{image}\"")));
}

#[test]
fn everything_is_in_the_namespace_that_was_asked_for() {
    for arguments in [
        ["istio", "--namespace", "llm"],
        ["envoy-gateway", "--namespace", "llm"],
        ["plain", "--namespace", "llm"],
    ] {
        for resource in resources(&arguments, r#""openai": {"preset": "openai"}"#) {
            let place = if resource["kind"] == "Namespace" { "name" } else { "namespace" };
            assert_eq!(resource["metadata"][place], "llm", "{arguments:?} {}", resource["kind"]);
        }
    }
    let outcome =
        run(&["envoy-gateway", "--namespace", "llm"], &plugin(r#""openai": {"preset": "openai"}"#, ""));
    assert!(outcome.stdout.contains("httproute/llm/farebox/rule/0"));
}

#[test]
fn the_identity_header_is_taken_from_clients_wherever_envoy_is_patched() {
    let identity = r#", "identity": {"header": "x-caller"}"#;
    for arguments in [vec!["istio"], vec!["istio", "--at", "sidecar"], vec!["envoy-gateway"]] {
        let outcome = run(&arguments, &plugin(r#""openai": {"preset": "openai"}"#, identity));
        assert!(outcome.stdout.contains("mutations: [{remove: x-caller}]"), "{arguments:?}");
    }
}

/// The text below `key`, wherever it stands.
fn text_of(value: &Value, key: &str) -> Option<String> {
    match value {
        Value::Object(members) => members
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| members.values().find_map(|member| text_of(member, key))),
        Value::Array(items) => items.iter().find_map(|item| text_of(item, key)),
        _ => None,
    }
}

#[test]
fn a_request_has_the_same_line_in_the_log_whoever_writes_it() {
    let openai = r#""openai": {"preset": "openai"}"#;
    let patched = resources(&["istio"], openai);
    let line = text_of(of_kind(&patched, "EnvoyFilter")[0], "inline_string").unwrap();
    let mesh = include_str!("../../../k8s/istio-access-log.yaml");
    assert_eq!(text_of(&serde_saphyr::from_str(mesh).unwrap(), "text"), Some(line.clone()));

    let headers_only = plugin(openai, r#", "headers_only": {"model_header": "x-model"}"#);
    let policy = run(&["envoy-gateway", "--form", "extension-policy"], &headers_only);
    let written = policy.stdout.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap());
    let written: Vec<Value> = written.collect();
    assert_eq!(text_of(&of_kind(&written, "EnvoyProxy")[0]["spec"]["telemetry"], "text"), Some(line));
    for form in ["wasm-plugin", "traffic-extension"] {
        for at in ["gateway", "sidecar"] {
            let written = run(&["istio", "--form", form, "--at", at], &headers_only).stdout;
            assert!(written.contains("providers: [{name: farebox}]"), "{form} {at}");
        }
    }
}
