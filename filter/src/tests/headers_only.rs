//! Requests that are sent by their headers alone: on an Envoy that never shows a body before they have to go on.

use super::*;
use crate::fake_host::counter;

fn config_by(header: Value) -> String {
    config(|json| {
        json["headers_only"] = header;
        json["default_model"] = "plain".into();
    })
}

fn start_by_header() -> FakeVm {
    FakeVm::start(&config_by(json!({"model_header": "x-model"})))
}

fn asked(more: &[(&str, &str)]) -> Pairs {
    let mut head = chat();
    head.extend(pairs(more));
    head
}

/// A stream whose headers have gone on before its body is here.
fn sent(vm: &FakeVm, more: &[(&str, &str)]) -> Stream {
    let mut stream = vm.stream();
    assert_eq!(stream.request(asked(more), false), Action::Continue, "{:?}", stream.response());
    stream
}

#[test]
fn a_request_goes_on_by_its_headers_and_its_body_stays_as_it_is() {
    let vm = start_by_header();
    let length = RENAMED.len().to_string();
    let mut stream = sent(&vm, &[("content-length", &length), ("x-model", "fast")]);
    assert_eq!(stream.body(&RENAMED.as_bytes()[..9], false), Action::Continue);
    assert_eq!(stream.body(&RENAMED.as_bytes()[9..], true), Action::Continue);
    let went = stream.sent().unwrap();
    assert_eq!(String::from_utf8_lossy(&went.body), RENAMED);
    for (name, value) in [
        (":authority", "api.paid.example"),
        (":path", "/compat/v1/chat/completions"),
        ("authorization", "Bearer sk-the-provider-secret"),
        ("content-length", &length),
        ("x-farebox-cluster", "paid-cluster"),
    ] {
        assert_eq!(went.header(name), [value], "{name}");
    }
    assert_eq!(counter("farebox_host_unsupported_total"), None);
}

#[test]
fn the_hold_is_made_before_the_body_and_becomes_the_charge() {
    let vm = start_by_header();
    let mut stream = sent(&vm, &[("content-length", "400"), ("x-model", "plain")]);
    // A quarter of the length in, and 4096 tokens out.
    assert_eq!(team(&vm), (nothing(), amounts("0.008292", 4_196, 1)));
    stream.body(PLAIN.as_bytes(), true);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["cost_usd"]), (&json!("ok"), &json!("0.00002")), "{record}");
    assert_eq!((&record["model_requested"], &record["stream"]), (&json!("plain"), &json!(false)));
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()));
}

#[test]
fn what_is_charged_is_the_model_that_answered_and_not_the_one_that_the_header_names() {
    let vm = FakeVm::start(&config(|json| {
        json["headers_only"] = json!({"model_header": "x-model"});
        json["prices"]["local/dear"] = json!({"input": 100, "output": 200});
    }));
    let mut stream = sent(&vm, &[("content-length", "400"), ("x-model", "plain")]);
    stream.body(br#"{"model":"dear","messages":[]}"#, true);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.replace("plain-2026", "dear").as_bytes(), true);
    assert_eq!(stream.log()["cost_usd"], "0.002");
}

#[test]
fn a_stream_is_seen_by_its_answer_and_nothing_of_it_is_hidden() {
    let vm = start_by_header();
    let mut stream = sent(&vm, &[("content-length", "40"), ("x-model", "plain")]);
    stream.body(STREAMED.as_bytes(), true);
    stream.answer(200, EVENTS, false);
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";
    stream.answer_body(usage.as_bytes(), true);
    assert_eq!(String::from_utf8_lossy(&stream.response().unwrap().body), usage);
    let record = stream.log();
    assert_eq!((&record["stream"], &record["output_tokens"]), (&json!(true), &json!(5)), "{record}");
    assert_eq!(team(&vm), (amounts("0.00002", 15, 1), nothing()));
}

#[test]
fn without_a_header_the_default_model_is_asked() {
    let vm = FakeVm::start(&config_by(json!({})));
    let mut stream = sent(&vm, &[("content-length", "40"), ("x-model", "fast")]);
    stream.body(PLAIN.as_bytes(), true);
    assert_eq!(stream.sent().unwrap().cluster.as_deref(), Some("local-cluster"));
    stream.answer(500, JSON, true);
    assert_eq!(stream.log()["model"], "plain");
    assert_eq!(team(&vm).1, nothing());
}

#[test]
fn a_client_that_leaves_before_its_body_is_here_gives_its_hold_back() {
    let vm = start_by_header();
    let mut stream = sent(&vm, &[("content-length", "40"), ("x-model", "plain")]);
    stream.body(b"{", false);
    stream.log();
    let (spent, held) = team(&vm);
    assert_eq!((&spent["requests"], held), (&json!(1), nothing()));
}

#[test]
fn a_budget_refuses_before_anything_goes_on() {
    let vm = FakeVm::start(&config(|json| {
        json["headers_only"] = json!({"model_header": "x-model"});
        json["budgets"][1]["limit_tokens"] = 100.into();
    }));
    let mut stream = vm.stream();
    let head = asked(&[("content-length", "4000"), ("x-model", "plain")]);
    assert_eq!(stream.request(head, false), Action::Pause);
    assert_eq!(stream.response().unwrap().status, 402);
    assert!(stream.sent().is_none());
    assert_eq!(stream.log()["outcome"], "denied");
}

#[test]
fn what_the_headers_do_not_say_is_refused() {
    let vm = start_by_header();
    for (more, status) in [
        (vec![("x-model", "plain")], 400),
        (vec![("content-length", "40"), ("x-model", "plain"), ("x-model", "fast")], 400),
        (vec![("content-length", "40"), ("x-model", "nobody")], 404),
        (vec![("content-length", "4097"), ("x-model", "plain")], 413),
    ] {
        let mut stream = vm.stream();
        assert_eq!(stream.request(asked(&more), false), Action::Pause);
        assert_eq!(stream.response().unwrap().status, status, "{more:?}");
        assert!(stream.sent().is_none());
        stream.log();
    }
    assert_eq!(team(&vm), (nothing(), nothing()));
}

#[test]
fn a_request_is_sent_to_its_first_target_alone() {
    let vm = FakeVm::start(&config(|json| {
        json["headers_only"] = json!({"model_header": "x-model"});
        json["models"]["plain"] = json!([{"provider": "local"}, {"provider": "paid", "model": "p-1"}]);
    }));
    let mut stream = sent(&vm, &[("content-length", "40"), ("x-model", "plain")]);
    stream.body(PLAIN.as_bytes(), true);
    assert!(stream.sent().unwrap().header("x-envoy-max-retries").is_empty());
}
