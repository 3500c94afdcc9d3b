//! Request bodies of every kind: large, broken, compressed answers wished for, trailers, HTTP/2.

use farebox_tests::answers::Answers;
use farebox_tests::client::{Client, chat_body};
use farebox_tests::config::{self, DEMO, UPSTREAM_MODEL};
use farebox_tests::gateway::Gateway;
use farebox_tests::http2;
use farebox_tests::raw::Raw;
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

fn bearer() -> String {
    format!("Bearer {DEMO}")
}

/// A chat request of about `bytes` bytes, its model in front or at the end.
fn large(bytes: usize, model: &str, model_first: bool) -> String {
    let words = "The tram goes to 東京. \\n ".repeat(bytes / 27);
    let model = format!(r#""model":"{model}""#);
    let messages = format!(r#""messages":[{{"role":"user","content":"{words}"}}]"#);
    if model_first { format!("{{{model},{messages}}}") } else { format!("{{{messages},{model}}}") }
}

fn chunked(pieces: &[&[u8]], trailers: &str) -> Vec<u8> {
    let mut framed = Vec::new();
    for piece in pieces {
        framed.extend([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    framed.extend(format!("0\r\n{trailers}\r\n").as_bytes());
    framed
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_pass_byte_for_byte() {
    let gateway = Gateway::basic().await;
    let http2 = Client::http2(&gateway.envoy, DEMO);
    for model_first in [true, false] {
        let body = large(10_000_000, UPSTREAM_MODEL, model_first);
        assert!(body.len() > 9_900_000);
        for client in [&gateway.client, &http2] {
            let answer = client.send("POST", CHAT, body.clone()).await;
            assert_eq!((answer.status, answer.json()), (200, Answers::default().chat()));
            assert!(gateway.provider.last().body == body.as_bytes(), "the body arrived as it was sent");
        }
    }
    let answer = gateway.client.send("POST", CHAT, large(10_000_000, "fast", false)).await;
    assert_eq!(answer.status, 200);
    let expected = large(10_000_000, UPSTREAM_MODEL, false);
    assert!(gateway.provider.last().body == expected.as_bytes(), "only the name of the model changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_in_the_callers_dialect() {
    let gateway = Gateway::new(config::with(json!({"limits": {"request_body_bytes": 4096}}))).await;
    let mut fits = large(3800, UPSTREAM_MODEL, true);
    fits.push_str(&" ".repeat(4096 - fits.len()));
    assert_eq!(gateway.client.send("POST", CHAT, fits.clone()).await.status, 200);
    assert_eq!(gateway.provider.last().body, fits.as_bytes());

    let over = fits + " ";
    for client in [&gateway.client, &Client::http2(&gateway.envoy, DEMO)] {
        let answer = client.send("POST", CHAT, over.clone()).await;
        assert_eq!((answer.status, answer.header("x-farebox-denied")), (413, Some("body_too_large")));
        assert_eq!(answer.json()["error"]["code"], "body_too_large");
        let answer = client.send("POST", "/v1/messages", over.clone()).await;
        assert_eq!((answer.status, &answer.json()["type"]), (413, &json!("error")));
        assert!(answer.json()["error"]["message"].is_string());
    }
    let mut raw = Raw::connect(&gateway.envoy).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n", bearer());
    raw.send(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await;
    raw.send(&chunked(&[&over.as_bytes()[..4000], &over.as_bytes()[4000..]], "")).await;
    assert_eq!(raw.status().await, 413);
    let mut raw = Raw::connect(&gateway.envoy).await;
    raw.send(format!("{head}content-length: 20000000000\r\n\r\n").as_bytes()).await; // refused before it comes
    assert_eq!(raw.status().await, 413);
    assert_eq!(gateway.provider.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_understood_is_refused_and_harms_nobody() {
    let gateway = Gateway::basic().await;
    let whole = chat_body("fast").to_string();
    let too_deep = format!(r#"{{"model":"fast","messages":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let open = format!(r#"{{"model":"fast","messages":{}"#, r#"{"a":["#.repeat(50_000));
    let mut broken: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "[]",
        "\"fast\"",
        "17",
        "{",
        "}",
        "{]",
        r#"{"model"}"#,
        r#"{"model":}"#,
        r#"{"model":"fast"#,
        r#"{"model":"fast","model":"smollm2"}"#,
        r#"{"model":"fast","\u006dodel":"fast"}"#,
        r#"{"model":17}"#,
        r#"{"model":["fast"]}"#,
        r#"{"model":"fast","stream":"yes"}"#,
        r#"{"model":"fast"} {"model":"smollm2"}"#,
        "{\"model\":\"fast\"}\0",
        "model=fast",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    broken.extend((1..whole.len()).step_by(9).map(|end| whole.as_bytes()[..end].to_vec()));
    broken.extend([too_deep.into_bytes(), open.into_bytes(), b"{\"model\":\"\xff\"}".to_vec()]);
    for body in broken {
        let answer = gateway.client.send("POST", CHAT, body.clone()).await;
        let start = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(
            (answer.status, answer.header("x-farebox-denied")),
            (400, Some("invalid_body")),
            "{start}"
        );
        assert_eq!(answer.json()["error"]["code"], "invalid_body", "{start}");
    }
    assert_eq!(gateway.provider.count(), 0);

    let deep = format!(r#"{{"model":"smollm2","messages":{}{}}}"#, "[".repeat(400), "]".repeat(400));
    assert_eq!(gateway.client.send("POST", CHAT, deep.clone()).await.status, 200);
    assert_eq!(gateway.provider.last().body, deep.as_bytes());
    assert_eq!(gateway.envoy.stat("wasm.*(crash|reload|fail)").await, 0, "no virtual machine was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_metered_although_the_client_would_take_it_compressed() {
    let gateway = Gateway::basic().await;
    let client = gateway.client.with("accept-encoding", "gzip, br, zstd");
    assert_eq!(client.chat("fast").await.status, 200);
    let offered = gateway.provider.last().header("accept-encoding");
    assert!(offered.is_empty() || offered == ["identity"], "{offered:?}");
    assert_eq!(gateway.envoy.record(1).await["usage_source"], "provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_served_like_http_1() {
    let gateway = Gateway::basic().await;
    let client = Client::http2(&gateway.envoy, DEMO);
    let answer = client.chat("fast").await;
    assert_eq!((answer.status, answer.json()), (200, Answers::default().chat()));
    let mut events = client.stream_chat("fast", json!({})).await;
    let mut expected = Answers::default().chat_events(true);
    expected.remove(expected.len() - 2);
    events.all().await;
    assert_eq!((events.body.clone(), events.broken), (expected.concat(), false));
    assert_eq!(client.chat("nonsense").await.status, 404);
    for record in &gateway.envoy.records(3).await[..2] {
        assert_eq!((&record["usage_source"], &record["input_tokens"]), (&json!("provider"), &json!(11)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_end_with_trailers() {
    let gateway = Gateway::basic().await;
    let bearer = bearer();
    let trailers = [("x-checksum", "abc"), ("x-farebox-agent", "trailing")];
    let body = chat_body("fast").to_string();
    let pieces = [&body.as_bytes()[..10], &body.as_bytes()[10..]];
    let expected = body.replace("fast", UPSTREAM_MODEL);

    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let (status, answer) =
        http2::post_with_trailers(&gateway.envoy, CHAT, &headers, &pieces, &trailers).await;
    assert_eq!((status, answer), (200, Answers::default().chat().to_string().into_bytes()));
    assert_eq!(gateway.provider.last().body, expected.as_bytes());
    let (status, _) =
        http2::post_with_trailers(&gateway.envoy, CHAT, &headers, &[b"{\"mod"], &trailers).await;
    assert_eq!(status, 400);
    let (status, _) = http2::post_with_trailers(&gateway.envoy, CHAT, &headers, &[], &trailers).await;
    assert_eq!(status, 400);
    let (status, _) = http2::post_with_trailers(&gateway.envoy, CHAT, &[], &pieces, &trailers).await;
    assert_eq!(status, 401);

    let mut raw = Raw::connect(&gateway.envoy).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\n");
    raw.send(format!("{head}trailer: x-checksum\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes()).await;
    raw.send(&chunked(&pieces, "x-checksum: abc\r\n")).await;
    assert_eq!(raw.status().await, 200);
    assert_eq!(gateway.provider.last().body, expected.as_bytes());
    assert_eq!(gateway.provider.count(), 2);
    let records = gateway.envoy.records(5).await;
    assert_eq!(
        records.iter().filter(|record| record["usage_source"] == "provider").count(),
        2,
        "{records:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let gateway = Gateway::basic().await;
    let body = chat_body("fast").to_string();
    let mut raw = Raw::connect(&gateway.envoy).await;
    raw.chat(format!("authorization: {}\r\nexpect: 100-continue\r\n", bearer()).as_bytes(), b"").await;
    raw.sees(b"400 Bad Request").await; // there is no body to wait for

    let mut raw = Raw::connect(&gateway.envoy).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n", bearer());
    raw.send(format!("{head}expect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes())
        .await;
    raw.sees(b"100 Continue").await;
    raw.send(body.as_bytes()).await;
    raw.sees(b"200 OK").await;
    raw.sees(b"chat.completion").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_many_small_pieces_is_read_as_one() {
    let gateway = Gateway::basic().await;
    let body = chat_body("fast").to_string();
    let mut raw = Raw::connect(&gateway.envoy).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n", bearer());
    raw.send(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).await;
    for piece in body.as_bytes().chunks(7) {
        raw.send(piece).await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await; // so that they do not arrive as one
    }
    assert_eq!(raw.status().await, 200);
    assert_eq!(gateway.provider.last().body, body.replace("fast", UPSTREAM_MODEL).as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let gateway = Gateway::new(config::with(json!({"limits": {"request_body_seconds": 1}}))).await;
    let mut raw = Raw::connect(&gateway.envoy).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n", bearer());
    raw.send(format!("{head}content-length: 100\r\n\r\n{{\"model\"").as_bytes()).await;
    assert_eq!(raw.status().await, 408);
    raw.sees(b"body_timeout").await;
    assert_eq!(gateway.provider.count(), 0);
    assert_eq!(gateway.envoy.record(1).await["denied"], "body_timeout");
    assert_eq!(gateway.client.chat("fast").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_it_sends_leaves_nothing_held() {
    let budgets = json!([{"name": "org", "window": "lifetime", "limit_requests": 10}]);
    let gateway = Gateway::new(config::with_budgets(budgets)).await;
    let mut raw = Raw::connect(&gateway.envoy).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n", bearer());
    raw.send(format!("{head}content-length: 100\r\n\r\n{{\"model\"").as_bytes()).await;
    gateway.envoy.stat_reaches("http.*.downstream_rq_active$", 1).await;
    raw.reset();
    let record = gateway.envoy.record(1).await;
    assert_eq!(record["outcome"], "client_disconnect", "{record}");
    let usage = gateway.client.usage("org").await;
    let nothing = config::nothing();
    assert_eq!((&usage["held"], &usage["spent"], gateway.provider.count()), (&nothing, &nothing, 0));
}
