//! Decides which headers and query parameters an operator lets pass besides those that the gateway knows.

use super::cursor::{Cursor, Fields};
use super::syntax::{HEADER_PATTERN, QUERY_NAME};
use crate::config::{Names, Passed};
use crate::request::api::NEVER_PASSED;
use crate::request::credential_headers::is_credential;

/// What is let pass.
pub(super) fn read(fields: &Fields<'_>) -> Passed {
    let names = |key: &str, syntax, check: fn(&Cursor<'_>, &str)| {
        let list = fields.get(key).and_then(|at| at.fields(&["pass"])?.need("pass"));
        let items = list.and_then(|list| list.items()).unwrap_or_default();
        let name = |item: &Cursor<'_>| {
            let name = item.text_as(syntax)?;
            let lower = name.to_ascii_lowercase();
            check(item, &lower);
            // Envoy keeps names of headers in lower case; names of parameters mean what they are.
            Some(if key == "query" { name.into() } else { lower.into() })
        };
        Names::new(items.iter().filter_map(name).collect())
    };
    Passed {
        headers: names("headers", HEADER_PATTERN, check_header),
        query: names("query", QUERY_NAME, check_parameter),
        response_headers: names("response_headers", HEADER_PATTERN, |item, name| {
            if matches!(name, "set-cookie" | "connection" | "transfer-encoding" | "content-length")
                || name == "*"
            {
                item.fail("this header never passes");
            }
        }),
    }
}

fn check_header(item: &Cursor<'_>, name: &str) {
    let start = name.trim_end_matches('*');
    // A pattern must not reach what may not pass, nor may what may not pass be named by itself.
    let reaches = |known: &str| {
        let forbidden = known.trim_end_matches('*');
        (name.ends_with('*') && forbidden.starts_with(start))
            || (known.ends_with('*') && start.starts_with(forbidden))
            || name == known
    };
    if is_credential(name.as_bytes()) || NEVER_PASSED.iter().any(|known| reaches(known)) {
        item.fail("this header never passes: it is a credential, or belongs to the connection, to Envoy or to the gateway");
    }
}

fn check_parameter(item: &Cursor<'_>, name: &str) {
    if matches!(name, "key" | "access_token" | "*") {
        item.fail("this parameter never passes: it may be a credential");
    }
}
