//! Pages of the gateway's own, and paths at which nothing is: each client is answered in its own form.

use super::*;

fn get(path: &str, headers: &[(&str, &str)]) -> Stream {
    let vm = start();
    let mut stream = vm.stream();
    let mut head = head("GET", path, "demo");
    head.extend(pairs(headers));
    assert_eq!(stream.request(head, true), Action::Pause, "{path}");
    stream
}

#[test]
fn every_client_gets_the_list_of_models_in_its_own_form() {
    for (path, header, list, member, name) in [
        ("/v1/models", ("user-agent", "OpenAI/Python 3.57.0"), "data", "id", "plain"),
        ("/v1/models?limit=1000", ("anthropic-version", "2026-10-21"), "data", "id", "plain"),
        ("/v1/models?pageSize=100", ("x-goog-api-client", "google-genai"), "models", "name", "models/plain"),
        ("/v1beta/models", ("accept", "*/*"), "models", "name", "models/plain"),
        ("/v1/models", ("user-agent", "cohere/7.3.1"), "models", "name", "plain"),
        ("/api/tags", ("accept", "*/*"), "models", "model", "plain"),
    ] {
        let mut stream = get(path, &[header]);
        let page = stream.response().unwrap().json();
        let names: Vec<_> = page[list].as_array().unwrap().iter().map(|entry| &entry[member]).collect();
        assert!(names.contains(&&json!(name)), "{path}: {page}");
        assert_eq!(stream.log()["outcome"], "local", "{path}");
    }
}

#[test]
fn a_google_client_may_show_its_key_in_the_query_of_a_list() {
    let vm = start();
    for path in ["/v1/models", "/v1beta/models", "/v1beta/models/plain"] {
        let mut stream = vm.stream();
        let path = format!("{path}?key={}", key_text("demo"));
        let mut head = head("GET", &path, "demo");
        head.retain(|(name, _)| name != b"authorization");
        stream.request(head, true);
        let response = stream.response().unwrap();
        assert_eq!(response.status, 200, "{path}: {}", response.json());
        let page = response.json();
        assert!(page["models"].is_array() || page["name"] == "models/plain", "{page}");
    }
}

#[test]
fn ollamas_clients_are_shown_the_model_that_their_body_names() {
    let vm = start();
    for (body, status, member) in [
        (r#"{"model":"plain"}"#, 200, "capabilities"),
        (r#"{"model":"nothing"}"#, 404, "error"),
        ("{}", 400, "error"),
        ("plain", 400, "error"),
    ] {
        let mut stream = vm.stream();
        assert_eq!(stream.request(head("POST", "/api/show", "demo"), false), Action::Pause);
        assert_eq!(stream.body(body.as_bytes(), true), Action::Pause);
        let response = stream.response().unwrap();
        assert_eq!(response.status, status, "{body}");
        assert!(!response.json()[member].is_null(), "{body}: {}", response.json());
        assert!(stream.sent().is_none());
        let record = stream.log();
        assert_eq!(record["outcome"], if status == 200 { "local" } else { "denied" }, "{body}");
    }
    assert_eq!(team(&vm), (nothing(), nothing()));
}

#[test]
fn a_wrong_base_url_is_told_the_right_path_in_the_clients_dialect() {
    let text = |json: Value| {
        let message = json["error"]["message"].as_str().or_else(|| json["message"].as_str());
        message.or_else(|| json["error"].as_str()).unwrap_or_else(|| panic!("{json}")).to_owned()
    };
    for (path, header, meant) in [
        ("/v1/v1/chat/completions", ("user-agent", "OpenAI/Python"), "/v1/chat/completions"),
        ("/responses", ("user-agent", "codex_cli_rs/0.171.0"), "/v1/responses"),
        ("/v1/v1/messages", ("anthropic-version", "2026-10-21"), "/v1/messages"),
        (
            "/v1/v1beta/models/m:generateContent",
            ("x-goog-api-client", "g"),
            "/v1beta/models/m:generateContent",
        ),
        ("/v1/v2/chat", ("user-agent", "cohere/7.3.1"), "/v2/chat"),
        ("/v1/api/chat", ("user-agent", "ollama-python/0.6.3"), "/api/chat"),
    ] {
        let vm = start();
        let mut stream = vm.stream();
        let mut head = head("POST", path, "demo");
        head.extend(pairs(&[header]));
        assert_eq!(stream.request(head, false), Action::Pause, "{path}");
        let response = stream.response().unwrap();
        // Claude Code shows no message of a 404, and Codex asks six times.
        let status = if ["/v1/messages", "/v1/responses"].contains(&meant) { 400 } else { 404 };
        assert_eq!(response.status, status, "{path}");
        assert_eq!(response.header("x-farebox-denied"), ["unknown_endpoint"], "{path}");
        let message = text(response.json());
        assert!(message.contains(&format!("Did you mean {meant}? Check the base URL.")), "{path}: {message}");
        assert!(!message.replace(meant, "").to_lowercase().contains("model"), "{path}: {message}");
    }
}

#[test]
fn a_path_of_nobodys_is_refused_in_the_form_of_the_client_that_asks() {
    let told = |header| get("/v1/organization", &[header]).response().unwrap().json();
    assert_eq!(told(("anthropic-version", "2026-10-21"))["error"]["type"], "not_found_error");
    assert_eq!(told(("x-goog-api-client", "g"))["error"]["status"], "NOT_FOUND");
    assert_eq!(told(("user-agent", "OpenAI/Python"))["error"]["code"], "unknown_endpoint");
    assert!(told(("user-agent", "cohere/7.3.1"))["message"].is_string());
    assert!(told(("user-agent", "ollama-js/1.0"))["error"].is_string());
}

#[test]
fn a_websocket_is_refused_at_once_and_written_down() {
    let vm = start();
    let mut stream = vm.stream();
    let mut head = head("GET", "/v1/responses", "demo");
    head.extend(pairs(&[("upgrade", "websocket"), ("connection", "Upgrade")]));
    // Envoy says that more comes: the other side of the socket.
    assert_eq!(stream.request(head, false), Action::Pause);
    let response = stream.response().unwrap();
    assert_eq!(
        (response.status, response.header("x-farebox-denied")),
        (426, vec!["upgrade_refused".to_owned()])
    );
    assert_eq!(response.json()["error"]["code"], "upgrade_refused");
    assert!(stream.sent().is_none());
    let record = stream.log();
    let written = (&record["outcome"], &record["denied"], &record["status"], &record["team"]);
    assert_eq!(written, (&json!("denied"), &json!("upgrade_refused"), &json!(426), &json!("search")));
}
