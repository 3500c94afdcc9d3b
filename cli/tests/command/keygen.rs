//! `farebox keygen`.

use crate::shell::farebox;
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
        ["--id: must be", "--team: must be", "--expires: must be a date", "--model: must be a pattern"]
    {
        assert!(outcome.stderr.contains(line), "{line} is not in {outcome:?}");
    }
}
