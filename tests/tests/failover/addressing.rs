//! What reaches each target: its own host, path, key, model and length, and nothing of anybody else's.

use farebox_tests::answers::Answers;
use farebox_tests::client::chat_body;
use farebox_tests::config::DEMO;
use farebox_tests::envoy::Setup;
use farebox_tests::fleet::{self, Fleet, NAMES, error, secret};
use farebox_tests::http2::post_with_trailers;
use farebox_tests::provider::{Provider, Request};
use farebox_tests::script::{Reply, Step};
use serde_json::{Value, json};

/// Names of very different lengths, so that a length that was not adapted shows.
const MODELS: [&str; 3] = ["m", "a-model-with-a-rather-long-name-indeed", "vendor/model:1\"x\"\\y"];
const HOSTS: [&str; 3] = ["a.example", "b.example", "c.example"];
const BASES: [&str; 3] = ["/alpha/v1", "/b", "/v1"];

fn plugin() -> Value {
    let mut plugin = fleet::with_keys();
    for (at, model) in MODELS.iter().enumerate() {
        plugin["models"]["abc"][at]["model"] = json!(model);
    }
    plugin
}

async fn start(plugin: &Value) -> Fleet {
    Fleet::run(fleet::set_keys(Setup::new(plugin))).await
}

/// Nobody sees a key of another provider or of the caller, or a header that is between Envoy and the filter.
fn assert_keeps_to_itself(fleet: &Fleet) {
    for (name, provider) in NAMES.iter().zip(&fleet.providers) {
        let wire = String::from_utf8_lossy(&provider.wire()).to_ascii_lowercase();
        for other in NAMES.iter().filter(|other| *other != name) {
            assert!(!wire.contains(&secret(other)), "{name} was sent the key of {other}: {wire}");
        }
        for word in [&DEMO.to_ascii_lowercase(), "x-farebox", "x-envoy", "farebox."] {
            assert!(!wire.contains(word), "{name} was sent {word}: {wire}");
        }
    }
}

