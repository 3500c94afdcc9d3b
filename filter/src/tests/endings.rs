//! Every way in which a request can end: it is settled once, nothing stays held, and the record says how.

use super::*;
use crate::fake_host::{Stream, advance, counter, logs};

/// Bits of `response.flags`.
const UPSTREAM_RESET: u64 = 0x10;
const UPSTREAM_TIMEOUT: u64 = 0x4;
const NO_HEALTHY_UPSTREAM: u64 = 0x2;
const CLIENT_GONE: u64 = 0x4000;
const OVERLOAD: u64 = 0x200_0000;

/// Envoy closes the connection to the client, whose flags look as if the client had.
fn closed_by_envoy(stream: &mut Stream, why: &str) {
    stream.put_property("response\0code_details", format!("downstream_local_disconnect({why})").as_bytes());
    stream.reset(CLIENT_GONE);
}

struct End {
    name: &'static str,
    happens: fn(&mut Stream),
    outcome: &'static str,
    source: &'static str,
    status: Option<u64>,
}

const ENDS: [End; 15] = [
    End {
        name: "answered",
        happens: |stream| {
            stream.answer(200, JSON, false);
            stream.answer_body(ANSWER.as_bytes(), true);
        },
        outcome: "ok",
        source: "provider",
        status: Some(200),
    },
    End {
        name: "answered, with trailers",
        happens: |stream| {
            stream.answer(200, JSON, false);
            stream.answer_body(ANSWER.as_bytes(), false);
            stream.answer_trailers();
        },
        outcome: "ok",
        source: "provider",
        status: Some(200),
    },
    End {
        name: "answered with headers alone",
        happens: |stream| {
            stream.answer(204, &[], true);
        },
        outcome: "ok",
        source: "unread",
        status: Some(204),
    },
    End {
        name: "client gone before the headers",
        happens: |stream| stream.reset(CLIENT_GONE),
        outcome: "client_disconnect",
        source: "estimated",
        status: None,
    },
    End {
        name: "client gone after the headers",
        happens: |stream| {
            stream.answer(200, JSON, false);
            stream.answer_body(&ANSWER.as_bytes()[..20], false);
            stream.reset(CLIENT_GONE);
        },
        outcome: "client_disconnect",
        source: "estimated",
        status: Some(200),
    },
    End {
        name: "Envoy exits, or its listener goes",
        happens: |stream| {
            stream.answer(200, JSON, false);
            stream.answer_body(&ANSWER.as_bytes()[..20], false);
            closed_by_envoy(stream, "filter_chain_is_being_removed");
        },
        outcome: "gateway_disconnect",
        source: "estimated",
        status: Some(200),
    },
    End {
        name: "the client does not answer Envoy's pings",
        happens: |stream| {
            stream.answer(200, JSON, false);
            closed_by_envoy(stream, "http2_ping_timeout");
        },
        outcome: "client_disconnect",
        source: "estimated",
        status: Some(200),
    },
    End {
        name: "Envoy has too little memory",
        happens: |stream| {
            stream.answer(200, JSON, false);
            stream.reset(OVERLOAD);
        },
        outcome: "gateway_disconnect",
        source: "estimated",
        status: Some(200),
    },
    End {
        name: "log without anything",
        happens: |_| {},
        outcome: "client_disconnect",
        source: "estimated",
        status: None,
    },
    End {
        name: "provider broke in the middle",
        happens: |stream| {
            stream.answer(200, JSON, false);
            stream.answer_body(&ANSWER.as_bytes()[..20], false);
            stream.reset(UPSTREAM_RESET);
        },
        outcome: "upstream_reset",
        source: "estimated",
        status: Some(200),
    },
    End {
        name: "provider broke before the headers",
        happens: |stream| stream.reset(UPSTREAM_RESET),
        outcome: "upstream_reset",
        source: "estimated",
        status: None,
    },
    End {
        name: "no provider could be reached",
        happens: |stream| stream.envoy_answers(503, "no_healthy_upstream", NO_HEALTHY_UPSTREAM),
        outcome: "not_answered",
        source: "none",
        status: Some(503),
    },
    End {
        name: "provider was given up on",
        happens: |stream| stream.envoy_answers(504, "response_timeout", UPSTREAM_TIMEOUT),
        outcome: "upstream_timeout",
        source: "estimated",
        status: Some(504),
    },
    End {
        name: "provider refused",
        happens: |stream| {
            stream.answer(500, JSON, false);
            stream.answer_body(b"{\"error\":{\"message\":\"no\"}}", true);
        },
        outcome: "upstream_error",
        source: "none",
        status: Some(500),
    },
    End {
        name: "provider refused with words that are no JSON",
        happens: |stream| {
            stream.answer(502, &[("content-type", "text/html")], false);
            stream.answer_body(b"<h1>\xff</h1>", true);
        },
        outcome: "upstream_error",
        source: "none",
        status: Some(502),
    },
];

#[test]
fn a_stream_that_does_not_come_to_its_own_end_is_an_error_of_its_provider() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello there\"}}]}\n\n";
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for (more, outcome) in [
        ("", "upstream_error"),
        ("data: {\"error\":{\"message\":\"Sorry.\"}}\n\n", "upstream_error"),
        (stop, "ok"),
        ("data: [DONE]\n\n", "ok"),
    ] {
        let vm = start();
        let mut stream = admitted(&vm, STREAMED);
        stream.answer(200, EVENTS, false);
        stream.answer_body([text, more].concat().as_bytes(), true);
        let record = stream.log();
        assert_eq!(record["outcome"], outcome, "{more}");
        assert_eq!(record["usage_source"], "estimated", "{more}");
        assert!(record["output_tokens"].as_u64() > Some(0), "{more}: {record}");
    }
}

