//! Proofs as Envoy keeps them, and who they make a caller.

use serde_json::{Value, json};

use super::*;
use crate::config::testing;
use crate::request::identity::IdentityError;

mod claims;

/// What Envoy would have found out.
#[derive(Default)]
struct Found {
    metadata: Option<Vec<u8>>,
    uri: Option<&'static str>,
}

impl Evidence for Found {
    fn metadata(&self) -> Option<Vec<u8>> {
        self.metadata.clone()
    }

    fn certificate(&self, field: NameField) -> Option<Vec<u8>> {
        self.uri.filter(|_| field == NameField::Uri).map(Into::into)
    }

    fn team_of_group(&self, group: &str) -> Option<Rc<str>> {
        group.strip_prefix("reg-").map(|team| team.split('-').next().unwrap_or_default().into())
    }
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(bytes);
}

fn value(json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match json {
        Value::Null => out.extend([1 << 3, 0]),
        Value::Number(number) => {
            out.push(2 << 3 | 1);
            out.extend(number.as_f64().unwrap().to_le_bytes());
        }
        Value::String(text) => field(&mut out, 3, text.as_bytes()),
        Value::Bool(flag) => out.extend([4 << 3, u8::from(*flag)]),
        Value::Object(_) => field(&mut out, 5, &object(json)),
        Value::Array(items) => {
            let mut list = Vec::new();
            items.iter().for_each(|item| field(&mut list, 1, &value(item)));
            field(&mut out, 6, &list);
        }
    }
    out
}

fn object(json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, member) in json.as_object().unwrap() {
        let mut entry = Vec::new();
        field(&mut entry, 1, name.as_bytes());
        field(&mut entry, 2, &value(member));
        field(&mut out, 1, &entry);
    }
    out
}

/// A message with these namespaces.
fn metadata(namespaces: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, member) in namespaces.as_object().unwrap() {
        let mut entry = Vec::new();
        field(&mut entry, 1, name.as_bytes());
        field(&mut entry, 2, &object(member));
        field(&mut out, 1, &entry);
    }
    out
}

fn of_token(claims: &Value) -> Found {
    let mut payload = json!({"iss": "https://login.example.com", "aud": ["farebox", "x"], "gone": null});
    payload.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    Found {
        metadata: Some(metadata(&json!({JWT_AUTHN: {"payload": payload}, "other": {"a": 1}}))),
        uri: None,
    }
}

fn jwt(members: Value) -> Value {
    let mut source = json!({"from": "jwt", "issuers": ["https://login.example.com"], "team": "groups"});
    source.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    source
}

fn config_of(identity: Value) -> Config {
    testing::config(|json| json["identity"] = identity)
}

fn found(identity: Value, found: &Found, head: &[(&str, &str)]) -> Result<Rc<Key>, IdentityError> {
    let config = config_of(identity);
    let headers = head.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let head = RequestHead::new(headers.collect());
    caller(&config, &head, None, testing::NOW, None, found, &RefCell::default())
}

fn team(identity: Value, evidence: &Found) -> Result<String, IdentityError> {
    found(identity, evidence, &[]).map(|key| key.team.to_string())
}

const NO_TEAM: IdentityError = IdentityError::Unmapped("team");