fn only(provider: &Provider) -> Request {
    let mut requests = provider.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_has_its_own_host_path_key_model_and_length() {
    for (path, header, scheme) in
        [("/v1/chat/completions", "authorization", "Bearer "), ("/v1/messages", "x-api-key", "")]
    {
        let fleet = start(&plugin()).await;
        fleet.a().reply(error(529, &[("retry-after", "1")]));
        fleet.b().reply(Reply::default().then(Step::Reset));
        let mut body = chat_body("abc");
        body["max_tokens"] = json!(9);
        let client = fleet.client.with("x-farebox-session", "s").with("x-envoy-max-retries", "9");
        let answer =
            client.with("x-envoy-upstream-rq-timeout-ms", "5").post(&format!("{path}?q=1"), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for (at, provider) in fleet.providers.iter().enumerate() {
            let request = only(provider);
            let rest = path.strip_prefix("/v1").unwrap();
            assert_eq!(request.path, format!("{}{rest}", BASES[at]));
            assert_eq!(request.header("host"), [HOSTS[at]]);
            assert_eq!(request.header(header), [format!("{scheme}{}", secret(NAMES[at]))]);
            let credentials = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];
            assert_eq!(credentials.iter().flat_map(|name| request.header(name)).count(), 1);
            assert_eq!(request.header("content-length"), [request.body.len().to_string()]);
            body["model"] = json!(MODELS[at]);
            assert_eq!(String::from_utf8_lossy(&request.body), body.to_string());
        }
        assert_keeps_to_itself(&fleet);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_asks_every_target_for_usage_and_hides_it_from_the_caller() {
    let fleet = start(&plugin()).await;
    for provider in [fleet.a(), fleet.b()] {
        provider.reply(error(500, &[]));
    }
    let mut events = fleet.client.stream_chat("abc", json!({})).await;
    let all = events.all().await;
    assert!(all.iter().all(|event| !event.contains("prompt_tokens")), "{all:?}");
    for (at, provider) in fleet.providers.iter().enumerate() {
        let request = only(provider);
        assert_eq!(request.json()["model"], MODELS[at]);
        assert_eq!(request.json()["stream_options"]["include_usage"], true);
        assert_eq!(request.header("content-length"), [request.body.len().to_string()]);
    }
    assert_keeps_to_itself(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_ends_with_trailers_is_addressed_anew_as_well() {
    let fleet = start(&plugin()).await;
    fleet.a().reply(error(529, &[]));
    let body = chat_body("abc").to_string();
    let bearer = format!("Bearer {DEMO}");
    let headers = [("content-type", "application/json"), ("authorization", &*bearer)];
    let (first, second) = body.as_bytes().split_at(20);
    let path = "/v1/chat/completions";
    let (status, answer) =
        post_with_trailers(&fleet.envoy, path, &headers, &[first, second], &[("x-checksum", "1")]).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let request = only(fleet.b());
    assert_eq!((&*request.path, request.header("host")), ("/b/chat/completions", vec!["b.example".into()]));
    assert_eq!(request.header("authorization"), [format!("Bearer {}", secret("b"))]);
    assert_eq!(request.json()["model"], MODELS[1]);
    assert_keeps_to_itself(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_header_of_the_providers_own_does_not_stay_behind() {
    for azure in [0, 1] {
        let mut plugin = plugin();
        let name = NAMES[azure];
        plugin["providers"][name] = json!({
            "preset": "azure-openai", "cluster": name, "host": HOSTS[azure],
            "credentials": plugin["providers"][name]["credentials"],
        });
        let fleet = start(&plugin).await;
        fleet.a().reply(error(503, &[]));
        assert_eq!(fleet.client.chat("fast").await.status, 200);
        for (at, provider) in [fleet.a(), fleet.b()].into_iter().enumerate() {
            let request = only(provider);
            let key = secret(NAMES[at]);
            let (own, path) = if at == azure {
                ((vec![], vec![key]), "/openai/v1/chat/completions".to_owned())
            } else {
                ((vec![format!("Bearer {key}")], vec![]), format!("{}/chat/completions", BASES[at]))
            };
            assert_eq!((request.header("authorization"), request.header("api-key")), own);
            assert_eq!(request.path, path);
        }
        assert_keeps_to_itself(&fleet);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_in_the_path_is_named_anew_for_every_attempt() {
    let mut plugin = plugin();
    for name in ["a", "b"] {
        plugin["providers"][name]["dialect"] = json!(["gemini", "azure"]);
        plugin["providers"][name].as_object_mut().unwrap().remove("base_path");
    }
    plugin["models"] = json!({"any": [
        {"provider": "a", "model": "first/model"}, {"provider": "b", "model": "second-model-2"},
    ]});
    let answers = Answers::default();
    let gemini = json!({
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 5, "totalTokenCount": 16},
    });
    for (path, header, answer) in [
        ("/v1beta/models/any:generateContent?alt=json", "x-goog-api-key", gemini),
        ("/openai/deployments/any/chat/completions?api-version=2024-10-21", "api-key", answers.chat()),
    ] {
        let fleet = start(&plugin).await;
        fleet.a().reply(error(500, &[]));
        fleet.b().reply(Reply::json(200, &answer));
        let body = json!({"messages": [{"role": "user", "content": "?"}], "contents": []});
        let reply = fleet.client.post(path, &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        for (at, model) in ["first%2Fmodel", "second-model-2"].into_iter().enumerate() {
            let request = only(&fleet.providers[at]);
            assert_eq!(request.path, path.replace("any", model));
            assert_eq!(request.header(header), [secret(NAMES[at])]);
            assert_eq!(request.json(), body);
        }
        assert_eq!(fleet.envoy.record(1).await["cost_usd"], super::COST_AT_B);
        assert_keeps_to_itself(&fleet);
    }
}
