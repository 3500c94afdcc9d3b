//! That `docs/failover.md` names tests which there are: a row of its table is a promise, and its test keeps it.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of tests in the last column of the table of triggers.
fn named(document: &str) -> Vec<&str> {
    let rows = document.lines().skip_while(|line| !line.starts_with("| trigger")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// The names of all functions in the end-to-end tests of failover.
fn there(folder: &Path) -> BTreeSet<String> {
    let inner = fs::read_dir(folder.join("failover")).unwrap().map(|entry| entry.unwrap().path());
    let files = inner.chain([folder.join("failover.rs")]).map(|file| fs::read_to_string(file).unwrap());
    let name = |line: &str| Some(line.strip_prefix("async fn ")?.split('(').next()?.to_owned());
    files.flat_map(|text| text.lines().filter_map(name).collect::<Vec<_>>()).collect()
}

#[test]
fn every_row_of_the_table_names_tests_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let document = fs::read_to_string(root.join("docs/failover.md")).unwrap();
    let (named, there) = (named(&document), there(&root.join("tests/tests")));
    assert!(named.len() >= 20, "{named:?}");
    for name in named {
        assert!(there.contains(name), "{name} is no test");
    }
}
