//! `farebox render helm`. What Helm makes of a chart is seen by `make helm`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{Outcome, farebox};
use serde_json::{Map, Value, json};

/// Members that a value of the chart may replace.
fn free() -> Vec<String> {
    let chart = folder("free");
    assert!(render(&chart, &plugin()).success);
    let schema: Value = serde_json::from_str(&read(&chart, "values.schema.json")).unwrap();
    let members = schema.pointer("/properties/config/properties").unwrap().as_object().unwrap();
    members.iter().filter(|(_, schema)| *schema != &json!({})).map(|(name, _)| name.clone()).collect()
}

/// A folder that is not there yet.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm").join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

fn plugin() -> String {
    let providers = json!({"openai": {"preset": "openai", "credentials": [{"env": "OPENAI_API_KEY"}]}});
    json!({"version": "v1", "keys": [], "models": {}, "providers": providers}).to_string()
}

fn render(chart: &Path, json: &str) -> Outcome {
    farebox(["render", "helm", "-", "--into", chart.to_str().unwrap()]).stdin(json).run()
}

fn read(chart: &Path, file: &str) -> String {
    fs::read_to_string(chart.join(file)).unwrap()
}

fn templates(chart: &Path) -> Vec<String> {
    let names = fs::read_dir(chart.join("templates")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every sample, and the configurations that manifests are written for, with nobody's keys.
fn samples() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = ["envoy/samples", "k8s"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|kind| kind == "json"));
    let nobody = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let public = "012874b68ceb7282246f7ea89a6a4cabb9fab1c134bcccc3e3ea5eb8a310fa31";
        (file, text.replace(public, &"0".repeat(64)))
    };
    files.map(nobody).collect()
}

/// The documents of `text`, in which nothing is left of the plugin configuration.
fn without_configuration(text: &str) -> Vec<Value> {
    let documents = text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap());
    documents.map(blank).collect()
}

fn blank(value: Value) -> Value {
    match value {
        Value::Object(members) if members.contains_key("version") && members.contains_key("models") => {
            Value::Null
        }
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, blank(member))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(blank).collect::<Vec<_>>().into(),
        Value::String(text) if text.contains('\n') => match serde_saphyr::from_str::<Value>(&text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => blank(value),
            _ => text.into(),
        },
        value => value,
    }
}

#[test]
fn from_a_member_that_a_value_may_replace_nothing_follows_but_the_configuration() {
    let free = free();
    assert!(free.len() > 10 && free.iter().any(|member| member == "budgets"), "{free:?}");
    for (sample, text) in samples() {
        let whole: Value = serde_json::from_str(&text).unwrap();
        let mut bare = whole.clone();
        bare.as_object_mut().unwrap().retain(|name, _| !free.contains(name));
        bare["keys"] = json!([]);
        bare["models"] = json!({});
        for host in ["plain", "istio", "envoy-gateway"] {
            let render = |json: &Value| farebox(["render", host, "-"]).stdin(&json.to_string()).run();
            let (whole, bare) = (render(&whole), render(&bare));
            assert_eq!(whole.success, bare.success, "{sample:?} {host}: {} {}", whole.stderr, bare.stderr);
            if whole.success {
                let [whole, bare] = [whole, bare].map(|outcome| without_configuration(&outcome.stdout));
                assert_eq!(whole, bare, "{sample:?} {host}");
            }
        }
    }
}

#[test]
fn a_chart_of_every_sample_has_no_gap_and_no_mark() {
    for (number, (sample, text)) in samples().into_iter().enumerate() {
        let chart = folder(&format!("sample-{number}"));
        let outcome = render(&chart, &text);
        assert!(outcome.success, "{sample:?} {outcome:?}");
        assert_eq!(read(&chart, "farebox.json").trim(), text.trim());
        for name in templates(&chart) {
            let text = read(&chart, &format!("templates/{name}"));
            assert!(!text.contains("<<") && !text.contains(['\u{e000}', '\u{e001}']), "{sample:?} {name}");
        }
        for name in ["Chart.yaml", "values.yaml", "README.md"] {
            assert!(!read(&chart, name).contains("<<"), "{sample:?} {name}");
        }
        for name in ["Chart.yaml", "values.yaml"] {
            assert!(serde_saphyr::from_str::<Value>(&read(&chart, name)).unwrap().is_object());
        }
    }
}

#[test]
fn a_form_that_a_configuration_cannot_have_is_left_out_and_said() {
    let chart = folder("signed");
    assert!(render(&chart, &plugin()).success);
    assert!(templates(&chart).contains(&"istio-gateway.yaml".to_owned()));
    let (_, signed) = samples().into_iter().find(|(sample, _)| sample.ends_with("bedrock.json")).unwrap();
    let outcome = render(&chart, &signed);
    assert!(outcome.success && outcome.stderr.contains("no form istio-gateway"), "{outcome:?}");
    assert_eq!(templates(&chart), ["NOTES.txt", "_helpers.tpl", "plain-configuration.yaml", "plain.yaml"]);
    let schema: Value = serde_json::from_str(&read(&chart, "values.schema.json")).unwrap();
    assert_eq!(schema["properties"]["form"]["enum"], json!(["plain"]));
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let chart = folder("foreign");
    fs::create_dir_all(&chart).unwrap();
    fs::write(chart.join("Chart.yaml"), "name: other\n").unwrap();
    let outcome = render(&chart, &plugin());
    assert!(!outcome.success && outcome.stderr.contains("did not write"), "{outcome:?}");
    assert_eq!(fs::read_dir(&chart).unwrap().count(), 1);
}

#[test]
fn what_a_provider_is_called_is_no_template() {
    let chart = folder("template");
    let outcome = render(&chart, &plugin().replace("\"openai\":", "\"{{ .Values.x }}\":"));
    // A name is made of letters, and a host too: were one ever free, it would still be written as a text.
    assert!(!outcome.success, "{outcome:?}");
}

#[test]
fn the_table_of_values_has_every_value() {
    let chart = folder("table");
    assert!(render(&chart, &plugin()).success);
    let schema: Value = serde_json::from_str(&read(&chart, "values.schema.json")).unwrap();
    let values: Value = serde_saphyr::from_str(&read(&chart, "values.yaml")).unwrap();
    let page = read(&chart, "README.md");
    let known = schema["properties"].as_object().unwrap();
    for (name, schema) in known.iter().filter(|(name, _)| *name != "global") {
        let value = values.get(name).unwrap_or_else(|| panic!("{name} has no default"));
        let inner = schema.get("properties").and_then(Value::as_object).filter(|_| name != "config");
        for name in inner.into_iter().flat_map(|inner| inner.keys()) {
            assert!(value.get(name).is_some(), "{name} has no default");
        }
        let names = inner.map_or_else(
            || vec![format!("`{name}`")],
            |inner| inner.keys().map(|inner| format!("`{name}.{inner}`")).collect(),
        );
        for name in names {
            assert!(page.contains(&name), "README.md does not have {name}");
        }
    }
    for name in values.as_object().unwrap().keys() {
        assert!(known.contains_key(name), "the schema does not know {name}");
    }
}
