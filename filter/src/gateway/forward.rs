//! Decides how an admitted request goes on: to which cluster, under which name, with whose credential.
//!
//! What goes on of its head is what the table of its API lists, and what the operator adds; everything else is taken out
//! first, and so is whatever has the caller's key in it. The host is the provider's, always. A body is passed on as it is unless the model's name or the wish for usage differs.

use core::ops::Range;
use std::borrow::Cow;

use farebox_core::base::edits::{self, Edit};
use farebox_core::base::headers::RequestHead;
use farebox_core::base::window::Millis;
use farebox_core::budget::admit::Admission;
use farebox_core::config::{Config, Provider};
use farebox_core::dialect::{Api, Served};
use farebox_core::failover::key_pool::KeyPool;
use farebox_core::failover::plan::{FailoverPlan, ways_to};
use farebox_core::failover::reach::{Leave, Reach};
use farebox_core::request::api::{self, has_secret};
use farebox_core::request::credential_headers::{CREDENTIAL_HEADERS, is_credential};
use farebox_core::request::identity;
use farebox_core::request::llm_request::{CompletionMember, LlmRequest};
use farebox_core::request::route::Destination;

use crate::host::shared_store::SharedStore;
use crate::host::{self, Buffer, HostError, Map, filter_state};
use crate::vm::Vm;

/// The request header that names the cluster too, for routes that do not know filter state.
const CLUSTER_HEADER: &str = "x-farebox-cluster";
/// How often Envoy's router may send the request again, and how long it waits for the beginning of an answer.
const RETRIES_HEADER: &str = "x-envoy-max-retries";
const PER_TRY_HEADER: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

/// How a request was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Where it may go besides its first target, if it may.
    pub(crate) failover_plan: Option<FailoverPlan>,
    /// Which key of its first target's provider it was sent with.
    pub(crate) key: usize,
}

/// A request on its way to its first target.
pub(crate) struct Departure<'a> {
    pub(crate) config: &'a Config,
    pub(crate) vm: &'a Vm,
    pub(crate) head: &'a RequestHead,
    pub(crate) served: &'a Served,
    pub(crate) request: &'a LlmRequest,
    pub(crate) admission: &'a Admission,
    pub(crate) body: &'a [u8],
    /// A stream is made to report usage.
    pub(crate) asks_for_usage: bool,
    /// A number drawn for this request.
    pub(crate) draw: u64,
    pub(crate) now: Millis,
}

impl Departure<'_> {
    /// Sends the request.
    pub(crate) fn send(&self) -> Result<Sent, HostError> {
        let Self { head, served, request, admission, body, .. } = self;
        let target = &admission.target;
        host::set_property(filter_state::CLUSTER, target.provider.cluster.as_bytes())?;
        let key_pool = KeyPool::new(&SharedStore);
        let key = if let Some(key) = admission.key {
            key
        } else if target.provider.keys().len() > 1 {
            let model = (&*target.model, served.endpoint.name());
            key_pool
                .choose(&target.provider, model, 0, self.draw, self.now)
                .unwrap_or_else(|| key_pool.first_out_of_cooldown(&target.provider, &target.model))
        } else {
            0
        };
        // From here on every change of a header makes Envoy pick the route again, when it next needs it.
        let shown = identity::shown(head, Some(served.api)).ok().flatten().unwrap_or_default();
        self.strip(key, &shown)?;
        host::set_header(Map::Request, CLUSTER_HEADER, target.provider.cluster.as_bytes())?;
        // What is compressed cannot be metered.
        host::set_header(Map::Request, "accept-encoding", b"identity")?;
        let path = self.path(&shown);
        address(target, key, served, request, head.path_and_query(), &path)?;
        let mut edits = Vec::new();
        edits.extend(request.name_model(&target.model));
        if self.asks_for_usage {
            edits.push(request.ask_for_usage());
        }
        if let Some(limit) = admission.output_limit {
            edits
                .extend(request.limit_output(limit, completion_member(&target.provider)).unwrap_or_default());
        }
        // What is written over already is gone.
        let is_gone = |cut: &Range<usize>| edits.iter().any(|edit: &Edit| edit.overlaps(cut));
        let cuts: Vec<_> = admission.cuts.iter().filter(|cut| !is_gone(cut)).cloned().collect();
        edits.extend(cuts.into_iter().map(|cut| Edit::replace(cut, "")));
        replace_body(head, body, edits)?;
        Ok(Sent { failover_plan: self.plan_failover(key, &path)?, key })
    }

    /// Takes out what of the head does not go on. `key`: which of the provider's it is sent with.
    fn strip(&self, key: usize, shown: &[u8]) -> Result<(), HostError> {
        let Self { config, head, served, admission, .. } = self;
        let also = &config.passed.headers;
        let named = config.identity_header.as_ref().map(|header| header.as_bytes());
        // A credential comes once, and where the provider's takes its place it need not be taken out first.
        let provider = &admission.target.provider;
        let replaced = provider.keys().get(key).map(|_| credential(provider, served).0.as_bytes());
        for (name, value) in head.iter() {
            let passes = api::passes_request(served.api, also, name) && named != Some(name);
            if passes && (value.len() < shown.len() || name.starts_with(b":") || !has_secret(value, shown)) {
                continue;
            }
            if replaced != Some(name) || !CREDENTIAL_HEADERS.iter().any(|known| known.as_bytes() == name) {
                host::remove_header(Map::Request, name)?;
            }
        }
        Ok(())
    }

    /// The path with what of its query goes on. `shown`: the caller's credential.
    fn path(&self, shown: &[u8]) -> Cow<'_, [u8]> {
        let Self { config, head, served, .. } = self;
        if head.path_and_query().len() == head.path().len() {
            return Cow::Borrowed(head.path_and_query());
        }
        let query = api::kept_query(served.api, &config.passed.query, head.query(), shown);
        if query.is_empty() {
            Cow::Borrowed(head.path())
        } else {
            Cow::Owned([head.path(), b"?", &query].concat())
        }
    }

    /// Writes down where else the request may go, if it may.
    fn plan_failover(&self, key: usize, path: &[u8]) -> Result<Option<FailoverPlan>, HostError> {
        let Self { config, head, admission, request, .. } = self;
        if admission.plan.targets.len() + admission.plan.long.len() < 2
            && ways_to(&admission.target.provider) < 2
        {
            return Ok(None);
        }
        // Nobody else has what it goes on from.
        if admission.key.is_some() {
            return Ok(None);
        }
        // An attempt makes its request out of the body.
        if config.headers_only.is_some() {
            return Ok(None);
        }
        // Without the filter behind the router every attempt is the same: one key, one provider, one charge.
        let leave = self.vm.leave(config, &admission.target.provider.cluster, self.now);
        if leave == Leave::Once {
            return Ok(None);
        }
        let authority = head.first(":authority").unwrap_or_default();
        let (Ok(authority), Ok(path)) = (core::str::from_utf8(authority), core::str::from_utf8(path)) else {
            return Ok(None);
        };
        let mut failover_plan = FailoverPlan::new(
            config,
            &admission.plan,
            &admission.target,
            (authority, path),
            (key, self.draw),
        );
        if leave == Leave::Again(Reach::Cluster) {
            failover_plan.confine(config);
        }
        if failover_plan.attempts < 2 {
            return Ok(None);
        }
        if leave == Leave::Trial {
            failover_plan.attempts = 1;
        }
        let retries = failover_plan.attempts - 1;
        failover_plan.asks_for_usage = self.asks_for_usage;
        host::set_property(filter_state::FAILOVER_PLAN, &failover_plan.to_bytes())?;
        if retries == 0 {
            return Ok(Some(failover_plan));
        }
        host::set_header(Map::Request, RETRIES_HEADER, retries.to_string().as_bytes())?;
        if let Some(ms) = config.failover.first_token_ms.filter(|_| request.stream) {
            host::set_header(Map::Request, PER_TRY_HEADER, ms.to_string().as_bytes())?;
        }
        Ok(Some(failover_plan))
    }
}

