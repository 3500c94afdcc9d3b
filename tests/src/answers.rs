//! Decides what a correct provider answers, in each dialect, plain and streamed.
//!
//! Shapes and order follow the providers' own references; token counts are the test's to choose. In
//! the OpenAI chat dialect the usage of a stream is in a last chunk of its own without choices, and
//! only if `stream_options.include_usage` asked for it.
//!
//! Does not make mistakes: those are scripted by the test that needs them.

use crate::provider::Request;
use crate::script::Reply;
use serde_json::{Value, json};
use std::sync::Arc;

/// What is served, under whatever base path; a name comes before those that are its ending.
const ENDPOINTS: [&str; 7] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
    "/messages",
    "/messages/count_tokens",
    "/models",
];

/// Answers with chosen token counts.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Tokens of the prompt, those from the cache among them.
    pub prompt: u64,
    /// Tokens of the prompt that came from the cache.
    pub cached: u64,
    /// Tokens of the answer, those of reasoning among them.
    pub completion: u64,
    /// Tokens of the answer that are reasoning.
    pub reasoning: u64,
    /// The text, in the pieces in which a stream sends it.
    pub text: Vec<&'static str>,
    /// The model that says to have answered.
    pub model: &'static str,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            prompt: 11,
            cached: 0,
            completion: 5,
            reasoning: 0,
            text: vec!["Grüße", " aus", " 東京", " 🚋", "."],
            model: "served-model",
        }
    }
}

impl Answers {
    /// These answers as the script of a provider.
    #[must_use]
    pub fn script(self) -> Arc<dyn Fn(&Request) -> Reply + Send + Sync> {
        Arc::new(move |request| self.reply(request))
    }

    /// The answer to one request: the path chooses the dialect, the body whether it is streamed.
    #[must_use]
    pub fn reply(&self, request: &Request) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let streamed = body["stream"] == true;
        let path = request.path.split('?').next().unwrap_or_default();
        match ENDPOINTS.into_iter().find(|endpoint| path.ends_with(endpoint)).unwrap_or_default() {
            "/chat/completions" if streamed => {
                Reply::events(&self.chat_events(body["stream_options"]["include_usage"] == true))
            }
            "/chat/completions" => Reply::json(200, &self.chat()),
            "/completions" => Reply::json(200, &self.completion()),
            "/embeddings" => Reply::json(200, &self.embeddings()),
            "/responses" if streamed => Reply::events(&self.response_events()),
            "/responses" => Reply::json(200, &self.response()),
            "/messages" if streamed => Reply::events(&self.message_events()),
            "/messages" => Reply::json(200, &self.message()),
            "/models" => Reply::json(200, &json!({"object": "list", "data": []})),
            "/messages/count_tokens" => Reply::json(200, &json!({"input_tokens": self.prompt})),
            _ => Reply::json(404, &json!({"error": {"message": "no such path", "type": "not_found"}})),
        }
    }

    /// The `usage` object of the chat dialect.
    #[must_use]
    pub fn chat_usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        })
    }

    /// A plain chat answer.
    #[must_use]
    pub fn chat(&self) -> Value {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": self.model,
            "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
                "message": {"role": "assistant", "content": self.text.concat(), "refusal": null}}],
            "usage": self.chat_usage(),
        })
    }

    /// The events of a chat stream, `[DONE]` included.
    #[must_use]
    pub fn chat_events(&self, include_usage: bool) -> Vec<Vec<u8>> {
        let chunk = |choices: Value, usage: Option<Value>| {
            let mut chunk = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model,
                "choices": choices,
            });
            if include_usage {
                chunk["usage"] = usage.unwrap_or_default();
            }
            format!("data: {chunk}\n\n").into_bytes()
        };
        let delta =
            |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let mut events = vec![chunk(delta(json!({"role": "assistant", "content": ""}), Value::Null), None)];
        events.extend(self.text.iter().map(|text| chunk(delta(json!({"content": text}), Value::Null), None)));
        events.push(chunk(delta(json!({}), json!("stop")), None));
        if include_usage {
            events.push(chunk(json!([]), Some(self.chat_usage())));
        }
        events.push(b"data: [DONE]\n\n".to_vec());
        events
    }

    fn completion(&self) -> Value {
        json!({
            "id": "cmpl-1", "object": "text_completion", "created": 1, "model": self.model,
            "choices": [{"index": 0, "text": self.text.concat(), "finish_reason": "stop", "logprobs": null}],
            "usage": self.chat_usage(),
        })
    }

    fn embeddings(&self) -> Value {
        json!({
            "object": "list", "model": self.model,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
            "usage": {"prompt_tokens": self.prompt, "total_tokens": self.prompt},
        })
    }

    /// A plain answer of the Responses dialect.
    #[must_use]
    pub fn response(&self) -> Value {
        json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": self.model,
            "output": [{"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": self.text.concat(), "annotations": []}]}],
            "usage": {
                "input_tokens": self.prompt, "input_tokens_details": {"cached_tokens": self.cached},
                "output_tokens": self.completion,
                "output_tokens_details": {"reasoning_tokens": self.reasoning},
                "total_tokens": self.prompt + self.completion,
            },
        })
    }

    /// The events of a stream of the Responses dialect.
    #[must_use]
    pub fn response_events(&self) -> Vec<Vec<u8>> {
        let mut open = self.response();
        open["status"] = json!("in_progress");
        open["output"] = json!([]);
        open["usage"] = Value::Null;
        let mut events = vec![json!({"type": "response.created", "response": open})];
        events.extend(self.text.iter().map(|text| {
            json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
                "content_index": 0, "delta": text})
        }));
        events.push(json!({"type": "response.completed", "response": self.response()}));
        events.iter().map(named_event).collect()
    }

    /// A plain answer of the Messages dialect. Its `input_tokens` do not include the cached ones.
    #[must_use]
    pub fn message(&self) -> Value {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": self.model,
            "content": [{"type": "text", "text": self.text.concat()}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": self.message_usage(self.completion),
        })
    }

    fn message_usage(&self, output: u64) -> Value {
        json!({
            "input_tokens": self.prompt - self.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self.cached,
            "output_tokens": output,
        })
    }

    /// The events of a stream of the Messages dialect.
    #[must_use]
    pub fn message_events(&self) -> Vec<Vec<u8>> {
        let mut open = self.message();
        open["content"] = json!([]);
        open["stop_reason"] = Value::Null;
        open["usage"] = self.message_usage(1);
        let block = json!({"type": "text", "text": ""});
        let mut events = vec![
            json!({"type": "message_start", "message": open}),
            json!({"type": "content_block_start", "index": 0, "content_block": block}),
        ];
        events.extend(self.text.iter().map(|text| {
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
        }));
        events.extend([
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"output_tokens": self.completion}}),
            json!({"type": "message_stop"}),
        ]);
        events.iter().map(named_event).collect()
    }
}

/// An event whose name repeats the `type` of its data.
fn named_event(data: &Value) -> Vec<u8> {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()).into_bytes()
}
