//! Decides what a provider that makes no mistake answers, plain and streamed.

use super::endpoints::Shape;
use farebox_core::dialect::framing::event_stream;
use serde_json::{Value, json};

/// Tokens in and out.
pub type Counts = (u64, u64);

/// A good plain answer.
#[must_use]
pub fn plain(answer: Shape, model: &str, text: &str, (input, output): Counts) -> Value {
    let total = input + output;
    match answer {
        Shape::Chat => json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "text": text,
                "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": total},
        }),
        Shape::Vectors => json!({
            "object": "list", "model": model, "data": [{"index": 0, "embedding": [0.5]}], "results": [],
            "usage": {"prompt_tokens": input, "total_tokens": input},
        }),
        Shape::Responses => response(model, text, (input, output)),
        Shape::Media => json!({
            "text": text,
            "usage": {"type": "tokens", "input_tokens": input, "output_tokens": output, "total_tokens": total,
                "output_tokens_details": {"text_tokens": output}},
        }),
        Shape::Messages => json!({
            "id": "m", "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
            "usage": {"input_tokens": input, "output_tokens": output},
        }),
        Shape::Gemini => gemini(model, text, Some((input, output))),
        Shape::Free => json!({
            "id": "f", "model": model, "results": [], "input_tokens": input, "totalTokens": input,
        }),
        Shape::Converse => json!({
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": input, "outputTokens": output, "totalTokens": total},
        }),
        Shape::Cohere => json!({
            "id": "c", "finish_reason": "COMPLETE", "embeddings": {"float": [[0.5]]},
            "message": {"role": "assistant", "content": [{"type": "text", "text": text}]},
            "usage": {"billed_units": {"input_tokens": input, "output_tokens": output},
                "tokens": {"input_tokens": input, "output_tokens": output}},
            "meta": {"billed_units": {"input_tokens": input, "output_tokens": output}},
        }),
        Shape::Ollama => json!({
            "model": model, "message": {"role": "assistant", "content": text}, "response": text, "done": true,
            "embeddings": [[0.5]], "prompt_eval_count": input, "eval_count": output,
        }),
    }
}

fn response(model: &str, text: &str, (input, output): Counts) -> Value {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": model,
        "output": [{"type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}],
        "usage": {"input_tokens": input, "output_tokens": output, "total_tokens": input + output},
    })
}

fn gemini(model: &str, text: &str, counts: Option<Counts>) -> Value {
    let mut answer = json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}],
        "modelVersion": model,
    });
    if let Some((input, output)) = counts {
        answer["usageMetadata"] = json!({
            "promptTokenCount": input, "candidatesTokenCount": output, "totalTokenCount": input + output,
        });
    }
    answer
}

/// A good stream: its content type and its events, each with whatever frames it.
#[must_use]
pub fn stream(answer: Shape, model: &str, words: &[&str], counts: Counts) -> (&'static str, Vec<Vec<u8>>) {
    let sse = |value: &Value| format!("data: {value}\n\n").into_bytes();
    let named = |value: &Value| {
        format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default()).into_bytes()
    };
    let (input, output) = counts;
    let text = words.concat();
    let events = match answer {
        Shape::Responses => {
            let whole = response(model, &text, counts);
            let mut open = whole.clone();
            (open["usage"], open["output"], open["status"]) = (Value::Null, json!([]), json!("in_progress"));
            let mut events = vec![named(&json!({"type": "response.created", "response": open}))];
            let delta = |word| named(&json!({"type": "response.output_text.delta", "delta": word}));
            events.extend(words.iter().map(delta));
            events.push(named(&json!({"type": "response.completed", "response": whole})));
            events
        }
        Shape::Messages => {
            let open = json!({"id": "m", "type": "message", "role": "assistant", "model": model,
                "content": [], "usage": {"input_tokens": input, "output_tokens": 1}});
            let mut events = vec![named(&json!({"type": "message_start", "message": open}))];
            let delta = |word| {
                named(&json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": word}}))
            };
            events.extend(words.iter().map(delta));
            let usage = json!({"output_tokens": output});
            let delta = json!({"stop_reason": "end_turn"});
            events.push(named(&json!({"type": "message_delta", "delta": delta, "usage": usage})));
            events.push(named(&json!({"type": "message_stop"})));
            events
        }
        Shape::Gemini => {
            let last = words.len().saturating_sub(1);
            let of = |(at, word): (usize, &&str)| sse(&gemini(model, word, (at == last).then_some(counts)));
            words.iter().enumerate().map(of).collect()
        }
        Shape::Converse => {
            let frame = |kind: &str, payload: &Value| {
                event_stream::message(
                    &[(":event-type", kind), (":message-type", "event")],
                    payload.to_string().as_bytes(),
                )
            };
            let mut events = vec![frame("messageStart", &json!({"role": "assistant"}))];
            let delta = |word| frame("contentBlockDelta", &json!({"delta": {"text": word}}));
            events.extend(words.iter().map(delta));
            events.push(frame("messageStop", &json!({"stopReason": "end_turn"})));
            let usage = json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output});
            events.push(frame("metadata", &json!({"usage": usage})));
            return ("application/vnd.amazon.eventstream", events);
        }
        Shape::Cohere => {
            let mut events = vec![named(&json!({"type": "message-start", "id": "c"}))];
            let delta = |word| {
                named(&json!({"type": "content-delta", "index": 0,
                    "delta": {"message": {"content": {"text": word}}}}))
            };
            events.extend(words.iter().map(delta));
            let usage = json!({"billed_units": {"input_tokens": input, "output_tokens": output},
                "tokens": {"input_tokens": input, "output_tokens": output}});
            let delta = json!({"finish_reason": "COMPLETE", "usage": usage});
            events.push(named(&json!({"type": "message-end", "delta": delta})));
            events
        }
        Shape::Ollama => {
            let line = |value: &Value| format!("{value}\n").into_bytes();
            let of = |word| {
                line(&json!({"model": model, "message": {"content": word}, "response": word, "done": false}))
            };
            let mut events: Vec<_> = words.iter().map(of).collect();
            events.push(line(&json!({"model": model, "message": {"content": ""}, "response": "",
                "done": true, "prompt_eval_count": input, "eval_count": output})));
            return ("application/x-ndjson", events);
        }
        Shape::Chat | Shape::Vectors | Shape::Media | Shape::Free => {
            let chunk = |choices: &Value, usage: Value| {
                sse(&json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model,
                    "choices": choices, "usage": usage}))
            };
            let of = |word| {
                let choice = json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]);
                chunk(&choice, Value::Null)
            };
            let mut events: Vec<_> = words.iter().map(of).collect();
            let stop = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
            events.push(chunk(&stop, Value::Null));
            let usage = json!({"prompt_tokens": input, "completion_tokens": output,
                "total_tokens": input + output});
            events.push(chunk(&json!([]), usage));
            events.push(b"data: [DONE]\n\n".to_vec());
            events
        }
    };
    ("text/event-stream", events)
}
