//! Decides whether an error says that the prompt is longer than the model can read.
//!
//! There is no common code, so each provider's own words are known. To be wrong here costs little: a target for long
//! prompts is asked.

use super::said::Said;

/// Codes that say it by themselves.
const CODES: &[(&str, &[&str])] = &[
    ("openai azure groq cerebras together", &["context_length_exceeded"]),
    ("llamacpp", &["exceed_context_size_error"]),
    ("azure", &["tokens_limit_reached", "model_max_prompt_tokens_exceeded"]),
    ("zhipu", &["1261"]),
];

/// Words that say it, by who uses them.
const WORDS: &[(&str, &[&str])] = &[
    (
        "openai azure vllm deepseek perplexity openrouter",
        &["maximum context length", "exceeds the context window", "context length exceeded"],
    ),
    ("vllm", &["is longer than the maximum model length", "longer than the max model len", "max_model_len"]),
    ("sglang", &["longer than the model's context length", "the model's context length"]),
    (
        "llamacpp",
        &[
            "exceeds the available context size",
            "exceed the available context size",
            "context size has been exceeded",
            "input is too large to process",
        ],
    ),
    ("tgi together", &["`inputs` tokens + `max_new_tokens` must be", "`inputs` must have less than"]),
    ("ollama", &["exceeds the context length", "exceeds maximum context length", "context the overflows"]),
    (
        "anthropic fireworks",
        &["prompt is too long", "exceed context limit", "long context beta is not yet available"],
    ),
    (
        "gemini vertex",
        &[
            "exceeds the maximum number of tokens",
            "exceeds the maximum input token",
            "input token count exceeds",
        ],
    ),
    (
        "bedrock",
        &[
            "input is too long",
            "too many input tokens",
            "input tokens exceeded",
            "number of input tokens exceeds",
        ],
    ),
    ("mistral", &["too large for model with", "exceeds the model's maximum context"]),
    ("groq cerebras", &["reduce the length of the messages"]),
    ("xai", &["maximum prompt length"]),
    ("cohere", &["too many tokens: total number of tokens"]),
    ("azure", &["prompt token count of", "request body too large for"]),
    ("minimax", &["context window exceeds limit"]),
    ("alibaba", &["range of input length should be"]),
    ("moonshot", &["input token length too long", "exceeded model token limit"]),
    ("zhipu", &["prompt exceeds max length"]),
    ("cloudflare", &["exceeded this model context window limit"]),
];

/// Whether this says that the prompt is too long for the model.
pub(super) fn says(said: &Said) -> bool {
    let code = |code: &&str| said.codes.iter().any(|own| own == code);
    let words = |words: &&str| said.words.iter().any(|own| own.contains(*words));
    CODES.iter().any(|(_, codes)| codes.iter().any(code))
        || WORDS.iter().any(|(_, known)| known.iter().any(words))
}
