//! Decides what of a request's head goes on to a provider, and what of an answer's head comes back: one table an API.
//!
//! Whatever is not in a table stays here. A list of what is forbidden would always lack something: headers that choose
//! who is billed, that fold another method into a POST, that take usage out of the answer. What an operator needs besides
//! is added by `headers.pass`, `query.pass` and `response_headers.pass` of the configuration.
//!
//! Does not know bodies: see `request/llm_request.rs`.

mod query;
mod tables;

pub use crate::dialect::gemini::vertex::placed;
pub use query::{credential, has_secret, kept_query};
pub(crate) use tables::EVERY_REQUEST;
pub use tables::NEVER_PASSED;

use crate::config::Names;
use crate::dialect::Api;
use crate::dialect::headers::HeadTable;
use crate::request::credential_headers::is_credential;

/// Whether a header of a request, by its lower-case name, goes on to a provider of `api`. What may be a credential does
/// not, whoever lists it.
#[must_use]
pub fn passes_request(api: Api, also: &Names, name: &[u8]) -> bool {
    if name.starts_with(b":") {
        return true;
    }
    let listed = || tables::EVERY_REQUEST.has(name) || api.head().request_headers.has(name) || also.has(name);
    !is_credential(name) && listed()
}

/// Whether a header of a provider's answer, by its lower-case name, comes back to the client.
#[must_use]
pub fn passes_response(api: Api, also: &Names, name: &[u8]) -> bool {
    name.starts_with(b":")
        || tables::EVERY_RESPONSE.has(name)
        || api.head().response_headers.has(name)
        || also.has(name)
}

/// A row of `docs/apis.md`: what of an API's requests goes on, and of its answers comes back.
#[must_use]
pub fn documented(name: &str, api: Api) -> String {
    let HeadTable { query, request_headers, response_headers } = api.head();
    let parameters = query.iter().map(|(name, values)| match values {
        [] => format!("`{name}`"),
        values => format!("`{name}` ({})", values.join(", ")),
    });
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let parameters: Vec<String> = parameters.collect();
    format!(
        "| {name} | {} | {} | {} |",
        parameters.join(", "),
        list(request_headers.names),
        list(response_headers.names)
    )
}

/// The same for what holds for every API.
#[must_use]
pub fn documented_for_all() -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    format!(
        "| every API | | {} | {} |",
        list(tables::EVERY_REQUEST.names),
        list(tables::EVERY_RESPONSE.names)
    )
}

#[cfg(test)]
mod tests;
