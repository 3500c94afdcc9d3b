//! Decides what an error says about itself: codes, words, and the member of the request that it is about.
//!
//! Providers agree neither on the shape nor on the names: `{"error": {…}}`, the same in a list (Google), `{"error":
//! "words", "code": …}` (xAI), `{"detail": …}` (Mistral, FastAPI), `{"message": …}` with a header (Bedrock),
//! `{"base_resp": {…}}` (MiniMax), an event of a stream. So every place that one of them uses is looked at.

use serde_json::{Deserializer, Value};

use crate::base::text::without_marks;

/// How deep members are looked for.
const DEPTH: usize = 4;
/// Most entries of a list that are looked at.
const ENTRIES: usize = 8;
/// Most of what is no JSON that is taken for words.
const WORDS: usize = 2_048;

/// What an error says, all in lower case.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Codes, types, reasons.
    pub(super) codes: Vec<String>,
    /// What is meant for a person.
    pub(super) words: Vec<String>,
    /// The first code that is a number.
    pub(super) number: Option<u64>,
    /// The member of the request that is at fault.
    pub(super) param: Option<String>,
}

impl Said {
    /// Reads an error's body and its header `x-amzn-errortype`.
    pub(super) fn read(kind: Option<&[u8]>, body: &[u8]) -> Self {
        let mut said = Self::default();
        if let Some(kind) = kind.and_then(|kind| core::str::from_utf8(kind).ok()) {
            said.code(kind.split(':').next().unwrap_or_default());
        }
        let body = without_marks(body).trim_ascii_start();
        let begin = if body.starts_with(b"{") || body.starts_with(b"[") {
            Some(0)
        } else {
            // An event of a stream has its fields' names in front.
            memchr::memchr(b'{', body.get(..WORDS.min(body.len())).unwrap_or_default())
        };
        let json = begin.and_then(|begin| body.get(begin..));
        match json.and_then(|json| Deserializer::from_slice(json).into_iter::<Value>().next()) {
            Some(Ok(value)) => said.look(&value, DEPTH),
            _ => said.word(&String::from_utf8_lossy(body.get(..WORDS).unwrap_or(body))),
        }
        said
    }

    fn look(&mut self, value: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            Value::Array(list) => list.iter().take(ENTRIES).for_each(|entry| self.look(entry, depth)),
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| self.member(name, value, depth))
            }
            Value::String(text) => self.word(text),
            _ => {}
        }
    }

    fn member(&mut self, name: &str, value: &Value, depth: usize) {
        match (name, value) {
            (
                "code" | "type" | "status" | "reason" | "__type" | "error_type" | "error_code" | "errorCode",
                Value::String(code),
            ) => {
                self.code(code);
            }
            ("code" | "status" | "status_code" | "error_code", Value::Number(number)) => {
                self.number = self.number.or(number.as_u64());
            }
            // The code of Google's older services and the words of others.
            ("error", Value::String(text)) => {
                self.code(text);
                self.word(text);
            }
            (
                "message" | "Message" | "msg" | "error_msg" | "error_message" | "errorMessage" | "status_msg"
                | "raw" | "title",
                Value::String(text),
            ) => {
                self.word(text);
            }
            ("param", Value::String(param)) => self.param = Some(param.to_ascii_lowercase()),
            // OpenRouter: why a prompt was held back.
            ("flagged_input", Value::String(_)) => self.code("flagged_input"),
            ("base_resp", Value::Object(members)) => {
                if let Some(number) = members.get("status_code").and_then(Value::as_u64) {
                    self.code(&format!("base_resp.{number}"));
                }
                self.look(value, depth);
            }
            ("error" | "errors" | "detail" | "details" | "metadata" | "innererror" | "response", value) => {
                self.look(value, depth);
            }
            _ => {}
        }
    }

    fn code(&mut self, code: &str) {
        // Some have a namespace in front: `com.amazon.coral.service#AccessDeniedException`.
        let code = code.rsplit('#').next().unwrap_or(code);
        self.codes.push(code.trim().to_ascii_lowercase());
    }

    fn word(&mut self, text: &str) {
        self.words.push(text.trim_start().to_ascii_lowercase());
    }
}

/// Members that have something of an answer, unless they are empty.
const CONTENTS: &[&str] = &[
    "choices",
    "output",
    "outputs",
    "content",
    "data",
    "candidates",
    "results",
    "embeddings",
    "embedding",
    "message",
    "text",
    "response",
    "responses",
    "predictions",
    "generation",
    "generations",
    "completion",
    "images",
];

/// Whether a text has words that errors have.
pub(super) fn may_be_error(text: &[u8]) -> bool {
    const SIGNS: [&[u8]; 5] = [b"rror\"", b"\"base_resp\"", b"\"error_code\"", b"\"success\"", b"\"code\""];
    SIGNS.iter().any(|sign| memchr::memmem::find(text, sign).is_some())
}

/// Whether a document has an error in it and nothing of an answer.
pub(super) fn is_only_error(body: &[u8]) -> bool {
    // Few answers have these words; reading it a second time is for the others.
    if !may_be_error(body) {
        return false;
    }
    let body = without_marks(body);
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    let document = match &value {
        Value::Array(list) => list.first(),
        other => Some(other),
    };
    let Some(Value::Object(members)) = document else { return false };
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    // 0 and the statuses of success are what some say of good answers.
    let is_failure = |code: u64| code != 0 && !(200..300).contains(&code);
    let is_error = members.get("error").is_some_and(|error| !is_empty(error) && *error != Value::Bool(false))
        || members.get("type").is_some_and(|kind| kind == "error")
        || members.get("object").is_some_and(|kind| kind == "error")
        || members.get("base_resp").and_then(|said| said.get("status_code")).is_some_and(|code| *code != 0)
        || members.get("success").is_some_and(|success| *success == Value::Bool(false))
        || ["code", "error_code"]
            .iter()
            .any(|name| members.get(*name).and_then(Value::as_u64).is_some_and(is_failure));
    let has_content = |name: &&str| {
        // With an error, a message in words is the error's.
        members.get(*name).is_some_and(|value| !(is_empty(value) || *name == "message" && value.is_string()))
    };
    is_error && !CONTENTS.iter().any(has_content)
}

/// Where errors have their words, in the order in which they are looked for.
const MESSAGES: [&str; 7] =
    ["/error/message", "/error", "/message", "/base_resp/status_msg", "/detail", "/msg", "/error_msg"];

/// What an error says to a person, as it is written; its beginning, if that is long.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let value: Value = serde_json::from_slice(body).ok()?;
    let document = value.get(0).unwrap_or(&value);
    let words = MESSAGES.iter().find_map(|place| document.pointer(place)?.as_str())?;
    (!words.is_empty()).then(|| words.chars().take(WORDS).collect())
}
