//! `farebox keygen`.

use crate::shell::{farebox, file};
use farebox_core::config::Config;
use sha2::{Digest, Sha256};

/// The two lines of a run: key and entry.
fn keygen<const N: usize>(arguments: [&str; N]) -> (String, String) {
    let outcome = farebox(arguments).run();
    assert!(outcome.success, "{outcome:?}");
    let (key, entry) = outcome.stdout.trim_end().split_once('\n').unwrap();
    (key.to_owned(), entry.to_owned())
}

#[test]
fn the_entry_is_accepted_and_holds_the_hash_of_the_key() {
    let (key, entry) = keygen([
        "keygen",
        "--id",
        "ci-1",
        "--team",
        "search",
        "--expires",
        "2027-01-01",
        "--model",
        "fast",
        "--model",
        "openai/*",
    ]);
    let document = format!(r#"{{"version": "v1", "keys": [{entry}], "providers": {{}}, "models": {{}}}}"#);
    let config = Config::parse(document.as_bytes(), |_| None).unwrap();
    let configured = &config.keys["ci-1"];
    let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    assert_eq!(configured.sha256[..], [hash]);
    assert_eq!((&*configured.team, configured.models.len()), ("search", 2));
    assert!(configured.expires.is_some());
}

#[test]
fn the_key_has_its_id_and_256_random_bits() {
    let (first, entry) = keygen(["keygen", "--id", "ci", "--team", "search"]);
    let (second, _) = keygen(["keygen", "--id", "ci", "--team", "search"]);
    let secret = first.strip_prefix("fb_ci_").unwrap();
    assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    assert_ne!(first, second);
    assert!(!entry.contains(secret));
}

#[test]
fn arguments_that_no_configuration_accepts_make_no_key() {
    let outcome =
        farebox(["keygen", "--id", "CI", "--team", "a b", "--expires", "soon", "--model", ""]).run();
    assert!(!outcome.success && outcome.stdout.is_empty(), "{outcome:?}");
    for line in
        ["--id: must be", "--team: must be", "--expires: must be a date", "--models: must be a pattern"]
    {
        assert!(outcome.stderr.contains(line), "{line} is not in {outcome:?}");
    }
}

const JSON: &str = r#"{
  "version": "v1",
  "keys": [
    {"id": "old", "team": "a",   "sha256": "1111111111111111111111111111111111111111111111111111111111111111"}
  ],
  "providers": {},
  "models": {}, "hold": {"ceiling_usd": 0.10}
}
"#;

const YAML: &str = "# Ours.
version: v1
keys:   # who may call
  # the first
  - id: old
    team: a
    sha256: '1111111111111111111111111111111111111111111111111111111111111111'
providers: {}
models: {}
";

/// The keys printed by a run that has changed the file, and what the file is then.
fn into(name: &str, text: &str, arguments: &[&str]) -> (Vec<String>, String) {
    let path = file(name, text);
    let outcome = farebox([&["keygen", "--into", &path], arguments].concat()).run();
    assert!(outcome.success, "{outcome:?}");
    let keys = outcome.stdout.lines().map(str::to_owned).collect();
    (keys, std::fs::read_to_string(path).unwrap())
}

fn hash(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_option_is_a_member_of_the_entry() {
    let (_, entry) = keygen([
        "keygen",
        "--id",
        "ops",
        "--team",
        "a",
        "--admin",
        "--label",
        "tier=gold",
        "--label",
        "cost=a=b",
        "--models",
        "x,y-*",
    ]);
    let expected =
        r#""team": "a", "labels": {"cost":"a=b","tier":"gold"}, "models": ["x","y-*"], "admin": true}"#;
    assert!(entry.ends_with(expected), "{entry}");
    let outcome = farebox(["keygen", "--id", "ops", "--team", "a", "--label", "=x"]).run();
    assert!(outcome.stderr.starts_with("--label: "), "{outcome:?}");
}

#[test]
fn several_keys_have_numbers() {
    let outcome = farebox(["keygen", "--id", "ci", "--team", "a", "--count", "3"]).run();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 6);
    assert!(lines[0].starts_with("fb_ci-1_") && lines[4].starts_with("fb_ci-3_"), "{lines:?}");
    assert!(lines[5].contains(&hash(lines[4])), "{lines:?}");
}

#[test]
fn keys_are_added_to_a_file_that_stays_as_it_is_otherwise() {
    let arguments = ["--id", "ci", "--team", "b", "--count", "2"];
    let (keys, text) = into("into.json", JSON, &arguments);
    let entry = |number: usize| {
        format!(r#"{{"id": "ci-{number}", "sha256": "{}", "team": "b"}}"#, hash(&keys[number - 1]))
    };
    let end = "1111\"}\n  ]";
    assert_eq!(text, JSON.replace(end, &format!("1111\"}},\n    {},\n    {}\n  ]", entry(1), entry(2))));
    let one_line = r#"{"version": "v1", "keys": [], "providers": {}, "models": {}}"#;
    let (keys, text) = into("line.json", one_line, &["--id", "x", "--team", "b"]);
    let entry = format!("[\n  {{\"id\": \"x\", \"sha256\": \"{}\", \"team\": \"b\"}}\n]", hash(&keys[0]));
    assert_eq!(text, one_line.replace("[]", &entry));
}

#[test]
fn keys_are_added_to_yaml_with_its_comments() {
    let (keys, text) = into("into.yaml", YAML, &["--id", "ci", "--team", "b"]);
    let entry =
        format!("may call\n  - {{\"id\": \"ci\", \"sha256\": \"{}\", \"team\": \"b\"}}\n", hash(&keys[0]));
    assert_eq!(text, YAML.replace("may call\n", &entry));
}

#[test]
fn a_key_gets_a_second_secret_and_keeps_the_first() {
    for (name, text) in [("rotate.json", JSON), ("rotate.yaml", YAML)] {
        let (keys, once) = into(name, text, &["--rotate", "old"]);
        assert!(keys.len() == 1 && keys[0].starts_with("fb_old_"), "{keys:?}");
        let (more, twice) = into(name, &once, &["--rotate", "old"]);
        let old = "1".repeat(64);
        for hash in [&*old, &hash(&keys[0]), &hash(&more[0])] {
            assert_eq!(twice.matches(hash).count(), 1, "{twice}");
        }
        assert_eq!(twice.lines().count(), text.lines().count(), "{twice}");
        assert!(farebox(["check", "-"]).stdin(&twice).run().success, "{twice}");
    }
}

#[test]
fn a_file_that_cannot_take_a_key_stays_as_it_is() {
    for (name, text, arguments, why) in [
        (
            "taken.json",
            JSON,
            ["--id", "old", "--team", "b"].as_slice(),
            "keys[1].id: keys[0] has this id already",
        ),
        ("nobody.json", JSON, &["--rotate", "new"], "has no key with the id \"new\""),
        (
            "flow.yaml",
            "version: v1\nmodels: {}\nproviders: {}\nkeys: [\n]\n",
            &["--id", "a", "--team", "b"],
            "by hand",
        ),
        ("broken.json", "{}", &["--id", "a", "--team", "b"], "\"version\" is missing"),
    ] {
        let path = file(name, text);
        let outcome = farebox([&["keygen", "--into", &path], arguments].concat()).run();
        assert!(!outcome.success && outcome.stdout.is_empty() && outcome.stderr.contains(why), "{outcome:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    let outcome = farebox(["keygen", "--rotate", "old"]).run();
    assert!(outcome.stderr.contains("--into"), "{outcome:?}");
}
