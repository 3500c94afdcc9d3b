//! What providers, the targets at them and failover come to.

use super::*;
use crate::config::StatedCost;
use crate::config::read::presets::{Host, PRESETS};
use crate::dialect::Api;
use crate::pricing::Listing;
use std::rc::Rc;

fn provider(text: &str) -> Rc<Provider> {
    providers_in(&format!(r#"{{"local": {{{text}}}}}"#), everything_set)
}

/// The provider `local`.
fn providers_in(providers: &str, environment: impl Fn(&str) -> Option<String>) -> Rc<Provider> {
    let config = Config::parse(with("providers", providers).as_bytes(), environment);
    Rc::clone(&config.unwrap_or_else(|errors| panic!("{errors}")).providers["local"])
}

fn pool(credential: &Credential) -> Vec<(&str, &str, u32)> {
    let Credential::Pool(keys) = credential else { panic!("{credential:?}") };
    keys.iter().map(|key| (&*key.env, key.secret.expose(), key.weight)).collect()
}

fn endpoint(tls: bool, host: &str, port: u16) -> Endpoint {
    Endpoint { tls, host: host.into(), port }
}

#[test]
fn a_provider_of_which_only_the_dialect_is_said_has_the_documented_defaults() {
    let expected = Provider {
        name: "local".into(),
        apis: vec![Api::Ollama],
        cluster: "local".into(),
        host: None,
        authority: "local".into(),
        project: None,
        base_path: None,
        preset: None,
        endpoints: vec![],
        credential: Credential::None,
        header: None,
        signing: None,
        health_path: None,
        include_usage: true,
        catalogue: "local".into(),
        price_permille: 1_000,
        stated_cost: StatedCost::Compare,
    };
    assert_eq!(*provider(r#""dialect": "ollama""#), expected);
}

#[test]
fn the_host_that_is_named_to_a_provider_is_its_own() {
    let authority =
        |members: &str| provider(&format!(r#""dialect": "openai", {members}"#)).authority.to_string();
    assert_eq!(
        authority(r#""host": "a.example:8443", "endpoints": ["http://10.0.0.1:1"]"#),
        "a.example:8443"
    );
    assert_eq!(
        authority(r#""endpoints": ["http://10.0.0.5:8000", "http://10.0.0.6:8000"]"#),
        "10.0.0.5:8000"
    );
    assert_eq!(authority(r#""endpoints": ["https://vllm"]"#), "vllm");
    assert_eq!(authority(r#""endpoints": ["http://[::1]:11434"]"#), "[::1]:11434");
    assert_eq!(authority(r#""cluster": "outbound|80||vllm.svc""#), "outbound-80--vllm.svc");
}

#[test]
fn a_provider_of_googles_has_a_project_and_the_location_of_its_host() {
    let project = |members: &str| {
        let vertex = provider(&format!(r#""dialect": "vertex", {members}"#));
        vertex.project.as_ref().map(|(project, location)| format!("{project} {location}"))
    };
    assert_eq!(project(r#""host": "eu-aiplatform.example""#), None);
    let host = r#""host": "europe-west1-aiplatform.googleapis.com", "project": "acme""#;
    assert_eq!(project(host).as_deref(), Some("acme europe-west1"));
    assert_eq!(
        project(r#""host": "aiplatform.googleapis.com", "project": "acme""#).as_deref(),
        Some("acme global")
    );
    assert_eq!(project(r#""project": "acme", "location": "us""#).as_deref(), Some("acme us"));
}

#[test]
fn a_preset_says_what_is_not_written() {
    let groq = provider(r#""preset": "groq", "credentials": [{"env": "KEY"}]"#);
    assert_eq!((groq.preset, &groq.apis), (Some("groq"), &vec![Api::OpenAi]));
    assert_eq!((&*groq.cluster, groq.host.as_deref()), ("local", Some("api.groq.com")));
    assert_eq!((groq.base_path.as_deref(), &*groq.catalogue), (Some("/openai/v1"), "groq"));
    assert_eq!(groq.endpoints, [endpoint(true, "api.groq.com", 443)]);
    assert_eq!(pool(&groq.credential), [("KEY", "sk-secret-of-a-provider", 1)]);
    let mistral = provider(r#""preset": "mistral""#);
    assert_eq!((mistral.include_usage, &mistral.credential), (false, &Credential::None));
    let azure = provider(r#""preset": "azure-openai", "host": "acme.openai.azure.com""#);
    assert_eq!((azure.header, &*azure.catalogue), (Some(("api-key", "")), "azure"));
    assert_eq!(azure.endpoints, [endpoint(true, "acme.openai.azure.com", 443)]);
    let vllm = provider(r#""preset": "vllm""#);
    assert_eq!((vllm.host.as_deref(), vllm.endpoints.len(), &*vllm.catalogue), (None, 0, "local"));
}

#[test]
fn what_is_written_wins_over_the_preset() {
    let provider = provider(
        r#""preset": "mistral", "dialect": ["anthropic"], "cluster": "c", "host": "h:8443", "base_path": "/x/",
           "include_usage": true, "catalogue": "azure", "stated_cost": "charge", "health_path": "/health",
           "endpoints": ["http://10.0.0.5:8000", "https://[::1]"]"#,
    );
    assert_eq!((&provider.apis, &*provider.cluster), (&vec![Api::Anthropic], "c"));
    assert_eq!((provider.host.as_deref(), provider.base_path.as_deref()), (Some("h:8443"), Some("/x")));
    assert_eq!((provider.include_usage, &*provider.catalogue), (true, "azure"));
    assert_eq!(provider.stated_cost, StatedCost::Charge);
    assert_eq!(provider.health_path.as_deref(), Some("/health"));
    assert_eq!(provider.endpoints, [endpoint(false, "10.0.0.5", 8_000), endpoint(true, "::1", 443)]);
}

#[test]
fn a_provider_listens_at_its_host_if_nothing_else_is_said() {
    let at = |host: &str| provider(&format!(r#""dialect": "openai", "host": "{host}""#)).endpoints.clone();
    assert_eq!(at("10.0.0.5:8000"), [endpoint(true, "10.0.0.5", 8_000)]);
    assert_eq!(at("[::1]:1"), [endpoint(true, "::1", 1)]);
    assert_eq!(at("::"), [], "nothing can listen at such a name");
}

#[test]
fn a_stated_cost_is_charged_where_the_preset_or_the_operator_says_so() {
    for (text, expected) in [
        (r#""preset": "xai""#, StatedCost::Charge),
        (r#""preset": "openrouter""#, StatedCost::Charge),
        (r#""preset": "perplexity""#, StatedCost::Charge),
        (r#""preset": "openrouter", "stated_cost": "compare""#, StatedCost::Compare),
        (r#""preset": "openai""#, StatedCost::Compare),
        (r#""dialect": "openai""#, StatedCost::Compare),
    ] {
        assert_eq!(provider(text).stated_cost, expected, "{text}");
    }
}

#[test]
fn every_preset_is_complete_and_has_prices_if_it_is_charged_for() {
    for preset in &PRESETS {
        let name = preset.name;
        let mut known: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        known.retain(|other| *other == name);
        assert_eq!(known.len(), 1, "{name} is there twice");
        assert!(!preset.apis.is_empty(), "{name}");
        let catalogue = preset.catalogue.and_then(|catalogue| Listing::checked_in().provider(catalogue));
        assert_eq!(catalogue, preset.catalogue, "{name}: not the name that the price list has for it");
        assert_eq!(preset.catalogue.is_none(), preset.host == Host::Anywhere, "{name}");
        let host = match preset.host {
            Host::At(_) | Host::Anywhere => String::new(),
            Host::Like(example) => format!(r#", "host": "{example}""#),
        };
        let credentials = preset.credentials.map(|example| format!(r#", "credentials": {example}"#));
        let provider = provider(&format!(r#""preset": "{name}"{host}{}"#, credentials.unwrap_or_default()));
        assert_eq!(provider.preset, Some(name));
        assert_eq!(provider.endpoints.len(), usize::from(preset.host != Host::Anywhere), "{name}");
        assert!(provider.endpoints.iter().all(|endpoint| endpoint.tls && endpoint.port == 443), "{name}");
        // A path of any of its dialects keeps what comes after the root.
        if let Some(base) = &provider.base_path {
            let mut roots = preset.apis.iter().map(|api| api.root());
            assert!(roots.all(|root| root == "/v1"), "{name} has no single root that {base} stands for");
        }
    }
}

#[test]
fn every_preset_leads_to_the_addresses_that_its_provider_documents() {
    use crate::dialect::Served;
    for (preset, path, expected) in [
        ("openai", "/v1/responses", "api.openai.com/v1/responses"),
        (
            "azure",
            "/openai/deployments/m/embeddings",
            "my-resource.openai.azure.com/openai/deployments/m/embeddings",
        ),
        ("azure-openai", "/v1/responses", "my-resource.openai.azure.com/openai/v1/responses"),
        ("anthropic", "/v1/messages", "api.anthropic.com/v1/messages"),
        ("anthropic", "/v1/chat/completions", "api.anthropic.com/v1/chat/completions"),
        (
            "gemini",
            "/v1beta/models/m:generateContent",
            "generativelanguage.googleapis.com/v1beta/models/m:generateContent",
        ),
        ("gemini", "/v1/models/m:countTokens", "generativelanguage.googleapis.com/v1/models/m:countTokens"),
        (
            "gemini-openai",
            "/v1/chat/completions",
            "generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        ),
        ("bedrock", "/model/m/converse", "bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse"),
        (
            "bedrock-openai",
            "/v1/chat/completions",
            "bedrock-runtime.eu-west-1.amazonaws.com/openai/v1/chat/completions",
        ),
        ("mistral", "/v1/embeddings", "api.mistral.ai/v1/embeddings"),
        ("groq", "/v1/chat/completions", "api.groq.com/openai/v1/chat/completions"),
        ("deepseek", "/v1/chat/completions", "api.deepseek.com/v1/chat/completions"),
        ("deepseek-anthropic", "/v1/messages", "api.deepseek.com/anthropic/v1/messages"),
        ("xai", "/v1/responses", "api.x.ai/v1/responses"),
        ("cohere", "/v2/chat", "api.cohere.com/v2/chat"),
        ("cohere-openai", "/v1/chat/completions", "api.cohere.ai/compatibility/v1/chat/completions"),
        ("together", "/v1/completions", "api.together.ai/v1/completions"),
        ("fireworks", "/v1/chat/completions", "api.fireworks.ai/inference/v1/chat/completions"),
        ("fireworks", "/v1/messages", "api.fireworks.ai/inference/v1/messages"),
        ("openrouter", "/v1/chat/completions", "openrouter.ai/api/v1/chat/completions"),
        ("openrouter", "/v1/messages", "openrouter.ai/api/v1/messages"),
        ("perplexity", "/v1/chat/completions", "api.perplexity.ai/chat/completions"),
        ("cerebras", "/v1/chat/completions", "api.cerebras.ai/v1/chat/completions"),
    ] {
        let row = PRESETS.iter().find(|row| row.name == preset).unwrap();
        let (Host::At(host) | Host::Like(host)) = row.host else { panic!("{preset}") };
        let served = Served::at(path).unwrap();
        assert!(row.apis.contains(&served.api), "{preset} does not serve {path}");
        // What stands in place of the root, as the filter sends it.
        let sent = match row.base_path {
            Some(base) => [host, base, path.strip_prefix(served.api.root()).unwrap()].concat(),
            None => [host, path].concat(),
        };
        assert_eq!(sent, expected);
    }
}

#[test]
fn the_keys_of_a_pool_are_those_that_are_set() {
    let with_set = |set: &[&str]| {
        let list = r#"[{"env": "A", "optional": true, "weight": 3}, {"env": "B", "optional": true}]"#;
        let providers = format!(r#"{{"local": {{"dialect": "openai", "credentials": {list}}}}}"#);
        let environment = |name: &str| set.contains(&name).then(|| format!("secret-{name}"));
        providers_in(&providers, environment)
    };
    assert_eq!(pool(&with_set(&["A", "B"]).credential), [("A", "secret-A", 3), ("B", "secret-B", 1)]);
    assert_eq!(pool(&with_set(&["B"]).credential), [("B", "secret-B", 1)]);
    assert_eq!(with_set(&[]).credential, Credential::Missing("A, B".into()));
}

#[test]
fn a_key_that_must_be_set_is_missed_even_if_others_are_set() {
    let list = r#"[{"env": "A"}, {"env": "B"}, {"env": "C", "optional": true}]"#;
    let providers = format!(r#"{{"local": {{"dialect": "openai", "credentials": {list}}}}}"#);
    let environment = |name: &str| (name == "A").then(|| "secret".to_owned());
    let told = Config::parse(with("providers", &providers).as_bytes(), environment).unwrap_err().to_string();
    let expected = "providers.local.credentials[1].env: B is not set \
                    (Envoy hands on only what vm_config.environment_variables lists)";
    assert_eq!(told, expected);
}

#[test]
fn what_envoy_signs_with_is_kept_and_is_envoys_credential() {
    let region = Signing::Aws { region: "eu-west-1".into() };
    let azure = Signing::Azure { tenant: "acme.example".into(), client_id: "6731de76".into() };
    let file = Signing::File("/run/keys/openai.json".into());
    for (credentials, signing) in [
        (r#""envoy""#, None),
        (r#"{"envoy": "aws", "region": "eu-west-1"}"#, Some(region)),
        (r#"{"envoy": "gcp"}"#, Some(Signing::Gcp)),
        (r#"{"envoy": "azure", "tenant": "acme.example", "client_id": "6731de76"}"#, Some(azure)),
        (r#"{"envoy": "file", "path": "/run/keys/openai.json"}"#, Some(file)),
    ] {
        let provider = provider(&format!(r#""dialect": "openai", "credentials": {credentials}"#));
        assert_eq!((&provider.credential, &provider.signing), (&Credential::Envoy, &signing));
    }
}

#[test]
fn targets_keep_their_weights_and_what_they_come_after() {
    let config = parse(MAXIMAL).unwrap();
    let targets = &config.aliases["spread"].targets;
    let said: Vec<_> = targets.iter().map(|target| (target.weight, target.after)).collect();
    let expected = [
        (Some(100), After::Anything),
        (Some(1), After::Anything),
        (None, After::Anything),
        (None, After::ContextLength),
    ];
    assert_eq!(said, expected);
}

#[test]
fn failover_has_its_documented_defaults_one_by_one() {
    let of = |failover: &str| parse(&with("failover", failover)).unwrap().failover;
    let defaults = Failover {
        attempts: 3,
        first_token_ms: None,
        silence_ms: 660_000,
        unauthorized_ms: 300_000,
        rate_limited_ms: 10_000,
    };
    assert_eq!(parse(&with("rules", "[]")).unwrap().failover, defaults);
    assert_eq!(of("{}"), defaults);
    assert_eq!(of(r#"{"pause_seconds": {}}"#), defaults);
    assert_eq!(of(r#"{"attempts": 1}"#), Failover { attempts: 1, ..defaults });
    assert_eq!(of(r#"{"first_token_seconds": 30}"#), Failover { first_token_ms: Some(30_000), ..defaults });
    assert_eq!(of(r#"{"silence_seconds": 30}"#), Failover { silence_ms: 30_000, ..defaults });
    let paused = of(r#"{"pause_seconds": {"unauthorized": 1}}"#);
    assert_eq!(paused, Failover { unauthorized_ms: 1_000, ..defaults });
    let all = Failover {
        attempts: 5,
        first_token_ms: Some(600_000),
        silence_ms: 7_200_000,
        unauthorized_ms: 86_400_000,
        rate_limited_ms: 1_000,
    };
    assert_eq!(parse(MAXIMAL).unwrap().failover, all);
}
