//! The schema that editors use says the same as the reader that Envoy uses.
//!
//! One document that uses every part is damaged in every place in many ways; schema and reader must agree
//! on each of the results. What only the reader can see is listed in [`ONLY_THE_READER_SEES`].

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;

use boon::{Compiler, SchemaIndex, Schemas};
use farebox_core::config::Config;
use serde_json::{Map, Value, json};

const SCHEMA: &str = include_str!("../../envoy/farebox.schema.json");
const SAMPLE: &str = include_str!("../../envoy/farebox.json");
const MAXIMAL: &str = include_str!("documents/maximal.json");
/// What [`MAXIMAL`] cannot have besides the rest.
const HEADERS_ONLY: &str = include_str!("documents/headers_only.json");

/// What would make [`MAXIMAL`] know no team's name better than another.
const IDENTITY: &str = include_str!("documents/identity.json");

/// Parts of the messages about mistakes that a schema cannot express.
const ONLY_THE_READER_SEES: [&str; 18] = [
    "no key has this",
    "no provider has this name",
    "no provider is named",
    "no model has this name",
    "no prices are listed of this provider",
    "must be a number from 0 to 1000",
    "has this id already",
    "has this hash already",
    "has this name already",
    "this header is named twice",
    "has this variable already",
    "must be a date like",
    "has more decimals than can be counted",
    "is too large to be counted",
    "cannot be kept with headers_only",
    "would never be let in",
    "the template",
    "of the sources",
];

/// The schema, as a validator reads it.
struct Schema {
    all: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn read() -> Self {
        let (mut all, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("farebox.schema.json", json_of(SCHEMA)).unwrap();
        let index = compiler.compile("farebox.schema.json", &mut all).unwrap();
        Self { all, index }
    }

    fn told(&self, document: &Value) -> Option<String> {
        self.all.validate(document, self.index).err().map(|mistakes| mistakes.to_string())
    }

    fn is_valid(&self, document: &Value) -> bool {
        self.all.validate(document, self.index).is_ok()
    }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn mistakes(document: &Value) -> Vec<String> {
    match Config::parse(document.to_string().as_bytes(), |_| Some("secret-of-some-length".to_owned())) {
        Ok(_) => vec![],
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

/// Every pair of an object and its members below `value`, and the pointer of every value.
fn visit(value: &Value, at: String, seen: &mut impl FnMut(&str, &Value)) {
    seen(&at, value);
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, member)| visit(member, format!("{at}/{}", escaped(key)), seen));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| visit(item, format!("{at}/{index}"), seen));
        }
        _ => {}
    }
}

/// Everything that may come of damaging `value` alone.
fn damaged(value: &Value) -> Vec<Value> {
    let mut all = vec![json!(null), json!(true), json!(7), json!("no such word"), json!([]), json!({})];
    match value {
        Value::String(_) => {
            let long = "a".repeat(65);
            let longer = "a".repeat(257);
            let texts =
                ["", "*", "a/b", "-1", "1e2", "1e30", "/v1/x", "é", "A", "a b", "2027-13-01", &long, &longer];
            all.extend(texts.map(Value::from));
        }
        Value::Number(_) => {
            all.extend(["-1", "0", "1.5", "1.0", "429", "1e3", "1e30", "1e-30"].map(json_of));
        }
        Value::Array(items) => {
            all.extend((0..items.len()).map(|gone| {
                let kept = items.iter().enumerate().filter(|(index, _)| *index != gone);
                kept.map(|(_, item)| item.clone()).collect()
            }));
            all.push(items.iter().cycle().take(items.len() * 17).cloned().collect());
        }
        Value::Object(members) => {
            let edited = |edit: &dyn Fn(&mut Map<String, Value>)| {
                let mut members = members.clone();
                edit(&mut members);
                Value::Object(members)
            };
            all.push(edited(&|members| drop(members.insert("no-such-key".to_owned(), json!(1)))));
            all.push(edited(&|members| {
                members.extend((0..17).map(|extra| (format!("extra{extra}"), json!("x"))));
            }));
            for key in members.keys() {
                all.push(edited(&|members| drop(members.remove(key))));
                for name in ["", "a b", "A", "a/b", "a{b}", "*", "é", &"a".repeat(65), &"a".repeat(257)] {
                    all.push(edited(&|members| {
                        let member = members.remove(key).unwrap();
                        members.insert(name.to_owned(), member);
                    }));
                }
            }
        }
        _ => {}
    }
    all
}

#[test]
fn the_sample_and_the_document_that_uses_everything_are_valid_in_both() {
    for text in [SAMPLE, MAXIMAL, HEADERS_ONLY, IDENTITY] {
        let document = json_of(text);
        assert_eq!(Schema::read().told(&document), None);
        assert_eq!(mistakes(&document), [""; 0]);
    }
}

