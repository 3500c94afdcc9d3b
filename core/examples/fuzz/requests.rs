//! The rules that hold for every request: what is understood can be changed, and only in what is meant.

use farebox_core::base::edits;
use farebox_core::config::Config;
use farebox_core::dialect::Served;
use farebox_core::request::llm_request::{CompletionMember, LlmRequest};

use crate::mutation::Random;
use crate::transcript;

const BODIES: [&str; 8] = [
    r#"{"model":"gpt-5.6","messages":[{"role":"user","content":"\"model\":\"x\""}],"stream":true,"max_completion_tokens":64,"n":2}"#,
    r#"{"stream":true,"stream_options":{"include_usage":false,"include_obfuscation":false},"user":"ann","mod\u0065l":"gpt\u002d4o"}"#,
    r#"{ "stream_options": null, "stream": true, "safety_identifier": "u-1" }"#,
    r#"{"model":"claude","max_tokens":1024,"metadata":{"user_id":"u"},"messages":[],"stream":false}"#,
    r#"{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":5,"candidateCount":2}}"#,
    r#"{"messages":[],"inferenceConfig":{"maxTokens":9}}"#,
    r#"{"model":"llama3.2","options":{"num_predict":-1},"prompt":"x"}"#,
    "{}",
];
const FORM_TYPE: &[u8] = b"multipart/form-data; boundary=\"aXb\"";
const FORMS: [&[u8]; 2] = [
    b"--aXb\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\x00--aX\r\n--aXb\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--aXb--\r\n",
    b"preamble\r\n--aXb\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n3\r\n--aXb\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--aXb\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-image-1\r\n--aXb--",
];
const CONFIGURATIONS: [&str; 2] =
    [include_str!("../../../envoy/farebox.json"), include_str!("../../tests/documents/maximal.json")];
/// A name that has to be escaped in JSON and in a path.
const OTHER_MODEL: &str = "other/\"model\"";
/// Fewer than most of the bodies allow.
const OUTPUT_TOKENS: u64 = 6;

fn told(rule: &str, input: &[u8]) -> String {
    format!("{rule}: {}", input.escape_ascii())
}

fn some_path(random: &mut Random) -> &'static str {
    &random.one_of(transcript::all()).path
}

pub(crate) fn json(random: &mut Random) -> Result<(), String> {
    let path = some_path(random);
    let (one, other) = (random.one_of(&BODIES), random.one_of(&BODIES));
    let body = random.damage(one.as_bytes(), other.as_bytes());
    let served = Served::at(path).unwrap();
    let Ok(request) = LlmRequest::read(&served, path.as_bytes(), b"application/json", &body) else {
        return Ok(());
    };
    let valid = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).is_ok();
    let was_valid = valid(&body);
    let edits = request.name_model(OTHER_MODEL);
    if !edits.is_empty() {
        let changed = edits::apply(&body, edits);
        let again = LlmRequest::read(&served, path.as_bytes(), b"application/json", &changed);
        if again.as_ref().map(|request| request.model.as_deref()) != Ok(Some(OTHER_MODEL))
            || (was_valid && !valid(&changed))
        {
            return Err(told(&format!("the model cannot be changed: {again:?}"), &body));
        }
    }
    if let Some(edits) = request.limit_output(OUTPUT_TOKENS, CompletionMember::MaxCompletionTokens) {
        let changed = edits::apply(&body, edits);
        let again = LlmRequest::read(&served, path.as_bytes(), b"application/json", &changed);
        let limit = again.as_ref().ok().and_then(|request| request.output_limit);
        if limit.is_none_or(|limit| limit > OUTPUT_TOKENS) || (was_valid && !valid(&changed)) {
            return Err(told(&format!("the output cannot be limited: {again:?}"), &body));
        }
    }
    if !request.endpoint.reports_usage_on_request() {
        return Ok(());
    }
    let changed = edits::apply(&body, vec![request.ask_for_usage()]);
    match LlmRequest::read(&served, path.as_bytes(), b"application/json", &changed) {
        Ok(again) if again.wants_usage && (!was_valid || valid(&changed)) => Ok(()),
        again => Err(told(&format!("usage cannot be asked for: {again:?}"), &body)),
    }
}

pub(crate) fn form(random: &mut Random) -> Result<(), String> {
    let path = "/v1/audio/transcriptions";
    let (one, other) = (random.one_of(&FORMS), random.one_of(&FORMS));
    let body = random.damage(one, other);
    let content_type =
        if random.below(8) == 0 { random.damage(FORM_TYPE, b"boundary=;") } else { FORM_TYPE.to_vec() };
    let served = Served::at(path).unwrap();
    let Ok(request) = LlmRequest::read(&served, path.as_bytes(), &content_type, &body) else { return Ok(()) };
    let edits = request.name_model("other");
    if edits.is_empty() {
        return Ok(());
    }
    let changed = edits::apply(&body, edits);
    match LlmRequest::read(&served, path.as_bytes(), &content_type, &changed) {
        Ok(again) if again.model.as_deref() == Some("other") => Ok(()),
        again => Err(told(&format!("the model cannot be changed: {again:?}"), &body)),
    }
}

pub(crate) fn configuration(random: &mut Random) -> Result<(), String> {
    let (one, other) = (random.one_of(&CONFIGURATIONS), random.one_of(&CONFIGURATIONS));
    let text = random.damage(one.as_bytes(), other.as_bytes());
    match Config::parse(&text, |_| Some("secret".to_owned())) {
        Err(errors) if errors.0.is_empty() || errors.to_string().is_empty() => {
            Err(told("it is refused without a reason", &text))
        }
        _ => Ok(()),
    }
}

pub(crate) fn path(random: &mut Random) -> Result<(), String> {
    let (one, other) = (some_path(random), some_path(random));
    let bytes = random.damage(one.as_bytes(), other.as_bytes());
    let path = String::from_utf8_lossy(&bytes);
    let Some(served) = Served::at(&path) else { return Ok(()) };
    let Some(at) = served.model_at.clone() else { return Ok(()) };
    if path.get(at).is_none_or(str::is_empty) {
        return Err(told("the model is not in the path", &bytes));
    }
    let Ok(request) = LlmRequest::read(&served, path.as_bytes(), b"application/json", b"{}") else {
        return Ok(());
    };
    let Some(changed) = request.path_naming(path.as_bytes(), OTHER_MODEL) else { return Ok(()) };
    let changed = String::from_utf8(changed).map_err(|_| told("the path is no text", &bytes))?;
    let again = Served::at(&changed)
        .map(|again| LlmRequest::read(&again, changed.as_bytes(), b"application/json", b"{}"));
    match again {
        Some(Ok(again)) if again.model.as_deref() == Some(OTHER_MODEL) => Ok(()),
        again => Err(told(&format!("the model cannot be changed: {again:?} at {changed}"), &bytes)),
    }
}
