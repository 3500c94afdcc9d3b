//! Whose fault errors are, by the bodies that providers send.

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::wait::LONGEST_WAIT_MS;
use super::*;
use crate::base::headers::RequestHead;
use crate::base::window::Millis;

fn fault(status: u64, kind: &str, body: &str) -> Fault {
    Fault::of(status, Some(kind.as_bytes()).filter(|kind| *kind != b"-"), body.as_bytes())
}

fn all_are(expected: Fault, name: &str, count: usize) {
    let lines = include_str!("errors.tsv").lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    let own = lines.iter().filter(|line| line[0] == name);
    assert_eq!(own.clone().count(), count, "{name}");
    for line in own {
        assert_eq!(fault(line[2].parse().unwrap(), line[3], line[4]), expected, "{line:?}");
    }
}

#[test]
fn a_key_that_is_not_accepted_is_told_from_a_request_that_is_not() {
    all_are(Fault::Key, "key", 18);
}

#[test]
fn an_account_without_money_is_told_from_too_many_requests_whatever_the_status() {
    all_are(Fault::Account, "account", 14);
    let dear =
        r#"{"error":{"message":"This request requires more credits, or fewer max_tokens.","code":402}}"#;
    assert_eq!(fault(402, "-", dear), Fault::Allowance, "a smaller request may be served");
}

#[test]
fn a_request_that_is_refused_for_what_it_is_is_its_own_fault() {
    all_are(Fault::Request, "request", 17);
}

#[test]
fn a_model_that_is_not_there_is_known_by_every_provider_s_words() {
    all_are(Fault::Model, "model", 21);
}

#[test]
fn one_request_that_is_too_large_is_told_from_too_many() {
    all_are(Fault::Size, "size", 2);
    all_are(Fault::Load, "load", 7);
}

#[test]
fn every_provider_s_words_for_a_prompt_that_is_too_long_are_known() {
    all_are(Fault::Length, "length", 24);
    let body = "{\"error\":{\"message\":\"max_tokens is too large: 9000.\"}}";
    assert_eq!(fault(400, "-", body), Fault::Request);
}

