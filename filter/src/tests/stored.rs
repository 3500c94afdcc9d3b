//! Requests that go on from what a provider keeps: by the team that it was given to, at the account that has it.

use super::*;

const RESPONSES: &str = "/v1/responses";
const ANSWERED: &str = r#"{"id":"resp_1","object":"response","status":"completed","model":"p-1","output":[{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":10,"output_tokens":5}}"#;

/// One model at a pool of two accounts and at another provider.
fn several(change: impl FnOnce(&mut Value)) -> FakeVm {
    FakeVm::start(&config(|json| {
        json["providers"]["pool"] = json!({
            "dialect": "openai", "cluster": "pool-cluster",
            "credentials": [{"env": PROVIDER_SECRET_NAME}, {"env": SECOND_SECRET_NAME}],
        });
        json["models"]["both"] = json!([
            {"provider": "pool", "model": "p-1", "weight": 1},
            {"provider": "paid", "model": "p-1", "weight": 1},
        ]);
        json["hold"] = json!({"output_tokens": 1_024});
        json["prices"]["*/p-1"] = json!({"input": 1, "output": 2});
        change(json);
    }))
}

fn ask(vm: &FakeVm, key: &str, number: usize, body: &Value) -> Stream {
    let mut stream = vm.stream();
    let mut request = head("POST", RESPONSES, key);
    request.iter_mut().filter(|(name, _)| name == b"x-request-id").for_each(|(_, id)| {
        *id = format!("r-{number}").into_bytes();
    });
    stream.request(request, false);
    stream.body(body.to_string().as_bytes(), true);
    stream
}

/// Where a request went, and with which credential.
fn resource(stream: &Stream) -> (String, Vec<String>) {
    let sent = stream.sent().expect("it was sent");
    let credential = sent.header("authorization").iter().map(ToString::to_string).collect();
    (sent.cluster.clone().unwrap_or_default(), credential)
}

/// The id of the answer as its client sees it.
fn answer(stream: &mut Stream) -> String {
    let length = ANSWERED.len().to_string();
    stream.answer(200, &[("content-type", "application/json"), ("content-length", &length)], false);
    stream.answer_body(ANSWERED.as_bytes(), true);
    let response = stream.response().expect("an answer");
    assert!(response.header("content-length").is_empty(), "it got longer");
    let id = response.json()["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("resp_1~"), "{id}");
    assert_eq!(stream.log()["output_tokens"], 5);
    id
}

#[test]
fn a_request_goes_on_at_the_account_that_has_what_it_goes_on_from() {
    let vm = several(|_| {});
    let mut places = std::collections::BTreeSet::new();
    for number in 0..24 {
        let mut first = ask(&vm, "demo", number, &json!({"model": "both", "input": "Hi"}));
        let at = resource(&first);
        let id = answer(&mut first);
        for more in 0..4 {
            let body = json!({"model": "both", "input": "And?", "previous_response_id": id});
            let mut next = ask(&vm, "demo", 100 * number + more, &body);
            assert_eq!(resource(&next), at, "{:?}", next.response());
            let sent: Value = serde_json::from_slice(&next.sent().unwrap().body).unwrap();
            assert_eq!(sent["previous_response_id"], "resp_1");
            assert!(next.sent().unwrap().header("x-envoy-max-retries").is_empty(), "nobody else has it");
        }
        places.insert(at);
    }
    assert_eq!(places.len(), 3, "every account was used: {places:?}");
}

#[test]
fn an_id_is_good_for_the_team_that_it_was_given_to() {
    let vm = several(|_| {});
    let mut first = ask(&vm, "demo", 1, &json!({"model": "fast", "input": "Hi"}));
    let id = answer(&mut first);
    for (key, id, status) in [("demo", &*id, 200), ("ads", &*id, 400), ("demo", "resp_1", 400)] {
        for body in [
            json!({"model": "fast", "input": "And?", "previous_response_id": id}),
            json!({"model": "fast", "input": [{"type": "item_reference", "id": id}]}),
            json!({"model": "fast", "input": [{"id": id}]}),
            json!({"model": "fast", "input": "And?", "conversation": id}),
            json!({"model": "fast", "input": "And?", "conversation": {"id": id}}),
        ] {
            let mut stream = ask(&vm, key, 2, &body);
            match status {
                200 => assert!(
                    !String::from_utf8_lossy(&stream.sent().unwrap_or_else(|| panic!("{body}")).body)
                        .contains('~')
                ),
                _ => assert_eq!(stream.response().unwrap().status, status, "{key} {body}"),
            }
        }
    }
    // What is there whole is not looked up by its id.
    let whole = json!({"model": "fast", "input": [{"id": "msg_9", "role": "assistant", "content": "Hi"}]});
    assert!(ask(&vm, "ads", 3, &whole).sent().is_some());
}

#[test]
fn the_ids_of_a_stream_are_bound_in_every_event() {
    let vm = several(|_| {});
    let mut stream = ask(&vm, "demo", 1, &json!({"model": "fast", "input": "Hi", "stream": true}));
    stream.answer(200, EVENTS, false);
    for event in [
        json!({"type": "response.created", "response": {"id": "resp_1", "output": []}}),
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "delta": "Hi"}),
        json!({"type": "response.completed", "response": serde_json::from_str::<Value>(ANSWERED).unwrap()}),
    ] {
        let text = format!("event: x\ndata: {event}\n\n");
        let (one, two) = text.split_at(text.len() / 2);
        stream.answer_body(one.as_bytes(), false);
        stream.answer_body(two.as_bytes(), false);
    }
    stream.answer_body(b"", true);
    let text = String::from_utf8(stream.response().unwrap().body.clone()).unwrap();
    assert_eq!(text.matches("~fb1~").count(), 4, "{text}");
    assert_eq!(stream.log()["output_tokens"], 5);
}

