//! Decides when a name that nobody looks for could be read as one that matters.
//!
//! Servers written in Go read members in any case, with two letters of Unicode folded too; protobuf's JSON takes names with
//! and without underscores. A server that reads `MODEL` sees two models where another sees one.

/// What a name may be taken for: in lower case, without what parts words.
fn folded(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ' | '.')).map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    })
}

/// Whether a server might take one name for the other.
pub(super) fn is_alike(name: &str, known: &str) -> bool {
    // Nearly all names begin with another letter.
    if let (Some(first), Some(begins)) = (name.bytes().next(), known.bytes().next())
        && first.is_ascii_alphanumeric()
        && !first.eq_ignore_ascii_case(&begins)
    {
        return false;
    }
    folded(name).eq(folded(known))
}

/// Members that have such a word and name no model.
const NO_MODELS: [&str; 3] = ["model_settings_version", "response_model_version", "model_armor_config"];

/// Whether a member that nobody knows could name another model, or what is put on one.
pub(super) fn may_name_model(name: &str) -> bool {
    let folded: String = folded(name).collect();
    let names = ["model", "fallback", "adapter", "peft"].iter().any(|word| folded.contains(word))
        || folded.starts_with("lora")
        || folded.ends_with("lora")
        || matches!(&*folded, "route" | "router");
    names && !NO_MODELS.iter().any(|known| is_alike(name, known))
}

/// Words in names of members that raise what a request uses, or choose what it is charged.
const RAISING: [&str; 19] = [
    "max",
    "predict",
    "bestof",
    "numreturn",
    "candidate",
    "generations",
    "choices",
    "completions",
    "samples",
    "beam",
    "tier",
    "speed",
    "priority",
    "model",
    "fallback",
    "draft",
    "lora",
    "adapter",
    "numresults",
];

/// Members that have such a word and do nothing of the kind.
const HARMLESS: [&str; 12] = [
    "prediction",
    "max_tool_calls",
    "max_input_tokens",
    "max_num_results",
    "maxtokenslimit",
    "modalities",
    "anthropic_version",
    "model_settings_version",
    "max_context_length",
    "model_armor_config",
    "max_tokens_per_doc",
    "max_chunks_per_doc",
];

/// Whether a member that nobody knows could raise what a request uses.
pub(super) fn may_raise(name: &str) -> bool {
    let folded: String = folded(name).collect();
    RAISING.iter().any(|word| folded.contains(word)) && !HARMLESS.iter().any(|known| is_alike(name, known))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "unknown")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_are_alike_but_for_case_and_what_parts_words() {
        for (name, known) in [
            ("MODEL", "model"),
            ("Max_Tokens", "max_tokens"),
            ("maxTokens", "max_tokens"),
            ("max-tokens", "max_tokens"),
            ("best_of", "bestOf"),
            ("max_to\u{212a}ens", "max_tokens"),
            ("\u{17f}tream", "stream"),
        ] {
            assert!(is_alike(name, known), "{name}");
        }
        for name in ["models", "mode", "model2", ""] {
            assert!(!is_alike(name, "model"), "{name}");
        }
    }

    #[test]
    fn a_name_with_a_word_that_raises_may_raise() {
        for name in [
            "max_length",
            "numPredict",
            "num_return_sequences",
            "n_completions",
            "priority",
            "draftModel",
            "num_beams",
        ] {
            assert!(may_raise(name), "{name}");
        }
        for name in [
            "temperature",
            "prediction",
            "top_k",
            "modalities",
            "messages",
            "seed",
            "logit_bias",
            "reasoning_effort",
        ] {
            assert!(!may_raise(name), "{name}");
        }
    }
}
