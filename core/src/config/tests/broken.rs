//! One broken document per rule, with exactly what is told about it.

mod budgets;
mod headers_only;
mod identity;
mod ledger;
mod policies;
mod providers;
use super::*;

/// Each row: the part that is set, its value, and the mistakes that are told.
fn check(rows: &[(&str, &str, &[&str])]) {
    for (key, value, expected) in rows {
        assert_eq!(mistakes(&with(key, value)), expected.join("\n"), "{key}: {value}");
    }
}

#[test]
fn a_text_that_is_no_json_object_is_refused() {
    for (text, expected) in [
        ("", "the configuration is empty"),
        (" \n", "the configuration is empty"),
        ("[]", "the configuration must be a JSON object"),
        ("7", "the configuration must be a JSON object"),
        ("{", "not valid JSON: EOF while parsing an object at line 1 column 1"),
        ("{\n \"version\": v1}", "not valid JSON: expected value at line 2 column 13"),
        ("{} {}", "not valid JSON: trailing characters at line 1 column 4"),
    ] {
        assert_eq!(mistakes(text), expected, "{text}");
    }
    let errors = Config::parse(b"{\"\xff\"}", everything_set).unwrap_err();
    assert_eq!(errors.to_string(), "not valid JSON: not UTF-8 after byte 2");
    assert!(mistakes(&"[".repeat(100_000)).starts_with("not valid JSON: recursion limit exceeded"));
}

