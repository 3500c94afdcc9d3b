//! `DESIGN.md` leads through the code by file names: each has to be there.

const DESIGN: &str = include_str!("../../DESIGN.md");

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
