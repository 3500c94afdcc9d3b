//! `farebox import litellm`.

use crate::shell::{Outcome, farebox, file};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CONFIG: &str = r#"
model_list:
  - model_name: chat
    litellm_params: {model: azure/chat-eu, api_base: "https://contoso-eu.openai.azure.com/", api_key: os.environ/AZURE_EU, api_version: "2025-01-01", weight: 3}
  - model_name: chat
    litellm_params: {model: azure/chat-us, api_base: "https://contoso-us.openai.azure.com", api_key: os.environ/AZURE_US, rpm: 60}
  - model_name: claude
    litellm_params: {model: anthropic/claude-haiku-4-5, api_key: sk-ant-in-clear-0123456789}
  - model_name: open/llama
    litellm_params: {model: openai/llama-70b, api_base: "http://10.0.0.7:8000/v1", api_key: none}
  - model_name: cheap
    litellm_params: {model: groq/llama-3.3-70b-versatile}
    model_info: {input_cost_per_token: 5.9e-07, output_cost_per_token: 0.00000079, mode: chat}
  - model_name: "gpt-*"
    litellm_params: {model: "openai/gpt-*", api_key: os.environ/OPENAI_API_KEY}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
  - model_name: nova
    litellm_params: {model: bedrock/amazon.nova-lite-v1:0, aws_region_name: eu-west-1}
  - model_name: odd
    litellm_params: {model: sagemaker/my-endpoint}
router_settings:
  routing_strategy: least-busy
  num_retries: 2
  fallbacks: [{chat: [claude, odd]}]
  model_group_alias: {default-chat: chat}
litellm_settings:
  context_window_fallbacks: [{cheap: [claude]}]
  max_budget: 1000
  budget_duration: 30d
  drop_params: true
general_settings:
  master_key: sk-master-0123456789
"#;

const KEYS: &str = r#"{
  "teams": [
    {"team_id": "1f0c", "team_alias": "Search & Ads", "max_budget": 250.5, "budget_duration": "1mo", "models": ["chat"], "tpm_limit": 90000}
  ],
  "keys": [
    {"token": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b", "key_alias": "CI runner", "team_id": "1f0c", "models": [],
     "max_budget": 10, "budget_duration": "3d", "rpm_limit": 5, "max_parallel_requests": 2, "expires": "2999-01-01T00:00:00.000000Z", "metadata": {"a": 1}},
    {"key": "sk-in-clear-0123456789", "key_alias": "CI runner", "team_id": null, "models": ["claude", "all-proxy-models"], "blocked": true, "spend": 3.2},
    "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4c"
  ]
}"#;

fn import(config: &str, keys: Option<&str>, more: &[&str]) -> Outcome {
    // Tests run at the same time.
    let name =
        |text: &str, kind| format!("litellm-{:?}.{kind}", Sha256::digest(text).first_chunk::<8>().unwrap());
    let config = file(&name(config, "yaml"), config);
    let keys = keys.map(|keys| file(&name(keys, "json"), keys));
    let mut arguments = vec!["import", "litellm", &*config];
    if let Some(keys) = &keys {
        arguments.extend(["--keys", keys]);
    }
    farebox([&arguments, more].concat()).run()
}

fn imported(outcome: &Outcome) -> Value {
    assert!(outcome.success, "{outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn a_configuration_becomes_one_that_check_accepts() {
    let outcome = import(CONFIG, Some(KEYS), &[]);
    let config = imported(&outcome);
    let path = file("imported.json", &outcome.stdout);
    let checked = farebox(["check", &path]).run();
    assert!(checked.success, "{checked:?}");
    assert_eq!(checked.stdout, "ok: 7 providers, 7 models, 2 keys, 5 budgets\n");
    assert_eq!(
        config["models"],
        json!({
            "chat": [
                {"provider": "azure-openai", "model": "chat-eu", "weight": 3},
                {"provider": "azure-openai-2", "model": "chat-us", "weight": 1},
                {"provider": "anthropic", "model": "claude-haiku-4-5"},
            ],
            "default-chat": [
                {"provider": "azure-openai", "model": "chat-eu", "weight": 3},
                {"provider": "azure-openai-2", "model": "chat-us", "weight": 1},
                {"provider": "anthropic", "model": "claude-haiku-4-5"},
            ],
            "claude": [{"provider": "anthropic", "model": "claude-haiku-4-5"}],
            "open-llama": [{"provider": "10-0-0-7-8000", "model": "llama-70b"}],
            "cheap": [
                {"provider": "groq", "model": "llama-3.3-70b-versatile"},
                {"provider": "anthropic", "model": "claude-haiku-4-5", "after": "context_length"},
            ],
            "gpt-*": [{"provider": "openai"}],
            "nova": [{"provider": "bedrock", "model": "amazon.nova-lite-v1:0"}],
        })
    );
    assert_eq!(config["providers"]["azure-openai"]["credentials"], json!([{"env": "AZURE_EU"}]));
    assert_eq!(
        config["providers"]["10-0-0-7-8000"],
        json!({"dialect": "openai", "endpoints": ["http://10.0.0.7:8000"]})
    );
    assert_eq!(config["prices"]["groq/llama-3.3-70b-versatile"], json!({"input": 0.59, "output": 0.79}));
    assert_eq!(config["failover"], json!({"attempts": 3}));
}

#[test]
fn limits_become_budgets_and_an_unknown_window_a_longer_one() {
    let outcome = import(CONFIG, Some(KEYS), &[]);
    assert_eq!(
        imported(&outcome)["budgets"],
        json!([
            {"name": "org", "window": "month", "limit_usd": 1000},
            {"name": "key-minute", "per": "key", "window": "minute",
             "overrides": {"ci-runner": {"limit_requests": 5, "limit_concurrent": 2}}},
            {"name": "key-week", "per": "key", "window": "week", "overrides": {"ci-runner": {"limit_usd": 10}}},
            {"name": "team-minute", "per": "team", "window": "minute", "overrides": {"search-ads": {"limit_tokens": 90000}}},
            {"name": "team-month", "per": "team", "window": "month", "overrides": {"search-ads": {"limit_usd": 250.5}}},
        ])
    );
    assert!(outcome.stderr.contains("keys[0].budget_duration: there is no such window"), "{outcome:?}");
}

#[test]
fn callers_get_new_keys_that_only_a_file_has() {
    let secrets = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("secrets.json");
    let _ = std::fs::remove_file(&secrets);
    let outcome = import(CONFIG, Some(KEYS), &["--secrets", secrets.to_str().unwrap()]);
    let keys = &imported(&outcome)["keys"];
    let made: Value = serde_json::from_str(&std::fs::read_to_string(&secrets).unwrap()).unwrap();
    for (index, id) in ["ci-runner", "ci-runner-2"].into_iter().enumerate() {
        let key = made[id].as_str().unwrap();
        let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&keys[index]["id"], &keys[index]["sha256"]), (&json!(id), &json!(hash)));
        assert!(!outcome.stdout.contains(key) && !outcome.stderr.contains(key));
    }
    assert_eq!((&keys[0]["team"], &keys[0]["models"]), (&json!("search-ads"), &json!(["chat"])));
    assert_eq!(keys[0]["expires"], "2999-01-01T00:00:00Z");
    assert_eq!(
        (&keys[1]["team"], &keys[1]["enabled"], &keys[1]["models"]),
        (&json!("default"), &json!(false), &json!(null))
    );
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&secrets).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    // Keys that callers have already are not replaced by others.
    let again = import(CONFIG, Some(KEYS), &["--secrets", secrets.to_str().unwrap()]);
    assert!(!again.success && again.stderr.contains("cannot be made"), "{again:?}");
}

