//! Decides who is calling, and so who pays.
//!
//! A caller shows a Farebox key (`fb_<id>_<secret>`) as a bearer token or in the header of its SDK
//! (`x-api-key`, `api-key`, `x-goog-api-key`); only the SHA-256 of the key is configured, and it is compared in constant time. Where an authentication filter
//! runs before this one, the header that it sets may name the caller instead; which header is
//! configuration, and its value must be the `id` of a configured caller, so that budgets and metrics stay
//! bounded by the configuration.
//!
//! Some clients send two credentials: Claude Code with both of its variables set, a provider's key beside ours. What begins
//! with `fb_` is ours and counts, and the other one never goes on. Two different keys of ours are refused, never ranked:
//! parsers that rank differently are how one caller spends another's money. So are two of which none is ours, and a
//! header that comes twice. Nothing that a client merely says of itself counts here; that is `attribution.rs`.

use std::borrow::Cow;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::base::headers::RequestHead;
use crate::base::window::Millis;
use crate::config::{Config, Key};
use crate::dialect::Api;
use crate::registry::{KeyHash, Readiness, Refused, Registered, RegisteredKey};
use crate::request::api;
use crate::request::credential_headers::{CREDENTIAL_LENGTHS, credential_header};

/// How every Farebox key begins.
pub const KEY_PREFIX: &str = "fb_";

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// It shows no credential.
    Missing,
    /// It shows more than one: in which two places.
    Several(&'static str, &'static str),
    /// It shows one in a place that is there more than once.
    Repeated(&'static str),
    /// The key is none of ours, or its secret is wrong.
    Invalid,
    /// The key is switched off.
    Disabled,
    /// The key has expired.
    Expired,
    /// A key of ours beside a proof of who calls.
    BesideProof,
    /// More than one proof of the same kind.
    SeveralProofs,
    /// A proof by somebody who is not trusted to give one, or that is not meant for us.
    Untrusted,
    /// A proof without what is needed of it.
    Unmapped(&'static str),
    /// The key is revoked.
    Revoked,
    /// The team is switched off.
    TeamOff,
    /// It is not known yet who is let in.
    NotReady,
}

/// Finds the caller of a request.
///
/// # Errors
/// [`IdentityError`], in the order: repeated, several, missing, invalid, revoked, disabled, expired.
pub fn identify(
    config: &Config,
    head: &RequestHead,
    api: Option<Api>,
    now: Millis,
    registry: Option<&dyn Registered>,
) -> Result<Rc<Key>, IdentityError> {
    let named = named_by_filter(config, head)?;
    let shown = shown(head, api)?;
    let (id, secret) = match (named, shown.as_deref()) {
        (_, Some(text)) if text.starts_with(KEY_PREFIX.as_bytes()) => (id_of(text), Some(text)),
        (Some(name), _) => (core::str::from_utf8(name).ok(), None),
        (None, Some(_)) => (None, None),
        (None, None) => return Err(IdentityError::Missing),
    };
    let candidate = id.and_then(|id| Candidate::find(config, id, registry));
    // The hash is made and compared for unknown ids too, so that an answer's time tells no id.
    let is_shown = secret.is_none_or(|text| has_secret(candidate.as_ref(), text, now));
    let Some(Candidate { key, registered }) = candidate.filter(|_| is_shown) else {
        return Err(unknown(registry));
    };
    if let Some(registered) = registered {
        registered.check(now)?;
    }
    if !key.enabled {
        return Err(IdentityError::Disabled);
    }
    if key.expires.is_some_and(|expires| expires <= now) {
        return Err(IdentityError::Expired);
    }
    Ok(key)
}

/// Who may be meant by an id.
struct Candidate {
    key: Rc<Key>,
    /// What the registry says of it. It may only take away from a key of the configuration.
    registered: Option<Rc<RegisteredKey>>,
}

impl Candidate {
    fn find(config: &Config, id: &str, registry: Option<&dyn Registered>) -> Option<Self> {
        let registered = registry.and_then(|registry| registry.key(id));
        let own = registered.as_ref().and_then(|registered| registered.key.as_ref());
        let key = Rc::clone(config.keys.get(id).or(own)?);
        Some(Self { key, registered })
    }

    /// The secrets that are good. Whether one is past its time is no secret.
    fn hashes(&self, now: Millis) -> impl Iterator<Item = &[u8; 32]> {
        // An id is the configuration's or the registry's, never both.
        let is_own = self.registered.as_ref().and_then(|registered| registered.key.as_ref());
        let is_own = is_own.is_some_and(|own| Rc::ptr_eq(own, &self.key));
        let registered =
            self.registered.iter().filter(move |_| is_own).flat_map(|registered| &registered.hashes);
        let good = move |hash: &&KeyHash| hash.until.is_none_or(|until| now < until);
        self.key.sha256.iter().chain(registered.filter(good).map(|hash| &hash.sha256))
    }
}

/// Why somebody is refused whom nobody knows: before the registry was read, it may be one of those.
fn unknown(registry: Option<&dyn Registered>) -> IdentityError {
    match registry.map(Registered::readiness) {
        None | Some(Readiness::Ready) => IdentityError::Invalid,
        Some(Readiness::Configured | Readiness::Nobody) => IdentityError::NotReady,
    }
}

/// The caller as the registry has its team and its limits.
///
/// # Errors
/// [`IdentityError::TeamOff`].
pub fn as_registered(key: Rc<Key>, registry: Option<&dyn Registered>) -> Result<Rc<Key>, IdentityError> {
    match registry {
        Some(registry) => Ok(registry.caller(&key)?),
        None => Ok(key),
    }
}

/// Whether anybody can be let in by now.
///
/// # Errors
/// [`IdentityError::NotReady`].
pub fn is_open(registry: Option<&dyn Registered>) -> Result<(), IdentityError> {
    match registry.map(Registered::readiness) {
        Some(Readiness::Nobody) => Err(IdentityError::NotReady),
        None | Some(Readiness::Ready | Readiness::Configured) => Ok(()),
    }
}

impl From<Refused> for IdentityError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Revoked => Self::Revoked,
            Refused::Disabled => Self::Disabled,
            Refused::Expired => Self::Expired,
            Refused::Team => Self::TeamOff,
        }
    }
}

