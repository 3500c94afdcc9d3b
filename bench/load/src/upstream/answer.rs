//! Decides what the upstream's answers look like: those of OpenAI's chat completions, in size and in members.
//!
//! Does not decide which is given: see `plan.rs`.

/// A plain answer with usage, about 500 bytes of body.
const BODY: &str = concat!(
    r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"#,
    r#""model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"A turnstile lets one "#,
    r#"person pass at a time, and counts.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"#,
    r#""usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":"#,
    r#"{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}"#,
);
/// An event with a token.
macro_rules! event {
    ($token:literal) => {
        concat!(
            r#"data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"#,
            r#""model":"bench","service_tier":"default","system_fingerprint":"fp_b376dfbbd5","choices":[{"index":0,"#,
            r#""delta":{"content":""#,
            $token,
            r#""},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            "\n\n"
        )
    };
}
/// Two of one size, which take turns: some gateways end a stream that says the same all the time.
const EVENTS: [&str; 2] = [event!(" turnstile"), event!(" admission")];
/// The event with the usage.
const USAGE: &str = concat!(
    r#"data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"#,
    r#""model":"bench","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}"#,
    "\n\n"
);
/// The last event of every stream.
const DONE: &str = "data: [DONE]\n\n";
/// The head of a stream.
pub(crate) const STREAM: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n",
    "transfer-encoding: chunked\r\n\r\n"
);

/// Every answer, as bytes of HTTP/1.1.
pub(crate) struct Answers {
    /// A plain answer.
    pub(crate) plain: Vec<u8>,
    /// Events of a stream, each in a chunk.
    events: [Vec<u8>; 2],
    /// The last two events, and the end of the chunks.
    pub(crate) end: Vec<u8>,
}

impl Answers {
    /// Writes them once for all requests.
    pub(crate) fn new() -> Self {
        let mut end = chunk(USAGE);
        end.extend(chunk(DONE));
        end.extend(b"0\r\n\r\n");
        Self { plain: message(200, "OK", BODY), events: EVENTS.map(chunk), end }
    }

    /// The event of this number.
    pub(crate) fn event(&self, number: u32) -> &[u8] {
        let [even, odd] = &self.events;
        if number.is_multiple_of(2) { even } else { odd }
    }

    /// An error of the provider.
    pub(crate) fn error(status: u16) -> Vec<u8> {
        let body =
            r#"{"error":{"message":"The benchmark asked for this.","type":"server_error","code":null}}"#;
        message(status, "Error", body)
    }
}

fn message(status: u16, reason: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_with_usage() {
        let body: serde_json::Value = serde_json::from_str(BODY).unwrap();
        assert_eq!(body["usage"]["total_tokens"], 29);
        assert!((450..650).contains(&BODY.len()), "{}", BODY.len());
        for event in [EVENTS[0], EVENTS[1], USAGE] {
            let json = event.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
    }
}
