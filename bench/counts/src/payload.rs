//! What clients ask and providers answer: bodies and headers as they are on the wire, always the same.
//!
//! The headers are those that OpenAI's Python SDK and API send, and what Envoy adds to them on its way.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::envoy::Answer;
use crate::host::Pairs;

/// The key of the caller `demo` in `gateway.json`.
pub(crate) const DEMO_SHA256: &str = "012874b68ceb7282246f7ea89a6a4cabb9fab1c134bcccc3e3ea5eb8a310fa31";
/// The key of a caller.
pub(crate) const KEY: &str = "fb_demo_tryit-0000000000";

/// What a client sends in the place of a key: Envoy has checked it.
pub(crate) const TOKEN: &str =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJlbWFpbCI6ImFsaWNlQGV4YW1wbGUuY29tIn0.c2lnbmF0dXJl";
/// Who issued it.
pub(crate) const ISSUER: &str = "https://login.example.com";

/// What `jwt_authn` has found in it, as Envoy hands over its dynamic metadata.
pub(crate) fn metadata() -> Vec<u8> {
    let text = |text: &str| field(3, text.as_bytes());
    let texts =
        |all: &[&str]| field(6, &all.iter().flat_map(|one| field(1, &text(one))).collect::<Vec<u8>>());
    let number = |number: f64| [&[2 << 3 | 1][..], &number.to_le_bytes()].concat();
    let claims = [
        ("iss", text(ISSUER)),
        ("sub", text("00u1a2b3c4d5e6f7g8h9")),
        ("aud", texts(&["farebox"])),
        ("exp", number(1_800_000_000.0)),
        ("iat", number(1_799_996_400.0)),
        ("name", text("Alice Liddell")),
        ("preferred_username", text("alice")),
        ("jti", text("ID.4eAWJOCMB3SX8XewDfVR")),
        ("scope", texts(&["openid", "profile", "email", "groups"])),
        ("groups", texts(&["all", "eng", "eng-search", "oncall", "berlin"])),
        ("email", text("alice@example.com")),
    ];
    let object = |members: &[(&str, Vec<u8>)]| -> Vec<u8> {
        let entry = |(name, value): &(&str, Vec<u8>)| {
            field(1, &[field(1, name.as_bytes()), field(2, value)].concat())
        };
        members.iter().flat_map(entry).collect()
    };
    let payload = field(5, &object(&claims));
    object(&[("envoy.filters.http.jwt_authn", object(&[("payload", payload)]))])
}

/// A field of a message: bytes with their length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}

const WORDS: [&str; 16] = [
    "the",
    "gate",
    "counts",
    "every",
    "fare",
    "that",
    "passes",
    "and",
    "a",
    "turnstile",
    "lets",
    "one",
    "rider",
    "through",
    "at",
    "once",
];
/// Bytes of one message of a long conversation.
const MESSAGE: usize = 700;

/// A chat completion with a body of about `size` bytes: a conversation of as many messages as that takes.
pub(crate) fn chat(model: &str, size: usize, stream: bool) -> Vec<u8> {
    let mut text = Prose(7);
    let mut messages = vec![json!({"role": "system", "content": text.of(160)})];
    let body = |messages: &[Value]| {
        let mut body = json!({"model": model, "messages": messages, "temperature": 0.2, "max_tokens": 512});
        if stream {
            body.as_object_mut().map(|body| body.insert("stream".to_owned(), true.into()));
        }
        body.to_string().into_bytes()
    };
    let mut left = size.saturating_sub(body(&messages).len());
    while left > 0 {
        let role = if messages.len() % 2 == 1 { "user" } else { "assistant" };
        let frame = json!({"role": role, "content": ""}).to_string().len() + 1;
        let content = text.of(left.min(MESSAGE).saturating_sub(frame).max(1));
        let message = json!({"role": role, "content": content});
        left = left.saturating_sub(message.to_string().len() + 1);
        messages.push(message);
    }
    body(&messages)
}