/// The known key that a request names which is not let in: one that has expired, is switched off, or is shown
/// with a secret that is not its own, or no longer. Nobody has proved anything by it: it is for finding those who
/// still use what was exchanged, and nothing is charged to it.
#[must_use]
pub fn claimed_key(
    config: &Config,
    head: &RequestHead,
    api: Option<Api>,
    registry: Option<&dyn Registered>,
) -> Option<Rc<Key>> {
    let shown = shown(head, api).ok()?;
    let id = match (shown.as_deref(), named_by_filter(config, head).ok()?) {
        (Some(text), _) if text.starts_with(KEY_PREFIX.as_bytes()) => {
            key_id(core::str::from_utf8(text).ok()?)?
        }
        (_, Some(name)) => core::str::from_utf8(name).ok()?,
        _ => return None,
    };
    Candidate::find(config, id, registry).map(|candidate| candidate.key)
}

/// The SHA-256 of a key text, as it is configured.
#[must_use]
pub fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The `id` in the text of a key: what stands between the first two underscores.
#[must_use]
pub fn key_id(text: &str) -> Option<&str> {
    text.strip_prefix(KEY_PREFIX)?.split_once('_').map(|(id, _)| id)
}

fn named_by_filter<'h>(config: &Config, head: &'h RequestHead) -> Result<Option<&'h [u8]>, IdentityError> {
    let Some(header) = &config.identity_header else { return Ok(None) };
    let mut values = head.iter().filter(|(name, _)| *name == header.as_bytes()).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() { Err(IdentityError::Repeated("the caller's header")) } else { Ok(first) }
}

