//! What is told about mistakes in the sources of identity.

use super::*;
use crate::config::{BesideKey, NameField, Piece, Proof};

fn told(identity: &str) -> String {
    mistakes(&with("keys", &format!(r#"[], "identity": {identity}"#)))
}

#[test]
fn a_source_has_what_it_needs_and_nothing_else() {
    for (identity, expected) in [
        (r#"{"from": "jwt"}"#, "identity: \"issuers\" is missing\nidentity: \"team\" is missing"),
        (r#"{"from": "oidc"}"#, "identity.from: must be one of jwt, ext_authz, certificate, xfcc"),
        (r#"{"from": "jwt", "issuers": [], "team": "a"}"#, "identity.issuers: must have at least one entry"),
        (
            r#"{"from": "jwt", "issuers": ["https://a"], "team": "a..b"}"#,
            "identity.team: must be the path of a claim: names with dots in between, the name of one that is a URL, \
             or a list of names",
        ),
        (
            r#"{"from": "ext_authz", "team": {"claim": "a", "otherwise": "x"}, "issuers": []}"#,
            "identity.team.otherwise: only means something with a table of \"teams\"\n\
             identity.issuers: unknown key (known here: from, payload, team, user, labels, models, beside_key, \
             when_absent)",
        ),
        (
            r#"{"from": "ext_authz", "team": {"claim": "a", "teams": {"x": "a b", "y": 1}}}"#,
            "identity.team.teams.x: must be 1 to 64 characters out of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"\n\
             identity.team.teams.y: must be a string, not a number",
        ),
        (
            r#"[{"header": "x-a"}, {"header": "x-b"}]"#,
            "identity[1].header: another of the sources names a header already",
        ),
        (
            r#"[{"from": "ext_authz", "team": "a", "when_absent": "deny"}, {"header": "x-b"}]"#,
            "identity[0].when_absent: only the last of the sources can say this",
        ),
        (
            r#"{"from": "xfcc", "sanitized_by_envoy": false, "template": "spiffe://a/{team}"}"#,
            "identity.sanitized_by_envoy: without that any client could write this header: use \"certificate\", \
             or none",
        ),
    ] {
        assert_eq!(told(identity), expected, "{identity}");
    }
}

#[test]
fn a_template_can_be_read_in_one_way() {
    for (template, expected) in [
        ("spiffe://a/{user}", "must have a place for {team}, or nobody knows who pays"),
        ("{team}{user}", "must go on after {team} with what ends a part there, as \"/\" does in a URI"),
        ("{team}-{user}", "must go on after {team} with what ends a part there, as \"/\" does in a URI"),
        ("{team}/{team}", "has {team} more than once"),
        ("{team", "has a \"{\" without its \"}\""),
        ("{x}", "may have {team}, {user}, {trust_domain}, {any} and {label:<name>}"),
        (
            "spiffe://{trust_domain}/{team}",
            "has a place for {trust_domain}: list those that count in \"trust_domains\"",
        ),
    ] {
        let identity = format!(r#"{{"from": "certificate", "template": "{template}"}}"#);
        assert_eq!(told(&identity), format!("identity.template: the template {expected}"), "{template}");
    }
}

#[test]
fn sources_are_kept_in_their_order() {
    let identity = r#"[{"from": "certificate", "name": "dns", "template": "{user}.{team}.svc", "beside_key": "key"},
        {"from": "jwt", "issuers": ["https://a"], "team": ["a.b", "c"], "when_absent": {"team": "guests"}}]"#;
    let config = parse(&with("keys", &format!(r#"[], "identity": {identity}"#))).unwrap();
    let [first, second] = &*config.identity.sources else { panic!() };
    let Proof::Certificate(names) = &first.proof else { panic!() };
    let part = |name: &str| Piece::Part(name.into());
    assert_eq!(
        *names.template,
        [part("user"), Piece::Text(".".into()), part("team"), Piece::Text(".svc".into())]
    );
    assert_eq!((names.field, first.beside_key), (NameField::Dns, BesideKey::Key));
    assert_eq!(second.team.claim.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a.b", "c"]);
    assert_eq!(&*config.identity.guest.unwrap().team, "guests");
    assert!(config.listed.unwrap().teams.contains("guests"));
}
