//! What is told about presets, credentials, endpoints, targets and failover.

use super::*;

/// The mistakes told about a provider, without the path that all of them begin with.
fn told_of(provider: &str) -> Vec<String> {
    let told = mistakes(&with("providers", &format!(r#"{{"local": {{{provider}}}}}"#)));
    let lines = told.lines().map(|line| line.strip_prefix("providers.local").unwrap_or(line).to_owned());
    lines.collect()
}

fn check_providers(rows: &[(&str, &[&str])]) {
    for (provider, expected) in rows {
        assert_eq!(told_of(provider), *expected, "{provider}");
    }
}

#[test]
fn what_is_wrong_with_a_preset_is_told() {
    check_providers(&[
        (r#""cluster": "c""#, &[": \"dialect\" is missing"]),
        (
            r#""preset": "gorq""#,
            &[
                ".preset: must be one of openai, azure, azure-openai, anthropic, gemini, gemini-openai, vertex, \
               bedrock, bedrock-openai, mistral, groq, deepseek, deepseek-anthropic, xai, cohere, cohere-openai, \
               together, fireworks, openrouter, perplexity, cerebras, vllm, sglang, ollama, llamacpp \
               (did you mean \"groq\"?)",
            ],
        ),
        (r#""preset": 7"#, &[".preset: must be a string, not a number"]),
        (
            r#""preset": "azure""#,
            &[
                ": \"host\" is missing: with the preset \"azure\" it is your own, like my-resource.openai.azure.com",
            ],
        ),
        (
            r#""preset": "bedrock", "base_path": "x""#,
            &[
                ": \"host\" is missing: with the preset \"bedrock\" it is your own, \
                 like bedrock-runtime.eu-west-1.amazonaws.com",
                ": \"credentials\" is missing: the preset \"bedrock\" needs it, \
                 like {\"envoy\": \"aws\", \"region\": \"eu-west-1\"}",
                ".base_path: must be a path that begins with \"/\", without query and fragment",
            ],
        ),
        // A host that cannot be read is not missing.
        (
            r#""preset": "azure", "host": "https://a""#,
            &[".host: must be a host name with an optional port, without scheme and path"],
        ),
        (r#""preset": "openai", "endpoint": []"#, &[".endpoint: unknown key (did you mean \"endpoints\"?)"]),
    ]);
}

#[test]
fn what_is_wrong_with_endpoints_is_told() {
    let wanted = "must be http:// or https:// with a host and an optional port, without a path, \
                  like http://10.0.0.5:8000";
    check_providers(&[
        (r#""preset": "vllm", "endpoints": []"#, &[".endpoints: must have at least one endpoint"]),
        (r#""preset": "vllm", "endpoints": "http://a""#, &[".endpoints: must be a list, not a string"]),
        (
            r#""preset": "vllm", "endpoints": ["http://a", "a:80", "http://a/v1", 7], "health_path": "health""#,
            &[
                &format!(".endpoints[1]: {wanted}"),
                &format!(".endpoints[2]: {wanted}"),
                ".endpoints[3]: must be a string, not a number",
                ".health_path: must be a path that begins with \"/\", without query and fragment",
            ],
        ),
    ]);
}

#[test]
fn what_is_wrong_with_credentials_is_told() {
    let wanted = "must be \"envoy\", a list like [{\"env\": \"OPENAI_API_KEY\"}] or an object like \
                  {\"envoy\": \"aws\", \"region\": \"eu-west-1\"}";
    let with = |credentials: &str| format!(r#""preset": "openai", "credentials": {credentials}"#);
    let many: Vec<String> = (0..17).map(|number| format!(r#"{{"env": "KEY_{number}"}}"#)).collect();
    check_providers(&[
        (&with(r#""aws""#), &[&format!(".credentials: {wanted}")]),
        (&with("null"), &[&format!(".credentials: {wanted}")]),
        (
            &with("[]"),
            &[".credentials: must have an entry; leave \"credentials\" out if the provider wants none"],
        ),
        (&with(&format!("[{}]", many.join(", "))), &[".credentials: must have at most 16 entries"]),
        (
            &with(r#"[{"env": "A"}, {"env": "a b"}, {"env": "A", "optional": true}, {"weight": 0}, "B"]"#),
            &[
                ".credentials[1].env: must be the name of an environment variable (not its value)",
                ".credentials[2]: another entry has this variable already",
                ".credentials[3]: \"env\" is missing",
                ".credentials[3].weight: must be a whole number from 1 to 100",
                ".credentials[4]: must be an object, not a string",
            ],
        ),
        (&with("{}"), &[".credentials: \"envoy\" is missing"]),
        (&with(r#"{"region": "eu"}"#), &[".credentials: \"envoy\" is missing"]),
        (
            &with(r#"{"envoy": "asw", "region": 7}"#),
            &[".credentials.envoy: must be one of aws, gcp, azure, file (did you mean \"aws\"?)"],
        ),
        (&with(r#"{"envoy": "aws"}"#), &[".credentials: \"region\" is missing"]),
        (
            &with(r#"{"envoy": "aws", "region": "EU", "regoin": "eu"}"#),
            &[
                ".credentials.region: must be 1 to 64 characters out of a-z, 0-9 and \"-\"",
                ".credentials.regoin: unknown key (did you mean \"region\"?)",
            ],
        ),
        (
            &with(r#"{"envoy": "gcp", "region": "eu"}"#),
            &[".credentials.region: unknown key (known here: envoy)"],
        ),
        (
            &with(r#"{"envoy": "azure"}"#),
            &[".credentials: \"tenant\" is missing", ".credentials: \"client_id\" is missing"],
        ),
        (&with(r#"{"envoy": "file"}"#), &[".credentials: \"path\" is missing"]),
        (
            &with(r#"{"envoy": "file", "path": "key.json"}"#),
            &[".credentials.path: must be a path that begins with \"/\", without query and fragment"],
        ),
        (
            &with(r#"{"envoy": "file", "path": "/key.json", "region": "eu"}"#),
            &[".credentials.region: unknown key (known here: envoy, path)"],
        ),
    ]);
}

#[test]
fn what_is_wrong_with_the_targets_of_a_model_is_told() {
    check(&[
        (
            "models",
            r#"{"fast": [{"provider": "local", "after": "context_length"}], "slow": [
                {"provider": "local", "weight": 101, "after": "context_lenght"}, {"provider": "local", "weigth": 1}]}"#,
            &[
                "models.fast: at least one target must do without \"after\": there is nothing it could come after",
                "models.slow[0].weight: must be a whole number from 1 to 100",
                "models.slow[0].weight: means nothing to a target with \"after\", which is never the first",
                "models.slow[0].after: must be \"context_length\"",
                "models.slow[1].weigth: unknown key (did you mean \"weight\"?)",
            ],
        ),
        (
            "models",
            r#"{"fast": [{"provider": "local", "weight": 0}, {"provider": "local", "weight": "1"}]}"#,
            &[
                "models.fast[0].weight: must be a whole number from 1 to 100",
                "models.fast[1].weight: must be a whole number, not a string",
            ],
        ),
    ]);
}

#[test]
fn what_is_wrong_with_failover_is_told() {
    check(&[
        (
            "failover",
            r#"{"attempts": 6, "first_token_seconds": 0, "silence_seconds": 9, "pause_seconds": {"unauthorised": 1, "rate_limited": 86401}}"#,
            &[
                "failover.attempts: must be a whole number from 1 to 5",
                "failover.first_token_seconds: must be a whole number from 1 to 600",
                "failover.silence_seconds: must be a whole number from 10 to 7200",
                "failover.pause_seconds.unauthorised: unknown key (did you mean \"unauthorized\"?)",
                "failover.pause_seconds.rate_limited: must be a whole number from 1 to 86400",
            ],
        ),
        ("failover", "[]", &["failover: must be an object, not a list"]),
        (
            "failover",
            r#"{"pause_seconds": 7, "retries": 2}"#,
            &[
                "failover.pause_seconds: must be an object, not a number",
                "failover.retries: unknown key (known here: attempts, first_token_seconds, silence_seconds, pause_seconds)",
            ],
        ),
    ]);
}
