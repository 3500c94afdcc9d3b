//! Attempts behind the router: each is sent with its own address or not at all, whatever the host does.

mod hostile;
mod limited;

use proxy_wasm::types::Action;

use super::*;
use crate::fake_host::{BAD_ARGUMENT, Call, Upstream, advance, counter, fail, fail_after, heal, logs};
use farebox_hostcalls::filter_state;

const ASKED: &str = r#"{"model":"both","messages":[{"role":"user","content":"Hi"}]}"#;
const OVERLOADED: &[u8] = b"data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n";
const TOKEN: &[u8] = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";

/// The model `both` is at `paid` and then at `second`, `long` at `second` after `paid` for long prompts; `three` is at
/// `paid`, `second`, and for long prompts at `local`.
fn two() -> String {
    config(|json| {
        json["providers"]["second"] = json!({
            "dialect": "openai", "cluster": "second-cluster", "host": "api.second.example",
            "credentials": [{"env": SECOND_SECRET_NAME}],
        });
        let [first, second] = [
            json!({"provider": "paid", "model": "p-1"}),
            json!({"provider": "second", "model": "second-model"}),
        ];
        json["models"]["both"] = json!([first, second]);
        let mut after = second.clone();
        after["after"] = json!("context_length");
        json["models"]["long"] = json!([first, after]);
        let local = json!({"provider": "local", "model": "plain", "after": "context_length"});
        json["models"]["three"] = json!([first, second, local]);
        json["prices"]["second/*"] = json!({"input": 1, "output": 2});
    })
}

/// Status, headers and body.
type Answer<'a> = (u32, &'a [(&'a str, &'a str)], &'a [u8]);

/// A gateway, the VM behind its router, and a request that was let through.
struct Setting {
    gateway: FakeVm,
    behind: FakeVm,
    stream: Stream,
}

impl Setting {
    fn new(body: &str) -> Self {
        let gateway = FakeVm::start(&two());
        let behind = FakeVm::behind_the_router(&two());
        let stream = admitted(&gateway, body);
        Self { gateway, behind, stream }
    }

    fn attempt(&self) -> Upstream {
        self.behind.attempt(&self.stream)
    }

    /// An attempt that goes on.
    fn sent(&self) -> Upstream {
        let mut attempt = self.attempt();
        attempt.request(&self.body(), false);
        assert!(attempt.sent().is_some_and(|sent| sent.ended), "{:?}", logs());
        attempt
    }

    /// The body as the gateway sent it.
    fn body(&self) -> Vec<u8> {
        self.stream.sent().unwrap().body.clone()
    }

    fn attempts(&mut self) -> Value {
        self.stream.log()["attempts"].take()
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.stream.put_property(&format!("wasm.{name}"), value);
    }
}

/// All headers as text.
fn text(headers: &Pairs) -> String {
    headers
        .iter()
        .flat_map(|(name, value)| [name, value])
        .map(|text| String::from_utf8_lossy(text) + "\n")
        .collect()
}

/// What goes to a cluster is meant for it, all of it.
fn assert_meant(attempt: &Upstream) {
    let Some(sent) = attempt.sent().filter(|sent| sent.ended) else { return };
    let chat = "/v1/chat/completions";
    let (own, host, path, model) = match sent.cluster.as_deref() {
        Some("paid-cluster") => {
            (Some(PROVIDER_SECRET), "api.paid.example", "/compat/v1/chat/completions", "p-1")
        }
        Some("second-cluster") => (Some(SECOND_SECRET), "api.second.example", chat, "second-model"),
        Some("local-cluster") => (None, "local-cluster", chat, "plain"),
        other => panic!("{other:?}"),
    };
    let bearer = own.map(|own| format!("Bearer {own}"));
    assert_eq!(sent.header("authorization"), bearer.into_iter().collect::<Vec<_>>());
    let (headers, all) = (text(&sent.headers), [PROVIDER_SECRET, SECOND_SECRET, "the-secret-of"]);
    assert!(all.iter().all(|secret| own == Some(secret) || !headers.contains(secret)), "{headers}");
    assert_eq!(
        (sent.header(":authority"), sent.header(":path")),
        (vec![host.to_owned()], vec![path.to_owned()])
    );
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["model"], model);
}

