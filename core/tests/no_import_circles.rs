//! No file imports, over whatever others, a file that imports it: each can be read with those below it alone.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]

#[path = "no_import_circles/circle.rs"]
mod circle;
#[path = "no_import_circles/source.rs"]
mod source;

use circle::circles;
use source::Sources;

fn check(folder: &str) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let sources = Sources::read(&root);
    let files = sources.files();
    assert!(files.len() > 15, "{}", files.len());
    let found = circles(&sources.imports());
    assert!(found.is_empty(), "{folder}: files import each other:\n{}", found.join("\n"));
}

#[test]
fn no_file_of_core_imports_one_that_imports_it() {
    check("core/src");
}

#[test]
fn no_file_of_the_filter_imports_one_that_imports_it() {
    check("filter/src");
}
