//! Decides how much a server would generate for a body: which of several limits counts, and what multiplies.

use crate::json::{Json, Lookup};

/// How much one answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Most {
    /// So many tokens.
    Tokens(u64),
    /// Whatever fits.
    Unlimited,
}

/// Where a family of servers looks for the limit, first choice first. In llama.cpp's server its own member wins
/// over OpenAI's newer one, and that over the older one, on every one of its paths.
const LLAMA: &[&[&str]] = &[&["n_predict"], &["max_completion_tokens"], &["max_tokens"]];

/// The places of the limit in the body of an API, first choice first.
#[must_use]
pub fn places(path: &str) -> &'static [&'static [&'static str]] {
    match path {
        path if path.ends_with("/chat/completions") || path.ends_with("/completions") => LLAMA,
        path if path.ends_with("/responses") => {
            &[&["n_predict"], &["max_completion_tokens"], &["max_output_tokens"], &["max_tokens"]]
        }
        path if path.starts_with("/api/") => &[&["options", "num_predict"]],
        path if path.contains("enerateContent") => &[&["generationConfig", "maxOutputTokens"]],
        path if path.contains("/converse") => &[&["inferenceConfig", "maxTokens"]],
        path if path.contains("/invoke") => &[&["max_tokens"], &["inferenceConfig", "maxTokens"]],
        _ => &[&["max_tokens"]],
    }
}

/// The most that one answer can be for a server that looks members up like this.
#[must_use]
pub fn most(path: &str, body: &Json, lookup: Lookup) -> Most {
    for place in places(path) {
        match body.at(place, lookup).and_then(Json::number) {
            Some(tokens) if (1.0..1e15).contains(&tokens) => return Most::Tokens(tokens as u64),
            // A limit that is none, such as minus one: some servers then take the next member, others none.
            Some(_) => return Most::Unlimited,
            None => {}
        }
    }
    Most::Unlimited
}

/// How many answers a server makes that looks members up like this: what multiplies, times each other.
#[must_use]
pub fn answers(path: &str, body: &Json, lookup: Lookup) -> u64 {
    let count = |place: &[&str]| {
        let number = body.at(place, lookup).and_then(Json::number).unwrap_or(1.0);
        if number >= 1.0 { number.min(1e6) as u64 } else { 1 }
    };
    if path.contains("enerateContent") {
        return count(&["generationConfig", "candidateCount"]);
    }
    let each = if path.ends_with("/completions") {
        count(&["n"]).max(count(&["best_of"])).max(count(&["n_cmpl"]))
    } else {
        1
    };
    let prompts = match body.member("prompt", lookup) {
        // A list of numbers is one prompt, of token ids.
        Some(Json::List(prompts)) if prompts.iter().any(|prompt| !matches!(prompt, Json::Number(_))) => {
            prompts.len() as u64
        }
        _ => 1,
    };
    if path.ends_with("/completions") && !path.ends_with("/chat/completions") {
        each.saturating_mul(prompts.max(1))
    } else {
        each
    }
}

/// The most tokens that one server or another would generate for a body in all.
#[must_use]
pub fn worst(path: &str, body: &Json) -> Most {
    let each = Lookup::ALL.into_iter().map(|lookup| match most(path, body, lookup) {
        Most::Tokens(tokens) => Most::Tokens(tokens.saturating_mul(answers(path, body, lookup))),
        Most::Unlimited => Most::Unlimited,
    });
    each.max().unwrap_or(Most::Unlimited)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst_of(path: &str, body: &str) -> Most {
        worst(path, &Json::read(body.as_bytes()).expect("JSON"))
    }

    #[test]
    fn the_member_that_wins_at_llama_cpp_is_its_own() {
        let chat = "/v1/chat/completions";
        assert_eq!(worst_of(chat, r#"{"max_tokens":5,"n_predict":500}"#), Most::Tokens(500));
        assert_eq!(worst_of(chat, r#"{"max_tokens":5,"max_completion_tokens":50}"#), Most::Tokens(50));
        assert_eq!(worst_of(chat, r#"{"max_tokens":-1}"#), Most::Unlimited);
        let responses = "/v1/responses";
        assert_eq!(worst_of(responses, r#"{"max_output_tokens":3,"max_tokens":9}"#), Most::Tokens(3));
        assert_eq!(worst_of(responses, r#"{"max_output_tokens":3,"n_predict":9}"#), Most::Tokens(9));
    }

    #[test]
    fn lists_and_counts_multiply() {
        let body = r#"{"max_tokens":5,"n":2,"best_of":3,"prompt":["a","b"]}"#;
        assert_eq!(worst_of("/v1/completions", body), Most::Tokens(30));
        assert_eq!(worst_of("/v1/completions", r#"{"max_tokens":5,"prompt":[1,2,3]}"#), Most::Tokens(5));
        let gemini = r#"{"generationConfig":{"maxOutputTokens":4,"candidateCount":2}}"#;
        assert_eq!(worst_of("/v1beta/models/m:generateContent", gemini), Most::Tokens(8));
    }

    #[test]
    fn who_folds_case_reads_another_limit() {
        assert_eq!(worst_of("/v1/chat/completions", r#"{"max_tokens":5,"MAX_TOKENS":70}"#), Most::Tokens(70));
        let snake =
            r#"{"generationConfig":{"maxOutputTokens":4},"generation_config":{"max_output_tokens":90}}"#;
        assert_eq!(worst_of("/v1beta/models/m:generateContent", snake), Most::Tokens(90));
    }
}
