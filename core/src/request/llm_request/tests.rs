//! What is understood of a body, what is refused, and that an edit changes nothing else.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base::edits;

mod forms;
mod members;

fn served(path: &str) -> Served {
    Served::at(path).unwrap()
}

fn chat(body: &[u8]) -> Result<LlmRequest, LlmRequestError> {
    LlmRequest::read(&served("/v1/chat/completions"), b"", b"", body)
}

fn read(body: &str) -> Result<LlmRequest, LlmRequestError> {
    chat(body.as_bytes())
}

#[test]
fn the_members_that_matter_are_read_wherever_they_stand() {
    let request = read(
        r#"{"messages":[{"role":"user","content":"\"model\":\"x\""}],"n":2,"stream":true,"max_tokens":null,
            "max_completion_tokens":64,"stream_options":{"include_usage":true},"user":"ann","mod\u0065l":"gpt\u002d4o"}"#,
    )
    .unwrap();
    assert_eq!((request.model.as_deref(), request.stream, request.wants_usage), (Some("gpt-4o"), true, true));
    assert_eq!(
        (request.choices, request.output_limit, request.attribution.user.unwrap().as_str()),
        (2, Some(64), "ann")
    );
}

#[test]
fn an_unclear_body_is_refused_with_the_reason() {
    for (body, error) in [
        ("", "The request has no body."),
        (" \n", "The request has no body."),
        ("[]", "The request body must be a JSON object."),
        ("\"model\"", "The request body must be a JSON object."),
        ("{\"model\":\"a\"", "The request body is JSON that ends too early."),
        ("{\"model\" \"a\"}", "The request body is not valid JSON at byte 9."),
        ("{\"model\":\"a\",\"mo\\u0064el\":\"b\"}", "The request body has 'model' more than once."),
        ("{\"max_tokens\":1,\"max_tokens\":2}", "The request body has 'max_tokens' more than once."),
        ("{\"model\":7}", "'model' must be a string of at most 256 bytes."),
        ("{\"model\":\"\"}", "'model' must be the name of a model."),
        ("{\"model\":\"a\",\"stream\":\"yes\"}", "'stream' must be true or false."),
        ("{\"model\":\"a\",\"n\":-1}", "'n' must be a whole number that is not negative."),
        ("{\"model\":\"a\",\"max_tokens\":1.5}", "'max_tokens' must be a whole number that is not negative."),
        ("{\"model\":\"a\",\"stream_options\":1}", "'stream_options' must be an object."),
    ] {
        assert_eq!(read(body).unwrap_err().to_string(), error, "{body}");
    }
    let deep = format!("{{\"model\":\"a\",\"x\":{}", "[".repeat(100_000));
    assert_eq!(read(&deep).unwrap_err().to_string(), "The request body is nested deeper than 512 levels.");
}