#[test]
fn the_required_parts_are_named() {
    let missing = ["version", "keys", "providers", "models"].map(|part| format!("\"{part}\" is missing"));
    assert_eq!(mistakes("{}"), missing.join("\n"));
    check(&[
        ("version", r#""v2""#, &[r#"version: must be "v1""#]),
        ("version", "1", &["version: must be a string, not a number"]),
        ("keys", "null", &["keys: must be a list, not null"]),
        ("budget", "[]", &[r#"budget: unknown key (did you mean "budgets"?)"#]),
        ("denial", r#"{"colour": 1}"#, &["denial.colour: unknown key (known here: budget_status)"]),
    ]);
}

#[test]
fn a_repeated_key_is_refused_at_any_depth() {
    check(&[
        ("endpoints", r#"[], "endpoints": 7"#, &["endpoints: this key appears more than once"]),
        (
            "models",
            r#"{"gpt-*": [{"provider": "local", "provider": "local"}], "gpt-*": []}"#,
            &[
                r#"models["gpt-*"][0].provider: this key appears more than once"#,
                r#"models["gpt-*"]: this key appears more than once"#,
            ],
        ),
    ]);
}

#[test]
fn what_is_wrong_with_a_key_is_told() {
    let key = |rest: &str| format!(r#"[{{"id": "a", "team": "search", "sha256": "{SHA}", {rest}}}]"#);
    let many: Vec<String> = (0..17).map(|label| format!(r#""{label}": """#)).collect();
    let labels = key(&format!(r#""labels": {{{}}}"#, many.join(", ")));
    let twin = format!(r#"{{"id": "a", "team": "t", "sha256": "{SHA}"}}"#);
    let wrong = format!(r#"[{{"id": "a_b", "team": "t t", "sha256": "{}"}}]"#, "g".repeat(64));
    check(&[
        (
            "keys",
            "[{}]",
            &[
                r#"keys[0]: "id" is missing"#,
                r#"keys[0]: "sha256" is missing"#,
                r#"keys[0]: "team" is missing"#,
            ],
        ),
        (
            "keys",
            &wrong,
            &[
                "keys[0].id: must be 1 to 64 characters out of a-z, 0-9 and \"-\"",
                r#"keys[0].team: must be 1 to 64 characters out of A-Z, a-z, 0-9, ".", "_" and "-""#,
                "keys[0].sha256: must be 64 hexadecimal digits: the SHA-256 of the whole key text",
            ],
        ),
        (
            "keys",
            &format!("[{twin}, {twin}]"),
            &[
                "keys[1].id: keys[0] has this id already",
                "keys[1].sha256: keys[0].sha256 has this hash already",
            ],
        ),
        (
            "keys",
            &key(r#""expires": "tomorrow""#),
            &["keys[0].expires: must be a date like 2027-01-01 or a time like 2027-01-01T12:00:00Z"],
        ),
        ("keys", &key(r#""enabled": "yes""#), &["keys[0].enabled: must be true or false, not a string"]),
        ("keys", &key(r#""admin": 1"#), &["keys[0].admin: must be true or false, not a number"]),
        ("keys", &key(r#""models": [""]"#), &["keys[0].models[0]: must be a pattern of 1 to 256 characters"]),
        (
            "keys",
            &key(r#""labels": {"a b": 1}"#),
            &[r#"keys[0].labels["a b"]: must be a string, not a number"#],
        ),
        ("keys", &labels, &["keys[0].labels: must have at most 16 labels, not 17"]),
        (
            "identity",
            r#"{"header": ":path"}"#,
            &["identity.header: must be an HTTP header name of 1 to 64 characters"],
        ),
    ]);
}

#[test]
fn a_hash_belongs_to_one_key_once() {
    let (one, other) = ("0a".repeat(32), "0b".repeat(32));
    let upper = one.to_uppercase();
    let keys = |first: String, second: String| {
        with(
            "keys",
            &format!(
                r#"[{{"id": "a", "sha256": {first}, "team": "x"}}, {{"id": "b", "sha256": {second}, "team": "y"}}]"#
            ),
        )
    };
    let list = |hashes: &[&str]| format!("[\"{}\"]", hashes.join("\", \""));
    let text = |hash: &str| format!("\"{hash}\"");
    for (first, second, expected) in [
        (text(&one), text(&one), "keys[1].sha256: keys[0].sha256 has this hash already"),
        (text(&one), text(&upper), "keys[1].sha256: keys[0].sha256 has this hash already"),
        (list(&[&other, &one]), text(&one), "keys[1].sha256: keys[0].sha256[1] has this hash already"),
        (list(&[&one, &upper]), text(&other), "keys[0].sha256[1]: keys[0].sha256[0] has this hash already"),
    ] {
        assert_eq!(mistakes(&keys(first, second)), expected);
    }
    assert!(parse(&keys(list(&[&one, &other]), text(&"0c".repeat(32)))).is_ok());
}

#[test]
fn a_key_without_a_hash_is_accepted_if_another_filter_names_callers() {
    let keys = r#"[{"id": "a", "team": "search"}], "identity": {"header": "X-Client"}"#;
    let config = parse(&with("keys", keys)).unwrap();
    assert_eq!(config.identity_header.as_deref(), Some("x-client"));
    assert!(config.keys["a"].sha256.is_empty());
}

#[test]
fn what_is_wrong_with_a_provider_is_told() {
    let provider = |rest: &str| format!(r#"{{"local": {{"dialect": "openai", "cluster": "c", {rest}}}}}"#);
    check(&[
        ("providers", r#"{"local": {}}"#, &[r#"providers.local: "dialect" is missing"#]),
        (
            "providers",
            r#"{"local": {"dialect": [], "cluster": "a b"}, "Open AI": {"dialect": ["openai"], "cluster": "c"}}"#,
            &[
                "providers.local.dialect: must name at least one dialect",
                "providers.local.cluster: must be 1 to 256 visible ASCII characters without a space",
                r#"providers["Open AI"]: the name must be 1 to 64 characters out of a-z, 0-9 and "-""#,
            ],
        ),
        (
            "providers",
            &provider(r#""host": "https://api.openai.com/v1""#),
            &["providers.local.host: must be a host name with an optional port, without scheme and path"],
        ),
        (
            "providers",
            &provider(r#""base_path": "/v1?x""#),
            &["providers.local.base_path: must be a path that begins with \"/\", without query and fragment"],
        ),
        (
            "providers",
            &provider(r#""credentials": [{"file": "/run/secrets/openai"}]"#),
            &[
                "providers.local.credentials[0].file: Proxy-Wasm cannot read files; use \"credentials\": \"envoy\" \
               with Envoy's credential_injector",
            ],
        ),
        (
            "providers",
            &provider(r#""credentials": [{"optional": true}]"#),
            &["providers.local.credentials[0]: \"env\" is missing"],
        ),
    ]);
}

#[test]
fn a_secret_that_is_not_set_is_a_mistake_unless_it_is_optional() {
    let of = |credential: &str, value: Option<&str>| {
        let providers =
            format!(r#"{{"local": {{"dialect": "openai", "cluster": "c", "credentials": [{credential}]}}}}"#);
        let config = Config::parse(with("providers", &providers).as_bytes(), |_| value.map(str::to_owned));
        config.map(|config| match &config.providers["local"].credential {
            Credential::Pool(keys) => format!("secret {}", keys[0].secret.expose()),
            other => format!("{other:?}"),
        })
    };
    let not_set = "providers.local.credentials[0].env: KEY is not set \
                   (Envoy hands on only what vm_config.environment_variables lists)";
    for value in [None, Some(""), Some(" \n")] {
        assert_eq!(of(r#"{"env": "KEY"}"#, value).unwrap_err().to_string(), not_set);
        assert_eq!(of(r#"{"env": "KEY", "optional": true}"#, value).unwrap(), "Missing(\"KEY\")");
    }
    assert_eq!(of(r#"{"env": "KEY"}"#, Some("sk-1\n")).unwrap(), "secret sk-1");
}

#[test]
fn no_secret_gets_into_a_message() {
    let secret = "sk-proj-hunter2";
    for providers in [
        r#"{"local": {"dialect": "D", "cluster": "C", "credentials": "S"}}"#,
        r#"{"local": {"dialect": "D", "cluster": "C", "credentials": ["S"]}}"#,
        r#"{"local": {"dialect": "D", "cluster": "C", "credentials": [{"env": "S"}]}}"#,
        r#"{"local": {"dialect": "D", "cluster": "C", "credentials": [{"env": 1, "file": "S"}]}}"#,
        r#"{"local": {"dialect": "D", "credentials": {"envoy": "S"}}}"#,
        r#"{"local": {"preset": "S", "credentials": {"envoy": "aws", "region": "S S"}}}"#,
        r#"{"local": {"preset": "vllm", "endpoints": ["S"], "credentials": [{"env": "S", "weight": "S"}]}}"#,
    ] {
        let told = mistakes(&with("providers", &providers.replace('S', secret)));
        assert!(!told.is_empty() && !told.contains("hunter2"), "{told}");
    }
    let document = with(
        "providers",
        r#"{"local": {"dialect": "openai", "cluster": "c", "credentials": [{"env": "hunter2"}]}}"#,
    );
    // The secret in place of the variable's name, and a variable with a value no header can carry.
    for value in [None, Some("hunter2\r\nx-evil: 1".to_owned())] {
        let told = Config::parse(document.as_bytes(), |_| value.clone()).unwrap_err().to_string();
        assert!(told.contains("this environment variable") && !told.contains("hunter2"), "{told}");
    }
    let keys = r#"[{"id": "fb_a_hunter2", "sha256": "fb_a_hunter2", "team": "search"}]"#;
    assert!(!mistakes(&with("keys", keys)).contains("hunter2"));
    assert!(!format!("{:?}", parse(MAXIMAL).unwrap()).contains("sk-secret"));
}

#[test]
fn what_is_wrong_with_models_and_rules_is_told() {
    check(&[
        (
            "models",
            r#"{"a/b": [{"provider": "local"}], "a b": [{"provider": "local"}], "c": [{"model": ""}]}"#,
            &[
                r#"models["a/b"]: the name must not contain "/": "provider/model" works without being listed"#,
                r#"models["a b"]: the name must be 1 to 256 visible ASCII characters without a space or a brace"#,
                r#"models.c[0]: "provider" is missing"#,
                "models.c[0].model: must be 1 to 256 visible ASCII characters without a space",
            ],
        ),
        ("default_model", r#""fast*""#, &["default_model: must be the name of one model, not a pattern"]),
        (
            "default_model",
            r#""locl/llama""#,
            &[r#"default_model: no provider is named "locl" (did you mean "local"?)"#],
        ),
        (
            "cors",
            r#"{"origins": ["https://a.example/", "*", 7], "credentials": true, "max_age_seconds": 86401}"#,
            &[
                r#"cors.origins[0]: must be an origin as browsers write it ("https://app.example", in lower case, without a path), or "*""#,
                "cors.origins[1]: cannot be allowed with credentials: name the origins",
                "cors.origins[2]: must be a string, not a number",
                "cors.max_age_seconds: must be a whole number from 0 to 86400",
            ],
        ),
        ("cors", r#"{"origins": []}"#, &["cors.origins: must name at least one origin"]),
        (
            "default_models",
            r#"{"embedding": "fast", "speech": "fsat"}"#,
            &[
                r#"default_models.embedding: unknown key (did you mean "embeddings"?)"#,
                r#"default_models.speech: no model has this name (did you mean "fast"?)"#,
            ],
        ),
        ("default_model", r#""local/""#, &["default_model: no model has this name"]),
        (
            "rules",
            r#"[{"when": {}, "model": "fats"}, {"when": {"agnet": "x"}}]"#,
            &[
                "rules[0].when: must have at least one condition",
                r#"rules[0].model: no model has this name (did you mean "fast"?)"#,
                r#"rules[1]: "model" is missing"#,
                "rules[1].when: must have at least one condition",
                r#"rules[1].when.agnet: unknown key (did you mean "agent"?)"#,
            ],
        ),
        (
            "rules",
            r#"[{"when": {"team": "serach", "key": "b", "prompt_tokens_over": 1.5}, "model": "local/x"}]"#,
            &[
                r#"rules[0].when.team: no key has this team (did you mean "search"?)"#,
                r#"rules[0].when.key: no key has this id"#,
                "rules[0].when.prompt_tokens_over: must be a whole number from 0 to 9007199254740991",
            ],
        ),
        (
            "rules",
            r#"[{"when": {"headers": {"X-A": "1", "x-a": "2", "a:": "3"}}, "model": "fast"}]"#,
            &[
                "rules[0].when.headers.x-a: this header is named twice; the case of a header name means nothing",
                r#"rules[0].when.headers["a:"]: the name must be an HTTP header name of 1 to 64 characters"#,
            ],
        ),
        (
            "rules",
            r#"[{"when": {"headers": {}}, "model": "fast"}]"#,
            &["rules[0].when.headers: must name at least one header"],
        ),
    ]);
}