#[test]
fn a_token_says_team_user_labels_and_models() {
    let source = jwt(json!({
        "team": {"claim": "groups", "strip_prefix": "eng-",
            "teams": [{"value": "search", "team": "red"}, {"value": "ads", "team": "blue"}]},
        "user": {"claim": "email", "strip_suffix": "@example.com"},
        "labels": {"department": "org.department", "centre": ["https://x.example/cost.centre"]},
        "models": "models",
    }));
    let claims = json!({"groups": ["all", "eng-ads", "eng-search"], "email": "alice@example.com",
        "org": {"department": "R&D"}, "https://x.example/cost.centre": 4711, "models": ["small", "gpt-*"]});
    let key = found(source, &of_token(&claims), &[]).unwrap();
    assert_eq!((&*key.id, &*key.team, key.user.as_deref()), ("jwt:alice", "red", Some("alice")));
    let labels = [("department", "R&D"), ("centre", "4711")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(key.labels.iter().cloned().collect::<std::collections::BTreeSet<_>>(), labels.into());
    assert!(key.models[1].matches("gpt-4o") && !key.admin && key.enabled);
}

#[test]
fn who_pays_follows_the_table_and_not_the_order_of_groups() {
    let ordered = json!([{"value": "b", "team": "blue"}, {"value": "a", "team": "red"}]);
    let table = jwt(json!({"team": {"claim": "groups", "teams": ordered}}));
    for groups in [json!(["a", "b"]), json!(["b", "a"]), json!("b")] {
        assert_eq!(team(table.clone(), &of_token(&json!({"groups": groups}))), Ok("blue".into()));
    }
    for groups in [json!(["c"]), json!([]), json!(null), json!("")] {
        assert_eq!(team(table.clone(), &of_token(&json!({"groups": groups}))), Err(NO_TEAM), "{groups}");
    }
    let guests = jwt(json!({"team": {"claim": "groups", "teams": {"a": "red"}, "otherwise": "guests"}}));
    assert_eq!(team(guests.clone(), &of_token(&json!({"groups": ["x"]}))), Ok("guests".into()));
    assert_eq!(team(guests, &of_token(&json!({}))), Ok("guests".into()));
}

#[test]
fn a_table_without_an_order_must_come_to_one_team() {
    let table = jwt(json!({"team": {"claim": "groups", "teams": {"a": "red", "b": "blue", "c": "red"}}}));
    for (groups, expected) in [
        (json!(["x", "a"]), Ok("red")),
        (json!(["a", "c"]), Ok("red")),
        (json!(["a", "b"]), Err(NO_TEAM)),
        (json!(["x"]), Err(NO_TEAM)),
    ] {
        let found = team(table.clone(), &of_token(&json!({"groups": groups})));
        assert_eq!(found, expected.map(str::to_owned), "{groups}");
    }
}

#[test]
fn without_a_table_there_is_one_value_that_can_be_a_team() {
    for (groups, expected) in [
        (json!(["search"]), Ok("search")),
        (json!("search"), Ok("search")),
        (json!(["search", "search"]), Ok("search")),
        (json!(["search", "ads"]), Err(NO_TEAM)),
        (json!(["Eng Search"]), Err(NO_TEAM)),
        (json!("a{b}"), Err(NO_TEAM)),
        (json!({"a": 1}), Err(NO_TEAM)),
        (json!([["search"]]), Err(NO_TEAM)),
        (json!(1.5), Err(NO_TEAM)),
    ] {
        let found = team(jwt(json!({})), &of_token(&json!({"groups": groups})));
        assert_eq!(found, expected.map(str::to_owned), "{groups}");
    }
}

#[test]
fn groups_of_the_registry_come_after_the_table_and_must_agree() {
    let source = jwt(json!({"team": {"claim": "groups", "teams": {"a": "red"}}}));
    for (groups, expected) in [
        (json!(["reg-blue", "a"]), Ok("red")),
        (json!(["reg-blue"]), Ok("blue")),
        (json!(["reg-blue-1", "reg-blue-2"]), Ok("blue")),
        (json!(["reg-blue", "reg-green"]), Err(NO_TEAM)),
    ] {
        let found = team(source.clone(), &of_token(&json!({"groups": groups})));
        assert_eq!(found, expected.map(str::to_owned), "{groups}");
    }
}

#[test]
fn a_token_of_somebody_else_or_for_somebody_else_is_refused() {
    let claims = json!({"groups": "search"});
    let of = |members: Value| team(jwt(members), &of_token(&claims));
    assert_eq!(of(json!({"audiences": ["y", "x"]})), Ok("search".into()));
    assert_eq!(of(json!({"audiences": ["y"]})), Err(IdentityError::Untrusted));
    assert_eq!(of(json!({"issuers": ["https://login.example.co"]})), Err(IdentityError::Untrusted));
    assert_eq!(of(json!({"payload": "payload"})), Ok("search".into()));
    assert_eq!(of(json!({"payload": "other"})), Err(IdentityError::Untrusted));
    let other = [jwt(json!({"issuers": ["https://a"], "team": "tid"})), jwt(json!({}))];
    assert_eq!(team(json!(other), &of_token(&claims)), Ok("search".into()), "the source of its issuer");
    let payload = json!({"iss": "https://login.example.com", "groups": "search"});
    let two = metadata(&json!({JWT_AUTHN: {"one": payload, "two": payload}}));
    let two = Found { metadata: Some(two), uri: None };
    assert_eq!(team(jwt(json!({})), &two), Err(IdentityError::SeveralProofs));
    assert_eq!(team(jwt(json!({"payload": "two"})), &two), Ok("search".into()));
}

#[test]
fn a_user_who_is_asked_for_must_be_there_whole() {
    let of = |rule: Value, email: Value| {
        let source = jwt(json!({"user": rule}));
        found(source, &of_token(&json!({"groups": "search", "email": email})), &[])
            .map(|key| key.user.clone().map(String::from))
    };
    let no_user = Err(IdentityError::Unmapped("user"));
    assert_eq!(of(json!("email"), json!("älice")), Ok(Some("älice".into())), "no two names become one");
    for email in [json!(null), json!(""), json!(["a", "b"]), json!("a\nb"), json!("a".repeat(129)), json!({})]
    {
        assert_eq!(of(json!("email"), email.clone()), no_user, "{email}");
    }
    assert_eq!(of(json!({"claim": "email", "optional": true}), json!(null)), Ok(None));
    assert_eq!(of(json!({"claim": "email", "optional": true}), json!(["a", "b"])), no_user);
}

#[test]
fn a_service_that_was_asked_says_it_with_or_without_a_member() {
    let evidence = |said: Value| Found { metadata: Some(metadata(&json!({EXT_AUTHZ: said}))), uri: None };
    let source = json!({"from": "ext_authz", "team": "team"});
    assert_eq!(team(source.clone(), &evidence(json!({"team": "search"}))), Ok("search".into()));
    assert_eq!(team(source, &evidence(json!({}))), Err(IdentityError::Missing));
    let inner = json!({"from": "ext_authz", "payload": "who", "team": "team"});
    assert_eq!(team(inner.clone(), &evidence(json!({"who": {"team": "search"}}))), Ok("search".into()));
    assert_eq!(team(inner.clone(), &evidence(json!({"team": "search"}))), Err(IdentityError::Missing));
    let not = Err(IdentityError::Unmapped("payload"));
    assert_eq!(team(inner, &evidence(json!({"who": "search"}))), not);
}

fn spiffe() -> Value {
    json!({"from": "certificate", "template": "spiffe://{trust_domain}/ns/{team}/sa/{user}",
        "trust_domains": ["cluster.local"]})
}

#[test]
fn a_certificate_is_taken_apart_by_its_template() {
    let of = |uri| found(spiffe(), &Found { metadata: None, uri: Some(uri) }, &[]);
    let key = of("spiffe://cluster.local/ns/search/sa/agent").unwrap();
    assert_eq!((&*key.id, &*key.team, key.user.as_deref()), ("certificate:agent", "search", Some("agent")));
    for other in [
        "spiffe://evil.example/ns/search/sa/agent",
        "spiffe://cluster.local/ns/search/sa/agent/x",
        "spiffe://cluster.local/ns/search/sa/",
        "spiffe://cluster.local/ns//sa/agent",
        "spiffe://cluster.local/x/search/sa/agent",
        "https://cluster.local/ns/search/sa/agent",
    ] {
        assert_eq!(of(other), Err(IdentityError::Untrusted), "{other}");
    }
    assert_eq!(of("spiffe://cluster.local/ns/se arch/sa/agent"), Err(NO_TEAM));
    assert_eq!(found(spiffe(), &Found::default(), &[]), Err(IdentityError::Missing));
}

#[test]
fn of_a_forwarded_certificate_the_last_element_counts() {
    let source =
        json!({"from": "xfcc", "sanitized_by_envoy": true, "template": "spiffe://c/ns/{team}/sa/{user}"});
    let of = |value| {
        found(source.clone(), &Found::default(), &[("x-forwarded-client-cert", value)])
            .map(|key| key.team.to_string())
    };
    assert_eq!(of("Hash=ab;URI=spiffe://c/ns/a/sa/x"), Ok("a".into()));
    assert_eq!(
        of("URI=spiffe://c/ns/evil/sa/x,By=b;uri=spiffe://c/ns/a/sa/x;URI=spiffe://c/ns/b/sa/x"),
        Ok("a".into())
    );
    assert_eq!(
        of(r#"By=x;Subject="CN=a\",URI=spiffe://c/ns/evil/sa/x";URI=spiffe://c/ns/a/sa/x"#),
        Ok("a".into())
    );
    for none in ["", "Hash=ab", "URI=spiffe://c/ns/a/sa/x,Hash=ab", r#"URI=spiffe://c/ns/a/sa/x;Subject="a"#]
    {
        assert_eq!(of(none), Err(IdentityError::Missing), "{none}");
    }
}

#[test]
fn nobody_chooses_who_pays_by_a_key_beside_a_proof() {
    let evidence = of_token(&json!({"groups": "search"}));
    let key = [("x-api-key", "fb_a_secret-of-a")];
    assert_eq!(found(jwt(json!({})), &evidence, &key), Err(IdentityError::BesideProof));
    let allowed = jwt(json!({"beside_key": "key"}));
    assert_eq!(&*found(allowed.clone(), &evidence, &key).unwrap().id, "a");
    let wrong = [("x-api-key", "fb_a_wrong")];
    assert_eq!(found(allowed, &evidence, &wrong), Err(IdentityError::Invalid), "it does not fall back");
    assert_eq!(&*found(jwt(json!({})), &Found::default(), &key).unwrap().id, "a", "a key alone is good");
    let others = [("authorization", "Bearer eyJ"), ("x-api-key", "sk-ant-x")];
    assert_eq!(&*found(jwt(json!({})), &evidence, &others).unwrap().team, "search", "others' mean nothing");
}

#[test]
fn who_proves_nothing_is_refused_or_a_guest() {
    assert_eq!(team(jwt(json!({})), &Found::default()), Err(IdentityError::Missing));
    let guests = jwt(json!({"when_absent": {"team": "guests"}}));
    assert_eq!(team(guests.clone(), &Found::default()), Ok("guests".into()));
    assert_eq!(
        found(guests.clone(), &Found::default(), &[("x-api-key", "fb_a_x")]),
        Err(IdentityError::Invalid)
    );
    let untrusted = Found {
        metadata: Some(metadata(&json!({JWT_AUTHN: {"payload": {"iss": "https://evil"}}}))),
        uri: None,
    };
    assert_eq!(team(guests, &untrusted), Err(IdentityError::Untrusted), "a bad proof is not none");
}

#[test]
fn the_same_caller_is_made_once_and_never_becomes_another() {
    let config = config_of(jwt(json!({"user": "email"})));
    let callers = RefCell::new(Callers::default());
    let of = |groups: &str, email: &str| {
        let evidence = of_token(&json!({"groups": groups, "email": email}));
        caller(&config, &RequestHead::default(), None, testing::NOW, None, &evidence, &callers).unwrap()
    };
    let alice = of("search", "alice");
    assert!(Rc::ptr_eq(&alice, &of("search", "alice")));
    for (groups, email) in [("ads", "alice"), ("search", "bob"), ("searcha", "lice")] {
        let other = of(groups, email);
        assert_eq!((&*other.team, other.user.as_deref()), (groups, Some(email)));
    }
    for number in 0..10_000 {
        assert_eq!(of("search", &format!("u{number}")).user.as_deref(), Some(&*format!("u{number}")));
    }
}
