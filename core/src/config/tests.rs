//! What a configuration comes to, and every mistake that is told about one.

mod broken;
mod budgets;
mod providers;

use super::*;
use crate::base::money::PicoUsd;
use crate::base::window::Millis;
use crate::pricing::{Kind, ServiceTier};
use proptest::prelude::*;

const SAMPLE: &str = include_str!("../../../envoy/farebox.json");
const MAXIMAL: &str = include_str!("../../tests/documents/maximal.json");
const SHA: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An environment in which every variable is set.
fn everything_set(_: &str) -> Option<String> {
    Some("sk-secret-of-a-provider".to_owned())
}

fn parse(json: &str) -> Result<Config, ConfigErrors> {
    Config::parse(json.as_bytes(), everything_set)
}

/// The mistakes in `json`, one per line.
fn mistakes(json: &str) -> String {
    parse(json).err().map(|errors| errors.to_string()).unwrap_or_default()
}

/// A small valid document in which the part `key` is replaced by, or set to, `value`.
fn with(key: &str, value: &str) -> String {
    let mut parts = vec![
        ("version", r#""v1""#.to_owned()),
        ("keys", format!(r#"[{{"id": "a", "sha256": "{SHA}", "team": "search"}}]"#)),
        ("providers", r#"{"local": {"dialect": "openai", "cluster": "local"}}"#.to_owned()),
        ("models", r#"{"fast": [{"provider": "local"}]}"#.to_owned()),
    ];
    parts.retain(|(name, _)| *name != key);
    parts.push((key, value.to_owned()));
    let parts: Vec<String> = parts.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    format!("{{{}}}", parts.join(", "))
}

/// What one of `kind` costs in the standard tier with a short prompt.
fn quoted(config: &Config, provider: &str, model: &str, kind: Kind) -> u64 {
    let price = config.prices.price(&config.providers[provider], model, Millis(0)).unwrap();
    price.schedule(ServiceTier::Standard).quote(0).price(kind)
}

#[test]
fn the_sample_is_valid_without_any_secret() {
    let config = Config::parse(SAMPLE.as_bytes(), |_| None).unwrap();
    assert_eq!(config.providers["local"].credential, Credential::None);
    assert_eq!(config.providers["openai"].credential, Credential::Missing("OPENAI_API_KEY".into()));
    assert_eq!(config.default_model.as_deref(), Some("smollm2"));
    assert_eq!(config.teams(), ["search"]);
}

#[test]
fn the_samples_key_is_the_one_the_documentation_uses() {
    use sha2::Digest;
    let hash: [u8; 32] = sha2::Sha256::digest(b"fb_demo_tryit-0000000000").into();
    assert_eq!(parse(SAMPLE).unwrap().keys["demo"].sha256[..], [hash]);
}

#[test]
fn a_part_that_is_left_out_has_its_documented_default() {
    let config = parse(&with("rules", "[]")).unwrap();
    assert_eq!(config.unpriced, Unpriced::Deny);
    assert_eq!(config.on_disconnect, OnDisconnect::BillSeen);
    let hold = HoldPolicy {
        output_tokens: 4_096,
        output_tokens_by_model: Vec::new(),
        strict_output_tokens: 16_384,
        least_output_tokens: 16,
        ceiling: None,
        epoch_ms: 3_600_000,
    };
    assert_eq!(config.hold, hold);
    assert_eq!(config.budget_status, None);
    assert_eq!((config.request_body_bytes, config.request_body_ms), (33_554_432, 30_000));
    assert_eq!((config.identity_header, config.default_model), (None, None));
    let local = &config.providers["local"];
    assert_eq!((local.base_path.as_deref(), local.include_usage), (None, true));
    let key = &config.keys["a"];
    assert_eq!((key.enabled, key.expires, key.models.len()), (true, None, 0));
}

#[test]
fn every_part_that_is_given_is_kept() {
    let config = parse(MAXIMAL).unwrap();
    assert_eq!(config.identity_header.as_deref(), Some("x-auth-client"));
    assert_eq!(config.unpriced, Unpriced::Allow);
    assert_eq!(config.on_disconnect, OnDisconnect::BillHold);
    assert_eq!(config.hold.ceiling, PicoUsd::parse("5").ok());
    assert_eq!((config.hold.output_tokens, config.hold.epoch_ms), (2_048, 60_000));
    let expected = ["claude-opus-5", "claude-haiku-4-5", "o3"].map(|model| config.hold.expected(model));
    assert_eq!(expected, [8_192, 1_000, 2_048], "a name, the longest pattern, or neither");
    assert_eq!((config.hold.strict_output_tokens, config.hold.least_output_tokens), (4_096, 1));
    assert_eq!(config.budget_status, Some(402));
    assert_eq!((config.request_body_bytes, config.request_body_ms), (1_024, 3_600_000));
    assert!(config.endpoints[1].matches("/v1/images/edits"));
    let (demo, batch) = (&config.keys["demo"], &config.keys["batch-1"]);
    assert_eq!(demo.labels, [("env".into(), "ci".into()), ("cost-centre".into(), "".into())]);
    assert!(demo.models[1].matches("openai/gpt-4o"));
    assert_eq!(demo.expires, Millis::parse("2027-01-01"));
    assert_eq!((batch.enabled, batch.sha256.len()), (false, 0));
    assert_eq!((demo.admin, batch.admin), (true, false));
    let rule = &config.rules[0];
    assert_eq!(&*rule.model, "smart");
    assert_eq!(rule.when.headers, [("x-tier".into(), Pattern::new("gold*"))]);
    assert_eq!(rule.when.prompt_tokens_over, Some(100_000));
}

#[test]
fn a_base_path_loses_the_slash_at_its_end() {
    let config = parse(MAXIMAL).unwrap();
    let base_paths = ["local", "openai", "aws"].map(|name| config.providers[name].base_path.as_deref());
    assert_eq!(base_paths, [Some(""), Some("/v1"), None]);
}

#[test]
fn the_longest_pattern_comes_first() {
    let config = parse(MAXIMAL).unwrap();
    let names: Vec<&str> = config.patterns.iter().map(|(_, model)| &*model.name).collect();
    assert_eq!(names, ["anthropic/claude-?", "gpt-4*", "gpt-*"]);
    // Of the prices, the exact name comes before every pattern.
    let input = |model| quoted(&config, "openai", model, Kind::Input);
    assert_eq!([input("gpt-4o"), input("gpt-4.1"), input("o3")], [150_000, 3_000_000, 1_000_000]);
}

#[test]
fn a_cache_price_that_is_left_out_is_the_input_price() {
    let config = parse(MAXIMAL).unwrap();
    assert_eq!(quoted(&config, "openai", "o3", Kind::CacheRead), 1_000_000);
    assert_eq!(quoted(&config, "openai", "gpt-4o", Kind::CacheRead), 75_000);
}

#[test]
fn a_price_of_ones_own_may_have_every_kind_and_step_and_tier() {
    let config = parse(MAXIMAL).unwrap();
    let price = config.prices.price(&config.providers["openai"], "o4-mini", Millis(0)).unwrap();
    let at = |tier, size, kind| price.schedule(tier).quote(size).price(kind);
    for (tier, size, kind, pico) in [
        (ServiceTier::Standard, 200_000, Kind::Input, 1_000_000),
        (ServiceTier::Standard, 200_001, Kind::Input, 2_000_000),
        (ServiceTier::Standard, 200_001, Kind::CacheReadAudio, 200_000),
        (ServiceTier::Standard, 200_001, Kind::CacheRead, 2_000_000),
        (ServiceTier::Standard, 1, Kind::Reasoning, 5_000_000),
        (ServiceTier::Standard, 1, Kind::WebSearch, 10_000_000_000),
        (ServiceTier::Standard, 1, Kind::FileSearch, 2_500_000_000),
        (ServiceTier::Standard, 1, Kind::Request, 1),
        // A tier changes what it names, at every size of prompt, and nothing else.
        (ServiceTier::Flex, 1, Kind::Input, 500_000),
        (ServiceTier::Flex, 200_001, Kind::Input, 500_000),
        (ServiceTier::Flex, 200_001, Kind::Output, 8_000_000),
        (ServiceTier::Fast, 200_001, Kind::Output, 8_000_000),
        (ServiceTier::Priority, 1, Kind::OutputImage, 7_000_000),
    ] {
        assert_eq!(at(tier, size, kind), pico, "{tier:?} {size} {kind:?}");
    }
    let openai = &config.providers["openai"];
    assert_eq!((&*openai.catalogue, openai.price_permille), ("azure", 1_100));
    let local = &config.providers["local"];
    assert_eq!((&*local.catalogue, local.price_permille), ("local", 1_000));
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_document() {
    let document = r#"{
        "budgets": [{"name": "team", "per": "taem", "limit_usd": -1, "overrides": {"x": {"limit_usd": true}}}],
        "keys": [{"id": "Demo", "sha256": "12", "team": "search", "modles": []}, 7],
        "prices": {"gpt-4o": {"input": "free"}},
        "providers": {"local": {"dialect": "openia", "base_path": "v1"}, "other": {"cluster": "o o"}},
        "models": {"gpt-*": [{"provider": "lcoal"}], "fast": [{"provider": "local"}], "none": []},
        "default_model": "fsat",
        "hold": {"epoch_seconds": 5},
        "verison": "v1"
    }"#;
    let expected = r#""version" is missing
budgets[0]: "window" is missing
budgets[0].per: must be one of org, team, key, model, provider, user, agent, session, workflow, request, label:<name>, header:<name> (did you mean "team"?)
budgets[0].limit_usd: must not be negative
budgets[0].overrides.x.limit_usd: must be a number, not a boolean
keys[0].id: must be 1 to 64 characters out of a-z, 0-9 and "-"
keys[0].sha256: must be 64 hexadecimal digits: the SHA-256 of the whole key text
keys[0].modles: unknown key (did you mean "models"?)
keys[1]: must be an object, not a number
prices.gpt-4o: the name must be "provider/model" or a pattern of that
prices.gpt-4o: "output" is missing
prices.gpt-4o.input: is not a decimal number
providers.local.dialect: must be one of openai, azure, anthropic, gemini, vertex, bedrock, cohere, ollama (did you mean "openai"?)
providers.local.base_path: must be a path that begins with "/", without query and fragment
providers.other: "dialect" is missing
providers.other.cluster: must be 1 to 256 visible ASCII characters without a space
models["gpt-*"][0].provider: no provider has this name (did you mean "local"?)
models.none: must have at least one target
default_model: no model has this name (did you mean "fast"?)
hold.epoch_seconds: must be a whole number from 60 to 86400
verison: unknown key (did you mean "version"?)"#;
    assert_eq!(mistakes(document), expected);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Config::parse(&bytes, everything_set);
    }

    #[test]
    fn no_damage_to_a_document_makes_the_reader_panic(
        at in 0..MAXIMAL.len(), length in 0usize..40, put in r#"[\[\]{}",:a-z0-9.*-]{0,6}"#
    ) {
        let mut bytes = MAXIMAL.as_bytes().to_vec();
        bytes.splice(at..(at + length).min(bytes.len()), put.bytes());
        let _ = Config::parse(&bytes, everything_set);
    }

    #[test]
    fn no_value_in_a_wrong_place_makes_the_reader_panic(from in 0usize..200, to in 0usize..200) {
        let mut document: serde_json::Value = serde_json::from_str(MAXIMAL).unwrap();
        let places = places(&document, String::new());
        let taken = document.pointer(&places[from % places.len()]).cloned().unwrap();
        *document.pointer_mut(&places[to % places.len()]).unwrap() = taken;
        let _ = parse(&document.to_string());
    }
}

/// The JSON pointers of every value in a document.
fn places(value: &serde_json::Value, at: String) -> Vec<String> {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    let mut below: Vec<String> = match value {
        serde_json::Value::Object(members) => members
            .iter()
            .flat_map(|(key, member)| places(member, format!("{at}/{}", escaped(key))))
            .collect(),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, item)| places(item, format!("{at}/{index}"))).collect()
        }
        _ => vec![],
    };
    below.push(at);
    below
}