#[test]
fn an_answer_stays_as_it_is_where_one_team_has_one_account() {
    let alone = |json: &mut Value| json["keys"] = json!([json["keys"][0]]);
    let vm = several(alone);
    let mut stream = ask(&vm, "demo", 1, &json!({"model": "fast", "input": "Hi"}));
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWERED.as_bytes(), true);
    assert_eq!(String::from_utf8_lossy(&stream.response().unwrap().body), ANSWERED);
    // An id of before, or of another tool's.
    let body = json!({"model": "fast", "input": "And?", "previous_response_id": "resp_1"});
    assert_eq!(
        String::from_utf8_lossy(&ask(&vm, "demo", 2, &body).sent().unwrap().body),
        body.to_string().replace("\"fast\"", "\"p-1\"")
    );
    let mut of_several = ask(&vm, "demo", 3, &json!({"model": "both", "input": "Hi"}));
    let (at, id) = (resource(&of_several), answer(&mut of_several));
    let body = json!({"model": "both", "input": "And?", "previous_response_id": id});
    (0..8).for_each(|number| assert_eq!(resource(&ask(&vm, "demo", number, &body)), at));
}

#[test]
fn what_another_provider_keeps_is_not_asked_of_this_one() {
    let vm = several(|_| {});
    let mut first = ask(&vm, "demo", 1, &json!({"model": "fast", "input": "Hi"}));
    let id = answer(&mut first);
    let elsewhere = json!({"model": "plain", "input": "And?", "previous_response_id": id});
    assert_eq!(ask(&vm, "demo", 2, &elsewhere).response().unwrap().status, 400);
    // What the client has itself may be shown to another one, which says what it makes of it.
    let shown =
        json!({"model": "plain", "input": [{"type": "reasoning", "encrypted_content": id, "summary": []}]});
    let sent = ask(&vm, "demo", 3, &shown).sent().unwrap().body.clone();
    assert!(!String::from_utf8_lossy(&sent).contains('~'));
}

#[test]
fn nobody_goes_on_where_that_is_denied() {
    let vm = several(|json| json["requests"] = json!({"stored_state": "deny"}));
    let mut first = ask(&vm, "demo", 1, &json!({"model": "fast", "input": "Hi"}));
    first.answer(200, JSON, false);
    first.answer_body(ANSWERED.as_bytes(), true);
    assert_eq!(String::from_utf8_lossy(&first.response().unwrap().body), ANSWERED);
    let body = json!({"model": "fast", "input": "And?", "previous_response_id": "resp_1"});
    assert_eq!(ask(&vm, "demo", 2, &body).response().unwrap().status, 400);
}
