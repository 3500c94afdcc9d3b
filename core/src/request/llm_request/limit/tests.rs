//! Where a limit is lowered or set, and that nothing else of a body changes.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::base::edits;
use crate::dialect::Served;
use crate::request::llm_request::LlmRequest;

const VERTEX: &str = "/v1/projects/p/locations/l/publishers/anthropic/models/c";
use CompletionMember::{MaxCompletionTokens, MaxTokens};

fn read(path: &str, body: &str) -> LlmRequest {
    LlmRequest::read_sent(&Served::at(path).unwrap(), path.as_bytes(), b"", body.as_bytes()).unwrap()
}

fn limited(path: &str, body: &str, tokens: u64, member: CompletionMember) -> Option<String> {
    let edits = read(path, body).limit_output(tokens, member)?;
    Some(String::from_utf8(edits::apply(body.as_bytes(), edits)).unwrap())
}

#[test]
fn a_budget_for_thinking_is_lowered_with_the_limit_that_it_is_within() {
    let thinking = |budget: u64| format!(r#""thinking":{{"type":"enabled","budget_tokens":{budget}}}"#);
    let bedrock = |name: &str, max: u64, budget: u64| {
        format!(
            r#"{{"inferenceConfig":{{"maxTokens":{max}}},"additionalModelRequestFields":{{"{name}":{{"budget_tokens":{budget}}}}}}}"#
        )
    };
    let claude = |max: u64, budget: u64| format!(r#"{{"max_tokens":{max},{}}}"#, thinking(budget));
    let raw_predict = format!("{VERTEX}:rawPredict");
    for (path, body, expected) in [
        ("/v1/messages", claude(32_000, 16_000), claude(8_000, 4_000)),
        ("/v1/messages", claude(32_000, 31_999), claude(8_000, 7_999)),
        ("/v1/messages", claude(32_000, 2_000), claude(8_000, 1_024)),
        (&*raw_predict, claude(16_000, 8_000), claude(8_000, 4_000)),
        ("/model/m/invoke", claude(16_000, 8_000), claude(8_000, 4_000)),
        ("/model/m/converse", bedrock("thinking", 16_000, 8_000), bedrock("thinking", 8_000, 4_000)),
        (
            "/model/m/converse",
            bedrock("reasoning_config", 16_000, 8_000),
            bedrock("reasoning_config", 8_000, 4_000),
        ),
        // Above the limit already: with interleaved thinking it may be. Or too small to be taken.
        ("/v1/messages", claude(16_000, 20_000), claude(8_000, 20_000)),
        ("/v1/messages", claude(16_000, 1_000), claude(8_000, 1_000)),
        // It fits as it is.
        ("/v1/messages", claude(8_000, 4_000), claude(8_000, 4_000)),
    ] {
        assert_eq!(limited(path, &body, 8_000, MaxTokens), Some(expected), "{path} {body}");
    }
}

#[test]
fn a_budget_for_thinking_fits_a_limit_that_the_caller_did_not_set() {
    let body = |budget: u64, limit: &str| {
        format!(r#"{{{limit}"additionalModelRequestFields":{{"thinking":{{"budget_tokens":{budget}}}}}}}"#)
    };
    let set = r#""inferenceConfig":{"maxTokens":8000},"#;
    let converse = |budget| limited("/model/m/converse", &body(budget, ""), 8_000, MaxTokens).unwrap();
    assert_eq!(converse(20_000), body(5_999, set));
    assert_eq!(converse(4_000), body(4_000, set));
}

#[test]
fn only_a_budget_for_thinking_within_the_limit_needs_room() {
    let claude = |budget: u64| format!(r#"{{"max_tokens":9000,"thinking":{{"budget_tokens":{budget}}}}}"#);
    let needs = |budget| read("/v1/messages", &claude(budget)).least_thinking();
    assert_eq!([needs(4_000), needs(9_000), needs(1_023)], [1_024, 0, 0]);
    let gemini = r#"{"generationConfig":{"maxOutputTokens":9000,"thinkingConfig":{"thinkingBudget":4000}}}"#;
    assert_eq!(read("/v1beta/models/g:generateContent", gemini).least_thinking(), 0);
}

#[test]
fn a_limit_is_lowered_in_place_or_set_where_there_is_none() {
    for (path, body, expected) in [
        ("/v1/chat/completions", r#"{"max_tokens": 9000 , "n":2}"#, r#"{"max_tokens": 50 , "n":2}"#),
        ("/v1/chat/completions", r#"{"max_tokens":1e3}"#, r#"{"max_tokens":50}"#),
        (
            "/v1/chat/completions",
            r#"{"max_tokens":51,"max_completion_tokens":49}"#,
            r#"{"max_tokens":50,"max_completion_tokens":49}"#,
        ),
        ("/v1/completions", r#"{"prompt":"x"}"#, r#"{"max_tokens":50,"prompt":"x"}"#),
        ("/v1/responses", r#"{"max_output_tokens":null}"#, r#"{"max_output_tokens":50}"#),
        ("/v1/messages", r#"{"max_tokens":1024}"#, r#"{"max_tokens":50}"#),
        ("/v1beta/models/g:generateContent", "{}", r#"{"generationConfig":{"maxOutputTokens":50}}"#),
        (
            "/v1beta/models/g:streamGenerateContent",
            r#"{"generationConfig":{ "topK":1}}"#,
            r#"{"generationConfig":{"maxOutputTokens":50, "topK":1}}"#,
        ),
        (
            "/v1beta/models/g:generateContent",
            r#"{"generationConfig": null }"#,
            r#"{"generationConfig": {"maxOutputTokens":50} }"#,
        ),
        ("/model/m/converse", r#"{"inferenceConfig":{}}"#, r#"{"inferenceConfig":{"maxTokens":50}}"#),
        ("/model/m/invoke", r#"{"max_tokens":99}"#, r#"{"max_tokens":50}"#),
        (
            "/model/m/invoke-with-response-stream",
            r#"{"inferenceConfig":{"maxTokens":99}}"#,
            r#"{"inferenceConfig":{"maxTokens":50}}"#,
        ),
        ("/v2/chat", r#"{"max_tokens":51}"#, r#"{"max_tokens":50}"#),
        ("/api/chat", r#"{"options":{"num_predict":-2}}"#, r#"{"options":{"num_predict":50}}"#),
        ("/api/generate", r#"{"options":{"num_predict":"9"}}"#, r#"{"options":{"num_predict":50}}"#),
    ] {
        assert_eq!(limited(path, body, 50, MaxTokens).as_deref(), Some(expected), "{path}");
        assert_eq!(
            read(path, expected).limit_output(50, MaxTokens),
            Some(vec![]),
            "{path} allows no more already"
        );
    }
}

#[test]
fn the_provider_decides_which_member_limits_a_chat_that_has_none() {
    for (body, member, expected) in [
        ("{}", MaxTokens, r#"{"max_tokens":50}"#),
        ("{}", MaxCompletionTokens, r#"{"max_completion_tokens":50}"#),
        (r#"{"max_tokens":null}"#, MaxTokens, r#"{"max_tokens":50}"#),
        (r#"{"max_tokens":null}"#, MaxCompletionTokens, r#"{"max_completion_tokens":50,"max_tokens":null}"#),
        (r#"{"max_tokens":99}"#, MaxCompletionTokens, r#"{"max_tokens":50}"#),
    ] {
        assert_eq!(limited("/v1/chat/completions", body, 50, member).as_deref(), Some(expected));
    }
}

#[test]
fn a_null_beside_a_limit_is_left_because_openai_refuses_both_members_together() {
    let body = r#"{"max_tokens":null,"max_completion_tokens":64}"#;
    let expected = r#"{"max_tokens":null,"max_completion_tokens":50}"#;
    assert_eq!(limited("/v1/chat/completions", body, 50, MaxTokens).as_deref(), Some(expected));
    assert_eq!(limited("/v1/chat/completions", body, 64, MaxTokens).as_deref(), Some(body));
}

#[test]
fn zero_tokens_are_one_because_zero_is_no_limit_to_some() {
    assert_eq!(limited("/api/chat", "{}", 0, MaxTokens).unwrap(), r#"{"options":{"num_predict":1}}"#);
    assert_eq!(limited("/v1/messages", r#"{"max_tokens":1}"#, 0, MaxTokens).unwrap(), r#"{"max_tokens":1}"#);
}

#[test]
fn what_has_no_limit_cannot_be_limited() {
    for path in [
        "/v1/embeddings",
        "/v1/images/generations",
        "/v1/audio/speech",
        "/v1/moderations",
        "/v1/rerank",
        "/v1/messages/count_tokens",
        "/v1beta/models/g:embedContent",
        "/v1beta/models/g:countTokens",
        "/v1/embed",
        "/v2/embed",
        "/v2/rerank",
        "/api/embed",
    ] {
        let request = read(path, r#"{"model":"m","max_tokens":99}"#);
        assert_eq!((request.limit_output(50, MaxTokens), request.output_limit), (None, None), "{path}");
    }
    let form = b"--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--";
    let served = Served::at("/v1/audio/transcriptions").unwrap();
    let request = LlmRequest::read_sent(&served, b"", b"multipart/form-data; boundary=b", form).unwrap();
    assert_eq!(request.limit_output(50, MaxTokens), None);
}

#[test]
fn ollama_takes_zero_and_less_for_no_limit() {
    for (number, limit) in [("0", None), ("-1", None), ("7", Some(7))] {
        let body = format!(r#"{{"options":{{"num_predict":{number}}}}}"#);
        assert_eq!(read("/api/chat", &body).output_limit, limit, "{number}");
    }
}

#[test]
fn another_dialects_member_is_no_limit() {
    let request =
        read("/v1/messages", r#"{"max_tokens":5,"max_output_tokens":9000,"options":{"num_predict":7}}"#);
    assert_eq!((request.output_limit, request.limit_output(5, MaxTokens)), (Some(5), Some(vec![])));
}

#[test]
fn of_limits_that_some_servers_read_the_largest_counts_and_all_are_lowered() {
    for (path, body, limit, lowered) in [
        (
            "/v1/chat/completions",
            r#"{"max_tokens":5,"n_predict":9000}"#,
            Some(9_000),
            r#"{"max_tokens":5,"n_predict":50}"#,
        ),
        (
            "/v1/chat/completions",
            r#"{"max_tokens":5,"n_predict":-1}"#,
            None,
            r#"{"max_tokens":5,"n_predict":50}"#,
        ),
        ("/v1/chat/completions", r#"{"max_tokens":0}"#, None, r#"{"max_tokens":50}"#),
        ("/v1/chat/completions", r#"{"n_predict":9000}"#, None, r#"{"max_tokens":50,"n_predict":50}"#),
        (
            "/v1/responses",
            r#"{"max_output_tokens":60,"n_predict":-2}"#,
            None,
            r#"{"max_output_tokens":50,"n_predict":50}"#,
        ),
        (
            "/v1/completions",
            r#"{"max_tokens":70,"max_new_tokens":80}"#,
            Some(80),
            r#"{"max_tokens":50,"max_new_tokens":50}"#,
        ),
        ("/v1/messages", r#"{"max_tokens":0}"#, Some(0), r#"{"max_tokens":0}"#),
        ("/model/m/invoke", r#"{"max_gen_len":60}"#, Some(60), r#"{"max_gen_len":50}"#),
        (
            "/model/m/invoke",
            r#"{"textGenerationConfig":{"maxTokenCount":60}}"#,
            Some(60),
            r#"{"textGenerationConfig":{"maxTokenCount":50}}"#,
        ),
        (
            "/v1beta/models/g:generateContent",
            r#"{"generation_config":{"max_output_tokens":60}}"#,
            Some(60),
            r#"{"generation_config":{"max_output_tokens":50}}"#,
        ),
    ] {
        assert_eq!(read(path, body).output_limit, limit, "{path} {body}");
        assert_eq!(limited(path, body, 50, MaxTokens).as_deref(), Some(lowered), "{path} {body}");
    }
}

/// The paths of the endpoints that can be limited, and where each of their limits stands.
const LIMITED: [(&str, &[&str]); 14] = [
    ("/v1/chat/completions", &["max_tokens", "max_completion_tokens"]),
    ("/v1/completions", &["max_tokens"]),
    ("/v1/responses", &["max_output_tokens"]),
    ("/v1/messages", &["max_tokens"]),
    ("rawPredict", &["max_tokens"]),
    ("streamRawPredict", &["max_tokens"]),
    ("/v1beta/models/g:generateContent", &["generationConfig.maxOutputTokens"]),
    ("/v1beta/models/g:streamGenerateContent", &["generationConfig.maxOutputTokens"]),
    ("/model/m/converse", &["inferenceConfig.maxTokens"]),
    ("/model/m/converse-stream", &["inferenceConfig.maxTokens"]),
    ("/model/m/invoke", &["max_tokens", "inferenceConfig.maxTokens"]),
    ("/v2/chat", &["max_tokens"]),
    ("/api/chat", &["options.num_predict"]),
    ("/api/generate", &["options.num_predict"]),
];

fn get<'b>(body: &'b Map<String, Json>, place: &str) -> Option<&'b Json> {
    match place.split_once('.') {
        Some((object, name)) => body.get(object)?.get(name),
        None => body.get(place),
    }
}

fn set(body: &mut Map<String, Json>, place: &str, value: Json) {
    let Some((object, name)) = place.split_once('.') else {
        body.insert(place.into(), value);
        return;
    };
    let object = body.entry(object).or_insert(json!({}));
    if !object.is_object() {
        *object = json!({});
    }
    object[name] = value;
}

/// What the body must be once at most `tokens` are allowed.
fn expected(
    body: &mut Map<String, Json>,
    path: &str,
    places: &[&str],
    tokens: u64,
    member: CompletionMember,
) {
    let limit = |place: &str| get(body, place).and_then(Json::as_u64).filter(|&limit| limit > 0);
    // What some servers read is lowered as well.
    let read_by_some: &[&str] = match path {
        "/v1/chat/completions" | "/v1/completions" | "/v1/responses" => {
            &["max_tokens", "max_completion_tokens", "max_output_tokens"]
        }
        path if path == "/v1/messages" || path.ends_with("awPredict") || path == "/model/m/invoke" => {
            &["max_completion_tokens"]
        }
        _ => &[],
    };
    let above: Vec<&str> = read_by_some.iter().copied().filter(|place| limit(place) > Some(tokens)).collect();
    above.into_iter().for_each(|place| set(body, place, json!(tokens)));
    let limit = |place: &str| get(body, place).and_then(Json::as_u64).filter(|&limit| limit > 0);
    let limiting: Vec<&str> = places.iter().copied().filter(|place| limit(place).is_some()).collect();
    let above: Vec<&str> = limiting.iter().copied().filter(|place| limit(place) > Some(tokens)).collect();
    if !limiting.is_empty() {
        above.into_iter().for_each(|place| set(body, place, json!(tokens)));
        return;
    }
    let second = match path {
        "/v1/chat/completions" => member == MaxCompletionTokens,
        "/model/m/invoke" => body.contains_key("inferenceConfig"),
        _ => false,
    };
    set(body, places[usize::from(second)], json!(tokens));
}

/// JSON text with white space at every place where it may stand, of a width that `spaces` chooses.
fn spaced(value: &Json, spaces: &mut impl Iterator<Item = usize>) -> String {
    const SPACES: [&str; 4] = ["", " ", "\n  ", "\t\r\n"];
    let mut space = || SPACES[spaces.next().unwrap_or_default() % SPACES.len()];
    let Json::Object(members) = value else { return format!("{}{value}{}", space(), space()) };
    let (before, inside, after) = (space(), space(), space());
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{inside}{}{after}:{}", json!(name), spaced(value, spaces)))
        .collect();
    format!("{before}{{{}{inside}}}{after}", members.join(","))
}

fn limit() -> BoxedStrategy<Json> {
    prop_oneof![3 => (1u64..200).prop_map(Json::from), 1 => Just(Json::Null)].boxed()
}

/// What may stand where a limit stands in an object of its own.
fn container(name: &'static str, limit: BoxedStrategy<Json>) -> BoxedStrategy<Json> {
    prop_oneof![
        Just(Json::Null),
        Just(json!({})),
        Just(json!({"a": {"max_tokens": 7}, "z": [1, {}]})),
        limit.clone().prop_map(move |limit| json!({ name: limit })),
        limit.prop_map(move |limit| json!({"a": "}", name: limit, "z": {}})),
    ]
    .boxed()
}

fn body() -> impl Strategy<Value = Map<String, Json>> {
    let predict = prop_oneof![limit(), (-2i64..1).prop_map(Json::from), Just(json!("9"))].boxed();
    let members: Vec<(&str, BoxedStrategy<Json>)> = vec![
        ("a", Just(json!("{\"max_tokens\":1}")).boxed()),
        ("model", ".{1,9}".prop_map(Json::from).boxed()),
        ("stream_options", container("include_usage", any::<bool>().prop_map(Json::from).boxed())),
        ("max_tokens", limit()),
        ("max_completion_tokens", limit()),
        ("max_output_tokens", limit()),
        ("generationConfig", container("maxOutputTokens", limit())),
        ("inferenceConfig", container("maxTokens", limit())),
        ("options", container("num_predict", predict)),
        ("z", Just(json!([{"model": "inner"}])).boxed()),
    ];
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| prop::option::of(value.prop_map(move |value| (name.to_owned(), value))))
        .collect();
    members.prop_map(|members| members.into_iter().flatten().collect())
}

proptest! {
    #[test]
    fn all_edits_together_change_exactly_what_they_are_for(
        (path, places) in prop::sample::select(&LIMITED[..]),
        mut body in body(),
        tokens in 1u64..200,
        member in prop_oneof![Just(MaxTokens), Just(MaxCompletionTokens)],
        spaces in prop::collection::vec(0usize..4, 0..40),
    ) {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("{VERTEX}:{path}") };
        let text = spaced(&Json::Object(body.clone()), &mut spaces.into_iter().cycle());
        let request = read(&path, &text);
        let named = request.name_model("new");
        if !named.is_empty() {
            body.insert("model".into(), json!("new"));
        }
        let asks = request.endpoint.reports_usage_on_request();
        if asks {
            set(&mut body, "stream_options.include_usage", json!(true));
        }
        expected(&mut body, &path, places, tokens, member);

        let mut edits: Vec<Edit> = named.into_iter().chain(asks.then(|| request.ask_for_usage())).collect();
        edits.extend(request.limit_output(tokens, member).unwrap());
        let changed = edits::apply(text.as_bytes(), edits);
        let again = read(&path, core::str::from_utf8(&changed).unwrap());
        prop_assert_eq!(serde_json::from_slice::<Json>(&changed).unwrap(), Json::Object(body));
        prop_assert!(again.output_limit.is_some_and(|limit| limit <= tokens), "{:?}", again.output_limit);
        prop_assert_eq!(again.limit_output(tokens, member), Some(vec![]));
    }
}
