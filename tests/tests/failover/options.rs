//! The wish for usage in a stream, which the gateway adds: where it is not understood, it is left out.

use super::CHAT;
use farebox_tests::answers::Answers;
use farebox_tests::client::chat_body;
use farebox_tests::fleet::{self, Fleet, error};
use farebox_tests::provider::Request;
use farebox_tests::script::Reply;
use serde_json::{Value, json};

fn wishes(request: &Request) -> bool {
    !serde_json::from_slice::<Value>(&request.body).unwrap()["stream_options"].is_null()
}

async fn stream(fleet: &Fleet, path: &str, more: Value) {
    let mut body = chat_body("fast");
    body["stream"] = json!(true);
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let mut events = fleet.client.stream(path, &body).await;
    let all = events.all().await;
    assert_eq!((events.status, all.is_empty()), (200, false), "{}", String::from_utf8_lossy(&events.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_the_wish_for_usage_is_asked_again_without_it() {
    let fleet = Fleet::new(fleet::plugin()).await;
    let answers = Answers::default();
    let refusal = json!({"error": {"message": "Unrecognized request argument supplied: stream_options", "type": "invalid_request_error", "param": null, "code": null}});
    let refused = Reply::json(400, &refusal);
    fleet.a().answer(move |request| if wishes(request) { refused.clone() } else { answers.reply(request) });
    stream(&fleet, CHAT, json!({})).await;
    assert_eq!(fleet.counts(), [2, 0, 0]);
    let [first, second] = &fleet.a().requests()[..] else { panic!("two requests") };
    let body = |request: &Request| serde_json::from_slice::<Value>(&request.body).unwrap();
    let mut expected = body(first);
    expected.as_object_mut().unwrap().remove("stream_options");
    assert_eq!(body(second), expected, "nothing else differs");
    let record = fleet.envoy.record(1).await;
    assert_eq!(record["attempts"][0]["reason"], "option_refused", "{record}");
    assert_eq!((&record["provider"], &record["outcome"]), (&json!("a"), &json!("ok")), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_target_that_does_not_take_the_wish_for_usage_is_not_sent_it() {
    let mut plugin = fleet::plugin();
    plugin["providers"]["b"]["include_usage"] = json!(false);
    let fleet = Fleet::new(plugin).await;
    fleet.a().reply(error(529, &[]));
    stream(&fleet, CHAT, json!({})).await;
    assert!(wishes(&fleet.a().requests()[0]) && !wishes(&fleet.b().requests()[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_is_not_sent_the_wish_for_usage_where_it_would_refuse_it() {
    let mut plugin = fleet::plugin();
    plugin["providers"]["a"]["dialect"] = json!(["openai", "azure"]);
    let fleet = Fleet::new(plugin).await;
    let path = |version: &str| format!("/openai/deployments/fast/chat/completions?api-version={version}");
    for (count, (version, more, expected)) in (0..).zip([
        ("2024-06-01", json!({}), false),
        ("2024-10-21", json!({}), true),
        ("2024-10-21", json!({"data_sources": [{"type": "azure_search"}]}), false),
    ]) {
        stream(&fleet, &path(version), more).await;
        assert_eq!(wishes(&fleet.a().requests()[count]), expected, "{version}");
    }
}
