//! What a configuration promises that is sent by headers alone, and cannot keep.

use super::*;

const BUDGET: &str = r#""name": "a", "window": "day", "limit_usd": 1"#;

/// The mistakes in a document with `headers_only` in which the part `key` is `value`.
fn mistakes_with(key: &str, value: &str) -> String {
    let text = with(key, value);
    mistakes(&text.replacen('{', r#"{"headers_only": {"model_header": "X-Model"}, "#, 1))
}

#[test]
fn budgets_that_need_the_body_are_refused() {
    for (rest, expected) in [
        (
            r#""mode": "strict""#,
            "budgets[0].mode: cannot be kept with headers_only: it lowers the output limit in the body",
        ),
        (
            r#""downgrade": {"model": "fast"}"#,
            "budgets[0].downgrade: cannot be kept with headers_only: it names another model in the body",
        ),
        (
            r#""per": "model""#,
            "budgets[0].per: cannot be kept with headers_only: the model stands in the body",
        ),
        (
            r#""per": ["session", "request"]"#,
            "budgets[0].per[1]: cannot be kept with headers_only: requests are told apart by their bodies",
        ),
        (r#""per": ["team", "provider"], "mode": "hold""#, ""),
    ] {
        assert_eq!(mistakes_with("budgets", &format!("[{{{BUDGET}, {rest}}}]")), expected);
    }
}

#[test]
fn the_models_of_a_key_are_refused() {
    let key = format!(r#"[{{"id": "a", "sha256": "{SHA}", "team": "search", "models": ["fast"]}}]"#);
    assert_eq!(
        mistakes_with("keys", &key),
        "keys[0].models: cannot be kept with headers_only: the model stands in the body"
    );
}

#[test]
fn the_header_is_kept_in_lower_case_and_may_be_left_out() {
    let header = |value: &str| {
        let config = parse(&with("headers_only", value)).unwrap();
        config.headers_only.unwrap().model_header
    };
    assert_eq!(header(r#"{"model_header": "X-Model"}"#).as_deref(), Some("x-model"));
    assert_eq!(header("{}"), None);
    check(&[
        ("headers_only", "true", &["headers_only: must be an object, not a boolean"]),
        (
            "headers_only",
            r#"{"model": "x"}"#,
            &["headers_only.model: unknown key (known here: model_header)"],
        ),
    ]);
}