#[test]
fn schema_and_reader_agree_on_every_damaged_document() {
    let count = damage_everything(MAXIMAL);
    assert!(count > 2_000, "only {count} documents");
    damage_everything(HEADERS_ONLY);
    damage_everything(IDENTITY);
}

/// Damages `text` in every place and way; says in how many. Every core has its part of them.
fn damage_everything(text: &str) -> usize {
    let (schema, whole) = (&Schema::read(), &json_of(text));
    let mut damages = Vec::new();
    visit(whole, String::new(), &mut |at, value| {
        damages.extend(damaged(value).into_iter().map(|damage| (at.to_owned(), damage)));
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for part in damages.chunks(damages.len().div_ceil(cores)) {
            scope.spawn(move || {
                part.iter().for_each(|(at, damage)| schema_and_reader_agree(schema, whole, at, damage))
            });
        }
    });
    damages.len()
}

fn schema_and_reader_agree(schema: &Schema, whole: &Value, at: &str, damage: &Value) {
    let mut document = whole.clone();
    *document.pointer_mut(at).unwrap() = damage.clone();
    let mistakes = mistakes(&document);
    let hidden = |told: &&String| ONLY_THE_READER_SEES.iter().any(|part| told.contains(part));
    let accepted = schema.is_valid(&document);
    let visible: Vec<&String> = mistakes.iter().filter(|told| !hidden(told)).collect();
    if mistakes.is_empty() || !visible.is_empty() {
        assert_eq!(accepted, mistakes.is_empty(), "{at} = {damage}: {mistakes:#?}");
    }
}