#[test]
fn the_first_attempt_goes_on_as_the_gateway_addressed_it_and_the_second_with_an_address_of_its_own() {
    for trailers in [false, true] {
        let mut setting = Setting::new(ASKED);
        let before = setting.stream.request_headers();
        let mut first = setting.sent();
        assert_eq!(
            (&first.sent().unwrap().headers, first.sent().unwrap().body.clone()),
            (&before, setting.body())
        );
        assert_meant(&first);
        assert_eq!(first.answer(529, JSON, false), Action::Continue);
        assert!(first.answer_header("x-envoy-ratelimited").is_empty());
        let mut second = setting.attempt();
        second.request(&setting.body(), trailers);
        assert_eq!(second.sent().unwrap().cluster.as_deref(), Some("second-cluster"));
        assert_meant(&second);
        assert_eq!(second.answer(200, JSON, false), Action::Pause, "it may be nothing but an error");
        assert_eq!(second.answer_body(b"{\"choices\":[]}", true), Action::Continue);
        let attempts = setting.attempts();
        assert_eq!((&attempts[0]["reason"], &attempts[1]["reason"]), (&json!("status"), &json!("ok")));
    }
}

#[test]
fn a_request_that_can_go_nowhere_else_is_left_alone() {
    let setting = Setting::new(RENAMED);
    let before = setting.stream.request_headers();
    let mut attempt = setting.sent();
    assert_eq!(attempt.sent().unwrap().headers, before);
    assert_eq!(attempt.answer(429, EVENTS, false), Action::Continue);
    assert_eq!(attempt.answer_body(OVERLOADED, true), Action::Continue);
    assert_eq!((attempt.answer_header(":status"), attempt.released()), (vec!["429".into()], OVERLOADED));
    assert_eq!(counter("farebox_failed_attempts_total{provider:paid}{reason:rate_limited}"), None);
}

#[test]
fn a_refusal_or_a_stream_without_a_body_is_not_held_for_ever() {
    for (status, headers, becomes) in [(429, JSON, "429"), (200, EVENTS, "503")] {
        let setting = Setting::new(ASKED);
        let mut first = setting.sent();
        assert_eq!(first.answer(status, headers, true), Action::Continue);
        assert_eq!(first.answer_header(":status"), [becomes]);
        assert_meant(&setting.sent());
    }
}

#[test]
fn a_stream_is_held_until_its_first_token_and_trailers_end_it_as_well() {
    let setting = Setting::new(ASKED);
    let mut attempt = setting.sent();
    assert_eq!(attempt.answer(200, EVENTS, false), Action::Pause);
    assert_eq!(attempt.answer_body(b": wait\n\n", false), Action::Pause);
    assert_eq!(attempt.answer_body(TOKEN, false), Action::Continue);
    assert_eq!(attempt.answer_body(OVERLOADED, true), Action::Continue);
    assert_eq!(attempt.answer_header(":status"), ["200"]);
    assert_eq!(attempt.released(), [b": wait\n\n", TOKEN, OVERLOADED].concat());

    let setting = Setting::new(ASKED);
    let mut attempt = setting.sent();
    assert_eq!(attempt.answer(200, EVENTS, false), Action::Pause);
    assert_eq!(attempt.answer_body(b": wait\n\n", false), Action::Pause);
    assert_eq!(attempt.answer_trailers(), Action::Continue);
    assert_eq!(attempt.answer_header(":status"), ["503"], "no token came");
}

#[test]
fn an_answer_is_held_no_longer_than_it_takes_to_be_too_large() {
    let setting = Setting::new(ASKED);
    let mut attempt = setting.sent();
    attempt.answer(200, EVENTS, false);
    assert_eq!(attempt.answer_body(&b": nothing\n\n".repeat(5_000), false), Action::Pause);
    assert_eq!(attempt.answer_body(&b": nothing\n\n".repeat(1_000), false), Action::Continue);
    let setting = Setting::new(&ASKED.replace("both", "long"));
    let mut attempt = setting.sent();
    assert_eq!(attempt.answer(400, JSON, false), Action::Pause);
    assert_eq!(attempt.answer_body(&b" ".repeat(70_000), false), Action::Continue);
    assert_eq!(attempt.answer_header(":status"), ["400"]);
}