#[test]
fn every_ending_is_settled_once_and_leaves_nothing_held() {
    for End { name, happens, outcome, source, status } in ENDS {
        let vm = start();
        let mut stream = admitted(&vm, PLAIN);
        happens(&mut stream);
        let record = stream.log();
        assert_eq!(record["outcome"], outcome, "{name}");
        assert_eq!(record["usage_source"], source, "{name}");
        assert_eq!(record["status"], json!(status), "{name}");
        let of_envoy = matches!(outcome, "not_answered" | "upstream_timeout");
        assert_eq!(stream.replies(), usize::from(of_envoy), "Envoy's own words are none for SDKs: {name}");
        let (spent, held) = team(&vm);
        assert_eq!((&spent["requests"], held), (&json!(1), nothing()), "{name}");
        let tokens = record["input_tokens"].as_u64().unwrap() + record["output_tokens"].as_u64().unwrap();
        assert_eq!(spent["tokens"], tokens, "{name}");
        let labels = "{team:search}{model:plain}{provider:local}";
        let ended = format!("farebox_requests_total{labels}{{outcome:{outcome}}}");
        assert_eq!(counter(&ended), Some(1), "{name}");
        assert_eq!(counter(&format!("farebox_usage_source_total{{source:{source}}}")), Some(1), "{name}");
        stream.log();
        assert_eq!((team(&vm).0, counter(&ended)), (spent, Some(1)), "{name}, logged twice");
    }
}

#[test]
fn a_record_has_envoys_details_of_what_did_not_come_to_its_end_and_no_more_than_512_bytes() {
    let vm = start();
    let mut stream = admitted(&vm, PLAIN);
    stream.answer(200, JSON, false);
    stream.answer_body(ANSWER.as_bytes(), true);
    assert_eq!(stream.log()["details"], Value::Null, "the outcome says it");
    for (why, details) in [
        ("a \"reason\"\\\r\n", "downstream_local_disconnect(a \"reason\"\\\r\n)".to_owned()),
        (&"é".repeat(300), format!("downstream_local_disconnect({}", "é".repeat(242))),
    ] {
        let mut stream = admitted(&vm, PLAIN);
        closed_by_envoy(&mut stream, why);
        assert_eq!(stream.log()["details"], details);
    }
}

#[test]
fn what_the_client_leaves_behind_is_charged_by_policy() {
    // What a plain answer has is made before any of it is seen.
    let policies = [
        ("bill_seen", 1, 100),
        ("bill_expected", 100, 100),
        ("bill_hold", 100, 100),
        ("bill_input_only", 0, 0),
    ];
    for (policy, streamed, plain) in policies {
        let vm = FakeVm::start(&config(|json| json["on_disconnect"] = policy.into()));
        let mut stream = admitted(&vm, r#"{"model":"plain","stream":true,"max_tokens":100}"#);
        stream.answer(200, EVENTS, false);
        stream.answer_body(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n", false);
        stream.reset(CLIENT_GONE);
        assert_eq!(stream.log()["output_tokens"], streamed, "{policy}");
        let mut stream = admitted(&vm, PLAIN);
        stream.answer(200, JSON, false);
        stream.answer_body(b"{\"choices\":[{\"message\":{\"content\":\"Hi\"}}", false);
        stream.reset(CLIENT_GONE);
        assert_eq!(stream.log()["output_tokens"], plain, "{policy}");
        assert_eq!(team(&vm).1, nothing(), "{policy}");
    }
}

#[test]
fn a_client_that_leaves_before_its_request_is_complete_costs_nothing() {
    let vm = start();
    for pieces in [0, 2] {
        let mut stream = held(&vm);
        for _ in 0..pieces {
            stream.body(b"{\"model\":", false);
        }
        stream.reset(CLIENT_GONE);
        let record = stream.log();
        assert_eq!((&record["outcome"], &record["key"]), (&json!("client_disconnect"), &json!("demo")));
        assert_eq!((&record["usage_source"], stream.replies()), (&Value::Null, 0));
    }
    let mut stream = held(&vm);
    closed_by_envoy(&mut stream, "filter_chain_is_being_removed");
    let record = stream.log();
    assert_eq!(record["outcome"], "gateway_disconnect");
    assert_eq!(record["details"], "downstream_local_disconnect(filter_chain_is_being_removed)");
    // Envoy knows more of such a request than the filter.
    let mut nothing_came = vm.stream();
    assert_eq!(nothing_came.log(), Value::Null);
    assert_eq!(team(&vm), (nothing(), nothing()));
    advance(60_000);
    vm.tick();
    assert_eq!((logs().len(), counter("farebox_denied_total{reason:body_timeout}")), (1, None));
    assert_eq!(counter("farebox_host_unsupported_total"), None);
}

#[test]
fn an_answer_that_envoy_makes_to_a_held_request_is_not_one_of_a_provider() {
    let vm = start();
    let mut stream = held(&vm);
    stream.envoy_answers(413, "request_payload_too_large", 0);
    assert_eq!((stream.replies(), stream.response().unwrap().status), (0, 413));
    let record = stream.log();
    assert_eq!((&record["outcome"], &record["status"]), (&json!("not_answered"), &json!(413)));
    assert_eq!(record["details"], "request_payload_too_large");
    assert_eq!(team(&vm), (nothing(), nothing()));
}
