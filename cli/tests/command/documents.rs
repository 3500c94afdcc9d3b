//! What the documents promise about other files.

use std::path::Path;

use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)).unwrap()
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() {
    let rules: Value = serde_saphyr::from_str(&read("envoy/observability/alerts.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let alerts = groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .map(|rule| rule["alert"].as_str().unwrap());
    let alerts: Vec<&str> = alerts.collect();
    let runbook = read("docs/runbook.md");
    let sections: Vec<(&str, &str)> =
        runbook.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    let named = sections.iter().map(|(name, _)| *name).filter(|name| name.starts_with("Farebox"));
    assert_eq!(named.collect::<Vec<_>>(), alerts);
    for (name, text) in sections.iter().filter(|(name, _)| alerts.contains(name)) {
        for part in ["**Means.** ", "**Look.** ", "**Do.** "] {
            assert!(text.contains(part), "{name} does not say {part}");
        }
    }
}

#[test]
fn the_license_is_the_one_that_cargo_names() {
    assert!(read("Cargo.toml").contains("license = \"Apache-2.0\""));
    let license = read("LICENSE");
    for text in ["Apache License", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS", "APPENDIX"] {
        assert!(license.contains(text), "{text}");
    }
}

#[test]
fn the_changelog_has_the_version_that_cargo_names() {
    let changelog = read("CHANGELOG.md");
    assert!(changelog.contains("\n## Unreleased\n"));
    assert!(
        changelog.contains(concat!("\n## ", env!("CARGO_PKG_VERSION"), "\n")),
        "{}",
        env!("CARGO_PKG_VERSION")
    );
}
