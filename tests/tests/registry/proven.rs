//! Callers by token, for whom limits, groups and teams change while Envoys run.

use super::{setup, with};
use farebox_tests::client::Client;
use farebox_tests::config::DEMO;
use farebox_tests::gateway::Gateway;
use farebox_tests::identity_provider::{ISSUER, IdentityProvider};
use farebox_tests::patience::until;
use farebox_tests::registry::Registry;
use farebox_tests::valkey::Valkey;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_a_group_and_a_team_of_the_registry_hold_for_callers_by_token() {
    let valkey = Valkey::start().await;
    let registry = Registry(&valkey);
    let provider = IdentityProvider::new();
    let budgets = json!([
        {"name": "team", "per": "team", "window": "day", "limit_requests": 100},
        {"name": "each", "per": "user", "window": "day", "limit_requests": 2},
    ]);
    let mut config = with(budgets, json!({}));
    config["identity"] = json!({"from": "jwt", "issuers": [ISSUER], "user": "email",
        "team": {"claim": "groups", "teams": {"eng-ads": "ads"}}});
    let setup = setup(&valkey, &config).own_process().filter_before(provider.jwt_authn(true));
    let gateway = Gateway::run(setup).await;
    let bearer = |name: &str, group: &str| {
        let token = provider.token(&json!({"email": name, "groups": [group]}));
        Client::anonymous(&gateway.envoy).with("authorization", &format!("Bearer {token}"))
    };
    let status = async |client: &Client| client.chat("fast").await.status;
    let (alice, bob) = (bearer("alice", "eng-ads"), bearer("bob", "eng-ads"));
    until("the registry to be read", async || (status(&alice).await == 200).then_some(())).await;
    assert_eq!([status(&alice).await, status(&alice).await], [200, 429]);
    assert_eq!([status(&bob).await, status(&bob).await, status(&bob).await], [200, 200, 429]);

    registry.set("limit/each/alice", json!({"limit_requests": 4})).await;
    until("more for alice", async || (status(&alice).await == 200).then_some(())).await;
    assert_eq!([status(&alice).await, status(&alice).await], [200, 429], "what was spent stays spent");
    assert_eq!(status(&bob).await, 429, "nobody else has more");
    let usage = alice.usage("each").await;
    assert_eq!((&usage["limit"]["requests"], &usage["spent"]["requests"]), (&json!(4), &json!(4)), "{usage}");

    // A group that the configuration does not know becomes a team, and the team is switched off.
    let carol = bearer("carol", "eng-search");
    assert_eq!(carol.chat("fast").await.header("x-farebox-denied"), Some("no_team"));
    registry.set("team/search", json!({"groups": ["eng-search"]})).await;
    until("carol to have a team", async || (status(&carol).await == 200).then_some(())).await;
    assert_eq!(carol.usage("team").await["subject"], "search");
    registry.set("team/search", json!({"groups": ["eng-search"], "enabled": false})).await;
    until("the team to be off", async || {
        (carol.chat("fast").await.header("x-farebox-denied") == Some("team_disabled")).then_some(())
    })
    .await;
    let key = Client::new(&gateway.envoy, DEMO);
    assert_eq!(key.chat("fast").await.status, 403, "nor is a key of that team let in");
}
