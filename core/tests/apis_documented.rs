//! `docs/apis.md` lists what the tables have, row by row.

use farebox_core::api::{documented, documented_for_all};
use farebox_core::dialect::Api;

const DOCUMENT: &str = include_str!("../../docs/apis.md");

#[test]
fn the_document_has_every_row_of_the_tables() {
    let rows = Api::NAMES.iter().map(|(name, api)| documented(name, *api));
    let rows: Vec<String> = core::iter::once(documented_for_all()).chain(rows).collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !DOCUMENT.contains(*row)).collect();
    assert!(missing.is_empty(), "docs/apis.md lacks:\n{}", rows.join("\n"));
}