#[test]
fn an_attempt_that_would_repeat_the_one_before_ends_the_request() {
    let setting = Setting::new(&ASKED.replace("both", "long"));
    setting.sent();
    let mut repeat = setting.attempt();
    repeat.request(&setting.body(), false);
    assert!(repeat.sent().is_none());
    assert_eq!(repeat.replies(), [503]);
    assert!(!text(&setting.stream.request_headers()).contains("Bearer"));
}

#[test]
fn after_the_last_target_the_router_is_told_not_to_retry_and_the_client_does_not_see_that() {
    let mut setting = Setting::new(ASKED);
    setting.sent().answer(529, JSON, false);
    let mut last = setting.sent();
    last.answer(503, JSON, false);
    assert_eq!(last.answer_header("x-envoy-ratelimited"), ["true"]);
    setting.stream.answer(503, &[("x-envoy-ratelimited", "true")], true);
    assert!(setting.stream.response().unwrap().header("x-envoy-ratelimited").is_empty());
}

#[test]
fn an_error_with_a_status_of_success_at_the_last_target_is_told_as_one_and_charged_once() {
    let error = |number: u64| {
        format!(
            r#"{{"error":{{"message":"no","code":{number}}},"usage":{{"prompt_tokens":10,"completion_tokens":0}}}}"#
        )
    };
    for (number, status, charged) in [(400, 400, 20), (503, 503, 20)] {
        let mut setting = Setting::new(ASKED);
        let mut first = setting.sent();
        first.answer(200, JSON, false);
        first.answer_body(error(503).as_bytes(), true);
        let mut last = setting.sent();
        last.answer(200, JSON, false);
        last.answer_body(error(number).as_bytes(), true);
        setting.stream.answer(200, JSON, false);
        setting.stream.answer_body(error(number).as_bytes(), true);
        assert_eq!(setting.stream.response().unwrap().status, status);
        // Ten tokens were reported by each of them.
        let record = setting.stream.log();
        assert_eq!((&record["input_tokens"], &record["provider_status"]), (&json!(charged), &json!(200)));
    }
}

#[test]
fn what_was_written_down_and_cannot_be_read_lets_no_attempt_through() {
    let garbage: [&[u8]; 5] = [b"", b"x", b"[]", b"[\"a\",\"/v1/chat/completions\",1,9,[]]", b"\xff\xfe 1 2"];
    for name in [filter_state::FAILOVER_PLAN, filter_state::ATTEMPT, filter_state::CLUSTER] {
        for value in garbage {
            let mut setting = Setting::new(ASKED);
            setting.sent().answer(529, JSON, false);
            setting.set(name, value);
            let mut attempt = setting.attempt();
            attempt.request(&setting.body(), false);
            assert!(attempt.sent().is_none(), "{name} {value:?}");
            assert_eq!(attempt.replies(), [503], "{name} {value:?}");
            assert!(!text(&setting.stream.request_headers()).contains("Bearer"), "{name}");
        }
    }
}

#[test]
fn a_configuration_that_has_the_target_no_longer_lets_no_attempt_through() {
    let setting = Setting::new(ASKED);
    setting.sent().answer(529, JSON, false);
    assert!(setting.behind.push(&config(|_| {})));
    let mut attempt = setting.attempt();
    attempt.request(&setting.body(), false);
    assert!(attempt.sent().is_none());
    assert_eq!(attempt.replies(), [503]);
}

#[test]
fn whichever_call_fails_while_an_attempt_is_addressed_it_is_sent_right_or_not_at_all() {
    let (mut sent, mut refused) = (0, 0);
    for call in Call::ALL {
        for passes in 0..16 {
            let setting = Setting::new(ASKED);
            setting.sent().answer(529, JSON, false);
            fail_after(passes, call, BAD_ARGUMENT);
            let mut second = setting.attempt();
            second.request(&setting.body(), passes % 2 == 0);
            heal();
            assert_meant(&second);
            let whole = second.sent().is_some_and(|sent| sent.ended);
            assert!(whole || second.sent().is_none(), "{call:?} {passes}");
            if whole {
                sent += 1
            } else {
                refused += 1
            }
            assert!(whole || !second.replies().is_empty() || second.closed(), "{call:?} {passes}: it hangs");
        }
    }
    assert!(sent > 50 && refused > 10, "{sent} {refused}");
}

