//! `farebox render envoy`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::shell::{Outcome, farebox, file};
use farebox_core::config::Config;
use farebox_core::dialect::Api;
use serde_json::Value;

/// The folder of the workspace: where `make` runs the command.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A plugin configuration with these providers.
fn plugin(providers: &str) -> String {
    format!(r#"{{"version": "v1", "keys": [], "models": {{}}, "providers": {{{providers}}}}}"#)
}

/// What `farebox render envoy -` says of these providers.
fn render(providers: &str) -> Outcome {
    farebox(["render", "envoy", "-"]).stdin(&plugin(providers)).run()
}

/// The Envoy configuration for these providers.
fn rendered(providers: &str) -> Value {
    parsed(&render(providers))
}

fn parsed(outcome: &Outcome) -> Value {
    assert!(outcome.success, "{outcome:?}");
    serde_saphyr::from_str(&outcome.stdout).unwrap()
}

fn mistakes(providers: &str) -> Vec<String> {
    let outcome = render(providers);
    assert!(!outcome.success && outcome.stdout.is_empty(), "{outcome:?}");
    outcome.stderr.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// The names of all presets, which are told to whoever writes another one.
fn presets() -> BTreeSet<String> {
    let unknown = mistakes(r#""a": {"preset": "?"}"#).join("\n");
    let (_, known) = unknown.split_once("must be one of ").unwrap();
    let known: BTreeSet<String> = known.split(", ").map(str::to_owned).collect();
    assert!(known.len() >= 20 && known.contains("groq"), "{known:?}");
    known
}

fn clusters(bootstrap: &Value) -> &Vec<Value> {
    bootstrap["static_resources"]["clusters"].as_array().unwrap()
}

fn cluster<'a>(bootstrap: &'a Value, name: &str) -> &'a Value {
    clusters(bootstrap).iter().find(|cluster| cluster["name"] == name).unwrap()
}

fn protocol(cluster: &Value) -> &Value {
    &cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
}

fn manager(bootstrap: &Value) -> &Value {
    &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
}

fn gateway(bootstrap: &Value) -> &Value {
    &manager(bootstrap)["http_filters"][0]["typed_config"]["config"]
}

fn attempt(bootstrap: &Value) -> &Value {
    &manager(bootstrap)["http_filters"][1]["typed_config"]["upstream_http_filters"][0]["typed_config"]
}

fn route(bootstrap: &Value) -> &Value {
    &manager(bootstrap)["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
}

fn samples() -> Vec<PathBuf> {
    let folder = workspace().join("envoy/samples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|kind| kind == "json")).collect();
    files.push(workspace().join("envoy/farebox.json"));
    files
}

#[test]
fn the_sample_envoy_configuration_is_what_follows_from_the_sample() {
    let outcome = farebox(["render", "envoy", "envoy/farebox.json"]).folder(workspace()).run();
    let checked_in = std::fs::read_to_string(workspace().join("envoy/envoy.yaml")).unwrap();
    assert!(outcome == Outcome::success(&checked_in), "envoy/envoy.yaml is out of date: run make render");
}

#[test]
fn every_sample_becomes_a_configuration_that_check_finds_good() {
    for sample in samples() {
        let outcome = farebox(["render", "envoy", sample.to_str().unwrap()]).run();
        assert!(outcome.success && !outcome.stdout.contains("{{"), "{}: {outcome:?}", sample.display());
        let path = file("rendered.yaml", &outcome.stdout);
        let (plain, inside) =
            (farebox(["check", sample.to_str().unwrap()]).run(), farebox(["check", &path]).run());
        assert!(plain.success && plain.stderr.is_empty(), "{plain:?}");
        assert_eq!(plain, inside, "{}", sample.display());
    }
}

#[test]
fn the_samples_have_every_preset() {
    let mut used = BTreeSet::new();
    for sample in samples() {
        let document: Value = serde_json::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap();
        let providers = document["providers"].as_object().unwrap().values();
        used.extend(providers.filter_map(|provider| Some(provider["preset"].as_str()?.to_owned())));
    }
    assert_eq!(used, presets());
}

#[test]
fn the_page_about_providers_says_what_the_presets_say() {
    let page = std::fs::read_to_string(workspace().join("docs/providers.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `").map(|row| row.split(" | ").collect()))
        .filter(|row: &Vec<&str>| row.len() == 6)
        .collect();
    let names: BTreeSet<String> = rows.iter().map(|row| row[0].trim_end_matches('`').to_owned()).collect();
    assert_eq!(names, presets());
    for row in rows {
        let name = row[0].trim_end_matches('`');
        let own = if row[2].starts_with("yours") { r#", "host": "example.com""# } else { "" };
        let signed = if row[4].contains("Envoy") { r#", "credentials": {"envoy": "gcp"}"# } else { "" };
        let text = plugin(&format!(r#""a": {{"preset": "{name}"{own}{signed}}}"#));
        let config = Config::parse(text.as_bytes(), |_| None).unwrap();
        let provider = &config.providers["a"];
        let dialects =
            provider.apis.iter().map(|api| Api::NAMES.iter().find(|(_, other)| other == api).unwrap().0);
        assert_eq!(row[1], dialects.collect::<Vec<_>>().join(", "), "{name}");
        let host = if own.is_empty() { row[2].trim_matches('`') } else { "example.com" };
        assert_eq!(provider.host.as_deref(), Some(host), "{name}");
        let base_path = match row[3].trim() {
            "" => None,
            "none" => Some(""),
            path => Some(path.trim_matches('`')),
        };
        assert_eq!(provider.base_path.as_deref(), base_path, "{name}");
        let mut headers: Vec<String> = provider
            .apis
            .iter()
            .map(|api| format!("`{}`", provider.header.unwrap_or_else(|| api.credential()).0))
            .collect();
        headers.dedup();
        assert!(row[4] == headers.join(", ") || !signed.is_empty(), "{name}: {headers:?}");
    }
}

#[test]
fn both_filters_get_the_text_of_the_file() {
    let text = plugin(r#""a": {"preset": "openai"}"#).replace(r#""keys""#, "\n\n  \"keys\"") + "\n";
    for text in [text.clone(), format!("\n  {text}")] {
        let bootstrap = parsed(&farebox(["render", "envoy", &file("text.json", &text)]).run());
        assert_eq!(gateway(&bootstrap)["configuration"]["value"], *text);
        assert_eq!(attempt(&bootstrap)["config"]["configuration"]["value"], *text);
    }
}

#[test]
fn the_options_say_where_things_are() {
    let arguments = [
        "render",
        "envoy",
        "-",
        "--wasm",
        "/opt/a b.wasm",
        "--address",
        "[::]:8080",
        "--admin",
        "127.0.0.2:1",
        "--ca",
        "/opt/ca.pem",
    ];
    let groq = plugin(r#""a": {"preset": "groq", "credentials": [{"env": "A"}]}"#);
    let bootstrap = parsed(&farebox(arguments).stdin(&groq).run());
    let tls = &clusters(&bootstrap)[0]["transport_socket"]["typed_config"]["common_tls_context"];
    assert_eq!(tls["validation_context"]["trusted_ca"]["filename"], "/opt/ca.pem");
    let address = |value: &Value| {
        let socket = &value["address"]["socket_address"];
        format!("{} {}", socket["address"].as_str().unwrap(), socket["port_value"])
    };
    assert_eq!(address(&bootstrap["static_resources"]["listeners"][0]), ":: 8080");
    assert_eq!(address(&bootstrap["admin"]), "127.0.0.2 1");
    for filter in [gateway(&bootstrap), &attempt(&bootstrap)["config"]] {
        assert_eq!(filter["vm_config"]["code"]["local"]["filename"], "/opt/a b.wasm");
    }
}

#[test]
fn a_filter_is_handed_every_variable_with_a_key_and_no_other() {
    let bootstrap = rendered(
        r#""b": {"preset": "openai", "credentials": [{"env": "B_2"}, {"env": "B_1", "optional": true}]},
           "a": {"preset": "groq", "credentials": [{"env": "B_1"}, {"env": "A"}]}"#,
    );
    for filter in [gateway(&bootstrap), &attempt(&bootstrap)["config"]] {
        let names = &filter["vm_config"]["environment_variables"]["host_env_keys"];
        assert_eq!(*names, serde_json::json!(["B_2", "B_1", "A"]));
    }
}

#[test]
fn there_is_a_route_to_every_cluster_and_a_cluster_for_every_route() {
    let bootstrap = rendered(
        r#""b": {"preset": "openai"}, "a": {"preset": "gemini", "cluster": "google"},
           "c": {"preset": "gemini-openai", "cluster": "google"}, "on": {"preset": "groq", "cluster": "a:b{c}#"}"#,
    );
    let names: Vec<&Value> = clusters(&bootstrap).iter().map(|cluster| &cluster["name"]).collect();
    assert_eq!(names, ["b", "google", "a:b{c}#"]);
    let matcher = &route(&bootstrap)["inline_cluster_specifier_plugin"]["extension"]["typed_config"];
    let map = matcher["cluster_matcher"]["matcher_tree"]["exact_match_map"]["map"].as_object().unwrap();
    assert_eq!(map.len(), 3);
    for (key, entry) in map {
        assert_eq!(entry["action"]["typed_config"]["cluster"], **key);
    }
}

#[test]
fn a_public_provider_is_found_by_its_name_and_has_to_prove_it() {
    let bootstrap = rendered(r#""a": {"preset": "openai"}, "b": {"preset": "groq"}"#);
    for (name, host) in [("a", "api.openai.com"), ("b", "api.groq.com")] {
        let cluster = cluster(&bootstrap, name);
        assert_eq!(cluster["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"], true);
        let tls = &cluster["transport_socket"]["typed_config"];
        assert_eq!((&tls["sni"], &tls["auto_sni_san_validation"]), (&Value::from(host), &Value::from(true)));
        assert!(tls["common_tls_context"]["validation_context"]["trusted_ca"]["filename"].is_string());
        assert!(protocol(cluster)["auto_config"].is_object());
        let address = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"];
        assert_eq!(address["socket_address"]["address"], host);
        assert_eq!(address["socket_address"]["port_value"], 443);
    }
}

#[test]
fn engines_of_ones_own_are_balanced_by_what_they_have_to_do() {
    let bootstrap = rendered(
        r#""addresses": {"preset": "vllm", "endpoints": ["http://10.0.0.5:8000", "http://[::1]"]},
           "names": {"preset": "vllm", "endpoints": ["http://a:8000", "http://10.0.0.5"]},
           "service": {"preset": "vllm", "endpoints": ["http://vllm.models.svc"]},
           "one": {"preset": "vllm", "endpoints": ["http://10.0.0.5:8000"]}"#,
    );
    for (name, is_static, is_pool) in
        [("addresses", true, true), ("names", false, true), ("service", false, true), ("one", true, false)]
    {
        let cluster = cluster(&bootstrap, name);
        assert_eq!(cluster["type"] == "STATIC", is_static, "{name}");
        assert_eq!(cluster["lb_policy"] == "LEAST_REQUEST", is_pool, "{name}");
        let dns = &cluster["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"];
        assert_eq!(*dns, if is_static { Value::Null } else { Value::from(false) }, "{name}");
        assert!(protocol(cluster)["explicit_http_config"]["http_protocol_options"].is_object(), "{name}");
        assert!(cluster.get("transport_socket").is_none(), "{name}");
    }
    let endpoints = &cluster(&bootstrap, "addresses")["load_assignment"]["endpoints"][0]["lb_endpoints"];
    let address = &endpoints[1]["endpoint"]["address"]["socket_address"];
    assert_eq!((&address["address"], &address["port_value"]), (&Value::from("::1"), &Value::from(80)));
}

#[test]
fn nothing_in_a_cluster_switches_failover_off() {
    let bootstrap =
        rendered(r#""a": {"preset": "openai"}, "b": {"preset": "vllm", "endpoints": ["http://b"]}"#);
    for cluster in clusters(&bootstrap) {
        let breaker = &cluster["circuit_breakers"]["thresholds"][0];
        assert!(breaker["max_retries"].as_u64().unwrap() >= 10_000 && breaker.get("retry_budget").is_none());
        assert!(cluster["outlier_detection"]["max_ejection_percent"].as_u64().unwrap() < 100);
        assert!(protocol(cluster)["outlier_detection"]["error_matcher"].is_object());
    }
}

#[test]
fn a_health_path_is_asked_for_and_no_other() {
    let bootstrap = rendered(
        r#""a": {"preset": "vllm", "health_path": "/health", "endpoints": ["http://10.0.0.5:8000"]},
           "b": {"preset": "vllm", "health_path": "/up", "endpoints": ["https://b.example.com"]},
           "c": {"preset": "openai"}"#,
    );
    let check = |name| &cluster(&bootstrap, name)["health_checks"][0];
    assert_eq!(check("a")["http_health_check"]["path"], "/health");
    assert_eq!(check("a")["http_health_check"]["host"], "10.0.0.5");
    assert_eq!(check("a").get("tls_options"), None);
    assert_eq!(check("b")["http_health_check"]["host"], "b.example.com");
    assert_eq!(check("b")["tls_options"]["alpn_protocols"][0], "http/1.1");
    assert_eq!(*check("c"), Value::Null);
    for name in ["a", "b"] {
        assert_eq!(cluster(&bootstrap, name)["common_lb_config"]["healthy_panic_threshold"]["value"], 1);
        assert_eq!(cluster(&bootstrap, name)["wait_for_warm_on_init"], false);
    }
}

#[test]
fn what_signs_a_request_comes_after_what_addresses_it() {
    let bootstrap = rendered(
        r#""aws": {"preset": "bedrock", "host": "a.amazonaws.com", "credentials": {"envoy": "aws", "region": "eu-west-1"}},
           "gcp": {"preset": "vertex", "host": "a.googleapis.com", "credentials": {"envoy": "gcp"}},
           "azure": {"preset": "azure", "host": "a.azure.com",
             "credentials": {"envoy": "azure", "tenant": "t", "client_id": "1"}}"#,
    );
    for (name, signer) in [
        ("aws", "envoy.filters.http.aws_request_signing"),
        ("gcp", "envoy.filters.http.credential_injector"),
        ("azure", "envoy.filters.http.credential_injector"),
    ] {
        let filters = protocol(cluster(&bootstrap, name))["http_filters"].as_array().unwrap();
        let names: Vec<&str> = filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["farebox-attempt", signer, "envoy.filters.http.upstream_codec"]);
        assert_eq!(filters[0]["typed_config"], *attempt(&bootstrap));
    }
    let azure = &protocol(cluster(&bootstrap, "azure"))["http_filters"][1]["typed_config"]["credential"];
    let entra = azure["typed_config"]["token_endpoint"]["cluster"].as_str().unwrap();
    assert_eq!(cluster(&bootstrap, entra)["transport_socket"]["typed_config"]["sni"], entra);
    assert_eq!(azure["typed_config"]["client_credentials"]["client_id"], "1");
    let secret = &bootstrap["static_resources"]["secrets"][0]["generic_secret"]["secret"];
    assert_eq!(secret["environment_variable"], "AZURE_CLIENT_SECRET");
    assert!(bootstrap["node"]["id"].is_string(), "without a name Envoy takes no secret from a file");
}

#[test]
fn an_attempt_may_be_silent_for_less_long_than_its_stream() {
    let seconds = |text: &Value| text.as_str().unwrap().strip_suffix('s').unwrap().parse::<u64>().unwrap();
    for (attempts, first_token) in [(3, 0), (1, 600), (5, 600), (5, 100), (2, 300)] {
        let failover = match first_token {
            0 => format!(r#"{{"attempts": {attempts}}}"#),
            _ => format!(r#"{{"attempts": {attempts}, "first_token_seconds": {first_token}}}"#),
        };
        let text = plugin("").replacen('{', &format!(r#"{{"failover": {failover}, "#), 1);
        let bootstrap = parsed(&farebox(["render", "envoy", "-"]).stdin(&text).run());
        let attempt = seconds(&route(&bootstrap)["retry_policy"]["per_try_idle_timeout"]);
        let stream = seconds(&manager(&bootstrap)["stream_idle_timeout"]);
        // The SDKs wait for ten minutes.
        assert!(attempt > 600 && attempt < stream, "{attempt} of {stream}");
        assert!(attempt >= first_token && stream > attempts * first_token, "{attempt} of {stream}");
        assert_eq!(route(&bootstrap)["timeout"], "0s");
    }
    let text = plugin("").replacen('{', r#"{"failover": {"silence_seconds": 1800}, "#, 1);
    let bootstrap = parsed(&farebox(["render", "envoy", "-"]).stdin(&text).run());
    assert_eq!(route(&bootstrap)["retry_policy"]["per_try_idle_timeout"], "1800s");
    assert_eq!(manager(&bootstrap)["stream_idle_timeout"], "1860s");
}

#[test]
fn who_cannot_be_found_is_told_with_its_path() {
    assert_eq!(
        mistakes(
            r#""a": {"dialect": "openai", "cluster": "a"},
               "b": {"preset": "vllm", "endpoints": ["http://b", "https://b"]},
               "c": {"preset": "vllm", "endpoints": ["https://10.0.0.5"]},
               "d": {"preset": "vllm", "endpoints": ["https://a.example.com", "https://b.example.com"]},
               "e": {"dialect": "openai", "host": "10.0.0.5:443"},
               "f": {"preset": "openai", "credentials": "envoy"}"#
        ),
        [
            r#"providers.a.endpoints: is missing: nobody said where it listens, like ["http://10.0.0.5:8000"]"#,
            "providers.b.endpoints: must be all https:// or all http://: they are one pool with one way to reach it",
            "providers.c.host: is missing: it is the name that the certificates of all its endpoints are for",
            "providers.d.host: is missing: it is the name that the certificates of all its endpoints are for",
            "providers.e.host: must be the name that the certificate is for, not an address",
            r#"providers.f.credentials: does not say which of Envoy's filters makes it: write {"envoy": "aws", …}, {"envoy": "gcp"}, {"envoy": "azure", …} or {"envoy": "file", …}"#,
        ]
    );
}

#[test]
fn who_shares_a_cluster_has_to_agree_on_it() {
    assert_eq!(
        mistakes(
            r#""a": {"preset": "vllm", "endpoints": ["http://a"], "health_path": "/a"},
               "b": {"preset": "vllm", "endpoints": ["http://b"], "cluster": "a"},
               "c": {"preset": "vllm", "endpoints": ["http://a"], "cluster": "a", "health_path": "/c"},
               "d": {"preset": "azure", "host": "d", "credentials": {"envoy": "azure", "tenant": "t", "client_id": "1"}},
               "e": {"preset": "azure", "host": "e", "credentials": {"envoy": "azure", "tenant": "t", "client_id": "2"}}"#
        ),
        [
            r#"providers.b.cluster: is the cluster of the provider "a" too, which has other endpoints"#,
            r#"providers.c.cluster: is the cluster of the provider "a" too, which has another health_path"#,
            r#"providers.e.credentials: must be the application of the provider "d": Envoy gets one secret, AZURE_CLIENT_SECRET"#,
        ]
    );
}

#[test]
fn mistakes_are_told_as_check_tells_them() {
    let broken = plugin(r#""a": {"preset": "opnai"}"#).replace(r#""keys""#, r#""kays""#);
    let (render, check) = (farebox(["render", "envoy", "-"]), farebox(["check", "-"]));
    let render = render.stdin(&broken).run();
    assert_eq!(render, check.stdin(&broken).run());
    assert!(render.stderr.contains("providers.a.preset: must be one of"), "{render:?}");
    let outcome = farebox(["render", "envoy", "no/such.json"]).run();
    assert_eq!(outcome, Outcome::failure("no/such.json: there is no such file\n"));
}
