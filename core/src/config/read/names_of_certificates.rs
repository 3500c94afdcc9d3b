//! Decides how the names of certificates are taken apart: the `template` of a source.

use super::cursor::Fields;
use super::syntax::{CLAIM, HOST};
use crate::config::{CertificateNames, NameField, Piece};

/// What a part of a name may be, besides `label:<name>`.
const PARTS: [&str; 4] = ["team", "user", "trust_domain", "any"];
/// The part that lists may bound.
const TRUST_DOMAIN: &str = "trust_domain";

/// The names of a source; `None` if the template is a mistake.
pub(super) fn read(fields: &Fields<'_>, field: NameField) -> Option<CertificateNames> {
    let domains = fields.get("trust_domains");
    let trust_domains = domains.as_ref().map(|at| {
        let items = at.items().unwrap_or_default();
        if items.is_empty() {
            at.fail("must have at least one entry");
        }
        items.iter().filter_map(|item| item.text_as(HOST)).map(Into::into).collect()
    });
    let at = fields.need("template")?;
    let text = at.text_as(CLAIM)?;
    let template = match pieces(text, field) {
        Ok(template) => template,
        Err(why) => {
            at.fail(format!("the template {why}"));
            return None;
        }
    };
    let has =
        |wanted: &str| template.iter().any(|piece| matches!(piece, Piece::Part(name) if **name == *wanted));
    if !has("team") {
        at.fail("the template must have a place for {team}, or nobody knows who pays");
    }
    if has(TRUST_DOMAIN) && domains.is_none() {
        at.fail("the template has a place for {trust_domain}: list those that count in \"trust_domains\"");
    }
    if let Some(domains) = domains.filter(|_| !has(TRUST_DOMAIN)) {
        domains.fail("only means something if the template has a place for {trust_domain}");
    }
    Some(CertificateNames { field, template, trust_domains: trust_domains.unwrap_or_default() })
}

/// A template as its pieces. Between two parts stands what neither can have, so there is one way to read a name.
fn pieces(text: &str, field: NameField) -> Result<Box<[Piece]>, String> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err("has a \"{\" without its \"}\"".into());
        };
        if !PARTS.contains(&name) && name.strip_prefix("label:").is_none_or(str::is_empty) {
            return Err(format!("may have {{{}}} and {{label:<name>}}", PARTS.join("}, {")));
        }
        let twice = |piece: &Piece| matches!(piece, Piece::Part(other) if **other == *name && name != "any");
        if pieces.iter().any(twice) {
            return Err(format!("has {{{name}}} more than once"));
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.into()));
        }
        if after.chars().next().is_some_and(|next| !field.ends_part(next)) {
            return Err(format!(
                "must go on after {{{name}}} with what ends a part there, as \"/\" does in a URI"
            ));
        }
        pieces.push(Piece::Part(name.into()));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.into()));
    }
    Ok(pieces.into())
}
