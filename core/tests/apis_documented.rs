//! `docs/apis.md` lists what the tables have, row by row.

use farebox_core::dialect::{Api, Served};
use farebox_core::request::api::{documented, documented_for_all};
use farebox_core::request::llm_request::{documented_body, documented_head};

const DOCUMENT: &str = include_str!("../../docs/apis.md");

#[test]
fn the_document_has_every_row_of_the_tables() {
    let rows = Api::NAMES.iter().map(|(name, api)| documented(name, *api));
    let rows: Vec<String> = core::iter::once(documented_for_all()).chain(rows).collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !DOCUMENT.contains(*row)).collect();
    assert!(missing.is_empty(), "docs/apis.md lacks:\n{}", rows.join("\n"));
}

#[test]
fn the_document_has_the_members_of_every_kind_of_body() {
    let rows = [
        ("OpenAI, Azure", "/v1/chat/completions"),
        ("Responses", "/v1/responses"),
        ("Anthropic", "/v1/messages"),
        ("Gemini, Vertex", "/v1beta/models/m:generateContent"),
        ("Vertex `:predict`", "/v1/publishers/google/models/m:predict"),
        ("Bedrock Converse", "/model/m/converse"),
        ("Bedrock InvokeModel", "/model/m/invoke"),
        ("Cohere", "/v2/chat"),
        ("Ollama", "/api/chat"),
    ];
    let row = |(name, path): (&str, &str)| documented_body(name, Served::at(path)?.endpoint).into();
    let rows: Option<Vec<String>> = rows.into_iter().map(row).collect();
    let table = [documented_head(), rows.unwrap_or_default().concat()].concat();
    assert!(DOCUMENT.contains(&table), "docs/apis.md lacks:\n{table}");
}

#[test]
fn the_document_names_every_api_that_is_known_and_not_served() {
    let missing: Vec<&str> = farebox_core::request::resource::UNSUPPORTED
        .iter()
        .map(|(path, ..)| *path)
        .filter(|path| !DOCUMENT.contains(&format!("`{path}`")))
        .collect();
    assert_eq!(missing, [""; 0]);
}
