//! The manifests below `k8s/` in the real Envoy, as far as that can be seen without a cluster: what Istio and Envoy
//! Gateway would send because of them, with the sample configurations as they are.

mod headers_only;
mod identity;
mod plain;
mod recorded;
mod rollout;

use farebox_tests::answers::Answers;
use farebox_tests::client::chat_body;
use farebox_tests::fleet::error;
use farebox_tests::mesh::Mesh;
use serde_json::{Value, json};

/// What the default answer costs at the sample's prices of `vllm`: 11 tokens in at $0.05, 5 out at $0.15 a million.
const COST: &str = "0.0000013";

async fn a_chat_is_answered_metered_and_recorded(mesh: &Mesh, cluster: &str) {
    let answer = mesh.client.chat("small").await;
    assert_eq!((answer.status, answer.json()), (200, Answers::default().chat()));
    assert_eq!(mesh.counts(), [0, 0, 1]);
    let asked = mesh.provider("vllm").last();
    assert_eq!(asked.json()["model"], "Qwen/Qwen3-8B");
    for gone in ["authorization", "x-farebox-cluster", "x-envoy-max-retries"] {
        assert_eq!(asked.header(gone), [""; 0], "{gone}");
    }
    let record = mesh.envoy.record(1).await;
    let said = ["team", "model", "provider", "outcome"].map(|member| record[member].as_str().unwrap());
    assert_eq!(said, ["search", "small", "vllm", "ok"], "{record}");
    assert_eq!(mesh.envoy.log_lines()[0]["cluster"], cluster);
}

async fn a_refused_call_reaches_no_provider(mesh: &Mesh) {
    let before = mesh.counts();
    assert_eq!(mesh.anonymous().chat("small").await.status, 401);
    assert_eq!(mesh.client.chat("nonsense").await.status, 404);
    let mut dear = chat_body("gpt-4o-mini");
    (dear["max_tokens"], dear["n"]) = (json!(4_000), json!(600_000));
    let answer = mesh.client.post("/v1/chat/completions", &dear).await;
    assert_eq!((answer.status, answer.header("x-farebox-budget")), (402, Some("team")));
    assert_eq!(mesh.counts(), before);
}

async fn a_stream_is_passed_on_and_charged(mesh: &Mesh, count: usize) {
    let mut stream = mesh.client.stream_chat("small", json!({})).await;
    let events = stream.all().await;
    assert_eq!((stream.status, stream.broken, events.is_empty()), (200, false, false));
    let record = mesh.envoy.record(count).await;
    assert_eq!((&record["stream"], &record["cost_usd"]), (&json!(true), &json!(COST)), "{record}");
}