#[test]
fn schema_and_reader_agree_on_what_goes_together_in_a_budget() {
    let (schema, whole) = (Schema::read(), json_of(MAXIMAL));
    let limited = r#"{"x/y/z": {"limit_usd": 1}}"#;
    for (valid, rest) in [
        (true, r#""per": "org""#.to_owned()),
        (true, r#""per": ["org"]"#.to_owned()),
        (false, r#""per": ["org", "team"]"#.to_owned()),
        (false, r#""per": ["team", "team"]"#.to_owned()),
        (true, r#""per": ["label:env", "header:X-A", "header:x-b", "user"]"#.to_owned()),
        (false, r#""per": ["team", "key", "model", "provider", "user"]"#.to_owned()),
        (false, r#""per": "header:X-Api-Key""#.to_owned()),
        (false, r#""per": ["user", "header:AUTHORIZATION"]"#.to_owned()),
        (true, r#""per": "header:x-api-keys""#.to_owned()),
        (false, r#""per": "header:a b""#.to_owned()),
        (false, r#""per": "label:""#.to_owned()),
        (false, r#""per": "session:a""#.to_owned()),
        (true, r#""utc_offset": "+14:00""#.to_owned()),
        (true, r#""utc_offset": "-00:59""#.to_owned()),
        (false, r#""utc_offset": "+14:01""#.to_owned()),
        (false, r#""utc_offset": "+02:60""#.to_owned()),
        (false, r#""utc_offset": "02:00""#.to_owned()),
        (false, r#""utc_offset": "+2:00""#.to_owned()),
        (false, r#""window": "lifetime", "utc_offset": "+00:00""#.to_owned()),
        (true, r#""at_limit": "shadow", "running": "finish", "mode": "strict""#.to_owned()),
        (false, r#""at_limit": "shadow", "running": "cut""#.to_owned()),
        (true, r#""at_limit": "shadow", "downgrade": {"model": "fast"}"#.to_owned()),
        (true, r#""downgrade": {"model": {"f*": "fast", "local/x": "fast"}, "from_percent": 1}"#.to_owned()),
        (false, r#""downgrade": {"model": {}}"#.to_owned()),
        (false, r#""downgrade": {"model": {"f*": "f*"}}"#.to_owned()),
        (false, r#""downgrade": {"model": {"f {": "fast"}}"#.to_owned()),
        (true, r#""at_limit": "deny", "running": "cut", "downgrade": {"model": "fast"}"#.to_owned()),
        (true, r#""per": "request", "slots": 1024, "when_full": "allow""#.to_owned()),
        (true, r#""per": ["team", "header:x"], "forget_after_seconds": 60"#.to_owned()),
        (false, r#""per": ["team", "label:env"], "forget_after_seconds": 60"#.to_owned()),
        (false, r#""per": "model", "when_full": "deny""#.to_owned()),
        (false, r#""slots": 1024"#.to_owned()),
        (true, r#""per": ["request", "user"], "when_absent": "deny""#.to_owned()),
        (true, r#""per": "label:env", "when_absent": "deny""#.to_owned()),
        (false, r#""per": ["team", "request"], "when_absent": "deny""#.to_owned()),
        (false, r#""when_absent": "skip""#.to_owned()),
        (false, format!(r#""overrides": {limited}"#)),
        (false, format!(r#""per": ["org"], "overrides": {limited}"#)),
        (false, format!(r#""per": ["user", "request"], "overrides": {limited}"#)),
        (true, format!(r#""per": "user", "overrides": {limited}"#)),
        (true, format!(r#""per": ["user", "model", "agent"], "overrides": {limited}"#)),
        (false, format!(r#""per": ["user", "model", "agent", "team"], "overrides": {limited}"#)),
        (true, r#""per": ["user", "model"], "overrides": {"?": {"limit_concurrent": 1}}"#.to_owned()),
        (true, r#""per": "user", "overrides": {}"#.to_owned()),
        (true, r#""warn_percent": []"#.to_owned()),
        (true, r#""warn_percent": [1, 100, 1, 7]"#.to_owned()),
        (false, r#""warn_percent": [1, 2, 3, 4, 5]"#.to_owned()),
        (false, r#""warn_percent": 101"#.to_owned()),
    ] {
        let window = if rest.contains("window") { "" } else { r#""window": "day","# };
        let budget = json_of(&format!(r#"{{"name": "a", "limit_usd": 1, {window} {rest}}}"#));
        let mut document = whole.clone();
        *document.pointer_mut("/budgets").unwrap() = json!([budget]);
        let mistakes = mistakes(&document);
        assert_eq!(mistakes.is_empty(), valid, "{rest}: {mistakes:#?}");
        assert_eq!(schema.is_valid(&document), valid, "the schema on {rest}");
    }
}

#[test]
fn schema_and_reader_agree_on_what_goes_together_in_a_provider() {
    let (schema, whole) = (Schema::read(), json_of(MAXIMAL));
    let host = r#""host": "h.example""#;
    for (valid, provider) in [
        (true, r#""dialect": "openai""#.to_owned()),
        (true, r#""preset": "openai", "dialect": "gemini""#.to_owned()),
        (false, r#""cluster": "c""#.to_owned()),
        (false, r#""preset": "Groq""#.to_owned()),
        (false, r#""preset": "azure""#.to_owned()),
        (true, format!(r#""preset": "azure", {host}"#)),
        (false, format!(r#""preset": "bedrock", {host}"#)),
        (false, r#""preset": "bedrock", "credentials": "envoy""#.to_owned()),
        (true, format!(r#""preset": "bedrock", {host}, "credentials": "envoy""#)),
        (true, r#""preset": "vllm", "endpoints": ["http://a:1", "https://A.b-c_d:65535"]"#.to_owned()),
        (false, r#""preset": "vllm", "endpoints": ["http://a:65536"]"#.to_owned()),
        (false, r#""preset": "vllm", "endpoints": ["http://a:0"]"#.to_owned()),
        (false, r#""preset": "vllm", "endpoints": ["http://a:080"]"#.to_owned()),
        (false, r#""preset": "vllm", "endpoints": ["http://a/"]"#.to_owned()),
        (false, r#""preset": "vllm", "endpoints": ["http://[::1"]"#.to_owned()),
        (false, r#""preset": "vllm", "endpoints": "http://a""#.to_owned()),
        (false, r#""preset": "openai", "credentials": {"envoy": "aws"}"#.to_owned()),
        (false, r#""preset": "openai", "credentials": {"envoy": "gcp", "region": "eu"}"#.to_owned()),
        (false, r#""preset": "openai", "credentials": {"envoy": "azure", "tenant": "a"}"#.to_owned()),
        (false, r#""preset": "openai", "credentials": {"region": "eu"}"#.to_owned()),
    ] {
        let mut document = whole.clone();
        *document.pointer_mut("/providers/azure").unwrap() = json_of(&format!("{{{provider}}}"));
        let mistakes = mistakes(&document);
        assert_eq!(mistakes.is_empty(), valid, "{provider}: {mistakes:#?}");
        assert_eq!(schema.is_valid(&document), valid, "the schema on {provider}");
    }
}

#[test]
fn schema_and_reader_agree_on_what_each_preset_needs() {
    let (schema, whole) = (Schema::read(), json_of(MAXIMAL));
    let presets = json_of(SCHEMA);
    let provider = "/properties/providers/additionalProperties/properties/preset/enum";
    let presets = presets.pointer(provider).unwrap().as_array().unwrap().clone();
    let rests = [json!({}), json!({"host": "h"}), json!({"credentials": "envoy"})];
    for (preset, rest) in presets.iter().flat_map(|preset| rests.iter().map(move |rest| (preset, rest))) {
        let mut document = whole.clone();
        let provider = document.pointer_mut("/providers/azure").unwrap();
        *provider = rest.clone();
        provider["preset"] = preset.clone();
        let mistakes = mistakes(&document);
        assert_eq!(schema.is_valid(&document), mistakes.is_empty(), "{preset} {rest}: {mistakes:#?}");
    }
    let mut document = whole.clone();
    document["providers"]["azure"]["preset"] = json!("no such word");
    let told = mistakes(&document).concat();
    let known: Vec<&str> = told.split_once("one of ").unwrap().1.split(", ").collect();
    assert_eq!(presets, known, "the presets of the schema and of the reader");
}

#[test]
fn the_mistakes_that_only_the_reader_sees_are_all_needed() {
    let (schema, whole) = (Schema::read(), json_of(MAXIMAL));
    let examples = [
        ("/rules/0/when/team", json!("nobody")),
        ("/models/fast/0/provider", json!("nobody")),
        ("/default_model", json!("nobody/llama")),
        ("/default_model", json!("nobody")),
        ("/providers/openai/catalogue", json!("nobody")),
        ("/providers/openai/price_multiplier", json!("1000.5")),
        ("/keys/1/id", json!("demo")),
        ("/keys/1/sha256", whole["keys"][0]["sha256"].clone()),
        ("/budgets/1/name", json!("org")),
        ("/rules/0/when/headers", json!({"X-A": "1", "x-a": "1"})),
        ("/providers/groq/credentials", json!([{"env": "A"}, {"env": "A", "weight": 2}])),
        ("/keys/0/expires", json!("2027-13-01")),
        ("/budgets/0/limit_usd", json!("0.0000000000001")),
        ("/budgets/0/limit_usd", json!("18446745")),
        ("/headers_only", json!({})),
    ];
    // The last ones are those of another document.
    for (at, value) in [
        ("/identity/4/template", json!("spiffe://{trust_domain}/x")),
        ("/identity/0/when_absent", json!("deny")),
    ] {
        let mut document = json_of(IDENTITY);
        let (parent, key) = at.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        assert!(schema.is_valid(&document) && !mistakes(&document).is_empty(), "{at}");
    }
    for (part, (at, value)) in ONLY_THE_READER_SEES.iter().zip(examples) {
        let mut document = whole.clone();
        let (parent, key) = at.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
            object => object[key] = value,
        }
        assert!(schema.is_valid(&document), "the schema sees {part:?}");
        let mistakes = mistakes(&document);
        assert!(mistakes.iter().any(|told| told.contains(part)), "{part:?} is not in {mistakes:?}");
    }
}

/// Parts of the schema that describe no member, by what is in their paths.
const CONDITIONAL: &str = "/if/ /then/ /else/ /dependentSchemas/ /anyOf/ /by_claim/ /by_caller/ /by_absent/";

/// The objects under `properties` anywhere in the schema: name and what is said about it.
fn properties(schema: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    visit(schema, String::new(), &mut |at, value| {
        let conditional = CONDITIONAL.split(' ').any(|part| at.contains(part));
        let parent = at.rsplit('/').nth(1);
        if parent == Some("properties") && !conditional {
            found.push((at.rsplit('/').next().unwrap_or_default().to_owned(), value.clone()));
        }
    });
    found
}

#[test]
fn every_property_is_described() {
    for (name, about) in properties(&json_of(SCHEMA)) {
        let description = about["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.') && description.len() > 5, "{name} has no description");
    }
}

#[test]
fn schema_and_reader_know_the_same_keys() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut used = BTreeSet::new();
    for whole in [json_of(MAXIMAL), json_of(HEADERS_ONLY), json_of(IDENTITY)] {
        visit(&whole, String::new(), &mut |at, value| {
            let Value::Object(members) = value else { return };
            used.extend(members.keys().cloned());
            // The reader lists the keys it knows when it meets one that is like none of them.
            let mut document = whole.clone();
            document.pointer_mut(at).unwrap()["0123456789"] = json!(1);
            for told in mistakes(&document) {
                let list = told.split_once("(known here: ").map(|(_, list)| list.trim_end_matches(')'));
                known.extend(list.into_iter().flat_map(|list| list.split(", ").map(str::to_owned)));
            }
        });
    }
    // Only there to be refused with a better message than "unknown key".
    assert!(known.remove("file"));
    let described: BTreeSet<String> =
        properties(&json_of(SCHEMA)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(known, described);
    let unused: Vec<&String> = described.difference(&used).collect();
    assert!(unused.is_empty(), "no document uses {unused:?}");
}
