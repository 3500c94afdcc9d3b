//! Members that mean something else elsewhere, and those that stand where one might not look.

use super::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn at(path: &str, body: &str) -> Result<LlmRequest, LlmRequestError> {
    LlmRequest::read(&served(path), path.as_bytes(), b"", body.as_bytes())
}

const CHAT: &str = "/v1/chat/completions";
const GEMINI: &str = "/v1beta/models/g:generateContent";

#[test]
fn the_user_id_of_claude_code_is_read_whole_and_names_account_and_session() {
    let (device, account) = ("d".repeat(64), "11111111-2222-3333-4444-555555555555");
    let id = format!(r#"{{"device_id":"{device}","account_uuid":"{account}","session_id":"s-1"}}"#);
    let body = serde_json::json!({"model": "c", "metadata": {"user_id": id}}).to_string();
    let named = at("/v1/messages", &body).unwrap().attribution;
    let text = |label: &Option<Label>| label.as_ref().map(Label::to_string).unwrap();
    assert_eq!((text(&named.user), text(&named.session)), (account.to_owned(), "s-1".to_owned()));
}

#[test]
fn of_several_users_the_safety_identifier_wins() {
    let body = r#"{"metadata":{"user_id":"c"},"user":"b","safety_identifier":"a"}"#;
    assert_eq!(at(CHAT, body).unwrap().attribution.user.unwrap().as_str(), "a");
}

#[test]
fn what_common_clients_send_is_taken_whatever_it_means_elsewhere() {
    for (path, body) in [
        ("/v1/images/generations", r#"{"model":"g","prompt":"x","background":"transparent"}"#),
        ("/v1/images/generations", r#"{"model":"g","prompt":"x","background":"auto","n":2}"#),
        ("/v1/audio/speech", r#"{"model":"g","input":"x","voice":"a","speed":1.25}"#),
        (GEMINI, r#"{"system_instruction":{},"safety_settings":[],"tool_config":{},"contents":[]}"#),
        (GEMINI, r#"{"systemInstruction":{},"safetySettings":[],"toolConfig":{},"contents":[]}"#),
        (GEMINI, r#"{"modelArmorConfig":{"promptTemplateName":"x"}}"#),
        ("/v1beta/models/g:embedContent", r#"{"content":{},"task_type":"X","output_dimensionality":5}"#),
        ("/v1beta/models/g:embedContent", r#"{"content":{},"taskType":"X","outputDimensionality":5}"#),
        ("/model/m/invoke", r#"{"prompt":"x","maxTokens":5,"topP":1,"stopSequences":[]}"#),
        ("/model/m/invoke", r#"{"prompt":"x","max_gen_len":5,"top_p":1}"#),
        ("/v2/rerank", r#"{"model":"g","query":"x","documents":[],"max_tokens_per_doc":5}"#),
        (CHAT, r#"{"model":"g","messages":[{"role":"assistant","model":"x","content":"a"}]}"#),
        (CHAT, r#"{"model":"g","plugins":[{"id":"web"}],"preset":null,"deferred":false}"#),
    ] {
        let request = at(path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"));
        let noticed = (request.other_models, request.background, request.may_raise, request.speed);
        assert_eq!(noticed, (false, false, None, None), "{path} {body}");
    }
}

#[test]
fn a_model_or_what_is_put_on_one_is_noticed_in_any_place_that_names_one() {
    for (path, body) in [
        (CHAT, r#"{"lora_path":"x"}"#),
        (CHAT, r#"{"lora":[{"id":0,"scale":1}]}"#),
        (CHAT, r#"{"adapter_id":"x"}"#),
        (CHAT, r#"{"compound_custom":{"models":{"answering_model":"x"}}}"#),
        (CHAT, r#"{"plugins":[{"id":"auto-router","allowed_models":["x"]}]}"#),
        (CHAT, r#"{"preset":"x"}"#),
        (CHAT, r#"{"fallbacks":[{"deployment":"x"}]}"#),
        (CHAT, r#"{"tools":[{"type":"advisor","advisor_model":"x"}]}"#),
        (CHAT, r#"{"extra_body":{"models":["x"]}}"#),
        (GEMINI, r#"{"generationConfig":{"modelSelectionConfig":{}}}"#),
    ] {
        assert!(at(path, body).unwrap().other_models, "{path} {body}");
    }
    assert!(!at(CHAT, r#"{"exploration":1,"parameters":{}}"#).unwrap().other_models);
}

#[test]
fn what_some_servers_put_over_a_request_may_name_no_model_in_any_dialect() {
    for path in [
        CHAT,
        "/v1/responses",
        "/v1/embeddings",
        "/v1/messages",
        GEMINI,
        "/model/m/converse",
        "/model/m/invoke",
        "/v2/chat",
        "/api/chat",
    ] {
        for body in [
            r#"{"extra_body":{"model":"x"}}"#,
            r#"{"extra_params":{"fallback_model":"x"}}"#,
            r#"{"overrides":{"model":"x"}}"#,
            r#"{"tools":[{"type":"advisor","model":"x"}]}"#,
        ] {
            assert!(at(path, body).unwrap().other_models, "{path} {body}");
        }
        let misspelled = at(path, r#"{"extra_body":{"MODEL":"x"}}"#);
        assert_eq!(misspelled.unwrap_err(), LlmRequestError::Misspelled("model"), "{path}");
        assert!(
            !at(path, r#"{"extension":{"model":"mine"},"list":[1,{"b":2}],"text":"model"}"#)
                .unwrap()
                .other_models
        );
    }
}

#[test]
fn what_raises_or_multiplies_is_seen_inside_of_settings_too() {
    for (path, body) in [
        ("/model/m/converse", r#"{"additionalModelRequestFields":{"max_length":5}}"#),
        ("/model/m/invoke", r#"{"textGenerationConfig":{"max_things":5}}"#),
        (GEMINI, r#"{"generationConfig":{"num_samples":5}}"#),
    ] {
        assert!(at(path, body).unwrap().may_raise.is_some(), "{path} {body}");
    }
    for (path, body, answers) in [
        ("/model/m/converse", r#"{"additionalModelRequestFields":{"num_generations":5}}"#, 5),
        ("/model/m/invoke", r#"{"imageGenerationConfig":{"numberOfImages":4}}"#, 4),
        ("/v1/completions", r#"{"prompt_embeds":["a","b","c"]}"#, 3),
    ] {
        assert_eq!(at(path, body).unwrap().choices, answers, "{path} {body}");
    }
}

#[test]
fn an_object_that_limits_or_chooses_a_tier_comes_once() {
    for (path, body) in [
        ("/model/m/invoke", r#"{"textGenerationConfig":{"maxTokenCount":5},"textGenerationConfig":{}}"#),
        ("/model/m/converse", r#"{"additionalModelRequestFields":{},"additionalModelRequestFields":{}}"#),
        ("/model/m/converse", r#"{"serviceTier":{"type":"flex"},"serviceTier":null}"#),
        ("/model/m/converse", r#"{"performanceConfig":{"latency":"standard"},"performanceConfig":{}}"#),
        (CHAT, r#"{"web_search_options":{"search_context_size":"low"},"web_search_options":{}}"#),
    ] {
        assert!(matches!(at(path, body), Err(LlmRequestError::Duplicate(_))), "{path} {body}");
    }
}

#[test]
fn an_answer_that_comes_later_is_noticed_however_it_is_asked_for() {
    for (path, body) in [
        ("/v1/responses", r#"{"background":true,"stream":true}"#),
        ("/v1/responses", r#"{"background":"true"}"#),
        ("/v1/responses", r#"{"background":1}"#),
        (CHAT, r#"{"deferred":true}"#),
    ] {
        assert!(at(path, body).unwrap().background, "{path} {body}");
    }
    for body in [r#"{"background":false}"#, r#"{"background":null}"#, "{}"] {
        assert!(!at("/v1/responses", body).unwrap().background, "{body}");
    }
}

#[test]
fn a_tier_that_says_nothing_is_refused_and_not_taken_for_none() {
    for value in [r#""""#, r#"" ""#, "1", "true", "{}", "[]"] {
        assert!(at(CHAT, &format!(r#"{{"service_tier":{value}}}"#)).is_err(), "{value}");
    }
    assert_eq!(at(CHAT, r#"{"service_tier":null}"#).unwrap().service_tier, None);
}

/// What servers read, who disagree on names: Go's in any case, protobuf's in two spellings, others as it is written. The last
/// one wins.
fn readers() -> [fn(&str, &str) -> bool; 3] {
    fn go(name: &str, known: &str) -> bool {
        let fold = |text: &str| text.replace('\u{17f}', "s").replace('\u{212a}', "k").to_ascii_lowercase();
        fold(name) == fold(known)
    }
    fn protobuf(name: &str, known: &str) -> bool {
        let camel = |text: &str| {
            let mut upper = false;
            let letter = |letter: char| match letter {
                '_' => {
                    upper = true;
                    None
                }
                _ => Some(if core::mem::take(&mut upper) { letter.to_ascii_uppercase() } else { letter }),
            };
            text.chars().filter_map(letter).collect::<String>()
        };
        name == known || name == camel(known)
    }
    [go, protobuf, |name, known| name == known]
}

proptest! {
    #[test]
    fn whatever_a_server_reads_was_read_or_refused(
        members in proptest::collection::vec(
            (
                proptest::sample::select(vec![
                    "model", "Model", "MODEL", "max_tokens", "maxTokens", "Max_Tokens", "max_to\u{212a}ens",
                    "n", "N", "stream", "\u{17f}tream", "STREAM", "best_of", "bestOf", "service_tier", "serviceTier", "user",
                ]),
                0..3u8,
                any::<bool>(),
            ),
            0..5,
        ),
    ) {
        let value = |name: &str, number: u8| match name.to_ascii_lowercase().trim_start_matches('\u{17f}') {
            "model" | "service_tier" | "servicetier" | "user" => json!(format!("v{number}")),
            "stream" | "tream" => json!(number == 1),
            _ => json!(number + 1),
        };
        let written = members.iter().map(|(name, number, escaped)| {
            let value = value(name, *number);
            let escape = |letter: char| format!("\\u{:04x}", letter as u32);
            let name: String = if *escaped { name.chars().map(escape).collect() } else { (*name).to_owned() };
            format!("\"{name}\":{value}")
        });
        let written: Vec<String> = written.collect();
        if let Ok(request) = read(&format!("{{{}}}", written.join(","))) {
            let text = |label: &Option<Label>| label.as_ref().map(|label| json!(label.to_string()));
            for same in readers() {
                let last = |known: &str| {
                    let last = members.iter().rev().find(|(name, ..)| same(name, known));
                    last.map(|(name, number, _)| value(name, *number))
                };
                prop_assert_eq!(last("model"), request.model.as_ref().map(|model| json!(model)));
                prop_assert_eq!(last("max_tokens"), request.output_limit.map(|limit| json!(limit)));
                prop_assert_eq!(last("stream").unwrap_or(json!(false)), json!(request.stream));
                prop_assert_eq!(last("service_tier"), text(&request.service_tier));
                let answers = |known: &str| last(known).and_then(|count| count.as_u64()).unwrap_or(1);
                prop_assert_eq!(answers("n").max(answers("best_of")), request.choices);
            }
        }
    }
}

const PREDICT: &str = "/v1/publishers/google/models/e:predict";

#[test]
fn of_what_vertex_predicts_embeddings_of_texts_are_taken_and_nothing_else() {
    for body in [
        r#"{"instances":[{"content":"a"},{"content":"b","title":"t","task_type":"X"}]}"#,
        r#"{"instances":[{"content":"a"}],"parameters":{"outputDimensionality":5,"autoTruncate":true}}"#,
        r#"{"instances":[{"content":"a","mimeType":"text/plain"}],"parameters":null}"#,
    ] {
        assert_eq!(at(PREDICT, body).unwrap().model.as_deref(), Some("e"), "{body}");
    }
    for body in [
        r#"{"instances":[{"prompt":"a cat"}],"parameters":{"sampleCount":4}}"#,
        r#"{"instances":[{"prompt":"a cat"}]}"#,
        r#"{"instances":[{"content":"a","prompt":"a cat"}]}"#,
        r#"{"instances":[{"content":"a"},{"prompt":"a cat"}]}"#,
        r#"{"instances":[{"content":"a"}],"parameters":{"sampleCount":4}}"#,
        r#"{"instances":[{"content":"a","c\u006fntext":"b"}]}"#,
        r#"{"instances":[{"content":{"a":1}}]}"#,
        r#"{"instances":[{"text":"a","image":{}}]}"#,
        r#"{"instances":[]}"#,
        r#"{"instances":{"content":"a"}}"#,
        r#"{"contents":[]}"#,
    ] {
        assert_eq!(at(PREDICT, body).unwrap_err(), LlmRequestError::NotEmbeddings, "{body}");
    }
}
