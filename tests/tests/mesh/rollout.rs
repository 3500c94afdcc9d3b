//! What a change of the manifests, or of the module, does to a gateway that runs, and to one that starts.

use farebox_tests::answers::Answers;
use farebox_tests::fleet::error;
use farebox_tests::istio;
use farebox_tests::mesh::{self, Mesh, Module};
use farebox_tests::patience::until;
use farebox_tests::script::{Gate, Reply, Step};
use serde_json::json;

/// How often Envoy has refused what it was sent for one of the two filters.
const REFUSALS: &str = r"extension_config_discovery\..*farebox\.farebox.*config_fail$";

async fn limited_to(mesh: &Mesh, usd: &str) {
    until("the pushed limit", async || {
        let usage = mesh.client.usage("team").await;
        (usage["limit"]["usd"] == usd).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_takes_effect_and_the_counters_stay() {
    let mesh = Mesh::istio("gateway").await;
    assert_eq!(mesh.client.chat("small").await.status, 200);
    mesh.envoy.records(1).await;
    let mut plugin = mesh.plugin();
    plugin["budgets"][1]["limit_usd"] = json!(70);
    mesh.push(&plugin.to_string(), Module::There);
    limited_to(&mesh, "70.00").await;
    assert_eq!(mesh.client.usage("team").await["spent"]["requests"], 1);
    assert_eq!(mesh.client.chat("small").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_module_takes_over_while_a_stream_that_is_under_way_ends_in_the_old_one() {
    let mesh = Mesh::istio("gateway").await;
    let gate = Gate::closed();
    let events = Answers::default().chat_events(true);
    // The attempt lets a stream go with its first token.
    let begun = events[..2].iter().fold(Reply::event_stream(), |reply, event| reply.chunk(event));
    let reply = begun.then(Step::Await(gate.clone()));
    mesh.provider("vllm").reply(events[2..].iter().fold(reply, |reply, event| reply.chunk(event)).end());
    let mut stream = mesh.client.stream_chat("small", json!({})).await;
    stream.next().await.unwrap();

    let mut plugin = mesh.plugin();
    plugin["budgets"][1]["limit_usd"] = json!(70);
    mesh.push(&plugin.to_string(), Module::Another);
    limited_to(&mesh, "70.00").await;
    let usage = mesh.client.usage("team").await;
    assert_eq!((&usage["spent"]["requests"], &usage["held"]["requests"]), (&json!(0), &json!(1)), "{usage}");

    gate.open();
    stream.all().await;
    assert!(!stream.broken);
    until("the stream to be charged", async || {
        let usage = mesh.client.usage("team").await;
        (usage["spent"]["requests"] == 1 && usage["held"]["requests"] == 0).then_some(())
    })
    .await;
    // And back again.
    mesh.push(&mesh.plugin().to_string(), Module::There);
    limited_to(&mesh, "50.00").await;
    assert_eq!(mesh.client.usage("team").await["spent"]["requests"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_and_the_one_before_serves_on() {
    let mesh = Mesh::istio("gateway").await;
    assert_eq!(mesh.client.chat("small").await.status, 200);
    mesh.push(r#"{"version": "v2"}"#, Module::There);
    mesh.envoy.stat_reaches(REFUSALS, 2).await;
    assert_eq!(mesh.client.chat("small").await.status, 200);
    let mut plugin = mesh.plugin();
    plugin["budgets"][1]["limit_usd"] = json!(70);
    mesh.push(&plugin.to_string(), Module::There);
    limited_to(&mesh, "70.00").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_cannot_be_had_does_not_end_what_runs() {
    let mesh = Mesh::istio("gateway").await;
    assert_eq!(mesh.client.chat("small").await.status, 200);
    mesh.push("{}", Module::Missing);
    mesh.envoy.stat_reaches(REFUSALS, 2).await;
    assert_eq!(mesh.client.chat("small").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_without_the_module_lets_nobody_pass() {
    let sent = istio::sent(&mesh::manifests("istio/gateway"));
    let mesh = Mesh::try_start(sent, Module::Missing).await.expect("Envoy starts");
    assert_eq!(mesh.client.chat("small").await.status, 500);
    assert_eq!(mesh.counts(), [0, 0, 0]);
    // And recovers as soon as it is there.
    mesh.push(&mesh.plugin().to_string(), Module::There);
    until("the module to work", async || (mesh.client.chat("small").await.status == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_starts_without_the_module_lets_nobody_pass() {
    for folder in ["wasm-plugin", "traffic-extension"] {
        let sent = istio::sent(&mesh::manifests(&format!("istio/{folder}")));
        let mesh = Mesh::try_start(sent, Module::Missing).await.expect("Envoy starts");
        assert_eq!(mesh.client.chat("small").await.status, 403, "{folder}");
        assert_eq!(mesh.counts(), [0, 0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_whose_module_is_gone_refuses_everybody_from_then_on() {
    let mesh = Mesh::istio("wasm-plugin").await;
    let client = mesh.client.with("x-model", "Qwen/Qwen3-8B");
    assert_eq!(client.chat("Qwen/Qwen3-8B").await.status, 200);
    mesh.push("{}", Module::Missing);
    until("the refusal", async || (client.chat("Qwen/Qwen3-8B").await.status == 403).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_drops_the_option_for_other_clusters_sends_no_key_to_the_wrong_one() {
    let mut sent = istio::sent(&mesh::manifests("istio/gateway"));
    let route = &mut sent.manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"];
    let policy = route["retry_policy"].as_object_mut().unwrap();
    policy.remove("refresh_cluster_on_retry").expect("the manifest sets it");
    let mesh = Mesh::start(sent).await;
    mesh.provider("vllm").reply(error(503, &[]));
    // The first one finds out, at the price of asking twice; from then on each is sent once.
    for (count, sent) in (1..).zip([2, 3, 4]) {
        let answer = mesh.client.chat("small").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["error"]["message"], "says 503", "the provider's own answer");
        assert_eq!(mesh.counts(), [0, 0, sent]);
        let record = mesh.envoy.record(count).await;
        assert_eq!((&record["provider"], &record["cost_usd"]), (&json!("vllm"), &json!("0.00")), "{record}");
    }
    let wire = String::from_utf8_lossy(&mesh.provider("vllm").wire()).into_owned();
    assert!(!wire.contains("sk-of-openai"), "{wire}");
    let metrics = mesh.envoy.metrics().await;
    let limited = metrics.sum("farebox_failover_limited_total", &[("reason", "same_cluster")]);
    assert_eq!((limited, metrics.sum("farebox_host_unsupported_total", &[])), (1.0, 0.0));
    assert_eq!(mesh.envoy.log().matches("refresh_cluster_on_retry").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_drops_the_option_for_held_headers_lets_nothing_pass() {
    let mut sent = istio::sent(&mesh::manifests("istio/gateway"));
    for extension in sent.extensions.values_mut() {
        extension["config"].as_object_mut().unwrap().remove("allow_on_headers_stop_iteration");
    }
    let mesh = Mesh::start(sent).await;
    let answer = mesh.client.chat("small").await;
    assert_eq!((answer.status, answer.header("x-farebox-denied")), (503, Some("host_unsupported")));
    assert_eq!(mesh.counts(), [0, 0, 0]);
}
