//! What pages in browsers are told.

use super::*;

const PAGE: &str = "https://app.example";

fn with_cors() -> FakeVm {
    FakeVm::start(&config(|json| json["cors"] = json!({"origins": [PAGE]})))
}

fn from(origin: &str, method: &str, path: &str, id: &str) -> Pairs {
    let mut head = head(method, path, id);
    head.extend(pairs(&[("origin", origin)]));
    head
}

fn preflight(vm: &FakeVm, origin: &str, path: &str) -> Stream {
    let mut stream = vm.stream();
    let asks = [
        (":method", "OPTIONS"),
        (":path", path),
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    assert_eq!(stream.request(pairs(&asks), true), Action::Pause);
    stream
}

#[test]
fn a_preflight_is_answered_without_a_key_and_a_provider() {
    let vm = with_cors();
    let mut stream = preflight(&vm, PAGE, "/v1/chat/completions");
    let response = stream.response().unwrap();
    assert_eq!((response.status, response.local, response.body.len()), (204, true, 0));
    assert_eq!(response.header("access-control-allow-origin"), [PAGE]);
    assert_eq!(response.header("access-control-allow-methods"), ["POST"]);
    assert!(response.header("access-control-allow-headers")[0].contains("authorization"));
    assert_eq!(response.header("vary"), ["origin"]);
    assert_eq!(stream.log()["outcome"], "local");
    assert_eq!(team(&vm).0, nothing());
}

#[test]
fn without_a_configuration_or_for_another_page_all_is_as_ever() {
    for (vm, origin) in [(start(), PAGE), (with_cors(), "https://other.example")] {
        let mut stream = preflight(&vm, origin, "/v1/chat/completions");
        let response = stream.response().unwrap();
        assert_eq!((response.status, response.header("access-control-allow-origin")), (401, vec![]));
        let mut stream = vm.stream();
        stream.request(from(origin, "POST", "/v1/chat/completions", "demo"), false);
        stream.body(PLAIN.as_bytes(), true);
        stream.answer(200, JSON, false);
        stream.answer_body(ANSWER.as_bytes(), true);
        assert_eq!(stream.response().unwrap().header("access-control-allow-origin"), [""; 0]);
    }
}

#[test]
fn every_answer_to_an_allowed_page_says_what_it_may_see() {
    let vm = with_cors();
    let told = |stream: &mut Stream, status: u32| {
        let response = stream.response().unwrap();
        assert_eq!(response.status, status);
        assert_eq!(response.header("access-control-allow-origin"), [PAGE], "{status}");
        assert!(response.header("access-control-expose-headers")[0].contains("x-farebox-denied"));
    };
    // A provider's answer, also one that says who may see it, and its refusals.
    let own = [
        ("content-type", "application/json"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "x-own"),
        ("vary", "accept-encoding"),
    ];
    for (status, body, becomes) in
        [(200, ANSWER, 200), (400, "{}", 400), (401, "{}", 502), (200, "{\"error\":{\"code\":404}}", 404)]
    {
        let mut stream = vm.stream();
        stream.request(from(PAGE, "POST", "/v1/chat/completions", "demo"), false);
        stream.body(PLAIN.as_bytes(), true);
        stream.answer(status, &own, false);
        stream.answer_body(body.as_bytes(), true);
        told(&mut stream, becomes);
        if becomes == status {
            let response = stream.response().unwrap();
            assert_eq!(response.header("vary"), ["origin, accept-encoding"]);
            assert!(response.header("access-control-expose-headers")[0].ends_with(", x-own"));
        }
    }
    // The gateway's own.
    let mut stream = vm.stream();
    stream.request(from(PAGE, "GET", "/v1/models", "demo"), true);
    told(&mut stream, 200);
    for (path, id, status) in [("/v1/chat/completions", "nobody", 401), ("/v1/files", "demo", 404)] {
        let mut stream = vm.stream();
        stream.request(from(PAGE, "POST", path, id), true);
        told(&mut stream, status);
    }
    let mut stream = vm.stream();
    stream.request(from(PAGE, "POST", "/v1/chat/completions", "demo"), false);
    stream.body(b"no JSON", true);
    told(&mut stream, 400);
    // What Envoy says, and a body that does not come.
    let mut stream = vm.stream();
    stream.request(from(PAGE, "POST", "/v1/chat/completions", "demo"), false);
    stream.body(PLAIN.as_bytes(), true);
    stream.envoy_answers(503, "no_healthy_upstream", 2);
    told(&mut stream, 503);
    let mut stream = vm.stream();
    stream.request(from(PAGE, "POST", "/v1/chat/completions", "demo"), false);
    crate::fake_host::advance(30_000);
    vm.tick();
    told(&mut stream, 408);
}
