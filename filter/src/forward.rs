//! Decides how an admitted request goes on: to which cluster, under which name, with whose credential.
//!
//! Everything that a provider must not see is taken out first: every header that may carry a credential,
//! the header that names the caller, all of `x-farebox-*`, which a client could otherwise use to choose
//! a route, and all of `x-envoy-*`, which it could use to have a request sent more than once. A body is passed on as it is unless the model's name or the wish for usage differs.

use farebox_core::ask::{Ask, CompletionMember};
use farebox_core::chain::{Chain, Leg};
use farebox_core::config::{Config, Provider};
use farebox_core::dialect::Served;
use farebox_core::head::RequestHead;
use farebox_core::identity::is_credential;
use farebox_core::keyring::Keyring;
use farebox_core::order::Admission;
use farebox_core::route::Destination;
use farebox_core::splice::{self, Edit};
use farebox_core::window::Millis;

use crate::host::{self, Buffer, HostError, Map};
use crate::shared_store::SharedStore;

/// Filter state and request header that name the cluster. The filter state is the one to route by: clients
/// cannot set it.
pub(crate) const CLUSTER: &str = "farebox.cluster";
const CLUSTER_HEADER: &str = "x-farebox-cluster";
/// Filter state by which attempts find out where a request may go, which leg the next one is, which one is under
/// way, and how those before went.
pub(crate) const CHAIN: &str = "farebox.chain";
pub(crate) const LEG: &str = "farebox.leg";
pub(crate) const AT: &str = "farebox.at";
/// Filter state that has what Envoy calls the cluster of the attempt under way; the name need not be ours.
pub(crate) const REACHED: &str = "farebox.reached";
pub(crate) const TRAIL: &str = "farebox.attempts";
/// Filter state that has what failed attempts used.
pub(crate) const SUNK: &str = "farebox.sunk";
/// How often Envoy's router may send the request again, and how long it waits for the beginning of an answer.
const RETRIES_HEADER: &str = "x-envoy-max-retries";
const PER_TRY_HEADER: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
const OWN_HEADERS: &[u8] = b"x-farebox-";
/// With these a client whom Envoy takes for internal has requests sent again, timed out or doubled, of which only
/// the last answer would be metered.
const ROUTER_HEADERS: &[u8] = b"x-envoy-";

/// A request on its way to its first target.
pub(crate) struct Departure<'a> {
    pub(crate) config: &'a Config,
    pub(crate) head: &'a RequestHead,
    pub(crate) served: &'a Served,
    pub(crate) ask: &'a Ask,
    pub(crate) admission: &'a Admission,
    pub(crate) body: &'a [u8],
    /// A stream is made to report usage.
    pub(crate) asks_for_usage: bool,
    /// A number drawn for this request.
    pub(crate) draw: u64,
    pub(crate) now: Millis,
}

impl Departure<'_> {
    /// Sends the request. Says whether it may go elsewhere after that.
    pub(crate) fn send(&self) -> Result<bool, HostError> {
        let Self { config, head, served, ask, admission, body, .. } = self;
        let target = &admission.target;
        host::set_property(CLUSTER, target.provider.cluster.as_bytes())?;
        // From here on every change of a header makes Envoy pick the route again, when it next needs it.
        for (name, _) in head.iter().filter(|(name, _)| is_internal(config, name)) {
            host::remove_header(Map::Request, name)?;
        }
        host::set_header(Map::Request, CLUSTER_HEADER, target.provider.cluster.as_bytes())?;
        // What is compressed cannot be metered.
        host::set_header(Map::Request, "accept-encoding", b"identity")?;
        let keyring = Keyring::new(&SharedStore);
        let key = if target.provider.keys().len() > 1 {
            let place = (&*target.model, served.endpoint.name());
            keyring
                .choose(&target.provider, place, 0, self.draw, self.now)
                .unwrap_or_else(|| keyring.first_awake(&target.provider, &target.model))
        } else {
            0
        };
        address(target, key, served, ask, head.target())?;
        let mut edits = Vec::new();
        edits.extend(ask.name_model(&target.model));
        if self.asks_for_usage {
            edits.push(ask.ask_for_usage());
        }
        if let Some(limit) = admission.output_limit {
            edits.extend(ask.limit_output(limit, completion_member(&target.provider)).unwrap_or_default());
        }
        replace_body(head, body, edits)?;
        self.chain(key)
    }

    /// Writes down where else the request may go, if it may.
    fn chain(&self, key: usize) -> Result<bool, HostError> {
        let Self { config, head, admission, ask, .. } = self;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let (Some(authority), Some(path)) =
            (text(head.first(":authority").unwrap_or_default()), text(head.target()))
        else {
            return Ok(false);
        };
        if admission.plan.targets.len() + admission.plan.long.len() < 2
            && admission.target.provider.keys().len() < 2
        {
            return Ok(false);
        }
        // An attempt makes its request out of the body.
        if config.headers_only.is_some() {
            return Ok(false);
        }
        let chain = Chain::new(config, &admission.plan, &admission.target, (&authority, &path), self.draw);
        let attempts = chain.attempts;
        if attempts < 2 {
            return Ok(false);
        }
        host::set_property(CHAIN, chain.to_text().as_bytes())?;
        host::set_property(LEG, Leg::first(key).to_text().as_bytes())?;
        host::set_header(Map::Request, RETRIES_HEADER, (attempts - 1).to_string().as_bytes())?;
        if let Some(ms) = config.failover.first_token_ms.filter(|_| ask.stream) {
            host::set_header(Map::Request, PER_TRY_HEADER, ms.to_string().as_bytes())?;
        }
        Ok(true)
    }
}

/// Names the host, the path and the credential of `target`, with the `key`-th of its keys.
pub(crate) fn address(
    target: &Destination,
    key: usize,
    served: &Served,
    ask: &Ask,
    path: &[u8],
) -> Result<(), HostError> {
    let provider = &target.provider;
    if let Some(host_name) = &provider.host {
        host::set_header(Map::Request, ":authority", host_name.as_bytes())?;
    }
    let named = ask.path_naming(path, &target.model);
    let path = named.as_deref().unwrap_or(path);
    if let Some(base) = &provider.base_path {
        let rest = path.strip_prefix(served.api.root().as_bytes()).unwrap_or(path);
        host::set_header(Map::Request, ":path", &[base.as_bytes(), rest].concat())?;
    } else if named.is_some() {
        host::set_header(Map::Request, ":path", path)?;
    }
    if let Some(key) = provider.keys().get(key) {
        let (name, scheme) = provider.header.unwrap_or_else(|| served.api.credential());
        host::set_header(Map::Request, name, [scheme, key.secret.expose()].concat().as_bytes())?;
    }
    Ok(())
}

/// Makes the edits in the request's body.
pub(crate) fn replace_body(head: &RequestHead, body: &[u8], edits: Vec<Edit>) -> Result<(), HostError> {
    if edits.is_empty() {
        return Ok(());
    }
    let changed = splice::apply(body, edits);
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

fn is_internal(config: &Config, name: &[u8]) -> bool {
    is_credential(name)
        || name.starts_with(OWN_HEADERS)
        || name.starts_with(ROUTER_HEADERS)
        || config.identity_header.as_ref().is_some_and(|header| header.as_bytes() == name)
}
