//! How much memory Envoy may have, in all that `farebox render` writes.

use crate::shell::farebox;
use serde_json::Value;

const PLUGIN: &str = r#"{"version": "v1", "keys": [], "models": {}, "providers": {}}"#;
const HEAP: &str = "envoy.resource_monitors.fixed_heap";

/// What is written, as text.
fn rendered(arguments: &[&str]) -> String {
    let (host, options) = arguments.split_first().unwrap();
    let outcome = farebox([&["render", host, "-"], options].concat()).stdin(PLUGIN).run();
    assert!(outcome.success, "{outcome:?}");
    outcome.stdout
}

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// The overload manager in one of the texts of the ConfigMap `name`.
fn in_config_map(text: &str, name: &str, file: &str) -> Value {
    let resources = documents(text);
    let map = resources.iter().find(|resource| resource["data"][file].is_string()).unwrap();
    assert_eq!(map["metadata"]["name"], name);
    let bootstrap: Value = serde_saphyr::from_str(map["data"][file].as_str().unwrap()).unwrap();
    bootstrap["overload_manager"].clone()
}

#[test]
fn every_bootstrap_has_an_overload_manager_for_the_heap_that_is_said() {
    for (said, bytes, container) in [
        (&[][..], 805_306_368_u64, "memory: 1024Mi"),
        (&["--max-heap-size-bytes", "3221225472"], 3_221_225_472, "memory: 4096Mi"),
    ] {
        let with = |host: &str| rendered(&[&[host], said].concat());
        let (istio, plain) = (with("istio"), with("plain"));
        let envoy: Value = serde_saphyr::from_str(&with("envoy")).unwrap();
        let managers = [
            envoy["overload_manager"].clone(),
            in_config_map(&istio, "farebox-bootstrap", "bootstrap.yaml"),
            in_config_map(&plain, "farebox-envoy", "envoy.yaml"),
        ];
        for manager in managers {
            let monitors = manager["resource_monitors"].as_array().unwrap();
            let heap = monitors.iter().find(|monitor| monitor["name"] == HEAP).unwrap();
            assert_eq!(heap["typed_config"]["max_heap_size_bytes"], bytes);
            let actions = manager["actions"].as_array().unwrap();
            assert!(actions.iter().all(|action| action["triggers"][0]["name"] == HEAP));
            let names: Vec<&str> = actions.iter().map(|action| action["name"].as_str().unwrap()).collect();
            let expected = ["shrink_heap", "reset_high_memory_stream", "stop_accepting_requests"];
            assert_eq!(names, expected.map(|name| format!("envoy.overload_actions.{name}")));
        }
        assert!(istio.contains(container) && plain.contains(container), "room for what is not of the heap");
    }
}

#[test]
fn envoy_gateway_gets_a_limit_to_make_a_heap_of_and_no_monitor_of_ours() {
    let text = rendered(&["envoy-gateway"]);
    assert!(text.contains("limits: {memory: 1024Mi}") && !text.contains(HEAP), "{text}");
}

#[test]
fn a_heap_in_which_envoy_cannot_begin_is_refused() {
    for bytes in ["0", "1048576", "much"] {
        let arguments = ["render", "envoy", "-", "--max-heap-size-bytes", bytes];
        assert!(!farebox(arguments).stdin(PLUGIN).run().success, "{bytes}");
    }
}