/// Names the host, the path and the credential of `target`, with the `key`-th of its keys. `present` is the path that the
/// request has, `path` the one that its caller means.
pub(crate) fn address(
    target: &Destination,
    key: usize,
    served: &Served,
    request: &LlmRequest,
    present: &[u8],
    path: &[u8],
) -> Result<(), HostError> {
    let provider = &target.provider;
    host::set_header(Map::Request, ":authority", provider.authority.as_bytes())?;
    let mut path = match request.path_naming(path, &target.model) {
        Some(named) => Cow::Owned(named),
        None => Cow::Borrowed(path),
    };
    if served.api == Api::Vertex {
        let (project, location) = provider.project.as_ref().ok_or(HostError::NOT_FOUND)?;
        let placed = core::str::from_utf8(&path).ok().and_then(|path| api::placed(path, project, location));
        path = Cow::Owned(placed.ok_or(HostError::NOT_FOUND)?.into_bytes());
    }
    if let Some(base) = &provider.base_path {
        let rest = path.strip_prefix(served.api.root().as_bytes()).unwrap_or(&path);
        path = Cow::Owned([base.as_bytes(), rest].concat());
    }
    if *path != *present {
        host::set_header(Map::Request, ":path", &path)?;
    }
    if let Some(key) = provider.keys().get(key) {
        let (name, scheme) = credential(provider, served);
        host::set_header(Map::Request, name, [scheme, key.secret.expose()].concat().as_bytes())?;
    }
    Ok(())
}

/// The header of a provider's credential, and what stands before the key in it.
fn credential(provider: &Provider, served: &Served) -> (&'static str, &'static str) {
    provider.header.unwrap_or_else(|| served.api.credential())
}

/// Makes the edits in the request's body.
pub(crate) fn replace_body(head: &RequestHead, body: &[u8], edits: Vec<Edit>) -> Result<(), HostError> {
    if edits.is_empty() {
        return Ok(());
    }
    let changed = edits::apply(body, edits);
    // A length that does not fit the body lets its end be read as another request.
    if head.first("content-length").is_some() {
        host::set_header(Map::Request, "content-length", changed.len().to_string().as_bytes())?;
    }
    host::set_buffer(Buffer::RequestBody, &changed)
}

/// Takes out what may be a credential, of the client or of an earlier attempt: one that was put there here, or what
/// Envoy signed it with.
pub(crate) fn strip_credentials(head: &RequestHead) -> Result<(), HostError> {
    for (name, _) in head.iter().filter(|(name, _)| is_credential(name)) {
        host::remove_header(Map::Request, name)?;
    }
    Ok(())
}

/// What limits the output of a chat completion where nothing does: most servers that speak OpenAI's dialect know
/// only the older member, and OpenAI's own newer models only the newer one.
fn completion_member(provider: &Provider) -> CompletionMember {
    match &*provider.catalogue {
        "openai" | "azure" => CompletionMember::MaxCompletionTokens,
        _ => CompletionMember::MaxTokens,
    }
}
