//! Decides which proofs of a caller count, and how they become who pays: the `identity`.
//!
//! What would make a caller of somebody else is a mistake: a source that trusts nobody in particular, a template in
//! which a part could reach over its end, a table that leads nowhere.

use std::rc::Rc;

use super::cursor::{Cursor, Fields};
use super::names_of_certificates as names;
use super::syntax::{CLAIM, HEADER, LABEL, NAME};
use crate::config::{
    BesideKey, Budget, ClaimPath, Identity, Key, NameField, Proof, Source, TeamRule, UserRule,
};

/// The members of each kind of source, and what every one may have.
const JWT: [&str; 10] = [
    "from",
    "issuers",
    "audiences",
    "payload",
    "team",
    "user",
    "labels",
    "models",
    "beside_key",
    "when_absent",
];
const EXT_AUTHZ: [&str; 8] =
    ["from", "payload", "team", "user", "labels", "models", "beside_key", "when_absent"];
const CERTIFICATE: [&str; 7] =
    ["from", "name", "template", "trust_domains", "team", "beside_key", "when_absent"];
const FORWARDED: [&str; 7] =
    ["from", "sanitized_by_envoy", "template", "trust_domains", "team", "beside_key", "when_absent"];

/// Most sources: each is looked at for every request.
const MAX_SOURCES: usize = 8;
/// Most labels of one source.
const MAX_LABELS: usize = 8;
/// How deep a claim may be.
const MAX_DEPTH: usize = 8;

#[derive(Clone, Copy)]
enum Kind {
    Jwt,
    ExtAuthz,
    Certificate,
    Forwarded,
}

const KINDS: [(&str, Kind); 4] = [
    ("jwt", Kind::Jwt),
    ("ext_authz", Kind::ExtAuthz),
    ("certificate", Kind::Certificate),
    ("xfcc", Kind::Forwarded),
];

/// The header that names a caller, in lower case, and the sources.
pub(super) fn read(at: &Cursor<'_>, budgets: &[Rc<Budget>]) -> (Option<Box<str>>, Identity) {
    let items = if at.is_list() { at.items().unwrap_or_default() } else { vec![at.clone()] };
    if !(1..=MAX_SOURCES).contains(&items.len()) {
        at.fail(format!("must have 1 to {MAX_SOURCES} sources"));
    }
    let (mut header, mut sources, mut guest) = (None, Vec::new(), None);
    let last = items.len().saturating_sub(1);
    for (index, item) in items.iter().enumerate() {
        if item.member("from").is_none() {
            let named = item.fields(&["header"]).and_then(|fields| fields.need("header"));
            let Some(named) = named else { continue };
            if header.is_some() {
                named.fail("another of the sources names a header already");
            }
            header = named.text_as(HEADER).map(|text| text.to_ascii_lowercase().into());
            continue;
        }
        if let Some((source, absent)) = read_source(item) {
            sources.extend(source);
            if let Some(absent) = absent {
                if index != last {
                    absent.fail("only the last of the sources can say this");
                }
                guest = read_absent(&absent);
            }
        }
    }
    let guest = guest.map(|team| Rc::new(Key::proven("absent:guest", &team, None).counted_by(budgets)));
    (header, Identity { sources: sources.into(), guest })
}

type Read<'a> = (Option<Source>, Option<Cursor<'a>>);

fn read_source<'a>(at: &Cursor<'a>) -> Option<Read<'a>> {
    let kind = at.member("from")?.word(&KINDS)?;
    let fields = at.fields(match kind {
        Kind::Jwt => &JWT,
        Kind::ExtAuthz => &EXT_AUTHZ,
        Kind::Certificate => &CERTIFICATE,
        Kind::Forwarded => &FORWARDED,
    })?;
    let is_payload = matches!(kind, Kind::Jwt | Kind::ExtAuthz);
    let proof = match kind {
        Kind::Jwt => read_jwt(&fields),
        Kind::ExtAuthz => Some(Proof::ExtAuthz { payload: text(&fields, "payload") }),
        Kind::Certificate => {
            let field =
                fields.get("name").and_then(|at| at.word(&NameField::NAMES)).unwrap_or(NameField::Uri);
            names::read(&fields, field).map(Proof::Certificate)
        }
        Kind::Forwarded => {
            let says = fields.need("sanitized_by_envoy");
            if let Some(at) = says.filter(|at| at.flag() == Some(false)) {
                at.fail("without that any client could write this header: use \"certificate\", or none");
            }
            names::read(&fields, NameField::Uri).map(Proof::ForwardedCertificate)
        }
    };
    let team = if is_payload { fields.need("team") } else { fields.get("team") };
    let team = team.map_or(Some(TeamRule::default()), |at| read_team(&at, is_payload));
    let user = fields.get("user").map(|at| read_user(&at));
    let labels = fields.get("labels").map(|at| read_labels(&at)).unwrap_or_default();
    let models = fields.get("models").map(|at| read_claim(&at));
    let beside_key = fields.get("beside_key").and_then(|at| at.word(&BesideKey::NAMES));
    let absent = fields.get("when_absent");
    let (Some(proof), Some(team)) = (proof, team) else { return Some((None, absent)) };
    let beside_key = beside_key.unwrap_or(BesideKey::Deny);
    let (user, models) = (user.flatten(), models.flatten());
    Some((Some(Source { proof, team, user, labels, models, beside_key }), absent))
}

