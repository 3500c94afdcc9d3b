//! Who calls is proven by tokens and certificates, and by nothing that a client can write.

use farebox_tests::client::{Answer, Client, chat_body};
use farebox_tests::config::{self, DEMO};
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::http2::post_with_trailers;
use farebox_tests::identity_provider::{ISSUER, IdentityProvider};
use farebox_tests::mtls::Workloads;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn with_tokens() -> Value {
    config::with(json!({
        "identity": {"from": "jwt", "issuers": [ISSUER], "audiences": ["farebox"],
            "team": {"claim": "groups", "teams": {"eng-search": "search", "eng-ads": "ads"}},
            "user": "email", "labels": {"department": "org.department"}},
        "budgets": [{"name": "each", "per": "user", "window": "day", "limit_requests": 2, "overrides":
            {"vip-*": {"limit_requests": 5}}}],
    }))
}

fn denied(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("x-farebox-denied"))
}

async fn gateway(config: Value, provider: &IdentityProvider, is_optional: bool) -> Gateway {
    Gateway::run(Setup::new(&config).own_process().filter_before(provider.jwt_authn(is_optional))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_envoy_has_checked_says_who_pays() {
    let provider = IdentityProvider::new();
    let gateway = gateway(with_tokens(), &provider, false).await;
    let bearer =
        |token: &str| Client::anonymous(&gateway.envoy).with("authorization", &format!("Bearer {token}"));
    let alice = json!({"email": "alice@example.com", "groups": ["all", "eng-search"], "nothing": null,
        "org": {"department": "R&D"}});
    assert_eq!(bearer(&provider.token(&alice)).chat("fast").await.status, 200);
    let record = gateway.envoy.record(1).await;
    for (member, value) in [
        ("key", json!("jwt:alice@example.com")),
        ("team", json!("search")),
        ("user", json!("alice@example.com")),
        ("labels", json!({"department": "R&D"})),
    ] {
        assert_eq!(record[member], value, "{record}");
    }
    let wire = String::from_utf8_lossy(&gateway.provider.wire()).into_owned();
    assert!(!wire.contains("eyJ") && !wire.contains("alice"), "nothing of the token goes on");

    let nobody = json!({"email": "eve@example.com", "groups": ["all"]});
    let no_user = json!({"groups": ["eng-search"]});
    for (claims, expected) in [(&nobody, (403, Some("no_team"))), (&no_user, (403, Some("no_team")))] {
        let answer = bearer(&provider.token(claims)).chat("fast").await;
        assert_eq!(denied(&answer), expected, "{claims}");
        let answer = bearer(&provider.token(claims)).post("/v1/messages", &chat_body("fast")).await;
        assert_eq!(answer.json()["error"]["type"], "permission_error");
    }
    // What jwt_authn refuses does not reach the filter.
    let other = IdentityProvider::new();
    let with = |member: &str, value: Value| {
        let mut claims = alice.clone();
        claims[member] = value;
        provider.token(&claims)
    };
    for token in [
        other.token(&alice),
        with("exp", json!(1_600_000_000)),
        with("iss", json!("https://other.example")),
        with("aud", json!(["other"])),
        provider.unsigned_token(&alice),
        provider.token(&alice).replacen("eyJhdWQi", "eyJhdWRi", 1),
    ] {
        // Of an audience that is not its own Envoy says 403.
        assert!(matches!(bearer(&token).chat("fast").await.status, 401 | 403), "{token}");
    }
    assert_eq!(gateway.provider.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_say_who_it_is_beside_its_token() {
    let provider = IdentityProvider::new();
    let gateway = gateway(with_tokens(), &provider, true).await;
    let nobody = Client::anonymous(&gateway.envoy);
    let bearer = |token: &str| nobody.with("authorization", &format!("Bearer {token}"));
    let claims = |name: &str, group: &str| json!({"email": name, "groups": [group]});
    let payload = IdentityProvider::base64(claims("alice", "eng-search").to_string().as_bytes());

    // Without a token nothing that a client sends is a proof.
    for (name, value) in [
        ("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/search/sa/alice"),
        ("x-jwt-payload", &*payload),
        ("cookie", &*format!("token={}", provider.unsigned_token(&claims("alice", "eng-search")))),
        ("x-farebox-user", "alice"),
        ("x-envoy-peer-metadata", "search"),
        ("x-goog-iap-jwt-assertion", &*payload),
    ] {
        assert_eq!(denied(&nobody.with(name, value).chat("fast").await).0, 401, "{name}");
    }
    for query in ["access_token=x", "team=search", "payload=e30"] {
        let path = format!("/v1/chat/completions?{query}");
        assert_eq!(nobody.post(&path, &chat_body("fast")).await.status, 401, "{query}");
    }
    for token in [
        provider.unsigned_token(&claims("alice", "eng-search")),
        IdentityProvider::new().token(&claims("alice", "eng-search")),
    ] {
        assert_eq!(denied(&bearer(&token).chat("fast").await).0, 401);
    }
    let body = chat_body("fast").to_string();
    let token = format!("Bearer {}", provider.token(&claims("alice", "eng-search")));
    let key = format!("Bearer {DEMO}");
    for trailer in [("authorization", &*token), ("authorization", &*key), ("x-farebox-user", "alice")] {
        let headers = [("content-type", "application/json")];
        let sent = post_with_trailers(&gateway.envoy, CHAT, &headers, &[body.as_bytes()], &[trailer]).await;
        assert_eq!(sent.0, 401, "{trailer:?} behind the body");
    }
    assert_eq!(gateway.provider.count(), 0);

    // Beside one, it changes nothing: the two requests of alice are hers.
    let alice = bearer(&provider.token(&claims("alice", "eng-search")));
    let disguised =
        alice.with("x-farebox-user", "bob").with("x-forwarded-client-cert", "URI=spiffe://x/ns/ads/sa/bob");
    assert_eq!(disguised.with("x-jwt-payload", &payload).chat("fast").await.status, 200);
    let mut body = chat_body("fast");
    body["user"] = json!("bob");
    body["metadata"] = json!({"user_id": "bob", "team": "ads"});
    assert_eq!(alice.post("/v1/chat/completions?user=bob", &body).await.status, 200);
    assert_eq!(denied(&disguised.chat("fast").await), (429, Some("budget")));
    let bob = bearer(&provider.token(&claims("bob", "eng-search")));
    assert_eq!(bob.usage("each").await["spent"]["requests"], 0, "nobody spends what is bob's");
    // The same name in another team, or by a key's caller who only says so, is somebody else.
    assert_eq!(bearer(&provider.token(&claims("alice", "eng-ads"))).chat("fast").await.status, 200);
    let key = Client::new(&gateway.envoy, DEMO).with("x-farebox-user", "bob");
    assert_eq!(key.chat("fast").await.status, 200, "keys are good beside tokens");
    assert_eq!(key.chat("fast").await.status, 200);
    assert_eq!(denied(&key.chat("fast").await), (429, Some("budget")));
    assert_eq!(bob.usage("each").await["spent"]["requests"], 0, "nor does a key's caller of that name");
    // A key beside a token would choose who pays.
    assert_eq!(
        denied(&alice.with("x-api-key", DEMO).chat("fast").await),
        (400, Some("duplicate_credentials"))
    );
    // Of two tokens, whichever Envoy takes, it is the whole one.
    let two = bob.with("authorization", &format!("Bearer {}", provider.token(&claims("carol", "eng-ads"))));
    let answer = two.chat("fast").await;
    assert!(matches!(answer.status, 400 | 401), "{}", answer.status);
    assert_eq!(denied(&alice.get("/farebox/usage?user=bob").await), (403, Some("admin_only")));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_one_group_each_have_the_default_and_metrics_name_no_stranger() {
    let provider = IdentityProvider::new();
    let mut config = with_tokens();
    config["identity"]["team"] = json!("groups");
    let gateway = gateway(config, &provider, false).await;
    let token = |name: &str, team: &str| provider.token(&json!({"email": name, "groups": team}));
    let of = |name: &str, team: &str| {
        Client::anonymous(&gateway.envoy).with("authorization", &format!("Bearer {}", token(name, team)))
    };
    for number in 0..200 {
        let user = of(&format!("user-{number}"), &format!("team-{}", number % 50));
        assert_eq!(user.chat("fast").await.status, 200);
        assert_eq!(user.chat("fast").await.status, 200);
        assert_eq!(denied(&user.chat("fast").await), (429, Some("budget")));
    }
    let vip = of("vip-1", "search");
    for _ in 0..5 {
        assert_eq!(vip.chat("fast").await.status, 200);
    }
    assert_eq!(vip.chat("fast").await.status, 429);
    let metrics = gateway.envoy.metrics().await;
    assert_eq!(metrics.sum("farebox_requests_total", &[("team", "other")]), 400.0);
    assert_eq!(metrics.sum("farebox_requests_total", &[("team", "search")]), 5.0);
    assert!(metrics.matching("farebox_requests_total", &[("team", "team-1")]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_is_who_its_certificate_says() {
    let mut config = config::basic();
    config["identity"] = json!({"from": "certificate", "template": "spiffe://{trust_domain}/ns/{team}/sa/{user}",
        "trust_domains": ["cluster.local"]});
    let workloads = Workloads::new();
    let setup = Setup::new(&config).own_process().transport_socket(workloads.server_socket());
    let gateway = Gateway::run(setup).await;
    let agent = workloads.caller(&gateway.envoy, Some("spiffe://cluster.local/ns/search/sa/agent")).await;
    let client =
        Client::anonymous(&agent).with("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/ads/sa/x");
    assert_eq!(client.chat("fast").await.status, 200);
    let record = gateway.envoy.record(1).await;
    assert_eq!(
        (&record["key"], &record["team"], &record["user"]),
        (&json!("certificate:agent"), &json!("search"), &json!("agent"))
    );
    let stranger = workloads.caller(&gateway.envoy, Some("spiffe://other.example/ns/search/sa/agent")).await;
    assert_eq!(denied(&Client::anonymous(&stranger).chat("fast").await), (401, Some("untrusted_identity")));
    let nobody = workloads.caller(&gateway.envoy, None).await;
    let says =
        Client::anonymous(&nobody).with("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/ads/sa/x");
    assert_eq!(denied(&says.chat("fast").await), (401, Some("missing_key")));
    let other =
        Workloads::new().caller(&gateway.envoy, Some("spiffe://cluster.local/ns/search/sa/agent")).await;
    let answer = Client::anonymous(&other).try_send("GET", "/v1/models", "").await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status >= 400), "another CA's certificate");
    assert_eq!(gateway.provider.count(), 1);
}
