//! Who is calling: keys, their states, and what never leaves the gateway.

use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, DEMO, OTHER};
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::raw::Raw;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn only_a_known_key_in_use_is_served() {
    let keys = [
        "fb_off_Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8",
        "fb_old_Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8",
        "fb_new_Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8",
    ];
    let mut config = config::basic();
    for (key, member, value) in [
        (keys[0], "enabled", json!(false)),
        (keys[1], "expires", json!("2020-01-01")),
        (keys[2], "expires", json!("2999-01-01T00:00:00Z")),
    ] {
        let mut key = config::key(key, "search");
        key[member] = value;
        config["keys"].as_array_mut().unwrap().push(key);
    }
    let gateway = Gateway::new(config).await;
    let nobody = Client::anonymous(&gateway.envoy);
    let bearer = |key: &str| nobody.with("authorization", &format!("Bearer {key}"));

    for accepted in [
        bearer(DEMO),
        bearer(keys[2]),
        nobody.with("x-api-key", OTHER),
        nobody.with("authorization", &format!("bearer {DEMO}")),
    ] {
        assert_eq!(accepted.chat("fast").await.status, 200, "{accepted:?}");
    }
    let refused = [
        (nobody.clone(), 401, "missing_key"),
        (bearer("sk-something-else"), 401, "invalid_key"),
        (bearer("fb_demo_"), 401, "invalid_key"),
        (bearer(&DEMO[..DEMO.len() - 1]), 401, "invalid_key"),
        (bearer(&format!("{DEMO}x")), 401, "invalid_key"),
        (bearer(&DEMO.replace("demo", "other")), 401, "invalid_key"),
        (bearer(&DEMO.replace("demo", "nobody")), 401, "invalid_key"),
        (bearer(keys[0]), 401, "key_disabled"),
        (bearer(keys[1]), 401, "key_expired"),
        (bearer(DEMO).with("authorization", &format!("Bearer {OTHER}")), 400, "duplicate_credentials"),
        (bearer(DEMO).with("authorization", &format!("Bearer {DEMO}")), 400, "duplicate_credentials"),
        (nobody.with("x-api-key", DEMO).with("x-api-key", OTHER), 400, "duplicate_credentials"),
    ];
    for (client, status, reason) in &refused {
        let answer = client.chat("fast").await;
        assert_eq!(
            (answer.status, answer.header("x-farebox-denied")),
            (*status, Some(*reason)),
            "{client:?}"
        );
        assert_eq!(answer.json()["error"]["code"], *reason);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert_eq!(answer.header("retry-after"), None);

        let answer = client.post("/v1/messages", &chat_body("fast")).await;
        let kind = if *status == 401 { "authentication_error" } else { "invalid_request_error" };
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (*status, &json!(kind)), "{client:?}");
        for path in ["/v1/models", "/farebox/usage"] {
            assert_eq!(client.get(path).await.status, *status, "{path} for {client:?}");
        }
    }
    assert_eq!(gateway.provider.count(), 4);
    let metrics = gateway.envoy.metrics().await;
    assert!(metrics.sum("farebox_denied_total", &[("reason", "invalid_key")]) >= 10.0);
    assert!(metrics.sum("farebox_denied_total", &[("reason", "missing_key")]) >= 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_who_is_not_let_in_has_the_key_that_was_named() {
    let mut config = config::basic();
    let old = "fb_old_Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8";
    let mut key = config::key(old, "search");
    key["expires"] = json!("2020-01-01");
    config["keys"].as_array_mut().unwrap().push(key);
    let gateway = Gateway::new(config).await;
    let rotated = format!("{DEMO}-of-last-year");
    for (index, (text, id, reason)) in [
        (old, json!("old"), "key_expired"),
        (&rotated, json!("demo"), "invalid_key"),
        ("fb_nobody_x", json!(null), "invalid_key"),
    ]
    .into_iter()
    .enumerate()
    {
        gateway.caller(text).chat("fast").await;
        let record = gateway.envoy.record(index + 1).await;
        assert_eq!((&record["key"], &record["denied"]), (&id, &json!(reason)), "{record}");
        assert_eq!(record["team"], json!(null), "a claim is nobody's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_not_utf_8_harms_nobody() {
    let gateway = Gateway::basic().await;
    let body = chat_body("fast").to_string();
    let good = format!("authorization: Bearer {DEMO}\r\n");
    for (headers, expected) in [
        (b"x-trace: \xff\xfe\r\n".as_slice(), 200),
        (b"x-farebox-agent: \xc3\x28\r\n", 200),
        (b"x-claude-code-session-id: \x80abc\r\n", 200),
        (b"baggage: session.id=\xff\r\n", 200),
    ] {
        let mut raw = Raw::connect(&gateway.envoy).await;
        raw.chat(&[good.as_bytes(), headers].concat(), body.as_bytes()).await;
        assert_eq!(raw.status().await, expected, "{headers:?}");
    }
    for headers in [b"authorization: Bearer fb_demo_\xff\r\n".as_slice(), b"x-api-key: \xff\xff\r\n"] {
        let mut raw = Raw::connect(&gateway.envoy).await;
        raw.chat(headers, body.as_bytes()).await;
        assert_eq!(raw.status().await, 401, "{headers:?}");
    }
    assert_eq!(gateway.client.chat("fast").await.status, 200);
    assert_eq!(gateway.envoy.stat("wasm.*(crash|reload|fail)").await, 0, "no virtual machine was lost");
    assert_eq!(gateway.provider.count(), 5);
    gateway.envoy.records(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authentication_filter_may_name_the_caller_where_the_operator_says_so() {
    let keys =
        json!([{"id": "service-a", "team": "search"}, {"id": "service-b", "team": "ads", "enabled": false}]);
    let trusting =
        Gateway::new(config::with(json!({"identity": {"header": "x-auth-client"}, "keys": keys}))).await;
    let nobody = Client::anonymous(&trusting.envoy);

    assert_eq!(nobody.with("x-auth-client", "service-a").chat("fast").await.status, 200);
    let record = trusting.envoy.record(1).await;
    assert_eq!((&record["key"], &record["team"]), (&json!("service-a"), &json!("search")));
    for (client, reason) in [
        (nobody.clone(), "missing_key"),
        (nobody.with("x-auth-client", "service-c"), "invalid_key"),
        (nobody.with("x-auth-client", "service-b"), "key_disabled"),
    ] {
        let answer = client.chat("fast").await;
        assert_eq!((answer.status, answer.header("x-farebox-denied")), (401, Some(reason)), "{client:?}");
    }
    let twice = nobody.with("x-auth-client", "service-a").with("x-auth-client", "service-b");
    assert_eq!(twice.chat("fast").await.status, 400);

    let strict = Gateway::basic().await;
    let impostor = Client::anonymous(&strict.envoy).with("x-auth-client", "demo");
    assert_eq!(impostor.chat("fast").await.status, 401);
    assert_eq!((trusting.provider.count(), strict.provider.count()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_farebox_key_and_internal_headers_never_reach_the_provider() {
    let gateway = Gateway::run(Setup::new(&config::basic()).workers(2)).await;
    let internal = |client: Client| {
        client
            .with("x-farebox-agent", "planner")
            .with("x-farebox-session", "internal-session")
            .with("x-farebox-anything", "internal-thing")
            .with("X-Farebox-Cluster", "openai")
    };
    let nobody = Client::anonymous(&gateway.envoy);
    let bearer = internal(Client::new(&gateway.envoy, DEMO));
    let api_key = internal(nobody.with("x-api-key", OTHER));
    let http2 = internal(Client::http2(&gateway.envoy, DEMO));
    for client in [&bearer, &api_key, &http2] {
        for path in ["/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/v1/responses"] {
            assert_eq!(client.post(path, &chat_body("fast")).await.status, 200);
        }
        client.stream_chat("fast", json!({})).await.all().await;
        client.get("/v1/models").await;
        client.chat("no-such-model").await;
    }
    assert_eq!(gateway.provider.count(), 15);
    let wire = String::from_utf8_lossy(&gateway.provider.wire()).into_owned();
    for secret in [DEMO, OTHER] {
        let secret = &secret[secret.rfind('_').unwrap() + 1..];
        assert!(!wire.contains(secret), "a key reached the provider");
    }
    for request in gateway.provider.requests() {
        for (name, value) in &request.headers {
            assert!(!name.starts_with("x-farebox-"), "{name}: {:?}", String::from_utf8_lossy(value));
        }
        assert!(request.header("authorization").is_empty() && request.header("x-api-key").is_empty());
    }
    assert!(!wire.contains("internal-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_shown_its_own_credential_and_host() {
    let mut config = config::basic();
    config["providers"]["keyed"] = json!({"dialect": "openai", "cluster": "local", "base_path": "/api/v3/",
        "credentials": [{"env": "KEYED_PROVIDER_SECRET"}]});
    config["prices"] = json!({"*": {"input": 1, "output": 1}});
    let setup = Setup::new(&config)
        .own_process()
        .env("OPENAI_API_KEY", "sk-openai-4711")
        .env("ANTHROPIC_API_KEY", "sk-ant-4711")
        .env("KEYED_PROVIDER_SECRET", "keyed-4711");
    let gateway = Gateway::run(setup).await;

    assert_eq!(gateway.client.chat("openai/gpt-4o-mini").await.status, 200);
    let asked = gateway.provider.last();
    assert_eq!(asked.header("authorization"), ["Bearer sk-openai-4711"]);
    assert_eq!(
        (asked.header("host"), asked.path.as_str()),
        (vec!["api.openai.com".into()], "/v1/chat/completions")
    );
    assert_eq!(asked.json()["model"], "gpt-4o-mini");

    let client = Client::anonymous(&gateway.envoy).with("x-api-key", DEMO);
    let client = client.with("anthropic-version", "2023-06-01").with("anthropic-beta", "some-beta-2026");
    assert_eq!(client.post("/v1/messages", &chat_body("anthropic/claude-haiku-4-5")).await.status, 200);
    let asked = gateway.provider.last();
    assert_eq!(asked.header("x-api-key"), ["sk-ant-4711"]);
    assert_eq!(asked.header("authorization"), Vec::<String>::new());
    assert_eq!(asked.header("anthropic-version"), ["2023-06-01"]);
    assert_eq!(asked.header("anthropic-beta"), ["some-beta-2026"]);
    assert_eq!(asked.header("host"), ["api.anthropic.com"]);

    assert_eq!(
        gateway.client.post("/v1/chat/completions?a=b", &chat_body("keyed/some-model")).await.status,
        200
    );
    let asked = gateway.provider.last();
    assert_eq!(asked.header("authorization"), ["Bearer keyed-4711"]);
    assert_eq!(asked.path, "/api/v3/chat/completions", "what no table lists stays here");

    // No provider's secret, hash of a key or key shows anywhere an operator looks.
    gateway.envoy.records(3).await;
    let log = std::fs::read_to_string(gateway.envoy.access_log_path()).unwrap();
    let dump = gateway.envoy.admin("/config_dump?include_eds").await;
    let stats = gateway.envoy.admin("/stats").await;
    assert!(dump.contains("farebox"), "the dump shows the filter");
    for (place, text) in
        [("config_dump", dump), ("log", gateway.envoy.log()), ("access log", log), ("stats", stats)]
    {
        for secret in ["sk-openai-4711", "sk-ant-4711", "keyed-4711", DEMO, "Where does the tram go"] {
            assert!(!text.contains(secret), "{secret} is in the {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_without_its_credential_is_not_asked() {
    let gateway = Gateway::basic().await; // OPENAI_API_KEY is optional and not set
    let answer = gateway.client.chat("openai/gpt-4o-mini").await;
    assert_eq!((answer.status, answer.header("x-farebox-denied")), (503, Some("provider_unavailable")));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(gateway.provider.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_say_of_themselves_is_recorded_from_the_headers_they_already_send() {
    let gateway = Gateway::basic().await;
    let client = &gateway.client;
    let long = "s".repeat(500);
    let cases = [
        (client.with("x-claude-code-session-id", "claude-session-1"), "session", json!("claude-session-1")),
        (client.with("session-id", "codex-session-1"), "session", json!("codex-session-1")),
        (client.with("x-litellm-session-id", "litellm-session-1"), "session", json!("litellm-session-1")),
        (client.with("baggage", "a=b,session.id=baggage-1"), "session", json!("baggage-1")),
        (client.with("x-litellm-agent-id", "writer"), "agent", json!("writer")),
        (client.with("x-openai-subagent", "review"), "agent", json!("review")),
        (client.with("baggage", "gen_ai.agent.name=coder"), "agent", json!("coder")),
        (client.with("x-claude-code-agent-id", "a-7"), "agent", json!("a-7")),
        (client.with("x-codex-turn-metadata", r#"{"agent_name":"writer"}"#), "agent", json!("writer")),
        (
            client.with("x-parent-session-id", "ses_parent").with("x-session-id", "ses_child1"),
            "session",
            json!("ses_parent"),
        ),
        (client.with("x-gemini-api-privileged-user-id", "inst-1"), "user", json!("inst-1")),
        (client.with("user-agent", "claude-cli/2.1.332 (external)"), "client", json!("claude-cli")),
        (client.with("helicone-session-path", "/a/b"), "workflow", json!("/a/b")),
        (client.with("helicone-user-id", "user-9"), "user", json!("user-9")),
        (
            client.with("x-farebox-session", "own").with("session-id", "codex-session-1"),
            "session",
            json!("own"),
        ),
        (client.with("x-farebox-user", &long), "user", json!("s".repeat(128))),
    ];
    for (count, (client, member, expected)) in (1..).zip(cases) {
        assert_eq!(client.chat("fast").await.status, 200);
        let record = gateway.envoy.record(count).await;
        assert_eq!(record[member], expected, "{client:?}");
        assert_eq!((&record["key"], &record["team"]), (&json!("demo"), &json!("search")));
    }
}