#[test]
fn what_is_not_known_never_cools_a_key_down() {
    for (status, expected) in [
        (400, Fault::Request),
        (401, Fault::Access),
        (403, Fault::Access),
        (404, Fault::Request),
        (408, Fault::Load),
        (409, Fault::Request),
        (413, Fault::Request),
        (422, Fault::Request),
        (424, Fault::Request),
        (429, Fault::Load),
        (500, Fault::Load),
        (529, Fault::Load),
    ] {
        for body in ["", "<html>", r#"{"error":{"message":"says","type":"error","code":null}}"#, "[1", "null"]
        {
            assert_eq!(fault(status, "-", body), expected, "{status} {body}");
        }
    }
}

#[test]
fn what_is_between_the_operator_and_a_provider_is_not_for_callers() {
    for fault in [Fault::Key, Fault::Account, Fault::Allowance, Fault::Access] {
        assert!(fault.is_ours(400), "{fault:?}");
    }
    assert!(Fault::Model.is_ours(403) && !Fault::Model.is_ours(404));
    for fault in [Fault::Size, Fault::Length, Fault::Load, Fault::Request] {
        assert!(!fault.is_ours(403), "{fault:?}");
    }
}

#[test]
fn an_error_in_the_place_of_an_answer_is_known_and_whose_fault_it_was() {
    for (body, expected) in [
        (r#"{"error":{"code":429,"message":"Provider returned error"}}"#, Fault::Load),
        (r#"{"error":{"message":"internal","type":"server_error"}}"#, Fault::Load),
        (r#"{"error":"busy"}"#, Fault::Load),
        (
            r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#,
            Fault::Load,
        ),
        (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Fault::Load),
        (r#"{"object":"error","message":"no","code":50001}"#, Fault::Load),
        (
            r#"{"choices":null,"usage":{"total_tokens":0},"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            Fault::Account,
        ),
        (
            r#"{"id":"x","choices":[],"base_resp":{"status_code":1002,"status_msg":"rate limit"}}"#,
            Fault::Load,
        ),
        (r#"{"base_resp":{"status_code":2049,"status_msg":"invalid api key"}}"#, Fault::Key),
        (
            r#"{"choices":null,"base_resp":{"status_code":1026,"status_msg":"input new_sensitive"}}"#,
            Fault::Request,
        ),
        (r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, Fault::Account),
        (
            r#"{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_error","message":"no"},"output":[]}"#,
            Fault::Load,
        ),
        (r#"{"error":{"code":"context_length_exceeded","message":"no"}}"#, Fault::Length),
        (r#"{"code":500,"msg":"404 NOT_FOUND","success":false}"#, Fault::Load),
        (r#"{"error_code":336501,"error_msg":"Rate limit reached for RPM","id":"x"}"#, Fault::Load),
        (
            r#"{"code":50505,"message":"Model service overloaded. Please try again later.","data":null}"#,
            Fault::Load,
        ),
    ] {
        assert!(Fault::is_all(body.as_bytes()), "{body}");
        assert_eq!(Fault::of_body(body.as_bytes()), expected, "{body}");
    }
    for body in [
        "",
        "{}",
        r#"{"choices":[{"message":{"content":"error"}}],"error":null}"#,
        r#"{"choices":[{"message":{"content":"x"}}],"error":{"message":"half of it failed"}}"#,
        r#"{"choices":[{"message":{"content":"x"}}],"base_resp":{"status_code":0,"status_msg":"success"}}"#,
        r#"{"object":"response","error":null,"output":[{"type":"message"}]}"#,
        r#"{"content":[{"type":"text","text":"\"error\""}],"type":"message"}"#,
        r#"{"candidates":[],"promptFeedback":{"blockReason":"SAFETY"}}"#,
        r#"{"message":{"role":"assistant","content":"x"},"error":""}"#,
        r#"{"error":{"message":"cut"#,
        "\"error\"",
        r#"{"code":0,"message":"success","sid":"x"}"#,
        r#"{"code":200,"success":true}"#,
        r#"{"code":20000,"data":[{"embedding":[1]}]}"#,
        r#"{"totalTokens":5}"#,
    ] {
        assert!(!Fault::is_all(body.as_bytes()), "{body}");
    }
    let stream = b"data: {\"choices\":[]}\n\ndata: {\"error\":{\"code\":402,\"message\":\"Insufficient credits\"}}\n\n";
    assert_eq!(Fault::of_body(stream), Fault::Account);
}

const NOW: Millis = Millis(1_795_000_000_000);

fn wait<const N: usize>(headers: [(&str, &str); N]) -> Option<u64> {
    Waits { head: &RequestHead::from(headers), now: NOW }.read()
}

#[test]
fn a_wait_is_read_in_every_form_of_the_headers() {
    assert_eq!(wait([("retry-after", "7")]), Some(7_000));
    assert_eq!(wait([("retry-after", " 0.5 ")]), Some(500));
    assert_eq!(wait([("retry-after-ms", "120"), ("retry-after", "7")]), Some(120));
    assert_eq!(wait([("retry-after-ms", "soon"), ("retry-after", "7")]), Some(7_000));
    assert_eq!(wait([("retry-after", "99999999")]), Some(LONGEST_WAIT_MS));
    assert_eq!(wait([("retry-after", "never")]), None);
    assert_eq!(wait([]), None);
}

#[test]
fn a_date_is_compared_with_the_answer_s_own_or_with_the_clock_here() {
    let own = ("date", "Sat, 21 Nov 2026 12:00:00 GMT");
    for date in
        ["Sat, 21 Nov 2026 12:00:40 GMT", "Saturday, 21-Nov-26 12:00:40 GMT", "Sat Nov 21 12:00:40 2026"]
    {
        assert_eq!(wait([("retry-after", date), own]), Some(40_000), "{date}");
    }
    assert_eq!(NOW.to_rfc3339(), "2026-11-18T11:06:40Z");
    assert_eq!(wait([("retry-after", "Wed, 18 Nov 2026 11:07:00 GMT")]), Some(20_000));
    assert_eq!(wait([("retry-after", "Wed, 18 Nov 2026 11:06:00 GMT")]), Some(0), "it is over");
    assert_eq!(wait([("retry-after", "Sat, 21 Nov 2099 12:00:40 GMT"), own]), Some(LONGEST_WAIT_MS));
    for date in
        ["Sat, 99 Nov 2026 12:00:40 GMT", "Sat, 21 Nuv 2026 12:00:40 GMT", "Sat", "21 Nov", "a b c d e f"]
    {
        assert_eq!(wait([("retry-after", date), own]), None, "{date}");
    }
}

#[test]
fn where_nothing_else_says_it_a_limit_of_which_nothing_is_left_does() {
    let requests = ("x-ratelimit-remaining-requests", "0");
    let tokens = ("x-ratelimit-remaining-tokens", "0");
    assert_eq!(wait([requests, ("x-ratelimit-reset-requests", "6m0s")]), Some(360_000));
    assert_eq!(wait([tokens, ("x-ratelimit-reset-tokens", "17.399999999s")]), Some(17_399));
    assert_eq!(wait([tokens, ("x-ratelimit-reset-tokens", "12ms")]), Some(12));
    assert_eq!(wait([tokens, ("x-ratelimit-reset-tokens", "7")]), Some(7_000), "Azure's");
    assert_eq!(wait([("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "7")]), None);
    assert_eq!(
        wait([
            requests,
            ("x-ratelimit-reset-requests", "1h1m1s"),
            tokens,
            ("x-ratelimit-reset-tokens", "1s")
        ]),
        Some(3_661_000)
    );
    assert_eq!(
        wait([("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795000009000")]),
        Some(9_000),
        "OpenRouter's"
    );
    assert_eq!(wait([("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795000009")]), Some(9_000));
    let anthropic = ("anthropic-ratelimit-input-tokens-remaining", "0");
    assert_eq!(
        wait([anthropic, ("anthropic-ratelimit-input-tokens-reset", "2026-11-18T11:06:45Z")]),
        Some(5_000)
    );
    assert_eq!(wait([requests, ("x-ratelimit-reset-requests", "6m0s"), ("retry-after", "2")]), Some(2_000));
    for reset in ["", "m", "6x", "s6", "..s", "6m0"] {
        assert_eq!(wait([requests, ("x-ratelimit-reset-requests", reset)]), None, "{reset}");
    }
}

#[test]
fn a_wait_is_read_from_the_body_of_google() {
    assert_eq!(wait_in_body(br#"{"error":{"details":[{"retryDelay": "7s"}]}}"#), Some(7_000));
    assert_eq!(wait_in_body(br#"{"retryDelay":"1.5s"}"#), Some(1_500));
    for body in ["", r#""retryDelay""#, r#""retryDelay":7"#, r#""retryDelay":"7"#, r#""retryDelay":"xs""#] {
        assert_eq!(wait_in_body(body.as_bytes()), None, "{body}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_somebody_s_fault(
        status: u64, kind in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        body in prop::collection::vec(any::<u8>(), 0..80), text in "\\PC{0,40}",
    ) {
        let fault = Fault::of(status, kind.as_deref(), &body);
        if status >= 500 && fault != Fault::Length {
            prop_assert_eq!(fault, Fault::Load);
        }
        let _ = (Fault::of_body(&body), Fault::is_all(&body), wait_in_body(&body));
        prop_assert!(wait([("retry-after", &text)]).is_none_or(|wait| wait <= LONGEST_WAIT_MS));
        let _ = wait([("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &text)]);
    }

    #[test]
    fn nothing_that_a_caller_writes_into_a_message_cools_a_key_down(
        before in "[A-Z][a-z]{1,9}: '", rest in prop::sample::select(vec![
            "incorrect api key", "invalid api key", "your credit balance is too low", "insufficient balance", "invalid x-api-key",
        ]), status in prop::sample::select(vec![400_u64, 401, 403, 404, 422, 429]),
    ) {
        let body = serde_json::json!({"error": {"message": format!("{before}{rest}'"), "type": "invalid_request_error"}});
        let fault = Fault::of(status, None, body.to_string().as_bytes());
        prop_assert!(!matches!(fault, Fault::Key | Fault::Account), "{:?}", fault);
    }
}
