//! The Envoy of a plain Kubernetes, as its ConfigMap has it.

use farebox_tests::client::Client;
use farebox_tests::mesh::{KEY, SECRETS, documents, manifests, of_kind};
use farebox_tests::patience::until;
use farebox_tests::process::Launch;
use farebox_tests::provider::Provider;
use farebox_tests::workspace;
use serde_json::{Value, json};

fn bootstrap_of(folder: &str) -> Value {
    let resources = manifests(folder);
    let config = resources.iter().find(|resource| resource["data"]["envoy.yaml"].is_string()).unwrap();
    documents(config["data"]["envoy.yaml"].as_str().unwrap()).remove(0)
}

fn at(port: u64) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pod_answers_its_probes_a_call_and_whoever_asks_for_metrics() {
    let provider = Provider::start().await;
    let text = bootstrap_of("plain/image-volume").to_string();
    let wasm = workspace::wasm().display().to_string();
    let mut bootstrap: Value =
        serde_json::from_str(&text.replace("/opt/farebox/plugin.wasm", &wasm)).unwrap();
    let (admin, metrics) = (free_port(), free_port());
    bootstrap["admin"]["address"] = at(admin);
    let folder = tempfile::tempdir().unwrap();
    let listeners = bootstrap["static_resources"]["listeners"].as_array_mut().unwrap();
    assert_eq!(listeners.len(), 2);
    (listeners[0]["address"], listeners[1]["address"]) = (at(0), at(metrics));
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().unwrap() {
        let port = match cluster["name"].as_str() {
            Some("vllm") => provider.address().port().into(),
            Some("admin") => admin,
            _ => continue,
        };
        cluster.as_object_mut().unwrap().remove("cluster_type");
        cluster["type"] = json!("STATIC");
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = at(port);
    }
    let environment = SECRETS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let launch = Launch { folder, bootstrap, overlay: None, workers: 2, environment, binary: None };
    let envoy = launch.start().await.expect("Envoy starts");

    let probe = Client::anonymous(&envoy).get("/farebox/health").await;
    assert_eq!(probe.status, 200);
    assert_eq!(Client::new(&envoy, KEY).chat("small").await.status, 200);
    assert_eq!(provider.last().json()["model"], "Qwen/Qwen3-8B");
    until("the call to be counted", async || {
        (envoy.metrics().await.sum("farebox_requests_total", &[("provider", "vllm")]) == 1.0).then_some(())
    })
    .await;
    let page = async |path: &str| {
        let answer = reqwest::get(format!("http://127.0.0.1:{metrics}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = page("/stats/prometheus").await;
    assert_eq!(status, 200);
    assert!(text.contains("farebox_requests_total{"), "{text}");
    // And nothing else of the admin page.
    for path in ["/config_dump", "/quitquitquit", "/stats/prometheus/../../config_dump"] {
        assert_eq!(page(path).await.0, 404, "{path}");
    }
}

fn free_port() -> u64 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().into()
}

#[test]
fn both_forms_have_the_same_configuration_and_look_for_the_module_where_it_is_mounted() {
    assert_eq!(bootstrap_of("plain/image-volume"), bootstrap_of("plain/config-map"));
    for folder in ["plain/image-volume", "plain/config-map"] {
        let resources = manifests(folder);
        let pod = &of_kind(&resources, "Deployment")["spec"]["template"]["spec"];
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["mountPath"] == "/opt/farebox"), "{folder}");
        assert!(bootstrap_of(folder).to_string().contains(r#""filename":"/opt/farebox/plugin.wasm""#));
    }
}
