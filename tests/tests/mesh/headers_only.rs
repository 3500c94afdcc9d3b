//! The forms that cannot hold headers until a body is here: requests are sent by their headers alone.

use farebox_tests::client::chat_body;
use farebox_tests::config;
use farebox_tests::envoy::Setup;
use farebox_tests::gateway::Gateway;
use farebox_tests::mesh::Mesh;
use farebox_tests::patience::until;
use serde_json::json;

async fn calls_are_routed_by_a_header_and_counted(mesh: &Mesh) {
    for (model, provider) in [("Qwen/Qwen3-8B", "vllm"), ("gpt-4o-mini", "openai")] {
        let client = mesh.client.with("x-model", model);
        let answer = client.chat(model).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(mesh.provider(provider).last().json(), chat_body(model), "the body stays as it is");
    }
    assert_eq!(mesh.provider("openai").last().header("authorization"), ["Bearer sk-of-openai"]);
    assert_eq!(mesh.counts(), [1, 0, 1]);

    let mut stream = mesh.client.with("x-model", "gpt-4o-mini").stream_chat("gpt-4o-mini", json!({})).await;
    stream.all().await;
    assert_eq!((stream.status, stream.broken), (200, false));

    assert_eq!(mesh.anonymous().with("x-model", "gpt-4o-mini").chat("gpt-4o-mini").await.status, 401);
    assert_eq!(mesh.client.with("x-model", "nonsense").chat("gpt-4o-mini").await.status, 404);
    let without_header = mesh.client.chat("gpt-4o-mini").await;
    assert_eq!(without_header.status, 200, "the default model is at vllm");
    assert_eq!(mesh.counts(), [2, 0, 2]);
    until("all to be counted and nothing to be held", async || {
        let usage = mesh.client.usage("team").await;
        (usage["spent"]["requests"] == 4 && usage["held"] == config::nothing()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasm_plugin_routes_by_a_header_and_counts() {
    calls_are_routed_by_a_header_and_counted(&Mesh::istio("wasm-plugin").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasm_plugin_in_sidecars_does_too() {
    calls_are_routed_by_a_header_and_counted(&Mesh::istio("sidecar-plugin").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traffic_extension_routes_by_a_header_and_counts() {
    calls_are_routed_by_a_header_and_counted(&Mesh::istio("traffic-extension").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_policy_routes_by_a_header_and_counts() {
    calls_are_routed_by_a_header_and_counted(&Mesh::envoy_gateway("extension-policy").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_does_not_hold_headers_keeps_a_budget_that_the_headers_are_enough_for() {
    let mut plugin =
        config::with_budgets(json!([{"name": "org", "window": "lifetime", "limit_requests": 3}]));
    plugin["headers_only"] = json!({"model_header": "x-model"});
    let gateway = Gateway::run(Setup::new(&plugin).without_header_stop().without_attempts()).await;
    let client = gateway.client.with("x-model", config::UPSTREAM_MODEL);
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(client.chat(config::UPSTREAM_MODEL).await.status);
    }
    assert_eq!(answers, [200, 200, 200, 429, 429]);
    assert_eq!(gateway.provider.count(), 3);
    let record = gateway.envoy.record(3).await;
    assert_eq!((&record["cost_usd"], &record["usage_source"]), (&json!("0.000061"), &json!("provider")));
    assert_eq!(gateway.envoy.metrics().await.sum("farebox_host_unsupported_total", &[]), 0.0);
}