fn text(fields: &Fields<'_>, key: &str) -> Option<Box<str>> {
    fields.get(key).and_then(|at| at.text_as(CLAIM)).map(Into::into)
}

fn texts(at: &Cursor<'_>) -> Box<[Box<str>]> {
    let items = at.items().unwrap_or_default();
    if items.is_empty() {
        at.fail("must have at least one entry");
    }
    items.iter().filter_map(|item| item.text_as(CLAIM)).map(Into::into).collect()
}

fn read_jwt(fields: &Fields<'_>) -> Option<Proof> {
    let issuers = fields.need("issuers").map(|at| texts(&at));
    let audiences = fields.get("audiences").map(|at| texts(&at)).unwrap_or_default();
    Some(Proof::Jwt { payload: text(fields, "payload"), issuers: issuers?, audiences })
}

/// Whom a request is counted for that proves nothing.
fn read_absent(at: &Cursor<'_>) -> Option<Box<str>> {
    if at.is_text() {
        at.word(&[("deny", ())]);
        return None;
    }
    Some(at.fields(&["team"])?.need("team")?.text_as(NAME)?.into())
}

/// A path as `org.department`, the name of a URL as it is, or the names one by one.
fn read_claim(at: &Cursor<'_>) -> Option<ClaimPath> {
    let names: Vec<&str> = if at.is_list() {
        at.items()?.iter().map(Cursor::text).collect::<Option<_>>()?
    } else {
        let text = at.text()?;
        if text.contains("://") || !CLAIM.fits(text) { vec![text] } else { text.split('.').collect() }
    };
    if !(1..=MAX_DEPTH).contains(&names.len()) || !names.iter().all(|name| CLAIM.fits(name)) {
        at.fail(
            "must be the path of a claim: names with dots in between, the name of one that is a URL, \
             or a list of names",
        );
        return None;
    }
    Some(names.into_iter().map(Into::into).collect())
}

fn read_team(at: &Cursor<'_>, is_payload: bool) -> Option<TeamRule> {
    if is_payload && !at.is_object() {
        return Some(TeamRule { claim: read_claim(at)?, ..TeamRule::default() });
    }
    let known = ["strip_prefix", "teams", "otherwise", "claim"];
    let fields = at.fields(known.get(..if is_payload { 4 } else { 3 }).unwrap_or_default())?;
    let claim =
        if is_payload { fields.need("claim").and_then(|at| read_claim(&at))? } else { ClaimPath::default() };
    let strip_prefix = text(&fields, "strip_prefix").unwrap_or_default();
    let teams = fields.get("teams");
    let is_ordered = teams.as_ref().is_some_and(Cursor::is_list);
    let teams = teams.map(|at| read_table(&at));
    let otherwise = fields.get("otherwise");
    if let Some(at) = otherwise.as_ref().filter(|_| teams.is_none()) {
        at.fail("only means something with a table of \"teams\"");
    }
    let otherwise = otherwise.and_then(|at| at.text_as(NAME)).map(Into::into);
    Some(TeamRule { claim, strip_prefix, teams, is_ordered, otherwise })
}

/// Teams by value: an object, of which no tool keeps the order, or a list that has one.
fn read_table(at: &Cursor<'_>) -> Vec<(Box<str>, Box<str>)> {
    if !at.is_list() {
        let team = |(value, team): (&str, Cursor<'_>)| {
            team.key_is(value, CLAIM);
            Some((value.into(), team.text_as(NAME)?.into()))
        };
        return at.entries().unwrap_or_default().into_iter().filter_map(team).collect();
    }
    let pair = |item: &Cursor<'_>| {
        let fields = item.fields(&["value", "team"])?;
        let (value, team) = (fields.need("value"), fields.need("team"));
        let value = value.and_then(|at| at.text_as(CLAIM));
        Some((value?.into(), team.and_then(|at| at.text_as(NAME))?.into()))
    };
    at.items().unwrap_or_default().iter().filter_map(pair).collect()
}

fn read_user(at: &Cursor<'_>) -> Option<UserRule> {
    if !at.is_object() {
        return Some(UserRule { claim: read_claim(at)?, ..UserRule::default() });
    }
    let fields = at.fields(&["claim", "strip_prefix", "strip_suffix", "optional"])?;
    let claim = fields.need("claim").and_then(|at| read_claim(&at))?;
    Some(UserRule {
        claim,
        strip_prefix: text(&fields, "strip_prefix").unwrap_or_default(),
        strip_suffix: text(&fields, "strip_suffix").unwrap_or_default(),
        optional: fields.get("optional").and_then(|at| at.flag()).unwrap_or(false),
    })
}

fn read_labels(at: &Cursor<'_>) -> Box<[(Box<str>, ClaimPath)]> {
    let entries = at.entries().unwrap_or_default();
    if entries.len() > MAX_LABELS {
        at.fail(format!("must have at most {MAX_LABELS} labels, not {}", entries.len()));
    }
    let label = |(name, value): (&str, Cursor<'_>)| {
        value.key_is(name, LABEL);
        Some((name.into(), read_claim(&value)?))
    };
    entries.into_iter().filter_map(label).collect()
}
