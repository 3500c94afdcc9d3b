//! What `farebox render` writes, read by who takes YAML at its word.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::shell::farebox;

const SAMPLE: &str = "012874b68ceb7282246f7ea89a6a4cabb9fab1c134bcccc3e3ea5eb8a310fa31";

/// The plugin configurations of every sample, with nobody's key.
fn samples() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = ["envoy", "envoy/samples", "k8s"].map(|folder| root.join(folder));
    let files = folders.into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let files = files.map(|file| file.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|kind| kind == "json"));
    let samples = files.filter(|file| !file.to_str().unwrap().ends_with("schema.json")).map(|file| {
        let json = std::fs::read_to_string(&file).unwrap();
        (file.display().to_string(), json.replace(SAMPLE, &"0".repeat(64)))
    });
    samples.collect()
}

/// Holds one document against what strict readers want, and every document that is a text inside of it.
fn check(document: &str, name: &str) {
    let value = serde_saphyr::from_str::<Value>(document);
    assert!(value.is_ok(), "{name}: {value:?}");
    let value = value.unwrap();
    let words = || document.lines().filter_map(|line| line.split_once(": ")).map(|(_, value)| value);
    let named: Vec<&str> = words().filter_map(|value| value.strip_prefix('&')?.split(' ').next()).collect();
    let used: BTreeSet<&str> = words().filter_map(|value| value.strip_prefix('*')).collect();
    for anchor in &named {
        assert!(used.contains(anchor), "{name}: nothing refers to &{anchor}");
        assert_eq!(
            named.iter().filter(|other| *other == anchor).count(),
            1,
            "{name}: &{anchor} is there twice"
        );
    }
    assert!(used.iter().all(|anchor| named.contains(anchor)), "{name}: an alias of nothing");
    let is_text_of_yaml = |(key, _): &(&String, &Value)| key.ends_with(".yaml");
    let inner = value.get("data").and_then(Value::as_object).filter(|_| value["kind"] == "ConfigMap");
    for (key, text) in inner.into_iter().flatten().filter(is_text_of_yaml) {
        check(text.as_str().unwrap(), &format!("{name}, {key}"));
    }
}

#[test]
fn no_anchor_is_without_use_or_there_twice() {
    let mut read = 0;
    for (name, json) in samples() {
        for host in ["envoy", "istio", "envoy-gateway", "plain"] {
            let outcome = farebox(["render", host, "-"]).stdin(&json).run();
            // Not every provider can be reached from a mesh.
            if !outcome.success {
                assert!(outcome.stderr.contains("which is written for a plain Envoy"), "{name}: {outcome:?}");
                continue;
            }
            for document in outcome.stdout.split("\n---\n") {
                check(document, &format!("{name}, {host}"));
            }
            read += 1;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("strict");
        let dynamic = farebox(["render", "envoy", "-", "--dynamic", folder.to_str().unwrap()]);
        assert!(dynamic.stdin(&json).run().success, "{name}");
        for file in ["cds.yaml", "lds.yaml", "envoy.yaml"] {
            check(&std::fs::read_to_string(folder.join(file)).unwrap(), &format!("{name}, {file}"));
        }
    }
    assert!(read > 30, "{read}");
}