#[test]
fn whichever_call_fails_when_an_answer_comes_the_next_attempt_is_sent_right_or_not_at_all() {
    // The third target is one that only the answer leads to, so that where the next attempt goes is written anew.
    let too_long: &[u8] = b"prompt is too long";
    let answers: [Answer<'_>; 5] = [
        (529, JSON, b""),
        (401, JSON, b""),
        (429, JSON, b""),
        (200, EVENTS, OVERLOADED),
        (400, JSON, too_long),
    ];
    for call in Call::ALL {
        for passes in 0..10 {
            for (status, headers, body) in answers {
                let setting = Setting::new(&ASKED.replace("both", "three"));
                let mut first = setting.sent();
                fail_after(passes, call, BAD_ARGUMENT);
                let held = first.answer(status, headers, false);
                let held = if held == Action::Pause { first.answer_body(body, true) } else { held };
                heal();
                assert_eq!(held, Action::Continue, "{call:?} {passes}: nothing is held for ever");
                let mut second = setting.attempt();
                second.request(&setting.body(), false);
                assert_meant(&second);
            }
        }
    }
}

#[test]
fn an_answer_about_which_nothing_can_be_found_out_is_passed_on_and_not_held_again() {
    let setting = Setting::new(ASKED);
    let mut first = setting.sent();
    assert_eq!(first.answer(200, EVENTS, false), Action::Pause);
    fail(Call::GetBuffer, BAD_ARGUMENT);
    assert_eq!(first.answer_body(b": x\n\n", false), Action::Continue);
    heal();
    assert_eq!(first.answer_body(b": y\n\n", false), Action::Continue);
}

#[test]
fn a_key_that_is_refused_cools_down_for_the_gateway_too() {
    let setting = Setting::new(ASKED);
    let mut attempt = setting.sent();
    attempt.answer(401, JSON, false);
    attempt.answer_body(br#"{"error":{"message":"no","code":"invalid_api_key"}}"#, true);
    let stream = admitted(&setting.gateway, ASKED);
    assert_eq!(stream.sent().unwrap().cluster.as_deref(), Some("second-cluster"));
    assert_eq!(counter("farebox_failed_attempts_total{provider:paid}{reason:unauthorized}"), Some(1));
    advance(300_000);
    let stream = admitted(&setting.gateway, ASKED);
    assert_eq!(stream.sent().unwrap().cluster.as_deref(), Some("paid-cluster"));
}

#[test]
fn what_one_of_several_hosts_has_too_much_of_goes_to_another_with_the_same_key_and_nothing_cools_down() {
    let mut pool: Value = serde_json::from_str(&two()).unwrap();
    pool["providers"]["paid"]["endpoints"] = json!(["http://10.0.0.1", "http://10.0.0.2"]);
    let pool = pool.to_string();
    let (gateway, behind) = (FakeVm::start(&pool), FakeVm::behind_the_router(&pool));
    let stream = admitted(&gateway, ASKED);
    let setting = Setting { gateway, behind, stream };
    let mut credentials = Vec::new();
    for status in [429, 404] {
        let mut attempt = setting.sent();
        credentials.push(attempt.sent().unwrap().header("authorization"));
        attempt.answer(status, JSON, false);
        attempt.answer_body(br#"{"error":{"message":"no","code":"model_not_found"}}"#, true);
        assert!(attempt.answer_header("x-envoy-ratelimited").is_empty(), "{status} is retried");
    }
    assert_eq!(credentials.first(), credentials.last(), "both were sent to the pool");
    let other = setting.sent();
    assert_ne!(
        credentials.first(),
        Some(&other.sent().unwrap().header("authorization")),
        "then to the next target"
    );
    let stream = admitted(&setting.gateway, ASKED);
    assert_eq!(stream.sent().unwrap().cluster.as_deref(), Some("paid-cluster"), "it is not in cooldown");
}

#[test]
fn a_role_that_is_unknown_is_refused() {
    let vm = FakeVm::without_a_configuration();
    assert!(vm.take_role(b"") && vm.take_role(b" attempt\n"));
    assert!(!vm.take_role(b"attempts"));
}
