//! What goes on and what comes back.

#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn names(list: &[&str]) -> Names {
    Names::new(list.iter().map(|name| (*name).into()).collect())
}

const APIS: [Api; 8] = [
    Api::OpenAi,
    Api::Azure,
    Api::Anthropic,
    Api::Gemini,
    Api::Vertex,
    Api::Bedrock,
    Api::Cohere,
    Api::Ollama,
];

#[test]
fn what_chooses_who_is_billed_or_how_a_request_is_read_goes_on_to_nobody() {
    for api in APIS {
        for name in [
            "openai-organization",
            "openai-project",
            "x-goog-user-project",
            "x-goog-fieldmask",
            "x-goog-request-params",
            "cookie",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-client-cert",
            "proxy-authorization",
            "x-http-method-override",
            "x-envoy-retry-on",
            "x-farebox-team",
            "x-litellm-api-key",
            "helicone-auth",
            "authorization",
            "x-api-key",
            "x-amz-security-token",
            "x-anything",
            "te",
            "via",
        ] {
            assert!(!passes_request(api, &names(&[]), name.as_bytes()), "{api:?} {name}");
        }
        for name in
            [":path", "accept", "content-type", "user-agent", "x-stainless-retry-count", "traceparent"]
        {
            assert!(passes_request(api, &names(&[]), name.as_bytes()), "{api:?} {name}");
        }
    }
}

#[test]
fn each_api_has_headers_of_its_own_and_an_operator_can_add_to_them() {
    let passes =
        |api, name: &str| passes_request(api, &names(&["x-own", "x-team-*", "x-api-key"]), name.as_bytes());
    assert!(passes(Api::Anthropic, "anthropic-beta") && !passes(Api::OpenAi, "anthropic-beta"));
    assert!(
        passes(Api::OpenAi, "x-own") && passes(Api::Bedrock, "x-team-a") && !passes(Api::OpenAi, "x-owner")
    );
    assert!(!passes(Api::Anthropic, "x-api-key"), "a credential never goes on");
}

#[test]
fn cookies_and_names_of_the_operators_account_do_not_come_back() {
    for api in APIS {
        for name in [
            "set-cookie",
            "openai-organization",
            "openai-project",
            "alt-svc",
            "location",
            "nel",
            "x-powered-by",
        ] {
            assert!(!passes_response(api, &names(&[]), name.as_bytes()), "{api:?} {name}");
        }
        for name in [":status", "content-type", "x-request-id", "x-ratelimit-remaining-tokens", "retry-after"]
        {
            assert!(passes_response(api, &names(&[]), name.as_bytes()), "{api:?} {name}");
        }
    }
    assert!(passes_response(Api::Bedrock, &names(&[]), b"x-amzn-requestid"));
}

#[test]
fn a_query_keeps_what_is_known_once_and_never_the_callers_key() {
    let kept = |api, query: &str| {
        let kept = kept_query(api, &names(&["debug"]), query.as_bytes(), b"fb_a_secret");
        String::from_utf8(kept).unwrap()
    };
    for (api, query, expected) in [
        (Api::Gemini, "alt=sse", "alt=sse"),
        (Api::Gemini, "key=fb_a_secret&alt=sse", "alt=sse"),
        (Api::Gemini, "alt=proto", ""),
        (Api::Gemini, "alt=sse&alt=proto", "alt=sse"),
        (Api::Gemini, "%61lt=proto&$alt=proto&fields=candidates&$fields=x&callback=f&prettyPrint=false", ""),
        (Api::Vertex, "fields=a;alt=sse", "alt=sse"),
        (Api::Azure, "api-version=2025-03-01-preview&x=1", "api-version=2025-03-01-preview"),
        (Api::Azure, "api-version=fb_a_secret", ""),
        (Api::Azure, "api-version=fb%5Fa%5Fsecret", ""),
        (Api::Anthropic, "beta=true", "beta=true"),
        (Api::OpenAi, "key=fb_a_secret&debug=1&api-version=2", "debug=1"),
        (Api::OpenAi, "", ""),
    ] {
        assert_eq!(kept(api, query), expected, "{api:?} {query}");
    }
}

#[test]
fn a_key_in_a_query_is_a_credential_for_googles_apis_alone() {
    assert_eq!(credential(Api::Gemini, b"alt=sse&key=fb_x"), Some(Some(b"fb_x".to_vec())));
    assert_eq!(credential(Api::Vertex, b"%6bey=fb_x"), Some(Some(b"fb_x".to_vec())));
    assert_eq!(credential(Api::Gemini, b"key=a&Key=b"), None);
    assert_eq!(credential(Api::OpenAi, b"key=fb_x"), Some(None));
}

#[test]
fn a_path_of_vertex_is_in_the_project_of_its_provider() {
    let placed = |path| placed(path, "ours", "eu");
    assert_eq!(
        placed("/v1/projects/theirs/locations/us/publishers/google/models/g:generateContent").as_deref(),
        Some("/v1/projects/ours/locations/eu/publishers/google/models/g:generateContent")
    );
    assert_eq!(
        placed("/v1beta1/publishers/google/models/g:countTokens").as_deref(),
        Some("/v1beta1/projects/ours/locations/eu/publishers/google/models/g:countTokens")
    );
    assert_eq!(placed("/v1/chat/completions"), None);
}

#[test]
fn a_parameter_that_an_operator_lets_pass_is_found_as_it_is_written() {
    let config = crate::config::testing::config(|json| {
        json["query"] = serde_json::json!({"pass": ["traceId"]});
    });
    let kept = kept_query(Api::OpenAi, &config.passed.query, b"traceId=7&x=1", b"fb_a_secret");
    assert_eq!(kept, b"traceId=7");
}

#[test]
fn a_path_of_vertex_without_a_project_is_served() {
    for path in
        ["/v1/publishers/google/models/g:generateContent", "/v1beta1/publishers/google/models/g:countTokens"]
    {
        assert_eq!(crate::dialect::Served::at(path).map(|served| served.api), Some(Api::Vertex), "{path}");
    }
}
