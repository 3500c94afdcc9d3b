//! Keys of providers out of files that Envoy reads again.

use crate::shell::{Outcome, farebox};
use serde_json::Value;

const FILE: &str = r#""credentials": {"envoy": "file", "path": "/run/keys/a.json"}"#;

fn render(host: &str, provider: &str, options: &[&str]) -> Outcome {
    let text = format!(r#"{{"version": "v1", "keys": [], "models": {{}}, "providers": {{{provider}}}}}"#);
    farebox([&["render", host, "-"], options].concat()).stdin(&text).run()
}

/// What the provider's cluster puts into requests.
fn injected(provider: &str, options: &[&str]) -> Value {
    let outcome = render("envoy", provider, options);
    assert!(outcome.success, "{outcome:?}");
    let bootstrap: Value = serde_saphyr::from_str(&outcome.stdout).unwrap();
    assert!(bootstrap["node"]["id"].is_string(), "without a name Envoy takes no secret from a file");
    let cluster = &bootstrap["static_resources"]["clusters"][0];
    let options = &cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    let filters = options["http_filters"].as_array().unwrap();
    let injector = filters.iter().find(|filter| filter["name"] == "envoy.filters.http.credential_injector");
    injector.unwrap()["typed_config"]["credential"]["typed_config"].clone()
}

#[test]
fn a_key_out_of_a_file_goes_into_the_header_of_its_provider() {
    for (provider, header, prefix) in [
        (r#""preset": "openai""#, "authorization", Some("Bearer ")),
        (r#""dialect": "anthropic", "host": "a.example.com""#, "x-api-key", None),
        (r#""dialect": "gemini", "host": "a.example.com""#, "x-goog-api-key", None),
        (r#""preset": "azure", "host": "a.azure.com""#, "api-key", None),
    ] {
        let generic = injected(&format!(r#""a": {{{provider}, {FILE}}}"#), &[]);
        assert_eq!(generic["header"], header);
        assert_eq!(generic["header_value_prefix"].as_str(), prefix, "{header}");
        let source = &generic["credential"]["sds_config"]["path_config_source"];
        assert_eq!(
            (&source["path"], &source["watched_directory"]["path"]),
            (&"/run/keys/a.json".into(), &"/run/keys".into())
        );
    }
}

#[test]
fn an_envoy_that_puts_no_word_before_a_key_is_told_of() {
    let provider = format!(r#""a": {{"preset": "openai", {FILE}}}"#);
    assert_eq!(injected(&provider, &["--envoy", "1.36"])["header_value_prefix"], Value::Null);
    let said = render("envoy", &provider, &["--envoy", "1.36"]).stderr;
    assert!(said.contains("providers.a.credentials: ") && said.contains("`Bearer `"), "{said}");
    let plain = format!(r#""a": {{"dialect": "anthropic", "host": "a.example.com", {FILE}}}"#);
    assert!(render("envoy", &plain, &["--envoy", "1.36"]).stderr.is_empty());
}

#[test]
fn one_key_in_two_headers_and_a_mesh_are_refused() {
    let two = format!(r#""a": {{"preset": "anthropic", {FILE}}}"#);
    let said = render("envoy", &two, &[]).stderr;
    assert!(said.contains("providers.a.credentials: is one key in one header"), "{said}");
    let shared = format!(
        r#""a": {{"dialect": "openai", "endpoints": ["http://a"], {FILE}}},
           "b": {{"dialect": "anthropic", "endpoints": ["http://a"], "cluster": "a", {FILE}}}"#
    );
    let said = render("envoy", &shared, &[]).stderr;
    assert!(
        said.contains("providers.b.cluster: ") && said.contains("other credentials of Envoy's"),
        "{said}"
    );
    let said = render("istio", &format!(r#""a": {{"preset": "openai", {FILE}}}"#), &[]).stderr;
    assert!(said.contains("providers.a.credentials: are made by a filter of Envoy's"), "{said}");
}
