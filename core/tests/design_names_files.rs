//! `DESIGN.md` leads through the code by file names, and the diagram in `README.md` by names of modules: each has to be
//! there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

const DESIGN: &str = include_str!("../../DESIGN.md");
const README: &str = include_str!("../../README.md");

#[test]
fn every_file_of_the_walks_in_the_design_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (_, walks) = DESIGN.split_once("## Where is what?").unwrap();
    let (walks, _) = walks.split_once("What is planned").unwrap();
    let files: Vec<&str> = walks.split('`').filter(|text| text.ends_with(".rs")).collect();
    assert!(files.len() > 25, "{}", files.len());
    for file in files {
        assert!(root.join(file).is_file(), "{file} is not there");
    }
}

/// Whether there is a file or a folder of this name in `folder`, or below it.
fn has(folder: &std::path::Path, name: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        path.file_stem().is_some_and(|stem| stem == name) || (path.is_dir() && has(&path, name))
    })
}

#[test]
fn every_module_of_the_life_of_a_request_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_, life) = README.split_once("## Life of a request\n\n```\n").unwrap();
    let rows = life.split_once("\n```").unwrap().0.lines().skip(2);
    let mut modules = 0;
    for row in rows {
        let cells: Vec<String> = row.split("  ").map(|cell| cell.trim().to_owned()).collect();
        for file in cells.iter().filter(|cell| cell.starts_with("gateway") || cell.starts_with("attempt/")) {
            let path = root.join("../filter/src").join(file);
            assert!(path.is_dir() || path.with_extension("rs").is_file(), "{file} is not there");
        }
        for cell in cells.iter().filter(|cell| cell.contains('▸') || cell.ends_with(':')) {
            for name in cell.split(['▸', ':']).map(str::trim).filter(|name| !name.is_empty()) {
                assert!(has(&root.join("src"), name), "{name} is not there");
                modules += 1;
            }
        }
    }
    assert!(modules > 15, "{modules}");
}