/// The headers of a request, with `extra` ones behind.
pub(crate) fn head(
    method: &str,
    path: &str,
    key: Option<&str>,
    length: usize,
    extra: &[(&str, &str)],
) -> Pairs {
    let (length, authorization) = (length.to_string(), key.map(|key| format!("Bearer {key}")));
    let mut head = vec![
        (":authority", "gateway.example:10000"),
        (":path", path),
        (":method", method),
        (":scheme", "http"),
        ("accept-encoding", "gzip, deflate"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("user-agent", "OpenAI/Python 1.109.1"),
        ("x-stainless-lang", "python"),
        ("x-stainless-package-version", "1.109.1"),
        ("x-stainless-os", "Linux"),
        ("x-stainless-arch", "x64"),
        ("x-stainless-runtime", "CPython"),
        ("x-stainless-runtime-version", "3.12.11"),
        ("x-stainless-async", "false"),
        ("x-stainless-retry-count", "0"),
        ("x-stainless-read-timeout", "600"),
    ];
    head.extend(authorization.as_ref().map(|authorization| ("authorization", authorization.as_str())));
    head.extend((method == "POST").then_some(("content-length", length.as_str())));
    head.extend([("x-forwarded-proto", "http"), ("x-request-id", "7489bb73-f264-4e26-83e4-7af4097d921e")]);
    head.extend(extra);
    pairs(&head)
}

/// A whole answer of about half a kilobyte of text.
pub(crate) fn answer() -> Answer {
    let body = json!({
        "id": "chatcmpl-CeHiW1f0mmrG6bcuU9eIh4QNvLsPi", "object": "chat.completion", "created": 1_795_262_400,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{
            "index": 0, "logprobs": null, "finish_reason": "stop",
            "message": {"role": "assistant", "content": Prose(11).of(500), "refusal": null, "annotations": []},
        }],
        "usage": usage(),
        "service_tier": "default", "system_fingerprint": "fp_560af6e559",
    });
    let body = body.to_string().into_bytes();
    Answer { head: answer_head("200", "application/json", Some(body.len())), pieces: vec![body] }
}

/// A stream of `events` events, each read by itself: role, text, finish, usage, end.
pub(crate) fn stream(events: usize) -> Answer {
    let mut text = Prose(13);
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": "chatcmpl-CeHiW1f0mmrG6bcuU9eIh4QNvLsPi", "object": "chat.completion.chunk",
            "created": 1_795_262_400, "model": "gpt-4o-mini-2024-07-18", "service_tier": "default",
            "system_fingerprint": "fp_560af6e559", "choices": choices, "usage": usage,
            "obfuscation": "xR4mQ0b",
        });
        format!("data: {chunk}\n\n").into_bytes()
    };
    let delta = |delta: Value, finish: Value| {
        chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]), Value::Null)
    };
    let mut pieces = vec![delta(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null)];
    while pieces.len() + 3 < events {
        pieces.push(delta(json!({"content": format!(" {}", text.word())}), Value::Null));
    }
    pieces.push(delta(json!({}), "stop".into()));
    pieces.push(chunk(json!([]), usage()));
    pieces.push(b"data: [DONE]\n\n".to_vec());
    Answer { head: answer_head("200", "text/event-stream; charset=utf-8", None), pieces }
}

/// A provider that has no capacity.
pub(crate) fn overloaded() -> Answer {
    let error =
        json!({"message": "The server is overloaded.", "type": "server_error", "param": null, "code": null});
    let body = json!({"error": error}).to_string().into_bytes();
    Answer { head: answer_head("503", "application/json", Some(body.len())), pieces: vec![body] }
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 230, "completion_tokens": 97, "total_tokens": 327,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn answer_head(status: &str, content_type: &str, length: Option<usize>) -> Pairs {
    let length = length.map(|length| length.to_string());
    let mut head = vec![
        (":status", status),
        ("date", "Sat, 21 Nov 2026 12:00:00 GMT"),
        ("content-type", content_type),
        ("access-control-expose-headers", "X-Request-ID"),
        ("openai-organization", "farebox"),
        ("openai-processing-ms", "187"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "10000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "9999744"),
        ("x-request-id", "req_5f6c0c5d1d1a4cf1b1b1c0a1f0e0d0c0"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
        ("x-content-type-options", "nosniff"),
        ("server", "cloudflare"),
        ("cf-ray", "9a2b1c0d8e7f6a5b-FRA"),
    ];
    head.extend(length.as_ref().map(|length| ("content-length", length.as_str())));
    pairs(&head)
}

fn pairs(headers: &[(&str, &str)]) -> Pairs {
    headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// Text that looks like some: words, lines and now and then a quotation mark, which JSON has to escape.
struct Prose(u64);

impl Prose {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }

    fn word(&mut self) -> &'static str {
        let number = self.next();
        WORDS.get(number % WORDS.len()).copied().unwrap_or_default()
    }

    /// Text that is `size` bytes long in JSON.
    fn of(&mut self, size: usize) -> String {
        let (mut text, mut length) = (String::with_capacity(size), 0);
        while length < size {
            let before = text.len();
            let (word, kind) = (self.word(), self.next() % 24);
            let _ = match kind {
                0 => writeln!(text, "{word}."),
                1 => write!(text, "\"{word}\" "),
                2 => write!(text, "{} ", self.next() % 1000),
                _ => write!(text, "{word} "),
            };
            let escapes = text.get(before..).unwrap_or_default().matches(['\n', '"']).count();
            length += text.len() - before + escapes;
        }
        while length > size {
            length -= if text.pop().is_some_and(|last| matches!(last, '\n' | '"')) { 2 } else { 1 };
        }
        text
    }
}

#[cfg(test)]
mod tests;