async fn a_failure_goes_on_to_the_next_provider_with_that_ones_key(mesh: &Mesh, count: usize) {
    mesh.provider("vllm").reply(error(503, &[]));
    let before = mesh.counts();
    assert_eq!(mesh.client.chat("small").await.status, 200);
    assert_eq!(mesh.counts(), [before[0] + 1, before[1], before[2] + 1]);
    let asked = mesh.provider("openai").last();
    assert_eq!(
        (asked.json()["model"].as_str(), asked.header("host")),
        (Some("gpt-4o-mini"), vec!["api.openai.com".into()])
    );
    assert_eq!(asked.header("authorization"), ["Bearer sk-of-openai"]);
    assert_eq!(asked.header("x-envoy-attempt-count"), [""; 0]);
    let record = mesh.envoy.record(count).await;
    let reasons: Vec<&str> =
        record["attempts"].as_array().unwrap().iter().map(|at| at["reason"].as_str().unwrap()).collect();
    assert_eq!((&record["provider"], reasons), (&json!("openai"), vec!["status", "ok"]), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_istio_does_all_that_an_envoy_of_ones_own_does() {
    let mesh = Mesh::istio("gateway").await;
    a_chat_is_answered_metered_and_recorded(&mesh, "outbound|8000||vllm.models.svc.cluster.local").await;
    a_refused_call_reaches_no_provider(&mesh).await;
    a_stream_is_passed_on_and_charged(&mesh, 5).await;
    a_failure_goes_on_to_the_next_provider_with_that_ones_key(&mesh, 6).await;
    // The labels come out of the names because of what the manifests add to the bootstrap.
    let ok = [("team", "search"), ("model", "small"), ("provider", "vllm"), ("outcome", "ok")];
    let metrics = mesh.envoy.metrics().await;
    assert_eq!(metrics.sum("farebox_requests_total", &ok), 2.0);
    assert_eq!(metrics.sum("farebox_host_unsupported_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_of_istio_does_too() {
    let mesh = Mesh::istio("sidecar").await;
    a_chat_is_answered_metered_and_recorded(&mesh, "outbound|8000||vllm.models.svc.cluster.local").await;
    a_refused_call_reaches_no_provider(&mesh).await;
    a_stream_is_passed_on_and_charged(&mesh, 5).await;
    a_failure_goes_on_to_the_next_provider_with_that_ones_key(&mesh, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_envoy_gateway_does_too() {
    let mesh = Mesh::envoy_gateway("patch-policy").await;
    a_chat_is_answered_metered_and_recorded(&mesh, "httproute/farebox/farebox/rule/2").await;
    a_refused_call_reaches_no_provider(&mesh).await;
    a_stream_is_passed_on_and_charged(&mesh, 5).await;
    a_failure_goes_on_to_the_next_provider_with_that_ones_key(&mesh, 6).await;
    // More than Envoy Gateway lets a listener hold: the route says how much it may be.
    let mut large = chat_body("gpt-4o-mini");
    large["messages"][0]["content"] = Value::from("x".repeat(2_000_000));
    assert_eq!(mesh.client.post("/v1/chat/completions", &large).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_picked_by_the_host_that_the_caller_named() {
    for folder in
        ["istio/gateway", "istio/wasm-plugin", "envoy-gateway/patch-policy", "envoy-gateway/extension-policy"]
    {
        let resources = farebox_tests::mesh::named(farebox_tests::mesh::manifests(folder), "ai.example.com");
        let mesh = Mesh::start(match folder.split_once('/').unwrap().0 {
            "istio" => farebox_tests::istio::sent(&resources),
            _ => farebox_tests::envoy_gateway::sent(&resources),
        })
        .await;
        let client = mesh.client.with("x-model", "gpt-4o-mini");
        assert_eq!(client.chat("gpt-4o-mini").await.status, 200, "{folder}");
        assert_eq!(mesh.provider("openai").last().header("host"), ["api.openai.com"], "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_reaches_a_provider_outside_by_its_sidecar() {
    for folder in ["sidecar", "sidecar-plugin"] {
        let mesh = Mesh::istio(folder).await;
        assert_eq!(
            mesh.client.with("x-model", "gpt-4o-mini").chat("gpt-4o-mini").await.status,
            200,
            "{folder}"
        );
        let asked = mesh.provider("openai").last();
        assert_eq!(asked.header("host"), ["api.openai.com"], "{folder}");
        for hidden in ["x-envoy-attempt-count", "x-forwarded-for", "x-farebox-cluster", "x-model"] {
            assert_eq!(asked.header(hidden), [""; 0], "{folder}: {hidden}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_choose_a_route_with_the_filter_or_without_it() {
    for folder in
        ["istio/gateway", "istio/wasm-plugin", "envoy-gateway/patch-policy", "envoy-gateway/extension-policy"]
    {
        let resources = farebox_tests::mesh::manifests(folder);
        let make = || match folder.split_once('/').unwrap().0 {
            "istio" => farebox_tests::istio::sent(&resources),
            _ => farebox_tests::envoy_gateway::sent(&resources),
        };
        // As long as the filter is there, and while it is not there yet or any more.
        let mut without = make();
        let is_ours = |filter: &Value| filter["name"].as_str().is_some_and(|name| name.contains("farebox"));
        without.manager["http_filters"].as_array_mut().unwrap().retain(|filter| !is_ours(filter));
        for (sent, has_filter) in [(make(), true), (without, false)] {
            let mesh = Mesh::start(sent).await;
            let client = mesh.client.with("x-farebox-cluster", "vllm").with("x-model", "gpt-4o-mini");
            let status = client.chat("gpt-4o-mini").await.status;
            let expected = match (folder.starts_with("istio"), has_filter) {
                (true, _) => 403,
                (false, true) => 200,
                // It goes nowhere.
                (false, false) => 503,
            };
            assert_eq!(status, expected, "{folder}, {has_filter}");
            assert_eq!(mesh.counts()[2], 0, "{folder}, {has_filter}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_authenticates_callers_can_name_one() {
    let mesh = Mesh::istio("jwt").await;
    let anonymous = mesh.anonymous();
    // A client says who it is: the header is taken out before anything else runs.
    assert_eq!(anonymous.with("x-caller", "ci").chat("small").await.status, 401);
    assert_eq!(mesh.counts(), [0, 0, 0]);

    // In the place of Istio's filter for tokens, one that says the same of everybody.
    let resources = farebox_tests::mesh::manifests("istio/jwt");
    let mut sent = farebox_tests::istio::sent(&resources);
    let authentication = json!({"name": "envoy.filters.http.header_mutation", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": [{"append": {
            "header": {"key": "x-caller", "value": "ci"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }}]},
    }});
    sent.manager["http_filters"].as_array_mut().unwrap().insert(0, authentication);
    let mesh = Mesh::start(sent).await;
    let client = mesh.anonymous().with("x-caller", "search-agents");
    assert_eq!(client.chat("small").await.status, 200);
    let record = mesh.envoy.record(1).await;
    assert_eq!((&record["key"], &record["team"]), (&json!("ci"), &json!("platform")));
    assert_eq!(mesh.provider("vllm").last().header("x-caller"), [""; 0]);
}
