//! Callers whom an identity provider knows, behind what Istio and Envoy Gateway make of the samples.

use farebox_tests::identity_provider::IdentityProvider;
use farebox_tests::mesh::Mesh;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_who_pays_behind_either_control_plane() {
    let provider = IdentityProvider::new();
    // Istio keeps every payload under one name, Envoy Gateway under that of the provider in its policy.
    for (folder, payload) in [("istio/identity", "payload"), ("envoy-gateway/identity", "login")] {
        let resources = farebox_tests::mesh::manifests(folder);
        let mut sent = match folder.starts_with("istio") {
            true => farebox_tests::istio::sent(&resources),
            false => farebox_tests::envoy_gateway::sent(&resources),
        };
        let mut filter = provider.jwt_authn(true);
        filter["typed_config"]["providers"]["login"]["payload_in_metadata"] = json!(payload);
        sent.manager["http_filters"].as_array_mut().unwrap().insert(0, filter);
        let mesh = Mesh::start(sent).await;
        let nobody = mesh.anonymous();
        let token = provider.token(&json!({"email": "alice@example.com", "groups": ["all", "eng-search"]}));
        let alice = nobody.with("authorization", &format!("Bearer {token}"));
        assert_eq!(alice.with("x-caller", "ci").chat("small").await.status, 200, "{folder}");
        let record = mesh.envoy.record(1).await;
        assert_eq!(
            (&record["key"], &record["team"], &record["user"]),
            (&json!("jwt:alice@example.com"), &json!("search"), &json!("alice@example.com")),
            "{folder}"
        );
        assert_eq!(mesh.provider("vllm").last().header("authorization"), [""; 0]);
        for stranger in
            [&nobody, &nobody.with("x-caller", "ci"), &nobody.with("authorization", "Bearer a.b.c")]
        {
            assert_eq!(stranger.chat("small").await.status, 401, "{folder}");
        }
    }
}
