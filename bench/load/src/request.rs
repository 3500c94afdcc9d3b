//! Decides what a client sends: a chat completion of a given size, for a given model, with the headers of a caller.
//!
//! The text in it is English and code, with the escapes that JSON makes of them: a body of one letter repeated would
//! be read faster than any real one.
//!
//! Does not send it.

use std::fmt::Write;

use serde_json::json;

/// What fills a body, as a user would write it.
const TEXT: &str = "The function below returns the wrong total when a ticket is bought twice. Please find out why, and\n\
    write a test that fails first.\n\n```rust\nfn total(tickets: &[Ticket]) -> u64 {\n    tickets.iter().map(|t| t.price)\
    .sum()\n}\n```\nThe message is: \"expected 450, found 900\". ";
/// The slot for the number of a session in the head.
const SESSION: &str = "s-0000000000";

/// One kind of request, for any session.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: Vec<u8>,
    session_at: Option<usize>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// The status that is right.
    pub(crate) expected: u16,
    /// Whether the answer is a stream of events.
    pub(crate) streams: bool,
}

/// What a request is made of.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'a> {
    /// Path of the endpoint.
    pub(crate) path: &'a str,
    /// Headers besides those of HTTP itself.
    pub(crate) headers: &'a [(String, String)],
    /// Name of the model.
    pub(crate) model: &'a str,
    /// Bytes of the body.
    pub(crate) size: usize,
    /// Whether a stream is asked for.
    pub(crate) streams: bool,
    /// Tools that the body describes.
    pub(crate) tools: usize,
    /// The status that is right.
    pub(crate) expected: u16,
}

impl Request {
    /// Writes it.
    pub(crate) fn new(draft: &Draft<'_>) -> Self {
        let body = body(draft);
        let mut head = format!("POST {} HTTP/1.1\r\nhost: gateway.example\r\n", draft.path);
        for (name, value) in draft.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(
            head,
            "content-type: application/json\r\naccept: application/json\r\nuser-agent: OpenAI/Python 2\r\n"
        );
        let _ = write!(head, "x-farebox-session: ");
        let session_at = Some(head.len());
        let _ = write!(head, "{SESSION}\r\ncontent-length: {}\r\n\r\n", body.len());
        Self { head: head.into_bytes(), session_at, body, expected: draft.expected, streams: draft.streams }
    }

    /// A request without a body or a session.
    #[cfg(test)]
    pub(crate) fn get(path: &str) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nhost: gateway.example\r\n\r\n").into_bytes();
        Self { head, session_at: None, body: Vec::new(), expected: 200, streams: false }
    }

    /// Writes the head of the request of a session.
    pub(crate) fn head(&self, session: u64, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.head);
        let digits = self.session_at.and_then(|at| out.get_mut(at + 2..at + SESSION.len()));
        let mut rest = session;
        for digit in digits.into_iter().flatten().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

fn body(draft: &Draft<'_>) -> Vec<u8> {
    let mut json = json!({
        "model": draft.model,
        "max_tokens": 256,
        "temperature": 0.2,
        "messages": [
            {"role": "system", "content": "You are a careful engineer. Answer briefly."},
            {"role": "user", "content": ""},
        ],
    });
    if let Some(members) = json.as_object_mut() {
        if draft.streams {
            members.insert("stream".into(), true.into());
            // Asked for by the caller, so that every system sends the same bytes to the upstream and back.
            members.insert("stream_options".into(), json!({"include_usage": true}));
        }
        if draft.tools > 0 {
            members.insert("tools".into(), (0..draft.tools).map(tool).collect());
        }
    }
    let empty = json.to_string();
    let filler = filler(draft.size.saturating_sub(empty.len()));
    // The only empty text in it.
    empty.replacen(r#""content":"""#, &format!(r#""content":"{filler}""#), 1).into_bytes()
}

/// Text of exactly this many bytes once it stands in JSON.
fn filler(size: usize) -> String {
    let escaped = serde_json::Value::from(TEXT).to_string();
    let escaped = escaped.trim_matches('"');
    let mut filler = escaped.repeat(size / escaped.len());
    filler.push_str(&"a".repeat(size - filler.len()));
    filler
}

fn tool(number: usize) -> serde_json::Value {
    json!({"type": "function", "function": {
        "name": format!("search_{number}"),
        "description": "Looks for text in the files of the project and returns the lines that have it, with their numbers.",
        "parameters": {
            "type": "object",
            "properties": {
                "pattern": {"type": "string", "description": "A regular expression"},
                "folder": {"type": "string", "description": "Where to look, such as \"src\""},
                "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
            },
            "required": ["pattern"],
        },
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(size: usize, streams: bool, tools: usize) -> Request {
        let headers = [("authorization".to_owned(), "Bearer k".to_owned())];
        Request::new(&Draft {
            path: "/v1/chat/completions",
            headers: &headers,
            model: "bench",
            size,
            streams,
            tools,
            expected: 200,
        })
    }

    #[test]
    fn a_body_has_exactly_its_size_and_is_json() {
        for (size, tools) in [(1024, 0), (10_240, 0), (10_240, 8), (1 << 20, 0)] {
            let body = request(size, true, tools).body;
            assert_eq!(body.len(), size);
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json["model"], "bench");
            assert_eq!(json["stream_options"]["include_usage"], true);
            assert_eq!(json["tools"].as_array().map_or(0, Vec::len), tools);
        }
    }

    #[test]
    fn each_session_has_its_own_header_and_nothing_else_differs() {
        let request = request(1024, false, 0);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        request.head(42, &mut one);
        request.head(99_999, &mut other);
        let text = String::from_utf8(one.clone()).unwrap();
        assert!(text.contains("\r\nx-farebox-session: s-0000000042\r\n"), "{text}");
        assert!(text.contains("\r\ncontent-length: 1024\r\n\r\n"), "{text}");
        assert_eq!(one.len(), other.len());
        assert_eq!(one.iter().zip(&other).filter(|(a, b)| a != b).count(), 5);
    }
}
