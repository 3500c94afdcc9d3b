//! Decides how a request is told to a provider: under which host, path and credential, with which of its headers.
//!
//! What goes on of a head is what the table of its API lists, and what the operator adds; everything else is taken out
//! first, and so is whatever has the caller's key in it. The host is the provider's, always: it is named behind the
//! router alone, since a route is picked by the host that the caller named.
//!
//! Does not choose the provider: see `request/route.rs`, and `failover/plan.rs` for the next one.

use std::borrow::Cow;

use crate::base::edits::{self, Edit};
use crate::base::headers::{EditHeaders, RequestHead};
use crate::config::{Config, Provider};
use crate::dialect::{Api, Served};
use crate::request::api::{self, has_secret};
use crate::request::credential_headers::{CREDENTIAL_HEADERS, is_credential};
use crate::request::llm_request::{CompletionMember, LlmRequest};
use crate::request::route::Destination;

/// A request for one provider.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// The provider, and its name for the model.
    pub target: &'a Destination,
    /// Which of the provider's keys it is sent with.
    pub key: usize,
    /// What it is asked for.
    pub served: &'a Served,
    /// What is asked.
    pub request: &'a LlmRequest,
}

/// Why a request cannot be addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unaddressed<E> {
    /// The provider has no place for such a path.
    NoPlace,
    /// A header could not be changed.
    Header(E),
}

impl<E> From<E> for Unaddressed<E> {
    fn from(error: E) -> Self {
        Self::Header(error)
    }
}

impl Upstream<'_> {
    /// Names the path and the credential. `present` is the path that the request has, `path` the one that its
    /// caller means.
    ///
    /// # Errors
    /// [`Unaddressed`]: it must not go on.
    pub fn address<H: EditHeaders>(
        &self,
        headers: &mut H,
        present: &[u8],
        path: &[u8],
    ) -> Result<(), Unaddressed<H::Error>> {
        let Self { target, served, .. } = self;
        let provider = &target.provider;
        let mut path = match self.request.path_naming(path, &target.model) {
            Some(named) => Cow::Owned(named),
            None => Cow::Borrowed(path),
        };
        if served.api == Api::Vertex {
            let (project, location) = provider.project.as_ref().ok_or(Unaddressed::NoPlace)?;
            let placed =
                core::str::from_utf8(&path).ok().and_then(|path| api::placed(path, project, location));
            path = Cow::Owned(placed.ok_or(Unaddressed::NoPlace)?.into_bytes());
        }
        if let Some(base) = &provider.base_path {
            let rest = path.strip_prefix(served.api.root().as_bytes()).unwrap_or(&path);
            path = Cow::Owned([base.as_bytes(), rest].concat());
        }
        if *path != *present {
            headers.set(":path", &path)?;
        }
        if let Some(key) = provider.keys().get(self.key) {
            let (name, scheme) = self.credential();
            headers.set(name, [scheme, key.secret.expose()].concat().as_bytes())?;
        }
        Ok(())
    }

    /// Takes out what of the head does not go on. `shown`: the caller's credential.
    ///
    /// # Errors
    /// Those of the headers: the request must not go on.
    pub fn strip<H: EditHeaders>(
        &self,
        headers: &mut H,
        config: &Config,
        head: &RequestHead,
        shown: &[u8],
    ) -> Result<(), H::Error> {
        let also = &config.passed.headers;
        let named = config.identity_header.as_ref().map(|header| header.as_bytes());
        // A credential comes once, and where the provider's takes its place it need not be taken out first.
        let has_key = self.target.provider.keys().get(self.key).is_some();
        let replaced = has_key.then(|| self.credential().0.as_bytes());
        for (name, value) in head.iter() {
            let passes = api::passes_request(self.served.api, also, name) && named != Some(name);
            if passes && (value.len() < shown.len() || name.starts_with(b":") || !has_secret(value, shown)) {
                continue;
            }
            if replaced != Some(name) || !CREDENTIAL_HEADERS.iter().any(|known| known.as_bytes() == name) {
                headers.remove(name)?;
            }
        }
        Ok(())
    }

    /// The header of the provider's credential, and what stands before the key in it.
    fn credential(&self) -> (&'static str, &'static str) {
        self.target.provider.header.unwrap_or_else(|| self.served.api.credential())
    }
}

/// The path of a request to `api` with what of its query goes on. `shown`: the caller's credential.
#[must_use]
pub fn passed_path<'a>(config: &Config, head: &'a RequestHead, api: Api, shown: &[u8]) -> Cow<'a, [u8]> {
    if head.path_and_query().len() == head.path().len() {
        return Cow::Borrowed(head.path_and_query());
    }
    let query = api::kept_query(api, &config.passed.query, head.query(), shown);
    if query.is_empty() {
        Cow::Borrowed(head.path())
    } else {
        Cow::Owned([head.path(), b"?", &query].concat())
    }
}

/// Takes out what may be a credential, of the client or of an earlier attempt: one that was put there here, or what
/// the host signed it with.
///
/// # Errors
/// Those of the headers.
pub fn strip_credentials<H: EditHeaders>(headers: &mut H, head: &RequestHead) -> Result<(), H::Error> {
    head.iter().filter(|(name, _)| is_credential(name)).try_for_each(|(name, _)| headers.remove(name))
}

/// The body with the edits, if there are any, after its length was written down.
///
/// # Errors
/// Those of the headers: neither body fits them then.
pub fn edited_body<H: EditHeaders>(
    headers: &mut H,
    head: &RequestHead,
    body: &[u8],
    edits: Vec<Edit>,
) -> Result<Option<Vec<u8>>, H::Error> {
    if edits.is_empty() {
        return Ok(None);
    }
    let changed = edits::apply(body, edits);
    // A length that does not fit the body lets its end be read as another request.
    if head.first("content-length").is_some() {
        headers.set("content-length", changed.len().to_string().as_bytes())?;
    }
    Ok(Some(changed))
}

/// What limits the output of a chat completion where nothing does: most servers that speak OpenAI's dialect know
/// only the older member, and OpenAI's own newer models only the newer one.
#[must_use]
pub fn completion_member(provider: &Provider) -> CompletionMember {
    match &*provider.catalogue {
        "openai" | "azure" => CompletionMember::MaxCompletionTokens,
        _ => CompletionMember::MaxTokens,
    }
}
