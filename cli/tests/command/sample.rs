//! The samples' key, which everybody has.

use std::path::{Path, PathBuf};

use crate::shell::{Outcome, farebox};

const SAMPLE: &str = "012874b68ceb7282246f7ea89a6a4cabb9fab1c134bcccc3e3ea5eb8a310fa31";
const OWN: &str = "000000000000000000000000000000000000000000000000000000000000000a";
const OTHER: &str = "000000000000000000000000000000000000000000000000000000000000000b";

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn render(arguments: &[&str], keys: &str) -> Outcome {
    let (host, options) = arguments.split_first().unwrap();
    let plugin = format!(
        r#"{{"version": "v1", "keys": {keys}, "models": {{}}, "providers": {{"openai": {{"preset": "openai"}}}}, "headers_only": {{}}}}"#
    );
    farebox([&["render", host, "-"], options].concat()).stdin(&plugin).run()
}

fn key(sha256: &str) -> String {
    format!(r#"[{{"id": "demo", "team": "search", "sha256": "{sha256}"}}]"#)
}

fn envoy_yaml() -> String {
    std::fs::read_to_string(workspace().join("envoy/envoy.yaml")).unwrap()
}

/// What `farebox check` says of the sample's Envoy with another line for where it listens.
fn check(address: &str) -> Outcome {
    let yaml = envoy_yaml();
    let loopback = "    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}\n";
    assert_eq!(yaml.matches(loopback).count(), 1);
    farebox(["check", "-"]).stdin(&yaml.replace(loopback, address)).run()
}

fn listening_at(address: &str) -> Outcome {
    check(&format!("    address: {{socket_address: {{address: \"{address}\", port_value: 10000}}}}\n"))
}

#[test]
fn it_is_refused_where_others_than_this_machine_connect() {
    for address in ["0.0.0.0:10000", "[::]:10000", "10.1.2.3:80", "[::ffff:10.1.2.3]:80"] {
        let outcome = render(&["envoy", "--address", address], &key(SAMPLE));
        let host = address.rsplit_once(':').unwrap().0.trim_matches(['[', ']']);
        let expected = format!(
            "standard input: 1 mistake\n  keys[0].sha256: is the hash of the sample's key, which everybody has, and {host} \
             is not loopback: make a key of your own with farebox keygen\n"
        );
        assert_eq!(outcome, Outcome::failure(&expected));
        assert!(render(&["envoy", "--address", address], &key(OWN)).success);
    }
    for address in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(render(&["envoy", "--address", address], &key(SAMPLE)).success, "{address}");
    }
}

#[test]
fn no_cluster_gets_it() {
    for arguments in [
        &["istio"][..],
        &["istio", "--at", "sidecar"],
        &["istio", "--form", "wasm-plugin"],
        &["istio", "--form", "traffic-extension"],
        &["envoy-gateway"],
        &["envoy-gateway", "--form", "extension-policy"],
        &["plain"],
        &["plain", "--module", "config-map"],
    ] {
        let outcome = render(arguments, &key(SAMPLE));
        assert!(!outcome.success && outcome.stdout.is_empty(), "{arguments:?}");
        assert!(
            outcome.stderr.contains("\n  keys[0].sha256: is the hash of the sample's key"),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains("a gateway in Kubernetes is not loopback"), "{outcome:?}");
        assert!(render(arguments, &key(OWN)).success, "{arguments:?}");
    }
}

#[test]
fn it_is_found_wherever_it_stands_and_however_it_is_written() {
    let keys = format!(
        r#"[{{"id": "a", "team": "t", "sha256": "{OWN}"}}, {{"id": "b", "team": "t", "enabled": false, "sha256": ["{OTHER}", "{}"]}}]"#,
        SAMPLE.to_uppercase()
    );
    let outcome = render(&["plain"], &keys);
    assert!(outcome.stderr.starts_with("standard input: 1 mistake\n  keys[1].sha256[1]: "), "{outcome:?}");
}

#[test]
fn check_refuses_an_envoy_that_listens_for_others_with_it() {
    for address in ["0.0.0.0", "::", "10.1.2.3", "some.name"] {
        let outcome = listening_at(address);
        let expected = format!("and {address} is not loopback");
        assert!(!outcome.success && outcome.stderr.contains(&expected), "{outcome:?}");
        assert_eq!(outcome.stderr.matches("keys[0].sha256: ").count(), 1, "told once: {outcome:?}");
    }
    for address in ["127.0.0.1", "127.1.2.3", "::1"] {
        assert!(listening_at(address).success, "{address}");
    }
    assert!(check("    address: {pipe: {path: /run/farebox.sock}}\n").success);
    let more = "    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}\n    \
                additional_addresses: [{address: {socket_address: {address: 0.0.0.0, port_value: 10001}}}]\n";
    assert!(check(more).stderr.contains("0.0.0.0 is not loopback"));
}

#[test]
fn check_refuses_a_resource_of_kubernetes_with_it() {
    let filter = |sha256: &str| {
        format!(
            r#"{{"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "spec": {{"configPatches": [{{"patch": {{"value":
                {{"config": {{"vm_config": {{"vm_id": "farebox"}}, "configuration": {{
                    "@type": "type.googleapis.com/google.protobuf.StringValue", "value": {}}}}}}}}}}}]}}}}"#,
            serde_json::Value::from(format!(
                r#"{{"version": "v1", "providers": {{}}, "models": {{}}, "keys": {}}}"#,
                key(sha256)
            ))
        )
    };
    let outcome = farebox(["check", "-"]).stdin(&filter(SAMPLE)).run();
    assert!(
        !outcome.success && outcome.stderr.contains("a gateway in Kubernetes is not loopback"),
        "{outcome:?}"
    );
    assert!(farebox(["check", "-"]).stdin(&filter(OWN)).run().success);
}

#[test]
fn samples_for_this_machine_have_this_key_and_those_for_a_cluster_one_that_nobody_has() {
    let samples = |folder: &str| {
        let files = std::fs::read_dir(workspace().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|kind| kind == "json")).collect::<Vec<PathBuf>>()
    };
    for (folder, expected) in [("envoy", SAMPLE), ("envoy/samples", SAMPLE), ("k8s", &"0".repeat(64))] {
        for file in samples(folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            let document: serde_json::Value = serde_json::from_str(&text).unwrap();
            let hashes =
                document["keys"].as_array().into_iter().flatten().filter_map(|key| key.get("sha256"));
            for hash in hashes {
                assert_eq!(hash, expected, "{}", file.display());
            }
        }
    }
}
