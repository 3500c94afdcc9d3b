//! What is read of multipart forms.

#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const FORM: &str = "--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n\0\r\n--b\r\n\
    --b0\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n\
    --b0\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--b0--\r\n";

fn form(content_type: &str, body: &str) -> Result<LlmRequest, LlmRequestError> {
    LlmRequest::read(&served("/v1/audio/transcriptions"), b"", content_type.as_bytes(), body.as_bytes())
}

#[test]
fn a_form_says_its_model_in_a_part_that_can_be_changed() {
    for content_type in
        ["multipart/form-data; boundary=b0", "multipart/form-data; Boundary=\"b0\"; charset=x"]
    {
        let request = form(content_type, FORM).unwrap();
        assert_eq!((request.model.as_deref(), request.stream), (Some("whisper"), true));
        let changed = edits::apply(FORM.as_bytes(), request.name_model("tiny"));
        assert_eq!(String::from_utf8(changed).unwrap(), FORM.replace("whisper", "tiny"));
    }
}

#[test]
fn a_form_without_a_model_gets_a_part_that_names_it_and_is_otherwise_left_alone() {
    const PART: &str = "--b0\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n";
    let content_type = "multipart/form-data; boundary=b0";
    let body = FORM.replace(PART, "");
    let request = form(content_type, &body).unwrap();
    assert_eq!(request.model, None);
    let changed = edits::apply(body.as_bytes(), request.name_model("vendor/tiny"));
    assert!(changed.ends_with(body.as_bytes()));
    // Another attempt may name another one.
    let changed = String::from_utf8(changed).unwrap();
    let again = form(content_type, &changed).unwrap();
    assert_eq!((again.model.as_deref(), again.stream), (Some("vendor/tiny"), true));
    let renamed = edits::apply(changed.as_bytes(), again.name_model("big"));
    assert_eq!(String::from_utf8(renamed).unwrap(), changed.replace("vendor/tiny", "big"));
}

#[test]
fn a_form_that_is_cut_or_unclear_is_refused() {
    for at in 0..FORM.len() - 6 {
        assert!(form("multipart/form-data; boundary=b0", &FORM[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(form("text/plain", FORM), Err(LlmRequestError::NotAForm));
    let json = form("application/json", r#"{"model":"gpt-image"}"#).unwrap();
    assert_eq!(json.model.as_deref(), Some("gpt-image"), "some take as JSON what others take as forms");
    let twice = FORM.replace("name=\"stream\"", "name=\"model\"");
    assert_eq!(form("multipart/form-data; boundary=b0", &twice), Err(LlmRequestError::Duplicate("model")));
}

proptest! {
    #[test]
    fn no_form_makes_the_reader_panic(body in "(--b0|\r\n|\r\n\r\n|name=\"model\"|content-disposition:|[ -~]){0,40}") {
        let _ = form("multipart/form-data; boundary=b0", &body);
    }

    #[test]
    fn after_the_edits_a_full_parser_sees_the_same_body_with_the_new_model(
        model in ".{1,40}", new in ".{1,40}", content: String, options in 0u8..4, pretty: bool, before: bool,
    ) {
        let mut body = json!({"stream": true});
        body[if before { "aaa" } else { "zzz" }] = json!([{"content": content, "model": "inner", "n": {"model": 1}}]);
        body["model"] = json!(model);
        match options {
            0 => body["stream_options"] = json!({}),
            1 => body["stream_options"] = json!({"include_usage": false, "z": [1]}),
            2 => body["stream_options"] = Json::Null,
            _ => {}
        }
        let text = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap();
        let request = chat(&text).unwrap();
        prop_assert_eq!(request.model.as_deref(), Some(model.as_str()));
        let edits = request.name_model(&new).into_iter().chain([request.ask_for_usage()]).collect();
        let changed: Json = serde_json::from_slice(&edits::apply(&text, edits)).unwrap();
        body["model"] = json!(new);
        if !body["stream_options"].is_object() {
            body["stream_options"] = json!({});
        }
        body["stream_options"]["include_usage"] = json!(true);
        prop_assert_eq!(changed, body);
    }
}
