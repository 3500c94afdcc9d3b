//! Members that mean something else elsewhere, and those that stand where one might not look.

use super::*;

fn at(path: &str, body: &str) -> Result<Ask, AskError> {
    Ask::read(&served(path), path.as_bytes(), b"", body.as_bytes())
}

const CHAT: &str = "/v1/chat/completions";
const GEMINI: &str = "/v1beta/models/g:generateContent";

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
        let ask = at(path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"));
        let noticed = (ask.other_models, ask.background, ask.may_raise, ask.speed);
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
        assert!(matches!(at(path, body), Err(AskError::Duplicate(_))), "{path} {body}");
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