#[test]
fn what_has_no_place_is_listed_and_no_secret_is() {
    let outcome = import(CONFIG, Some(KEYS), &[]);
    for path in [
        "model_list[1].litellm_params.rpm: ",
        "model_list[2].litellm_params.api_key: is a secret in clear: put it into the variable ANTHROPIC_API_KEY",
        "model_list[3].model_name: open/llama is called open-llama here",
        "model_list[3].litellm_params.api_base: answers at a machine of your own",
        "model_list[6].model_name: openai/MODEL works without being listed",
        "model_list[8].litellm_params.model: there is no preset for sagemaker/",
        "router_settings.fallbacks: odd is not brought over",
        "router_settings.routing_strategy: ",
        "litellm_settings.drop_params: ",
        "general_settings.master_key: ",
        "keys[0].metadata: ",
        "keys[2]: says nothing but a hash",
    ] {
        assert!(outcome.stderr.contains(path), "{path} is not in {}", outcome.stderr);
    }
    for secret in ["sk-ant-in-clear", "sk-master", "sk-in-clear", "88dc28d0"] {
        assert!(
            !outcome.stdout.contains(secret) && !outcome.stderr.contains(secret),
            "{secret}: {outcome:?}"
        );
    }
}

#[test]
fn every_common_prefix_is_a_provider() {
    for prefix in [
        "openai",
        "anthropic",
        "gemini",
        "vertex_ai",
        "bedrock",
        "mistral",
        "groq",
        "deepseek",
        "xai",
        "cohere",
        "together_ai",
        "fireworks_ai",
        "openrouter",
        "perplexity",
        "cerebras",
        "ollama",
        "ollama_chat",
    ] {
        let config =
            format!("model_list: [{{model_name: a, litellm_params: {{model: {prefix}/some/model}}}}]");
        let outcome = import(&config, None, &[]);
        let config = imported(&outcome);
        assert_eq!(config["models"]["a"][0]["model"], "some/model", "{prefix}: {outcome:?}");
    }
    for (prefix, base) in [("azure", "https://a.openai.azure.com"), ("hosted_vllm", "http://gpu:8000/v1")] {
        let params = format!("{{model: {prefix}/m, api_base: \"{base}\"}}");
        let outcome =
            import(&format!("model_list: [{{model_name: a, litellm_params: {params}}}]"), None, &[]);
        assert_eq!(imported(&outcome)["models"]["a"][0]["model"], "m", "{prefix}: {outcome:?}");
    }
}

#[test]
fn a_place_that_is_not_known_is_left_out_and_not_guessed() {
    for prefix in ["openai", "ollama", "azure", "anthropic"] {
        let params = format!("{{model: {prefix}/m, api_base: os.environ/WHERE, api_key: os.environ/KEY}}");
        let outcome =
            import(&format!("model_list: [{{model_name: a, litellm_params: {params}}}]"), None, &[]);
        assert_eq!(
            (&imported(&outcome)["models"], &imported(&outcome)["providers"]),
            (&json!({}), &json!({})),
            "{prefix}"
        );
        assert!(
            outcome.stderr.contains("model_list[0].litellm_params.api_base: is in the environment"),
            "{outcome:?}"
        );
    }
}

#[test]
fn what_is_no_configuration_of_litellm_is_told_so() {
    let outcome = import("- a\n- b\n", None, &[]);
    assert!(outcome.stderr.contains("must be an object with a model_list"), "{outcome:?}");
    let outcome = import("model_list: []", Some("3"), &[]);
    assert!(outcome.stderr.contains("the keys must be a list"), "{outcome:?}");
}
