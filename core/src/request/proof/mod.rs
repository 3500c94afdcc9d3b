//! Decides who is calling where Envoy has proven it: by a token, a service that was asked, or a certificate.
//!
//! ```text
//! ## a key of ours, and no proof   => identity.rs
//! ## a proof, and no key of ours   => its team pays; other credentials mean nothing
//! ## both   => refused, or the key counts: `beside_key`
//! ## neither   => identity.rs, or `when_absent`
//! ```
//!
//! The first source that has a proof decides. A proof that is no good refuses the request: it never falls through to a
//! source that says less. Nothing is read here that a client could write: see [`Evidence`].

mod callers;
mod claim;
mod forwarded;
mod mapping;
mod template;
#[cfg(test)]
mod tests;

use core::cell::RefCell;
use std::rc::Rc;

pub use self::callers::Callers;
use self::claim::Claim;
use self::mapping::Proven;
use super::identity::{self, IdentityError};
use crate::base::headers::RequestHead;
use crate::base::window::Millis;
use crate::config::{BesideKey, Config, Key, NameField, Proof, Source};
use crate::dialect::Api;
use crate::registry::Registered;

/// What Envoy has found out about a caller.
pub trait Evidence {
    /// The dynamic metadata of the request, as the protobuf message `envoy.config.core.v3.Metadata`.
    fn metadata(&self) -> Option<Vec<u8>>;

    /// A name of the client's certificate; `None`: it has shown none.
    fn certificate(&self, field: NameField) -> Option<Vec<u8>>;

    /// The team that an identity provider's group is, if that is not the configuration's to say.
    fn team_of_group(&self, _group: &str) -> Option<Rc<str>> {
        None
    }
}

/// Nothing is found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvidence;

impl Evidence for NoEvidence {
    fn metadata(&self) -> Option<Vec<u8>> {
        None
    }

    fn certificate(&self, _: NameField) -> Option<Vec<u8>> {
        None
    }
}

/// Where `jwt_authn` keeps what it has checked.
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
/// Where `ext_authz` keeps what it was told.
const EXT_AUTHZ: &str = "envoy.filters.http.ext_authz";

/// Finds the caller of a request.
///
/// # Errors
/// [`IdentityError`].
pub fn caller(
    config: &Config,
    head: &RequestHead,
    api: Option<Api>,
    now: Millis,
    registry: Option<&dyn Registered>,
    evidence: &dyn Evidence,
    callers: &RefCell<Callers>,
) -> Result<Rc<Key>, IdentityError> {
    if config.identity.sources.is_empty() {
        return identity::identify(config, head, api, now, registry);
    }
    let shows_key = identity::shows_key(head, api)?;
    let mut metadata = None;
    for (index, source) in config.identity.sources.iter().enumerate() {
        let Some(proven) = prove(source, head, registry, evidence, &mut metadata)? else { continue };
        if shows_key {
            return match source.beside_key {
                BesideKey::Key => identity::identify(config, head, api, now, registry),
                BesideKey::Deny => Err(IdentityError::BesideProof),
            };
        }
        return Ok(callers.borrow_mut().of(config, index, &proven));
    }
    let is_untrusted = has_payload(&metadata) && config.identity.sources.iter().any(is_of_jwt);
    match &config.identity.guest {
        _ if shows_key => identity::identify(config, head, api, now, registry),
        _ if is_untrusted => Err(IdentityError::Untrusted),
        Some(guest) if config.identity_header.is_none() => Ok(Rc::clone(guest)),
        _ => identity::identify(config, head, api, now, registry),
    }
}

/// What the proof of `source` says; `None`: there is none.
fn prove<'m>(
    source: &'m Source,
    head: &RequestHead,
    registry: Option<&dyn Registered>,
    evidence: &dyn Evidence,
    metadata: &'m mut Option<Option<Vec<u8>>>,
) -> Result<Option<Proven>, IdentityError> {
    let groups = |group: &str| {
        let registered = registry.and_then(|registry| registry.team_of_group(group));
        registered.or_else(|| evidence.team_of_group(group))
    };
    match &source.proof {
        Proof::Jwt { payload, issuers, audiences } => {
            let block = metadata.get_or_insert_with(|| evidence.metadata());
            let Some(payloads) = block.as_deref().and_then(|block| claim::namespace(block, JWT_AUTHN)) else {
                return Ok(None);
            };
            let found = mapping::payload(payloads, payload.as_deref(), issuers)?;
            let Some(found) = found else { return Ok(None) };
            if !audiences.is_empty() && !mapping::is_meant(found, audiences) {
                return Err(IdentityError::Untrusted);
            }
            mapping::of_payload(source, found, &groups).map(Some)
        }
        Proof::ExtAuthz { payload } => {
            let block = metadata.get_or_insert_with(|| evidence.metadata());
            let whole = block.as_deref().and_then(|block| claim::namespace(block, EXT_AUTHZ));
            let found = match (whole, payload) {
                (Some(whole), None) => Some(whole).filter(|whole| !whole.is_empty()),
                (Some(whole), Some(name)) => match claim::member(whole, name) {
                    Some(Claim::Object(object)) => Some(object),
                    Some(Claim::Null) | None => None,
                    Some(_) => return Err(IdentityError::Unmapped("payload")),
                },
                (None, _) => None,
            };
            found.map(|found| mapping::of_payload(source, found, &groups)).transpose()
        }
        Proof::Certificate(names) => {
            let Some(name) = evidence.certificate(names.field) else { return Ok(None) };
            mapping::of_name(source, names, &name, &groups).map(Some)
        }
        Proof::ForwardedCertificate(names) => {
            let mut values = head.all("x-forwarded-client-cert");
            let Some(value) = values.next() else { return Ok(None) };
            if values.next().is_some() {
                return Err(IdentityError::SeveralProofs);
            }
            let Some(name) = forwarded::uri(value) else { return Ok(None) };
            mapping::of_name(source, names, &name, &groups).map(Some)
        }
    }
}

fn is_of_jwt(source: &Source) -> bool {
    matches!(source.proof, Proof::Jwt { .. })
}

/// Whether some token was checked.
fn has_payload(metadata: &Option<Option<Vec<u8>>>) -> bool {
    let block = metadata.as_ref().and_then(Option::as_deref);
    block.and_then(|block| claim::namespace(block, JWT_AUTHN)).is_some_and(mapping::has_issuer)
}