#[test]
fn a_member_in_another_spelling_is_refused_in_every_dialect() {
    for (path, body) in [
        ("/v1/chat/completions", r#"{"model":"small","MODEL":"big"}"#),
        ("/v1/chat/completions", r#"{"model":"small","Max_Tokens":9}"#),
        ("/v1/chat/completions", r#"{"model":"small","maxTokens":9}"#),
        ("/v1/chat/completions", r#"{"model":"small","Stream":true}"#),
        ("/v1/chat/completions", r#"{"model":"small","N":4}"#),
        ("/v1/chat/completions", r#"{"model":"small","\u017ftream":true}"#),
        ("/v1/chat/completions", r#"{"model":"small","stream_options":{"Include_Usage":true}}"#),
        ("/v1/messages", r#"{"model":"small","max-tokens":9}"#),
        ("/v1beta/models/g:generateContent", r#"{"GenerationConfig":{}}"#),
        ("/v1beta/models/g:generateContent", r#"{"generationConfig":{"MAXOUTPUTTOKENS":9}}"#),
        ("/model/m/converse", r#"{"InferenceConfig":{}}"#),
        ("/api/chat", r#"{"model":"small","options":{"Num_Predict":9}}"#),
        ("/v2/chat", r#"{"model":"small","Model":"big"}"#),
    ] {
        let error = LlmRequest::read(&served(path), path.as_bytes(), b"", body.as_bytes()).unwrap_err();
        assert!(matches!(error, LlmRequestError::Misspelled(_)), "{path} {body}: {error}");
    }
    // Both spellings of protobuf's are one member, and what is the caller's own may have any name.
    let twice = br#"{"generationConfig":{"maxOutputTokens":5},"generation_config":{"max_output_tokens":9}}"#;
    let path = "/v1beta/models/g:generateContent";
    assert!(matches!(
        LlmRequest::read(&served(path), path.as_bytes(), b"", twice),
        Err(LlmRequestError::Duplicate(_))
    ));
    assert!(
        read(r#"{"model":"a","metadata":{"userId":"x","USER_ID":"y"},"messages":[{"Model":"z"}]}"#).is_ok()
    );
}

#[test]
fn what_multiplies_is_multiplied() {
    let answers = |path: &str, body: &str| {
        LlmRequest::read(&served(path), path.as_bytes(), b"", body.as_bytes()).unwrap().choices
    };
    for (path, body, expected) in [
        ("/v1/completions", r#"{"prompt":["a","b","c"]}"#, 3),
        ("/v1/completions", r#"{"prompt":["a","b"],"n":2,"best_of":5}"#, 10),
        ("/v1/completions", r#"{"prompt":[[1,2],[3]],"n":2}"#, 4),
        ("/v1/completions", r#"{"prompt":[1,2,3]}"#, 1),
        ("/v1/completions", r#"{"prompt":"a","best_of":20}"#, 20),
        ("/v1/chat/completions", r#"{"n":3,"best_of":9}"#, 9),
        ("/v1/chat/completions", r#"{"n":3,"n_cmpl":4}"#, 4),
        ("/openai/deployments/d/chat/completions", r#"{"n":3,"prompt":["a","b"]}"#, 3),
        ("/v1beta/models/g:generateContent", r#"{"generation_config":{"candidate_count":4}}"#, 4),
    ] {
        assert_eq!(answers(path, body), expected, "{path} {body}");
    }
}

#[test]
fn the_tier_the_speed_and_the_place_that_are_asked_for_are_read_in_every_dialect() {
    let said = |path: &str, body: &str| {
        let request = LlmRequest::read(&served(path), path.as_bytes(), b"", body.as_bytes()).unwrap();
        let text = |label: Option<Label>| label.map(|label| label.to_string()).unwrap_or_default();
        [request.service_tier, request.speed, request.inference_geo, request.search_context_size]
            .map(text)
            .join(" ")
    };
    assert_eq!(
        said(
            "/v1/chat/completions",
            r#"{"service_tier":"flex","web_search_options":{"search_context_size":"low"}}"#
        ),
        "flex   low"
    );
    assert_eq!(
        said("/v1/messages", r#"{"service_tier":"auto","speed":"fast","inference_geo":"us"}"#),
        "auto fast us "
    );
    assert_eq!(said("/v1beta/models/g:generateContent", r#"{"serviceTier":"priority"}"#), "priority   ");
    assert_eq!(
        said(
            "/model/m/converse",
            r#"{"serviceTier":{"type":"flex"},"performanceConfig":{"latency":"optimized"}}"#
        ),
        "flex optimized  "
    );
    assert!(read(r#"{"model":"a","service_tier":2}"#).is_err());
}

#[test]
fn a_model_that_is_named_again_must_be_the_paths_and_is_renamed_with_it() {
    let path = "/v1beta/models/emb:batchEmbedContents";
    let body = r#"{"requests":[{"model":"models/emb","content":{}},{"model":"emb"}]}"#;
    let request = LlmRequest::read(&served(path), path.as_bytes(), b"", body.as_bytes()).unwrap();
    let renamed = edits::apply(body.as_bytes(), request.name_model("e-2"));
    let expected = r#"{"requests":[{"model":"models/e-2","content":{}},{"model":"e-2"}]}"#;
    assert_eq!(String::from_utf8(renamed).unwrap(), expected);
    for (path, body) in [
        (path, r#"{"requests":[{"model":"models/emb"},{"model":"models/other"}]}"#),
        ("/v1beta/models/emb:embedContent", r#"{"model":"models/other"}"#),
        ("/v1beta/models/g:countTokens", r#"{"generateContentRequest":{"model":"models/other"}}"#),
        ("/openai/deployments/d/chat/completions", r#"{"model":"other"}"#),
    ] {
        assert_eq!(
            LlmRequest::read(&served(path), path.as_bytes(), b"", body.as_bytes()),
            Err(LlmRequestError::OtherModel),
            "{path}"
        );
    }
}

#[test]
fn members_that_name_other_models_wait_for_later_or_may_raise_what_is_used_are_noticed() {
    let noticed = |body: &str| {
        let request = LlmRequest::read(&served("/v1/responses"), b"", b"", body.as_bytes()).unwrap();
        (request.other_models, request.background, request.stored_prompt, request.may_raise.is_some())
    };
    let nothing = (false, false, false, false);
    for body in [
        r#"{"models":["a"]}"#,
        r#"{"fallbacks":[{"model":"a"}]}"#,
        r#"{"tools":[{"type":"image_generation","model":"a"}]}"#,
        r#"{"fallbacks":"a"}"#,
        r#"{"route":"fallback"}"#,
        r#"{"extra_body":{"model":"a"}}"#,
    ] {
        assert_eq!(noticed(body), (true, false, false, false), "{body}");
    }
    assert_eq!(
        noticed(r#"{"models":[],"fallbacks":null,"tools":[{"type":"function"}],"background":null}"#),
        nothing
    );
    assert!(noticed(r#"{"speculative_model":"a"}"#).0);
    let converse = br#"{"fallback_models":["a"]}"#;
    assert!(
        LlmRequest::read(&served("/model/m/converse"), b"/model/m/converse", b"", converse)
            .unwrap()
            .other_models
    );
    assert_eq!(noticed(r#"{"background":true}"#), (false, true, false, false));
    assert_eq!(noticed(r#"{"prompt":{"id":"pmpt_1"}}"#), (false, false, true, false));
    assert_eq!(noticed(r#"{"num_return_sequences":9}"#), (false, false, false, true));
}

#[test]
fn what_the_provider_keeps_is_noticed_wherever_it_is_named() {
    let kept = |path: &str, body: &str| {
        let request = LlmRequest::read(&served(path), path.as_bytes(), b"", body.as_bytes()).unwrap();
        request.stored_state || !request.stored_ids.is_empty()
    };
    let (responses, gemini) = ("/v1/responses", "/v1beta/models/g:generateContent");
    for (path, body) in [
        (responses, r#"{"previous_response_id":"resp_1"}"#),
        (responses, r#"{"previous\u005fresponse_id":"resp_1"}"#),
        (responses, r#"{"conversation":{"id":"conv_1"}}"#),
        (responses, r#"{"conversation":"conv_1"}"#),
        (responses, r#"{"conversation":7}"#),
        (responses, r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#),
        (responses, r#"{"input":[{"type":"message","content":"x"},{"\u0069d":"msg_1"}]}"#),
        (responses, r#"{"input":[{"content":[{"type":"input_file","file_id":"file-1"}]}]}"#),
        (responses, r#"{"tools":[{"type":"code_interpreter","container":"cntr_1"}]}"#),
        (responses, r#"{"tools":[{"type":"code_interpreter","container":{"file_ids":["file-1"]}}]}"#),
        (responses, r#"{"tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]}"#),
        ("/v1/messages", r#"{"container":"container_1"}"#),
        (gemini, r#"{"cachedContent":"cachedContents/1"}"#),
        (gemini, r#"{"cached_content":"cachedContents/1"}"#),
    ] {
        assert!(kept(path, body), "{path} {body}");
    }
    for body in [
        r#"{"previous_response_id":null}"#,
        r#"{"input":"file_id"}"#,
        r#"{"input":[{"content":"previous_response_id"}]}"#,
        r#"{"input":[{"id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"x"}]},"x",{}]}"#,
        r#"{"input":[{"id":null,"type":"item"}],"tools":[{"container":{"type":"auto"}}],"conversation":null}"#,
        r#"{"tools":[{"type":"file_search","vector_store_ids":[]}]}"#,
    ] {
        assert!(!kept(responses, body), "{body}");
    }
}

#[test]
fn a_number_too_long_to_be_read_whole_is_refused_and_not_taken_for_its_beginning() {
    for number in [format!("1e{}5", "0".repeat(300)), format!("1.{}e5", "0".repeat(300))] {
        for name in ["max_tokens", "n"] {
            let error = read(&format!("{{\"{name}\":{number}}}")).unwrap_err();
            assert_eq!(error, LlmRequestError::WrongKind(name, "a whole number that is not negative"));
        }
        let body = format!("{{\"options\":{{\"num_predict\":{number}}}}}");
        let request = LlmRequest::read(&served("/api/chat"), b"", b"", body.as_bytes()).unwrap();
        assert_eq!(request.output_limit, None);
    }
}

#[test]
fn naming_the_same_model_changes_nothing() {
    assert_eq!(read(r#"{"model":"a"}"#).unwrap().name_model("a"), vec![]);
}

#[test]
fn edits_change_what_they_are_for_and_no_other_byte() {
    for (body, expected) in [
        (
            r#"{ "a" : 1, "model" : "x" , "b":[ ]}"#,
            r#"{"stream_options":{"include_usage":true}, "a" : 1, "model" : "y\"z" , "b":[ ]}"#,
        ),
        (r#" {"b":2}"#, r#" {"model":"y\"z","stream_options":{"include_usage":true},"b":2}"#),
        (
            r#"{"model":"x","stream_options":{ }}"#,
            r#"{"model":"y\"z","stream_options":{"include_usage":true }}"#,
        ),
        (
            r#"{"stream_options":{"k":1},"model":"x"}"#,
            r#"{"stream_options":{"include_usage":true,"k":1},"model":"y\"z"}"#,
        ),
        (
            r#"{"stream_options":{"include_usage": false},"model":"x"}"#,
            r#"{"stream_options":{"include_usage": true},"model":"y\"z"}"#,
        ),
        (
            r#"{"stream_options":null,"model":"x"}"#,
            r#"{"stream_options":{"include_usage":true},"model":"y\"z"}"#,
        ),
    ] {
        let request = read(body).unwrap();
        let edits = [request.name_model("y\"z"), vec![request.ask_for_usage()]].concat();
        assert_eq!(String::from_utf8(edits::apply(body.as_bytes(), edits)).unwrap(), expected);
    }
}

#[test]
fn a_model_can_be_named_in_an_empty_object() {
    let request = read("{ }").unwrap();
    assert_eq!(edits::apply(b"{ }", request.name_model("m")), br#"{"model":"m" }"#);
}

#[test]
fn a_model_in_the_path_is_read_and_changed_there() {
    let path = "/model/eu.anthropic.claude%3A0/converse-stream?x=%3A";
    let request =
        LlmRequest::read(&served(path.split('?').next().unwrap()), path.as_bytes(), b"", b"{\"model\":7}");
    assert_eq!(request.unwrap_err(), LlmRequestError::WrongKind("model", "a string of at most 256 bytes"));
    let body = br#"{"inferenceConfig":{"maxTokens":9}}"#;
    let request =
        LlmRequest::read(&served(path.split('?').next().unwrap()), path.as_bytes(), b"", body).unwrap();
    assert_eq!(
        (request.model.as_deref(), request.stream, request.output_limit),
        (Some("eu.anthropic.claude:0"), true, Some(9))
    );
    assert_eq!(request.name_model("other"), vec![]);
    assert_eq!(request.path_naming(path.as_bytes(), "eu.anthropic.claude:0"), None);
    let changed = request.path_naming(path.as_bytes(), "us/x:1").unwrap();
    assert_eq!(String::from_utf8(changed).unwrap(), "/model/us%2Fx%3A1/converse-stream?x=%3A");
}

#[test]
fn the_limits_of_every_dialect_are_read() {
    for (path, body, stream, limit, choices) in [
        (
            "/v1beta/models/g:generateContent",
            r#"{"generationConfig":{"maxOutputTokens":5,"candidateCount":2}}"#,
            false,
            Some(5),
            2,
        ),
        ("/v1beta/models/g:streamGenerateContent", "{}", true, None, 1),
        ("/api/chat", r#"{"model":"m","options":{"num_predict":7}}"#, true, Some(7), 1),
        ("/api/chat", r#"{"model":"m","stream":false,"options":{"num_predict":-1}}"#, false, None, 1),
        ("/v2/chat", r#"{"model":"m","stream":true,"max_tokens":3}"#, true, Some(3), 1),
    ] {
        let request = LlmRequest::read(&served(path), path.as_bytes(), b"", body.as_bytes()).unwrap();
        assert_eq!(
            (request.stream, request.output_limit, request.choices),
            (stream, limit, choices),
            "{path} {body}"
        );
    }
}
