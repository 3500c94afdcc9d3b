//! `farebox check`.

use crate::shell::{Outcome, farebox, file};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy/farebox.json");

const YAML: &str = r#"
version: v1
keys:
  - {id: ci, sha256: "0000000000000000000000000000000000000000000000000000000000000000", team: search, expires: 2999-01-01}
providers:
  openai: {dialect: openai, cluster: openai, credentials: [{env: FAREBOX_TEST_KEY}]}
models:
  gpt-*: [{provider: openai}]
prices:
  openai/*: {input: 0.10, output: 0.40}
"#;

/// An Envoy configuration with one Wasm filter, whose configuration is `json`.
fn envoy(json: &str, environment: &str) -> String {
    let json = json.lines().map(|line| format!("                    {line}\n")).collect::<String>();
    format!(
        r#"
static_resources:
  listeners:
  - filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          http_filters:
          - name: farebox
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
{json}
                vm_config:
                  runtime: envoy.wasm.runtime.v8
                  code: {{local: {{filename: farebox.wasm}}}}
                  environment_variables: {environment}
"#
    )
}

const WITH_SECRET: &str = r#"{
  "version": "v1", "keys": [], "models": {},
  "providers": {"openai": {"dialect": "openai", "cluster": "openai", "credentials": [{"env": "FAREBOX_TEST_KEY"}]}}
}"#;

#[test]
fn the_sample_is_ok() {
    let outcome = farebox(["check", SAMPLE]).run();
    assert_eq!(outcome, Outcome::success("ok: 4 providers, 6 models, 1 key, 5 budgets\n"));
}

#[test]
fn the_sample_envoy_configuration_is_ok() {
    let envoy = concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy/envoy.yaml");
    let outcome = farebox(["check", envoy, "--env"]).run();
    assert_eq!(outcome, Outcome::success("ok: 4 providers, 6 models, 1 key, 5 budgets\n"));
}

#[test]
fn the_sample_needs_no_secret() {
    let outcome = farebox(["check", SAMPLE, "--env"]).run();
    assert_eq!(outcome, Outcome::success("ok: 4 providers, 6 models, 1 key, 5 budgets\n"));
}

#[test]
fn yaml_is_read_too() {
    let path = file("plain.yaml", YAML);
    let outcome = farebox(["check", &path]).run();
    assert_eq!(outcome, Outcome::success("ok: 1 provider, 1 model, 1 key, 0 budgets\n"));
}

#[test]
fn the_standard_input_is_read_as_what_it_looks_like() {
    for text in [YAML, WITH_SECRET] {
        let outcome = farebox(["check", "-"]).stdin(text).run();
        assert!(outcome.success, "{outcome:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_path() {
    let broken = YAML.replace("team: search", "taem: search").replace("dialect: openai", "dialect: open");
    let outcome = farebox(["check", "-"]).stdin(&broken).run();
    let expected = r#"standard input: 3 mistakes
  keys[0]: "team" is missing
  keys[0].taem: unknown key (did you mean "team"?)
  providers.openai.dialect: must be one of openai, azure, anthropic, gemini, vertex, bedrock, cohere, ollama (did you mean "openai"?)
"#;
    assert_eq!(outcome, Outcome::failure(expected));
}

#[test]
fn mistakes_of_yaml_itself_are_told_with_their_place_and_without_the_text() {
    let twice = YAML.replace("prices:", "models:");
    let outcome = farebox(["check", "-"]).stdin(&twice).run();
    assert!(outcome.stderr.starts_with("standard input: not valid YAML: "), "{outcome:?}");
    assert!(outcome.stderr.contains("line 9"), "{outcome:?}");
    assert!(!outcome.stderr.contains("0.10"), "{outcome:?}");
}

#[test]
fn a_secret_that_is_not_set_matters_only_with_env() {
    let path = file("secret.json", WITH_SECRET);
    assert!(farebox(["check", &path]).run().success);
    let outcome = farebox(["check", &path, "--env"]).run();
    assert!(!outcome.success);
    assert!(outcome.stderr.contains("credentials[0].env: FAREBOX_TEST_KEY is not set"), "{outcome:?}");
    assert!(farebox(["check", &path, "--env"]).env("FAREBOX_TEST_KEY", "sk-1").run().success);
}

#[test]
fn the_configuration_inside_an_envoy_configuration_is_found() {
    let good = farebox(["check", "-"]).stdin(&envoy(WITH_SECRET, "{}")).run();
    assert_eq!(good, Outcome::success("ok: 1 provider, 0 models, 0 keys, 0 budgets\n"));
    let bad = farebox(["check", "-"]).stdin(&envoy("{\"version\": \"v1\"}", "{}")).run();
    let place = "standard input, static_resources.listeners[0].filter_chains[0].filters[0].typed_config\
                 .http_filters[0].typed_config.config.configuration: 3 mistakes\n  \"keys\" is missing\n";
    assert!(bad.stderr.starts_with(place), "{bad:?}");
}

#[test]
fn a_secret_counts_as_set_only_if_envoy_hands_it_on() {
    let check = |environment: &str| {
        let command = farebox(["check", "-", "--env"]).env("FAREBOX_TEST_KEY", "sk-1");
        command.stdin(&envoy(WITH_SECRET, environment)).run().success
    };
    assert!(!check("{}"));
    assert!(check("{host_env_keys: [FAREBOX_TEST_KEY]}"));
    assert!(check("{key_values: {FAREBOX_TEST_KEY: sk-2}}"));
}

#[test]
fn an_attempt_has_to_have_the_configuration_of_the_gateway() {
    let sample =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy/envoy.yaml")).unwrap();
    let other = WITH_SECRET.replace('\n', " ");
    let differs = sample.replace("value: *configuration", &format!("value: '{other}'"));
    assert_ne!(differs, sample);
    let outcome = farebox(["check", "-"]).stdin(&differs).run();
    assert!(!outcome.success);
    assert!(outcome.stderr.ends_with("must be what the filter before the router has\n"), "{outcome:?}");
    let broken = sample.replace("value: *configuration", "value: '{}'");
    let outcome = farebox(["check", "-"]).stdin(&broken).run();
    assert!(outcome.stderr.contains("\"version\" is missing"), "{outcome:?}");
}

#[test]
fn other_wasm_filters_are_left_alone() {
    let other = r#"
          - name: other
            typed_config:
              config:
                configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: "not ours"}
                vm_config: {code: {local: {filename: other.wasm}}}
"#;
    let both = envoy(WITH_SECRET, "{}") + other.trim_start_matches('\n');
    let outcome = farebox(["check", "-"]).stdin(&both).run();
    assert!(outcome.success, "{outcome:?}");
}

#[test]
fn an_envoy_configuration_without_a_readable_filter_is_told_so() {
    let none = farebox(["check", "-"]).stdin("static_resources: {listeners: []}").run();
    let expected = "standard input: there is no Wasm filter in this Envoy configuration\n";
    assert_eq!(none, Outcome::failure(expected));
    let wrong = envoy(WITH_SECRET, "{}").replace("StringValue", "Struct");
    let outcome = farebox(["check", "-"]).stdin(&wrong).run();
    assert!(outcome.stderr.contains(".configuration: must have the @type"), "{outcome:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let outcome = farebox(["check", "no/such.json"]).run();
    assert_eq!(outcome, Outcome::failure("no/such.json: there is no such file\n"));
    let outcome = farebox(["check", env!("CARGO_TARGET_TMPDIR")]).run();
    assert!(outcome.stderr.contains("is a directory"), "{outcome:?}");
}

#[test]
fn what_is_odd_is_a_warning_and_with_strict_a_mistake() {
    let odd = YAML.replace("expires: 2999-01-01", "expires: 2001-01-01, models: [gtp-4o]");
    let warnings = "standard input: 3 warnings
  keys[0].expires: the key has expired: whoever uses it is refused
  keys[0].models[0]: nothing serves \"gtp-4o\"
  keys: every key has expired or is switched off: nobody can call
";
    let outcome = farebox(["check", "-"]).stdin(&odd).run();
    let stdout = "ok: 1 provider, 1 model, 1 key, 0 budgets\n".to_owned();
    assert_eq!(outcome, Outcome { success: true, stdout, stderr: warnings.to_owned() });
    let outcome = farebox(["check", "-", "--strict"]).stdin(&odd).run();
    assert_eq!(outcome, Outcome::failure(warnings));
    assert!(farebox(["check", "-", "--strict"]).stdin(YAML).run().success);
}

#[test]
fn every_rendered_manifest_for_kubernetes_is_read() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s");
    let mut seen = 0;
    for host in ["istio", "envoy-gateway", "plain"] {
        for folder in std::fs::read_dir(root.join(host)).unwrap() {
            let path = folder.unwrap().path().join("farebox.yaml");
            let outcome = farebox(["check", path.to_str().unwrap()]).run();
            assert!(
                outcome.success && outcome.stdout.starts_with("ok: 3 providers"),
                "{path:?}: {outcome:?}"
            );
            let text = std::fs::read_to_string(&path).unwrap();
            let broken = text.replace("\"version\": \"v1\"", "\"version\": \"v2\"");
            assert_ne!(broken, text);
            let outcome = farebox(["check", "-"]).stdin(&broken).run();
            assert!(outcome.stderr.contains("version: must be \"v1\""), "{path:?}: {outcome:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 15);
}

#[test]
fn resources_of_kubernetes_are_told_by_their_names() {
    let config =
        r#"{"version": "v1", "keys": [], "providers": {}, "models": {}, "modls": {}, "headers_only": {}}"#;
    let resources = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n---\napiVersion: extensions.istio.io/v1alpha1\n\
         kind: WasmPlugin\nmetadata: {{name: farebox}}\nspec:\n  pluginName: farebox\n  pluginConfig: {config}\n"
    );
    let outcome = farebox(["check", "-"]).stdin(&resources).run();
    let expected = "standard input, WasmPlugin farebox, spec.pluginConfig: 1 mistake\n  \
                    modls: unknown key (did you mean \"models\"?)\n";
    assert_eq!(outcome, Outcome::failure(expected));
    let none = "apiVersion: v1\nkind: Namespace\n---\napiVersion: v1\nkind: Secret\n";
    let outcome = farebox(["check", "-"]).stdin(none).run();
    assert_eq!(outcome, Outcome::failure("standard input: there is no Wasm filter in this file\n"));
}

#[test]
fn a_mistake_in_a_later_document_is_told_with_the_line_of_the_file() {
    let outcome = farebox(["check", "-"]).stdin("kind: a\n---\nkind: b\nkind: c\n").run();
    assert!(outcome.stderr.contains("line 4"), "{outcome:?}");
}