/// The one credential of the client that counts. Google's clients may put it into the query: `api` is whose path it is.
///
/// # Errors
/// [`IdentityError::Several`] or [`IdentityError::Repeated`].
pub fn shown(head: &RequestHead, api: Option<Api>) -> Result<Option<Cow<'_, [u8]>>, IdentityError> {
    match all_shown(head, api)? {
        Shown { first: Some((one, _)), second: Some(other), .. } => Err(IdentityError::Several(one, other)),
        Shown { first, .. } => Ok(first.map(|(_, credential)| credential)),
    }
}

fn all_shown(head: &RequestHead, api: Option<Api>) -> Result<Shown<'_>, IdentityError> {
    const QUERY: &str = "key";
    let mut shown = Shown::default();
    if let Some(api) = api.filter(|api| matches!(api, Api::Gemini | Api::Vertex)) {
        let key = api::credential(api, head.query()).ok_or(IdentityError::Repeated(QUERY))?;
        key.into_iter().for_each(|key| shown.add(QUERY, Cow::Owned(key)));
    }
    let mut places = 0;
    for (name, value) in head.of_lengths(CREDENTIAL_LENGTHS) {
        let Some((header, bit)) = credential_header(name) else { continue };
        let is_token = header == "authorization";
        let credential = if is_token { bearer(value) } else { value.trim_ascii() };
        // Envoy joins headers that are repeated with commas; a bearer token and a key have none.
        let is_joined = (!is_token || credential.len() < value.len()) && credential.contains(&b',');
        if is_joined || places & bit != 0 {
            return Err(IdentityError::Repeated(header));
        }
        places |= bit;
        shown.add(header, Cow::Borrowed(credential));
    }
    Ok(shown)
}

/// Whether the client shows a key of ours. Credentials of others may be any number: they count for nobody.
///
/// # Errors
/// As [`shown`], but for those of others.
pub fn shows_key(head: &RequestHead, api: Option<Api>) -> Result<bool, IdentityError> {
    let shown = all_shown(head, api)?;
    match shown {
        Shown { ours: true, first: Some((one, _)), second: Some(other) } => {
            Err(IdentityError::Several(one, other))
        }
        Shown { ours, .. } => Ok(ours),
    }
}

/// The credentials that count of those that were shown so far: ours, if there is one, and else those of others.
#[derive(Default)]
struct Shown<'h> {
    /// They are ours.
    ours: bool,
    /// The first, and where it was shown.
    first: Option<(&'static str, Cow<'h, [u8]>)>,
    /// Where another one was.
    second: Option<&'static str>,
}

impl<'h> Shown<'h> {
    fn add(&mut self, header: &'static str, credential: Cow<'h, [u8]>) {
        let ours = credential.starts_with(KEY_PREFIX.as_bytes());
        match &self.first {
            // One of ours counts, and those of others no longer.
            Some(_) if ours && !self.ours => {
                *self = Self { ours, first: Some((header, credential)), second: None }
            }
            None => *self = Self { ours, first: Some((header, credential)), second: None },
            Some(_) if !ours && self.ours => {}
            // Of ours the same one is no second one.
            Some((_, first)) if ours && *first == credential => {}
            Some(_) => self.second = self.second.or(Some(header)),
        }
    }
}

/// What follows `Bearer`; a value of another scheme is returned whole, and is then none of our keys.
fn bearer(value: &[u8]) -> &[u8] {
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        _ => value,
    }
}

fn id_of(text: &[u8]) -> Option<&str> {
    core::str::from_utf8(text).ok().and_then(key_id)
}

fn has_secret(candidate: Option<&Candidate>, text: &[u8], now: Millis) -> bool {
    let shown = digest(text);
    let (mut same, mut any) = (Choice::from(0), false);
    for hash in candidate.into_iter().flat_map(|candidate| candidate.hashes(now)) {
        same |= shown.ct_eq(hash);
        any = true;
    }
    if !any {
        same = shown.ct_eq(&[0; 32]);
    }
    any && bool::from(same)
}

#[cfg(test)]
mod tests;
